/**
 * Runs a node, for both node binaries: configuration → node → port. Every part of a node is
 * built here; `cmd/run` parses flags, handles signals and exits.
 *
 * Exit codes: 0 clean; 2 configuration or flags; 3 the data directory cannot be used; 4
 * storage failure while running; 1 anything else.
 */
import type { NodeConfig, NodeKind } from '#config/binaries.ts';
import {
  NODE_FLAG_NAMES,
  type NodeFlags,
  nodeUsage,
  parseMemberFlags,
  parseNodeFlags,
} from '#config/node-flags.ts';
import { Node } from '#node/node.ts';
import type { ChangeableOptions } from '#node/node-options.ts';
import { MemoryFailure } from '#node/state-guard.ts';
import { createPeerDialer } from '#peer/peer-dialer.ts';
import type { LevelLogger } from '#platform/create-logger.ts';
import type { EarlySignals } from '#platform/early-signals.ts';
import { createBufferCollector, heapLimitBytes, openHeap } from '#platform/heap.ts';
import { startIdleCollector } from '#platform/idle-collector.ts';
import { memoryLimitBytes } from '#platform/memory.ts';
import { type MemoryPlan, planMemory, whyNoRoom } from '#platform/memory-plan.ts';
import { createNodeFileSystem } from '#platform/node-file-system.ts';
import { openFilesMax } from '#platform/open-files.ts';
import { createNodeRandom } from '#platform/random.ts';
import { SecretFileError } from '#platform/secret-file.ts';
import { ServerAddressError } from '#rpc/listen.ts';
import { SlowLog } from '#rpc/slow-log.ts';
import { openServer } from '#server/open-server.ts';
import { WalOpenError } from '#wal/wal-errors.ts';
import { EXIT_CODES } from '../run/exit-codes.ts';
import { hostNamesOf } from '../run/host-names.ts';
import { packageVersion } from '../run/package-version.ts';
import { runBinary } from '../run/run-binary.ts';
import type { ProcessParts, StartFailure } from '../run/run-process.ts';
import { announcedAddress } from './announced-address.ts';
import { openDiskMetrics, openNodeMetrics } from './node-metrics.ts';
import { openNodeSecurity } from './node-security.ts';
import { openNodeTls } from './node-tls.ts';
import { openMember } from './open-member.ts';
import { toNodeOptions } from './to-node-options.ts';

/** How long calls in progress may take during a stop. The log is synced after them. */
const DRAIN_MS = 3_000;

/** Runs a node until it is stopped, and sets the exit code of the process. */
export function runNode(kind: NodeKind, argv: readonly string[], signals: EarlySignals): Promise<void> {
  const binary = {
    kind,
    flagNames: NODE_FLAG_NAMES,
    parseFlags: kind === 'node' ? parseMemberFlags : parseNodeFlags,
    usage: nodeUsage,
    start: startNode,
    explain,
  };
  return runBinary(binary, argv, signals);
}

function explain(error: unknown): StartFailure | undefined {
  if (error instanceof WalOpenError) return { exitCode: EXIT_CODES.directory, message: error.message };
  if (error instanceof SecretFileError) return { exitCode: EXIT_CODES.config, message: error.message };
  if (error instanceof ServerAddressError) return { exitCode: EXIT_CODES.other, message: error.message };
  return undefined;
}

/**
 * Logs how memory is planned and warns if it does not suffice, at the start rather than
 * when the process is killed.
 */
function tellMemory(plan: MemoryPlan, maxMemory: number, logger: LevelLogger): void {
  const { storeBytes: roomBytes, ...others } = plan;
  logger.info({ ...others, roomBytes, maxMemory, heapLimitBytes: heapLimitBytes() }, 'memory');
  const why = whyNoRoom(plan, maxMemory);
  if (why !== undefined) logger.warn({}, why);
}

async function startNode(config: NodeConfig, flags: NodeFlags, parts: NodeParts): Promise<void> {
  const { logger, settings, clock, closers } = parts;
  const memory = planMemory(memoryLimitBytes());
  tellMemory(memory, config.storage.memoryBytesMax, logger);
  const { metrics, ...meters } = openNodeMetrics(logger, closers, memory);
  const collector = startIdleCollector(clock, openHeap());
  closers.push('idle collector', () => collector.close());
  const version = packageVersion();
  const seams = { fileSystem: createNodeFileSystem(), clock, random: createNodeRandom(), logger };
  const security = { ...seams, metrics, closers };
  const { credential, ...callers } = await openNodeSecurity(config, security);
  const tls = await openNodeTls(config, security);
  const way = { tls: tls.peer, credential };
  const options = {
    ...toNodeOptions(config),
    ringBytesMax: memory.ringBytes,
    snapshotPendingBytesMax: memory.snapshotBytes,
    watchBytesMax: memory.watchBytes,
    ...seams,
    dialer: createPeerDialer({ clock, ...way }),
    version,
    directory: config.wal.directory,
    forcedRole: flags.forceRole,
    member: config.kind === 'node' ? openMember(config, { clock, way, closers }) : undefined,
    ...meters,
    onFatal: (error: Error) => leaveFailed(error, parts),
  };
  const slowLog = new SlowLog(clock, config.server.slowLog);
  followSettings(settings, options, slowLog);
  const node = new Node(options);
  await node.lock();
  closers.push('node', () => node.stop());
  openDiskMetrics(metrics, closers, { ...seams, path: config.wal.directory });
  const collectBuffers = memory.isScarce ? createBufferCollector(memory.bodyBytes / 2) : undefined;
  const server = await openServer({
    ports: node.ports,
    member: node.ports.member,
    clock,
    logger,
    metrics,
    ...toServerOptions(config.server),
    ...callers,
    tls: tls.server,
    bodyBytesMax: memory.bodyBytes,
    onBodyBytes: collectBuffers,
    answerBytesMax: memory.answerBytes,
    onAnswerBytes: collectBuffers,
    version,
    openFilesMax: openFilesMax(),
    slowLog,
    settings,
  });
  // Closed in reverse: the server drains first, then the node stops and the log syncs.
  closers.push('server', () => server.close(DRAIN_MS));
  parts.stopOnSignals(() => {
    node.beginDrain();
    server.beginDrain();
  });
  const { directory } = config.wal;
  const { pid } = process;
  logger.info({ address: server.address, role: options.role, version, directory, pid }, 'listening');
  await node.start(announcedAddress(config.server, server));
  tellRecovered(node, logger);
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

type NodeParts = ProcessParts<NodeKind>;

/** The keys that change while a node runs, besides `log.level`. */
function followSettings(settings: NodeParts['settings'], options: ChangeableOptions, slowLog: SlowLog): void {
  settings.follow('server.slow_log.threshold', ({ server }) =>
    slowLog.setThreshold(server.slowLog.thresholdMs),
  );
  settings.follow('replication.max_lag', ({ replication }) => {
    options.maxLagMs = replication.lagMsMax;
  });
  settings.follow('replication.serve_stale', ({ replication }) => {
    options.serveStale = replication.serveStale;
  });
  settings.follow('replication.min_replicas_to_write', ({ replication }) => {
    options.minReplicasToWrite = replication.minReplicasToWrite;
  });
}

/** Nothing more may be acknowledged, so the process ends at once and closes nothing. */
function leaveFailed(error: Error, { logger, leave }: NodeParts): never {
  const what = error instanceof MemoryFailure ? 'this machine’s memory' : 'the disk under wal.directory';
  logger.fatal({ err: error }, `${what} failed: stopping; see docs/operations.md`);
  return leave(EXIT_CODES.storage);
}

function tellRecovered(node: Node, logger: LevelLogger): void {
  const { state, position, store, recovery } = node.ports.admin.status();
  const { records, elapsedMs } = recovery ?? { records: 0, elapsedMs: 0 };
  logger.info({ state, position, entries: store.entries, records, elapsedMs }, 'recovered');
}
