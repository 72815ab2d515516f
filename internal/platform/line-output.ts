/**
 * Writes lines to an output that may fail or block, such as a log on a full disk or a
 * pipe that nobody reads. `write` returns at once and never throws.
 *
 * `write` passes the line to the system in the same call, so that lines before an exit
 * are not lost. While the output has no room (EAGAIN), up to 256 KiB wait. Lines that
 * fail, or arrive while too much waits, are dropped and counted. The output is tried
 * again with each line and once a second, and then begins with a line that says how
 * many lines are missing, and why.
 */
import type { Clock, Timer } from '#platform/clock.ts';

/** Writes as many of `bytes` as there is room for and returns how many. Throws system errors; must not block. */
export type TryWrite = (bytes: Uint8Array) => number;

export interface Gap {
  readonly lines: number;
  /** The system's code of the last failure, such as ENOSPC, or its message where it has none; EAGAIN if nobody read. */
  readonly code: string;
}

export interface LineOutputOptions {
  readonly tryWrite: TryWrite;
  readonly clock: Clock;
  /** Returns the line, with its newline, that replaces missing lines. */
  readonly describeGap: (gap: Gap) => string;
}

const WAITING_BYTES_MAX = 256 * 1_024;
/** How soon to try again after EAGAIN, and after a failure. */
const ROOM_RETRY_MS = 100;
const FAILURE_RETRY_MS = 1_000;
/** How often `flush` tries, and how long it waits in between. */
const FLUSH_TRIES = 20;
const FLUSH_PAUSE_MS = 10;

export class LineOutput {
  readonly #options: LineOutputOptions;
  /** Lines that wait; the first may be the rest of a line. */
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #isFirstBegun = false;
  /** A partly written line was dropped, so the next line needs a newline first. */
  #isLineBroken = false;
  #gap: Gap | undefined;
  #droppedLines = 0;
  #lastCode = '';
  #retry: Timer | undefined;

  constructor(options: LineOutputOptions) {
    this.#options = options;
  }

  /** Lines dropped since the start. */
  get droppedLines(): number {
    return this.#droppedLines;
  }

  /** Writes `line`, which must end with a newline, or drops it. */
  write(line: string): void {
    this.#fillGap();
    const isFull = this.#waitingBytes > 0 && this.#waitingBytes + line.length > WAITING_BYTES_MAX;
    if (isFull) this.#lastCode = 'EAGAIN';
    if (isFull || this.#gap !== undefined) {
      this.#drop(1);
    } else {
      this.#push(line);
      this.#drop(this.#drain());
    }
  }

  /** Waits up to 200 ms, blocking the thread, for the reader to take what waits. For the end of the process. */
  flush(): void {
    const pause = new Int32Array(new SharedArrayBuffer(4));
    for (let tries = 0; tries < FLUSH_TRIES && this.#waiting.length > 0; tries++) {
      this.#drop(this.#drain());
      if (this.#waiting.length > 0) Atomics.wait(pause, 0, 0, FLUSH_PAUSE_MS);
    }
    this.#fillGap();
  }

  #push(line: string): void {
    const bytes = Buffer.from(this.#isLineBroken ? `\n${line}` : line);
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
  }

  /** Writes the waiting lines as far as there is room. Returns the number of lines lost by a failure. */
  #drain(): number {
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      const written = this.#tryWrite(first);
      if (written === undefined) return this.#giveUp();
      if (written === 0) {
        this.#tryAgainIn(ROOM_RETRY_MS);
        return 0;
      }
      this.#waitingBytes -= written;
      this.#isLineBroken = false;
      this.#isFirstBegun = written < first.length;
      if (this.#isFirstBegun) this.#waiting[0] = first.subarray(written);
      else this.#waiting.shift();
    }
    return 0;
  }

  /** Returns how many bytes were written; undefined if the output failed. */
  #tryWrite(bytes: Uint8Array): number | undefined {
    try {
      return this.#options.tryWrite(bytes);
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      this.#lastCode = code ?? message;
      return this.#lastCode === 'EAGAIN' ? 0 : undefined;
    }
  }

  #giveUp(): number {
    const lines = this.#waiting.length;
    if (this.#isFirstBegun) this.#isLineBroken = true;
    this.#isFirstBegun = false;
    this.#waiting = [];
    this.#waitingBytes = 0;
    return lines;
  }

  #drop(lines: number): void {
    if (lines === 0) return;
    this.#droppedLines += lines;
    this.#gap = { lines: (this.#gap?.lines ?? 0) + lines, code: this.#lastCode };
    this.#tryAgainIn(FAILURE_RETRY_MS);
  }

  /** Writes the line about missing lines, if there are any and nothing waits. */
  #fillGap(): void {
    if (this.#gap === undefined || this.#waiting.length > 0) return;
    this.#push(this.#options.describeGap(this.#gap));
    if (this.#drain() === 0) this.#gap = undefined;
  }

  #tryAgainIn(ms: number): void {
    this.#retry ??= this.#options.clock.after(ms, () => {
      this.#retry = undefined;
      this.#drop(this.#drain());
      this.#fillGap();
      if (this.#gap !== undefined) this.#tryAgainIn(FAILURE_RETRY_MS);
    });
  }
}
