/**
 * Composes a node from its configuration: directory, node, port. Every part of a node is
 * built here, for the binaries and for programs that run one inside themselves, so nothing
 * here belongs to a process alone: no signal, no exit, no flag of V8.
 *
 * Rejects with `WalOpenError` where the data directory cannot be used, `SecretFileError`
 * where a file with a secret cannot, `ServerAddressError` where the address cannot be bound.
 */
import type { NodeConfig, NodeKind } from '#config/binaries.ts';
import type { Role } from '#model/status.ts';
import { Node } from '#node/node.ts';
import type { ChangeableOptions } from '#node/node-options.ts';
import { createPeerDialer } from '#peer/peer-dialer.ts';
import type { Clock } from '#platform/clock.ts';
import type { CloserStack } from '#platform/closer-stack.ts';
import type { Logger } from '#platform/logger.ts';
import type { MemoryPlan } from '#platform/memory-plan.ts';
import { createNodeFileSystem } from '#platform/node-file-system.ts';
import { openFilesMax } from '#platform/open-files.ts';
import { createNodeRandom } from '#platform/random.ts';
import { SlowLog } from '#rpc/slow-log.ts';
import { openServer, type RunningServer } from '#server/open-server.ts';
import { hostNamesOf } from '../run/host-names.ts';
import { packageVersion } from '../run/package-version.ts';
import type { Settings } from '../run/settings.ts';
import { openTelemetry } from '../run/telemetry.ts';
import { announcedAddress } from './announced-address.ts';
import { groupKeys } from './group-keys.ts';
import { openDiskMetrics, openNodeMetrics } from './node-metrics.ts';
import { openNodeSecurity } from './node-security.ts';
import { openNodeTls } from './node-tls.ts';
import { openMember } from './open-member.ts';
import { toNodeOptions } from './to-node-options.ts';

export interface NodeSurroundings {
  readonly logger: Logger;
  /** How many log lines could not be written, for the metrics. */
  readonly logOutput: { readonly droppedLines: number };
  readonly settings: Settings<NodeKind>;
  readonly clock: Clock;
  /** What is opened is closed by these: the server drains first, then the node stops and the log syncs. */
  readonly closers: CloserStack;
  readonly memory: MemoryPlan;
  readonly forcedRole?: Role | undefined;
  /** Called with the bytes of large bodies and answers, where garbage must not accumulate. */
  readonly onBuffers?: ((bytes: number) => void) | undefined;
  /** The disk or the memory failed: nothing is acknowledged any more. */
  readonly onFatal: (error: Error) => void;
}

export interface ComposedNode {
  readonly node: Node;
  readonly server: RunningServer;
  /** Recovers the directory and takes up its role. The port is open already, and says that the node loads. */
  start(): Promise<void>;
}

/** How long calls in progress may take during a stop. The log is synced after them. */
const DRAIN_MS = 3_000;

export async function composeNode(config: NodeConfig, parts: NodeSurroundings): Promise<ComposedNode> {
  const { logger, settings, clock, closers, memory, onBuffers } = parts;
  const { metrics, ...meters } = openNodeMetrics(parts.logOutput, closers, memory);
  const seams = { fileSystem: createNodeFileSystem(), clock, random: createNodeRandom(), logger };
  const security = { ...seams, metrics, closers, settings };
  const { credential, ...callers } = await openNodeSecurity(config, security);
  const telemetry = await openTelemetry(config.metrics, security);
  const tls = await openNodeTls(config, security, telemetry.tls);
  const way = { tls: tls.peer, credential };
  const version = packageVersion();
  const options = {
    ...toNodeOptions(config),
    ringBytesMax: memory.ringBytes,
    snapshotPendingBytesMax: memory.snapshotBytes,
    watchBytesMax: memory.watchBytes,
    ...seams,
    dialer: createPeerDialer({ clock, ...way }),
    version,
    directory: config.wal.directory,
    forcedRole: parts.forcedRole,
    member:
      config.kind === 'node' ? openMember(config, { clock, way, closers, settings, memory }) : undefined,
    ...meters,
    onFatal: parts.onFatal,
  };
  const slowLog = new SlowLog(clock, config.server.slowLog);
  followSettings(settings, options, slowLog);
  const node = new Node(options);
  if (config.kind === 'node') settings.followGroup(groupKeys(settings, node.limits));
  await node.lock();
  closers.push('node', () => node.stop());
  openDiskMetrics(metrics, closers, { ...seams, path: config.wal.directory });
  const server = await openServer({
    ports: node.ports,
    member: node.ports.member,
    clusterId: () => node.clusterId,
    group: () => node.group,
    clock,
    logger,
    metrics,
    ...toServerOptions(config.server),
    ...callers,
    tls: tls.server,
    bodyBytesMax: memory.bodyBytes,
    onBodyBytes: onBuffers,
    answerBytesMax: memory.answerBytes,
    onAnswerBytes: onBuffers,
    version,
    openFilesMax: openFilesMax(),
    connectionBytesMax: memory.callBytes,
    slowLog,
    settings,
  });
  closers.push('server', () => server.close(DRAIN_MS));
  const address = announcedAddress(config.server, server);
  telemetry.start(config.kind, address);
  return { node, server, start: () => node.start(address) };
}

function toServerOptions(server: NodeConfig['server']) {
  return {
    host: server.address,
    port: server.port,
    hostNames: hostNamesOf(server),
    corsOrigins: new Set(server.corsOrigins),
    valueBytesMax: server.valueBytesMax,
    batchBytesMax: server.batchBytesMax,
    perAddressMax: server.connectionsPerAddressMax,
    http1: server.http1,
    http2: server.http2,
  };
}

/** The keys that change while a node runs, besides `log.level`. */
function followSettings(settings: Settings<NodeKind>, options: ChangeableOptions, slowLog: SlowLog): void {
  settings.follow('server.slow_log.threshold', ({ server }) =>
    slowLog.setThreshold(server.slowLog.thresholdMs),
  );
  settings.follow('replication.max_lag', ({ replication }) => {
    options.maxLagMs = replication.lagMsMax;
  });
  settings.follow('replication.serve_stale', ({ replication }) => {
    options.serveStale = replication.serveStale;
  });
  if (settings.config.kind === 'node') return;
  settings.follow('replication.min_replicas_to_write', (config) => {
    if (config.kind !== 'node') options.minReplicasToWrite = config.replication.minReplicasToWrite;
  });
}
