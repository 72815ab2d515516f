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
import type { LogFields } from '#platform/logger.ts';
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
  /** Logs why, at every level, and ends the process at once, without closing anything. */
  leave(code: ExitCode, fields: LogFields, why: string): never;
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
  const leave: ProcessParts['leave'] = (code, fields, why) => fail(logger, code, fields, why);
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
    if (failure === undefined) leave(EXIT_CODES.other, { err: error }, 'could not start');
    else leave(failure.exitCode, {}, failure.message);
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
        const why = `not stopped within ${STOP_MS_MAX} ms: leaving; the log recovers at the next start`;
        fail(logger, EXIT_CODES.other, {}, why);
      });
      closers.close().then(
        () => {
          stuck.cancel();
          logger.info({}, 'stopped');
          exit(logger, EXIT_CODES.clean);
        },
        (error: unknown) => {
          const why = 'could not stop cleanly; the log recovers at the next start';
          fail(logger, EXIT_CODES.other, { err: error }, why);
        },
      );
    },
    onAgain: () => exit(logger, EXIT_CODES.other),
  });
}

/** An exit code sends the operator to the last log line, so that one is written even where `log.level` is silent. */
function fail(logger: LevelLogger, code: ExitCode, fields: LogFields, why: string): never {
  logger.setLevel('fatal');
  logger.fatal(fields, why);
  return exit(logger, code);
}

/** The last log lines are written already; `flush` gives a slow reader time for the rest. */
function exit(logger: LevelLogger, code: ExitCode): never {
  logger.flush();
  process.exit(code);
}
