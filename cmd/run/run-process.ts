/**
 * Runs a process from its configuration to its exit: logger and clock, start, and a stop at
 * the first signal that closes all parts in reverse order.
 */
import type { BinaryKind } from '#config/binaries.ts';
import type { ConfigSource, LoadedConfig } from '#config/load-config.ts';
import type { Clock } from '#platform/clock.ts';
import { CloserStack } from '#platform/closer-stack.ts';
import { createLogger, type LevelLogger } from '#platform/create-logger.ts';
import type { EarlySignals } from '#platform/early-signals.ts';
import { keepHeapSmall } from '#platform/heap.ts';
import { createNodeClock } from '#platform/node-clock.ts';
import { EXIT_CODES, type ExitCode } from './exit-codes.ts';
import { createServiceManager } from './service-manager.ts';
import { Settings } from './settings.ts';

/** A stop that takes longer than this is considered stuck. */
const STOP_MS_MAX = 9_500;

/** What a binary needs to build its parts. */
export interface ProcessParts<Kind extends BinaryKind = BinaryKind> {
  readonly logger: LevelLogger;
  readonly settings: Settings<Kind>;
  readonly clock: Clock;
  readonly closers: CloserStack;
  /** From now on the first signal stops the process. The stop begins with `beginDrain`. */
  stopOnSignals(beginDrain: () => void): void;
  /** Ends the process at once, without closing anything. */
  leave(code: ExitCode): never;
}

/** A failure to start. The message needs no stack trace. */
export interface StartFailure {
  readonly exitCode: ExitCode;
  readonly message: string;
}

export interface RunProcessOptions<Kind extends BinaryKind> {
  readonly configuration: Configuration<Kind>;
  readonly signals: EarlySignals;
  start(parts: ProcessParts<Kind>): Promise<void>;
  explain(error: unknown): StartFailure | undefined;
}

/** What a process is configured by, and how its file is read again. */
export interface Configuration<Kind extends BinaryKind> extends LoadedConfig<Kind> {
  readonly source: ConfigSource<Kind>;
  readonly readText: () => Promise<string>;
}

export async function runProcess<Kind extends BinaryKind>({
  configuration: { source, readText, ...loaded },
  signals,
  start,
  explain,
}: RunProcessOptions<Kind>): Promise<void> {
  keepHeapSmall();
  const logger = createLogger(loaded.config.log);
  const clock = createNodeClock();
  const settings = new Settings({ source, loaded, readText, logger, clock });
  settings.follow('log.level', ({ log }) => logger.setLevel(log.level));
  const closers = new CloserStack();
  const leave = (code: ExitCode): never => exit(logger, code);
  const manager = createServiceManager(process.env, logger);
  const stopOnSignals = (beginDrain: () => void): void =>
    handOver({
      ...{ logger, settings, clock, closers, signals },
      beginDrain: () => {
        manager.stopping();
        beginDrain();
      },
    });
  try {
    await start({ logger, settings, clock, closers, stopOnSignals, leave });
    manager.ready();
  } catch (error) {
    await closers
      .close()
      .catch((closing: unknown) => logger.error({ err: closing }, 'could not close cleanly'));
    const failure = explain(error);
    if (failure === undefined) logger.fatal({ err: error }, 'could not start');
    else logger.fatal({}, failure.message);
    leave(failure?.exitCode ?? EXIT_CODES.other);
  }
}

interface Stopping {
  readonly logger: LevelLogger;
  readonly settings: Pick<Settings<BinaryKind>, 'reload'>;
  readonly clock: Clock;
  readonly closers: CloserStack;
  readonly signals: EarlySignals;
  readonly beginDrain: () => void;
}

function handOver({ logger, settings, clock, closers, signals, beginDrain }: Stopping): void {
  signals.handTo({
    onHangUp: () => void settings.reload(),
    onIgnored: (signal) => logger.info({ signal }, 'signal ignored: SIGTERM stops this node'),
    onFirst: (signal) => {
      logger.info({ signal }, 'stopping');
      beginDrain();
      const stuck = clock.after(STOP_MS_MAX, () => {
        logger.fatal({}, `not stopped within ${STOP_MS_MAX} ms: leaving; the log recovers at the next start`);
        exit(logger, EXIT_CODES.other);
      });
      closers.close().then(
        () => {
          stuck.cancel();
          logger.info({}, 'stopped');
          exit(logger, EXIT_CODES.clean);
        },
        (error: unknown) => {
          logger.fatal({ err: error }, 'could not stop cleanly; the log recovers at the next start');
          exit(logger, EXIT_CODES.other);
        },
      );
    },
    onAgain: () => exit(logger, EXIT_CODES.other),
  });
}

/** The last log lines are written already; `flush` gives a slow reader time for the rest. */
function exit(logger: LevelLogger, code: ExitCode): never {
  logger.flush();
  process.exit(code);
}
