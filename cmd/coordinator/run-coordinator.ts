/**
 * Runs a coordinator: configuration → metadata store → port. Every part of it is built
 * here; `cmd/run` parses flags, handles signals and exits.
 *
 * Exit codes: 0 clean; 2 configuration or flags; 3 the metadata store cannot be used;
 * 1 anything else.
 */
import type { ConfigOf } from '#config/binaries.ts';
import type { CommonFlags } from '#config/common-flags.ts';
import {
  COORDINATOR_FLAG_NAMES,
  coordinatorUsage,
  parseCoordinatorFlags,
} from '#config/coordinator-flags.ts';
import { Coordinator } from '#coordinator/coordinator.ts';
import { CoordinatorDoor } from '#coordinator/coordinator-door.ts';
import { createMembers } from '#coordinator/members.ts';
import { WalnutError } from '#model/errors.ts';
import { ClusterLinks } from '#peer/cluster-links.ts';
import type { EarlySignals } from '#platform/early-signals.ts';
import { createMachineClocks } from '#platform/machine-clocks.ts';
import { createNodeFileSystem } from '#platform/node-file-system.ts';
import { openFilesMax } from '#platform/open-files.ts';
import { createNodeRandom } from '#platform/random.ts';
import { openCoordinatorServer } from '#server/open-coordinator-server.ts';
import { announcedAddress } from '../node/announced-address.ts';
import { openClusterCredential } from '../node/cluster-credential.ts';
import { openCallers } from '../node/node-security.ts';
import { openNodeTls } from '../node/node-tls.ts';
import { EXIT_CODES } from '../run/exit-codes.ts';
import { hostNamesOf } from '../run/host-names.ts';
import { packageVersion } from '../run/package-version.ts';
import { openProcessMetrics } from '../run/process-metrics.ts';
import { runBinary } from '../run/run-binary.ts';
import type { ProcessParts, StartFailure } from '../run/run-process.ts';
import { openTelemetry } from '../run/telemetry.ts';
import { tellMemory } from '../run/tell-memory.ts';
import { openMetadata, openMetadataTls } from './open-metadata.ts';

type CoordinatorConfig = ConfigOf<'coordinator'>;

/** How long calls in progress may take during a stop. */
const DRAIN_MS = 1_000;

/** Runs a coordinator until it is stopped, and sets the exit code of the process. */
export function runCoordinator(argv: readonly string[], signals: EarlySignals): Promise<void> {
  const binary = {
    kind: 'coordinator' as const,
    flagNames: COORDINATOR_FLAG_NAMES,
    parseFlags: parseCoordinatorFlags,
    usage: coordinatorUsage,
    start: (config: CoordinatorConfig, _flags: CommonFlags, parts: ProcessParts) => start(config, parts),
    explain,
  };
  return runBinary(binary, argv, signals);
}

function explain(error: unknown): StartFailure | undefined {
  if (!(error instanceof WalnutError)) return undefined;
  return { exitCode: EXIT_CODES.directory, message: error.message };
}

async function start(config: CoordinatorConfig, parts: ProcessParts): Promise<void> {
  const { logger, clock, closers, settings } = parts;
  const { cluster, metadata } = config.coordinator;
  const metrics = openProcessMetrics(logger, closers);
  const random = createNodeRandom();
  const security = { fileSystem: createNodeFileSystem(), clock, random, logger, metrics, closers, settings };
  const callers = await openCallers(config, security);
  const credential = await openClusterCredential(config, security);
  const stored = await openMetadataTls(metadata, security);
  const store = await openMetadata(metadata, stored, security);
  closers.push('metadata store', () => store.close());
  const telemetry = await openTelemetry(config.metrics, security);
  const more = stored === undefined ? telemetry.tls : [stored, ...telemetry.tls];
  const tls = await openNodeTls(config, security, more);
  const links = new ClusterLinks({ clock, credential, tls: tls.peer });
  closers.push('links to members', async () => links.close());
  const members = createMembers((address) => links.member(address));
  const readClocks = createMachineClocks(clock);
  const coordinator = new Coordinator({ cluster, store, members, clock, readClocks, random, logger });
  const memory = tellMemory(logger);
  const version = packageVersion();
  const server = await openCoordinatorServer({
    coordinator: new CoordinatorDoor({ coordinator, cluster, clock }),
    clock,
    logger,
    metrics,
    host: config.server.address,
    port: config.server.port,
    hostNames: hostNamesOf(config.server),
    corsOrigins: new Set(config.server.corsOrigins),
    ...callers,
    tls: tls.server,
    bodyBytesMax: memory.bodyBytes,
    answerBytesMax: memory.answerBytes,
    version,
    openFilesMax: openFilesMax(),
    connectionBytesMax: memory.callBytes,
    perAddressMax: config.server.connectionsPerAddressMax,
    http1: config.server.http1,
    http2: config.server.http2,
  });
  // Closed in reverse: the `leader` key is given up while the server still answers.
  closers.push('server', () => server.close(DRAIN_MS));
  closers.push('coordinator', () => coordinator.stop());
  parts.stopOnSignals(() => server.beginDrain());
  const address = announcedAddress(config.server, server);
  coordinator.start(address);
  telemetry.start(config.kind, address);
  const { kind } = metadata;
  logger.info({ address: server.address, cluster, metadata: kind, version, pid: process.pid }, 'listening');
}
