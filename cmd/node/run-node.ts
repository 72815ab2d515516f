/**
 * What both binaries do: flags → configuration → node → port → signals → exit
 * code. The composition root: everything is built here, and closed in reverse.
 *
 * Exit codes: 0 clean; 2 configuration or flags; 3 the data directory cannot
 * be used; 4 storage failure while running; 1 anything else.
 */

import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import type { MasterConfig, SlaveConfig } from '#config/config.ts';
import { CONFIG_EXIT_CODE, ConfigError } from '#config/config-error.ts';
import { loadConfig, readConfigFile } from '#config/load-config.ts';
import { NODE_FLAG_NAMES, type NodeFlags, nodeUsage, parseNodeFlags } from '#config/node-flags.ts';
import { printConfig } from '#config/print-config.ts';
import type { AsideState } from '#engine/aside-pruner.ts';
import type { Role } from '#model/status.ts';
import { Node } from '#node/node.ts';
import { MemoryFailure } from '#node/state-guard.ts';
import { createPeerDialer } from '#peer/peer-dialer.ts';
import type { Clock } from '#platform/clock.ts';
import { CloserStack } from '#platform/closer-stack.ts';
import { createLogger, type LevelLogger } from '#platform/create-logger.ts';
import type { EarlySignals } from '#platform/early-signals.ts';
import { registerEventLoopDelay, startEventLoopMonitor } from '#platform/event-loop-delay.ts';
import { createBufferCollector, heapLimitBytes, keepHeapSmall, openHeap } from '#platform/heap.ts';
import { startIdleCollector } from '#platform/idle-collector.ts';
import { memoryLimitBytes } from '#platform/memory.ts';
import { type MemoryPlan, planMemory, whyNoRoom } from '#platform/memory-plan.ts';
import { DURATION_BUCKETS_S, type HistogramHandle, Metrics } from '#platform/metrics.ts';
import { createNodeClock } from '#platform/node-clock.ts';
import { createNodeFileSystem } from '#platform/node-file-system.ts';
import { findSwallowed } from '#platform/npm-options.ts';
import { openFilesMax } from '#platform/open-files.ts';
import { registerProcessMetrics } from '#platform/process-metrics.ts';
import { createNodeRandom } from '#platform/random.ts';
import { sayOnStandardError } from '#platform/standard-error.ts';
import { createWriteOut } from '#platform/standard-output.ts';
import { hostOf } from '#server/host-policy.ts';
import { ServerAddressError } from '#server/listen.ts';
import { openServer } from '#server/open-server.ts';
import { WalOpenError } from '#wal/wal-errors.ts';
import { announcedAddress } from './announced-address.ts';
import { toNodeOptions } from './to-node-options.ts';

const EXIT_OTHER = 1;
const EXIT_DIRECTORY = 3;
const EXIT_STORAGE = 4;
/** How long calls under way may take at the end; the log's sync comes after. */
const DRAIN_MS = 3_000;
/** A stop that takes longer than this is a stuck one. */
const STOP_MS_MAX = 9_500;

type Config = MasterConfig | SlaveConfig;

/** Runs a node until it is told to stop; sets the process's exit code. */
export async function runNode(
  role: Role,
  command: string,
  argv: readonly string[],
  signals: EarlySignals,
): Promise<void> {
  const swallowed = findSwallowed(process.env, role === 'master' ? 'master' : 'slave', NODE_FLAG_NAMES);
  if (swallowed !== undefined) {
    fail(CONFIG_EXIT_CODE, `${command}: ${swallowed.message}\n${swallowed.advice}`);
    return;
  }
  const flags = parseNodeFlags(argv);
  switch (flags.kind) {
    case 'help':
      return print(nodeUsage(command));
    case 'version':
      return print(`${packageVersion()}\n`);
    case 'error':
      fail(CONFIG_EXIT_CODE, `${command}: ${flags.problems.join('\n')}\nSee ${command} --help.`);
      return;
    case 'run': {
      const config = await readConfig(role, flags);
      if (config === undefined) return;
      if (flags.shouldPrintConfig) await print(printConfig(config));
      else if (flags.shouldCheckConfig) await print('the configuration is valid\n');
      else await serve(config, flags, signals);
    }
  }
}

/** What was asked to be shown: where that fails, so does the command. */
async function print(text: string): Promise<void> {
  try {
    await createWriteOut()(text);
  } catch (error) {
    fail(EXIT_OTHER, `cannot write the output: ${(error as Error).message}`);
  }
}

async function readConfig(role: Role, flags: NodeFlags): Promise<Config | undefined> {
  try {
    const file = flags.configFile;
    const text = file === undefined ? '' : await readConfigFile(createNodeFileSystem(), file);
    const place = { file: file ?? '(no file)', cwd: process.cwd() };
    return loadConfig({ role, ...place, text, env: process.env, sets: flags.sets });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    fail(CONFIG_EXIT_CODE, error.message);
    return undefined;
  }
}

async function serve(config: Config, flags: NodeFlags, signals: EarlySignals): Promise<void> {
  keepHeapSmall();
  const logger = createLogger({ level: config.log.level, format: config.log.format });
  const memory = planMemory(memoryLimitBytes());
  tellMemory(memory, config.storage.memoryBytesMax, logger);
  const clock = createNodeClock();
  const closers = new CloserStack();
  try {
    await start(config, flags, { logger, clock, closers, signals, memory });
  } catch (error) {
    await closers
      .close()
      .catch((closing: unknown) => logger.error({ err: closing }, 'could not close cleanly'));
    // These two say all there is to say; anything else is unexpected and shown whole.
    if (error instanceof WalOpenError || error instanceof ServerAddressError) logger.fatal({}, error.message);
    else logger.fatal({ err: error }, 'could not start');
    leave(logger, error instanceof WalOpenError ? EXIT_DIRECTORY : EXIT_OTHER);
  }
}

/** Says what memory is for, and warns where it does not suffice: at the start rather than when the process is killed. */
function tellMemory(plan: MemoryPlan, maxMemory: number, logger: LevelLogger): void {
  const { storeBytes: roomBytes, ...others } = plan;
  logger.info({ ...others, roomBytes, maxMemory, heapLimitBytes: heapLimitBytes() }, 'memory');
  const why = whyNoRoom(plan, maxMemory);
  if (why !== undefined) logger.warn({}, why);
}

/** Returns what takes the newest state. */
function registerAside(metrics: Metrics): (state: AsideState) => void {
  let aside: AsideState = { bytes: 0, protectedBytes: 0, unseenTails: 0 };
  metrics.gaugeFrom('walnut_aside_bytes', 'Bytes of files in aside/.', () => aside.bytes);
  metrics.gaugeFrom(
    'walnut_aside_protected_bytes',
    'Of those, bytes in folders with diverged records that nobody has seen.',
    () => aside.protectedBytes,
  );
  metrics.gaugeFrom(
    'walnut_diverged_unseen_tails',
    'Diverged tails that nobody has called seen.',
    () => aside.unseenTails,
  );
  return (state) => {
    aside = state;
  };
}

interface Surroundings {
  readonly memory: MemoryPlan;
  readonly logger: LevelLogger;
  readonly clock: Clock;
  readonly closers: CloserStack;
  readonly signals: EarlySignals;
}

/** Of the process; the node's own come with the server. */
function openMetrics(
  logger: LevelLogger,
  closers: CloserStack,
): { readonly metrics: Metrics; readonly fsyncSeconds: HistogramHandle } {
  const metrics = new Metrics();
  const monitor = startEventLoopMonitor();
  closers.push('event loop monitor', () => monitor.close());
  registerEventLoopDelay(metrics, monitor);
  registerProcessMetrics(metrics);
  metrics.counterFrom(
    'walnut_log_lines_dropped_total',
    'Log lines that could not be written, or that nobody read in time.',
    () => logger.droppedLines,
  );
  const fsyncSeconds = metrics.histogram(
    'walnut_wal_fsync_duration_seconds',
    'Time of each fdatasync of the log.',
    DURATION_BUCKETS_S,
  );
  return { metrics, fsyncSeconds };
}

async function start(config: Config, flags: NodeFlags, surroundings: Surroundings): Promise<void> {
  const { logger, clock, closers, memory } = surroundings;
  const { metrics, fsyncSeconds } = openMetrics(logger, closers);
  const collector = startIdleCollector(clock, openHeap());
  closers.push('idle collector', () => collector.close());
  const version = packageVersion();
  const node = new Node({
    ...toNodeOptions(config),
    ringBytesMax: memory.ringBytes,
    snapshotPendingBytesMax: memory.snapshotBytes,
    fileSystem: createNodeFileSystem(),
    clock,
    random: createNodeRandom(),
    logger,
    dialer: createPeerDialer({ clock }),
    version,
    directory: config.wal.directory,
    forcedRole: flags.forceRole,
    onFsync: (seconds) => fsyncSeconds.observe(seconds),
    onAside: registerAside(metrics),
    onFatal: (error) => {
      // Nothing more may be acknowledged: out at once, without closing anything.
      const what = error instanceof MemoryFailure ? 'this machine’s memory' : 'the disk under wal.directory';
      logger.fatal({ err: error }, `${what} failed: stopping; see docs/operations.md`);
      leave(logger, EXIT_STORAGE);
    },
  });
  await node.lock();
  closers.push('node', () => node.stop());
  const server = await openServer({
    ports: node.ports,
    clock,
    logger,
    metrics,
    host: config.server.address,
    port: config.server.port,
    hostNames: hostNamesOf(config.server),
    valueBytesMax: config.server.valueBytesMax,
    batchBytesMax: config.server.batchBytesMax,
    bodyBytesMax: memory.bodyBytes,
    onBodyBytes: memory.isScarce ? createBufferCollector(memory.bodyBytes / 2) : undefined,
    version,
    openFilesMax: openFilesMax(),
  });
  // Closed in reverse: the server drains first, then the node stops and the log syncs.
  closers.push('server', () => server.close(DRAIN_MS));
  stopOnSignals(surroundings, () => {
    node.beginDrain();
    server.beginDrain();
  });
  const { directory } = config.wal;
  const { pid } = process;
  logger.info({ address: server.address, role: config.role, version, directory, pid }, 'listening');
  await node.start(announcedAddress(config.server, server));
  const { state, position, store, recovery } = node.status();
  const { records, elapsedMs } = recovery ?? { records: 0, elapsedMs: 0 };
  logger.info({ state, position, entries: store.entries, records, elapsedMs }, 'recovered');
}

/** The machine's own name, and those that the configuration gives. */
function hostNamesOf({ advertise, allowedHosts }: Config['server']): string[] {
  const advertised = advertise === undefined ? undefined : hostOf(advertise);
  return [hostname(), ...(advertised === undefined ? [] : [advertised]), ...allowedHosts];
}

function stopOnSignals({ logger, clock, closers, signals }: Surroundings, beginDrain: () => void): void {
  signals.handTo({
    onIgnored: (signal) => logger.info({ signal }, 'signal ignored: SIGTERM stops this node'),
    onFirst: (signal) => {
      logger.info({ signal }, 'stopping');
      beginDrain();
      const stuck = clock.after(STOP_MS_MAX, () => {
        logger.fatal({}, `not stopped within ${STOP_MS_MAX} ms: leaving; the log recovers at the next start`);
        leave(logger, EXIT_OTHER);
      });
      closers.close().then(
        () => {
          stuck.cancel();
          logger.info({}, 'stopped');
          leave(logger, 0);
        },
        (error: unknown) => {
          logger.fatal({ err: error }, 'could not stop cleanly; the log recovers at the next start');
          leave(logger, EXIT_OTHER);
        },
      );
    },
    onAgain: () => leave(logger, EXIT_OTHER),
  });
}

/** Last words are written by now; what a slow reader has not taken yet gets a moment. */
function leave(logger: LevelLogger, code: number): never {
  logger.flush();
  process.exit(code);
}

function fail(code: number, message: string): void {
  sayOnStandardError(`${message}\n`);
  process.exitCode = code;
}

function packageVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
