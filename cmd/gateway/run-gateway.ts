/**
 * Runs a gateway: configuration → map and groups → port. Every part of it is built here;
 * `cmd/run` parses flags, handles signals and exits.
 *
 * Exit codes: 0 clean; 2 configuration or flags; 1 anything else.
 */
import type { ConfigOf } from '#config/binaries.ts';
import type { CommonFlags } from '#config/common-flags.ts';
import { GATEWAY_FLAG_NAMES, gatewayUsage, parseGatewayFlags } from '#config/gateway-flags.ts';
import { ClusterReads } from '#peer/cluster-reads.ts';
import { MapLinks } from '#peer/map-links.ts';
import { ConnectNodeLinks } from '#peer/node-links.ts';
import type { EarlySignals } from '#platform/early-signals.ts';
import { createNodeFileSystem } from '#platform/node-file-system.ts';
import { openFilesMax } from '#platform/open-files.ts';
import { createNodeRandom } from '#platform/random.ts';
import { Gateway, type KeptMap } from '#routing/gateway.ts';
import { openGatewayServer } from '#server/open-gateway-server.ts';
import { announcedAddress } from '../node/announced-address.ts';
import { openClusterCredential } from '../node/cluster-credential.ts';
import { openCallers, type SecurityParts } from '../node/node-security.ts';
import { openNodeTls } from '../node/node-tls.ts';
import { hostNamesOf } from '../run/host-names.ts';
import { packageVersion } from '../run/package-version.ts';
import { openProcessMetrics } from '../run/process-metrics.ts';
import { runBinary } from '../run/run-binary.ts';
import type { ProcessParts } from '../run/run-process.ts';
import { openTelemetry } from '../run/telemetry.ts';
import { tellMemory } from '../run/tell-memory.ts';
import { openKeptMap } from './kept-map.ts';

type GatewayConfig = ConfigOf<'gateway'>;

/** How long calls in progress may take during a stop. */
const DRAIN_MS = 3_000;
/** What is still held after so long is refused: an attempt takes a second, and the caller has an answer before connections are cut, unless it asked to wait longer for acks. */
const HELD_MS = 1_800;

/** Runs a gateway until it is stopped, and sets the exit code of the process. */
export function runGateway(argv: readonly string[], signals: EarlySignals): Promise<void> {
  const binary = {
    kind: 'gateway' as const,
    flagNames: GATEWAY_FLAG_NAMES,
    parseFlags: parseGatewayFlags,
    usage: gatewayUsage,
    start: (config: GatewayConfig, _flags: CommonFlags, parts: ProcessParts) => start(config, parts),
  };
  return runBinary(binary, argv, signals);
}

async function start(config: GatewayConfig, parts: ProcessParts): Promise<void> {
  const { logger, clock, closers, settings } = parts;
  const metrics = openProcessMetrics(logger, closers);
  const random = createNodeRandom();
  const security = { fileSystem: createNodeFileSystem(), clock, random, logger, metrics, closers, settings };
  const callers = await openCallers(config, security);
  const telemetry = await openTelemetry(config.metrics, security);
  const tls = await openNodeTls(config, security, telemetry.tls);
  const way = { clock, tls: tls.peer, credential: await openClusterCredential(config, security) };
  const links = new ConnectNodeLinks({ ...way, cluster: () => gateway.map });
  const source = new MapLinks(way);
  closers.push('links to nodes', () => {
    links.close();
    source.close();
  });
  const { coordinators, readFrom, heldCallsMax, heldBytesMax } = config.gateway;
  const gateway = new Gateway({
    ...{ coordinators, source, links, readFrom, clock, random, logger },
    kept: await openKept(config, security),
    limits: { callsMax: heldCallsMax, bytesMax: heldBytesMax },
  });
  const memory = tellMemory(logger, heldBytesMax);
  const version = packageVersion();
  const { server: its } = config;
  const server = await openGatewayServer({
    gateway,
    keyValue: gateway.keys,
    reads: new ClusterReads(coordinators, source),
    relay: gateway.keys.relay,
    ...{ clock, logger, metrics, version, ...callers },
    host: its.address,
    port: its.port,
    hostNames: hostNamesOf(its),
    corsOrigins: new Set(its.corsOrigins),
    tls: tls.server,
    valueBytesMax: its.valueBytesMax,
    batchBytesMax: its.batchBytesMax,
    bodyBytesMax: memory.bodyBytes,
    answerBytesMax: memory.answerBytes,
    openFilesMax: openFilesMax(),
    connectionBytesMax: memory.callBytes,
    perAddressMax: its.connectionsPerAddressMax,
    http1: its.http1,
    http2: its.http2,
  });
  // Closed in reverse: what is under way is answered before the links close.
  closers.push('gateway', () => gateway.stop());
  closers.push('server', async () => {
    const limit = clock.after(HELD_MS, () => gateway.stopHolding());
    await server.close(DRAIN_MS);
    limit.cancel();
  });
  telemetry.start(config.kind, announcedAddress(its, server));
  parts.stopOnSignals(() => server.beginDrain());
  await gateway.start();
  logger.info({ address: server.address, coordinators, version, pid: process.pid }, 'listening');
}

async function openKept(
  { gateway: { mapFile } }: GatewayConfig,
  { fileSystem, clock, logger }: SecurityParts,
): Promise<KeptMap | undefined> {
  return mapFile === undefined ? undefined : openKeptMap(fileSystem, mapFile, clock, logger);
}
