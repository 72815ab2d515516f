/**
 * Runs a node, for all node binaries. `compose-node.ts` builds its parts; `cmd/run` parses
 * flags, handles signals and exits.
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
import type { Node } from '#node/node.ts';
import { MemoryFailure } from '#node/state-guard.ts';
import type { LevelLogger } from '#platform/create-logger.ts';
import type { EarlySignals } from '#platform/early-signals.ts';
import { createBufferCollector, heapLimitBytes, openHeap } from '#platform/heap.ts';
import { startIdleCollector } from '#platform/idle-collector.ts';
import { memoryLimitBytes } from '#platform/memory.ts';
import { type MemoryPlan, planMemory, whyNoRoom } from '#platform/memory-plan.ts';
import { WalOpenError } from '#wal/wal-errors.ts';
import { EXIT_CODES } from '../run/exit-codes.ts';
import { packageVersion } from '../run/package-version.ts';
import { runBinary } from '../run/run-binary.ts';
import type { ProcessParts, StartFailure } from '../run/run-process.ts';
import { composeNode } from './compose-node.ts';
import { roleOf } from './to-node-options.ts';

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
  if (!(error instanceof WalOpenError)) return undefined;
  return { exitCode: EXIT_CODES.directory, message: error.message };
}

/**
 * Logs how memory is planned and warns if it does not suffice, at the start rather than
 * when the process is killed. A member is told once it knows the limits of its group.
 */
function tellMemory(plan: MemoryPlan, { kind, storage }: NodeConfig, logger: LevelLogger): void {
  const maxMemory = storage.memoryBytesMax;
  const { storeBytes: roomBytes, ...others } = plan;
  logger.info({ ...others, roomBytes, maxMemory, heapLimitBytes: heapLimitBytes() }, 'memory');
  const why = kind === 'node' ? undefined : whyNoRoom(plan, maxMemory);
  if (why !== undefined) logger.warn({}, why);
}

async function startNode(config: NodeConfig, flags: NodeFlags, parts: NodeParts): Promise<void> {
  const { logger, settings, clock, closers } = parts;
  const memory = planMemory(memoryLimitBytes());
  tellMemory(memory, config, logger);
  const collector = startIdleCollector(clock, openHeap());
  closers.push('idle collector', () => collector.close());
  const { node, server, start } = await composeNode(config, {
    ...{ logger, logOutput: logger, settings, clock, closers, memory },
    forcedRole: flags.forceRole,
    onBuffers: memory.isScarce ? createBufferCollector(memory.bodyBytes / 2) : undefined,
    onFatal: (error) => leaveFailed(error, parts),
  });
  parts.stopOnSignals(() => {
    node.beginDrain();
    server.beginDrain();
  });
  const { directory } = config.wal;
  const fields = { address: server.address, role: roleOf(config), version: packageVersion(), directory };
  logger.info({ ...fields, pid: process.pid }, 'listening');
  await start();
  tellRecovered(node, logger);
}

type NodeParts = ProcessParts<NodeKind>;

/** Nothing more may be acknowledged, so the process ends at once and closes nothing. */
function leaveFailed(error: Error, { leave }: NodeParts): never {
  const what = error instanceof MemoryFailure ? 'this machine’s memory' : 'the disk under wal.directory';
  return leave(EXIT_CODES.storage, { err: error }, `${what} failed: stopping; see docs/operations.md`);
}

function tellRecovered(node: Node, logger: LevelLogger): void {
  const { state, position, store, recovery } = node.ports.admin.status();
  const { records, elapsedMs } = recovery ?? { records: 0, elapsedMs: 0 };
  logger.info({ state, position, entries: store.entries, records, elapsedMs }, 'recovered');
}
