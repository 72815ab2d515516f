/**
 * The processes of a local run from their start to their stop. Nothing is started once
 * stopping has begun, and a stop ends everything that was started.
 */
import type { Clock } from '#platform/clock.ts';
import { STOP_SIGNALS } from '#platform/shutdown-signals.ts';
import type { LocalProcess, ProcessExit } from './local-process.ts';
import { adviceOnExit } from './local-text.ts';

/** The part of `LocalProcess` that is used here. */
export type Process = Pick<LocalProcess, 'spec' | 'logFile' | 'start' | 'stop' | 'lastLines'>;

export interface Terminal {
  say(text: string): void;
  complain(text: string): void;
}

export interface SetOptions {
  readonly clock: Clock;
  readonly terminal: Terminal;
  /** What to type to start them again. */
  readonly again: string;
  /** Where the data is, from the working directory. */
  readonly place: string;
  /**
   * A process that a signal ended is started again after so many milliseconds. Without this,
   * and where a process ended by itself, its end stops the others.
   */
  readonly restartMs?: number;
}

export class ProcessSet<One extends Process> {
  readonly #all: readonly One[];
  readonly #options: SetOptions;
  /** Those that ended before the stop. Their end is reported already. */
  readonly #down = new Set<One>();
  /** One of them ended by itself and so stopped the others. */
  #isLost = false;
  #stopping: Promise<number> | undefined;
  /** Resolves with the exit code when everything has stopped. */
  readonly ended: Promise<number>;
  readonly #end: (code: number) => void;

  constructor(all: readonly One[], options: SetOptions) {
    this.#all = all;
    this.#options = options;
    const { promise, resolve } = Promise.withResolvers<number>();
    this.ended = promise;
    this.#end = resolve;
  }

  get isStopping(): boolean {
    return this.#stopping !== undefined;
  }

  begin(one: One): void {
    if (this.isStopping) return;
    this.#down.delete(one);
    void one.start().then((exit) => this.#noteExit(one, exit));
  }

  /** Stops all. Later calls return the same promise. */
  stop(code: number): Promise<number> {
    this.#stopping ??= this.#stopAll(code);
    return this.#stopping;
  }

  async #noteExit(one: One, exit: ProcessExit): Promise<void> {
    if (this.isStopping) return;
    this.#down.add(one);
    const { clock, terminal, again, restartMs } = this.#options;
    const { spec, logFile } = one;
    if (restartMs !== undefined && wasStopped(exit)) {
      terminal.say(`${spec.name} ended: ${exit.reason}. It is started again in ${restartMs / 1_000} s.\n`);
      await clock.sleep(restartMs);
      this.begin(one);
      return;
    }
    this.#isLost = true;
    // Set before the first await: the others end because of this one, and that is not
    // reported.
    const stopped = this.stop(1);
    const lines = await one.lastLines();
    terminal.complain(
      `${spec.name} ended: ${exit.reason}\n${lines}${adviceOnExit(exit, { spec, logFile, again })}`,
    );
    await stopped;
  }

  async #stopAll(code: number): Promise<number> {
    const { terminal, again, place } = this.#options;
    terminal.say('\nStopping…\n');
    const exits = await Promise.all(this.#all.map((one) => one.stop()));
    const unclean = this.#all.filter((one, index) => !this.#down.has(one) && !isClean(exits[index]));
    for (const { spec, logFile } of unclean)
      terminal.complain(`${spec.name} did not stop cleanly; its log: less ${logFile}\n`);
    terminal.say(`Stopped; the data is in ./${place}.${this.#isLost ? '' : ` Again: ${again}`}\n`);
    const exitCode = code === 0 && unclean.length > 0 ? 1 : code;
    this.#end(exitCode);
    return exitCode;
  }
}

/** Somebody stopped it, by a signal that it obeyed or by one that it could not. */
function wasStopped({ code, reason }: ProcessExit): boolean {
  return code === 0 || /^SIG[A-Z]+$/.test(reason);
}

/**
 * Stopped as asked, or never started. A signal itself ends a process only before it
 * listens for signals, so before it has opened anything. Ctrl-C reaches every process
 * of the terminal as SIGINT, before the SIGTERM of this stop.
 */
function isClean(exit: ProcessExit | undefined): boolean {
  return exit === undefined || exit.code === 0 || STOP_SIGNALS.includes(exit.reason);
}
