/**
 * Collects work during a turn of the event loop: connections that have something to
 * write, each once, and requests that cost more than a small call. At the end of the turn
 * at most `TURN_BYTES` are written and `STARTS_PER_TURN` requests begin, over all
 * connections, and the rest is left to later turns, so that a burst delays nobody else.
 */
import type { Clock } from '#platform/clock.ts';
import { SLICE_BYTES } from '#platform/slices.ts';

/** Requests through Connect's handlers begun in one turn, over all connections: some milliseconds. */
const STARTS_PER_TURN = 32;
/** Bytes of answers made and of output written in one turn, over all connections: some milliseconds. */
export const TURN_BYTES = 4 * SLICE_BYTES;
/** What a write, and a call, cost beside their bytes, in bytes. */
const WRITE_BYTES = 4_096;
const CALL_BYTES = 1_024;

/** Resolves when everything is read, and every connection taken, that had come by now: the turn under way may have looked for it already, the next one does. */
export async function untilRead(clock: Clock): Promise<void> {
  await clock.yield();
  await clock.yield();
}

/** How long an idle connection of HTTP/1.1 stays open when the server drains: its peer may have sent a request, and would never know what became of it. */
export const PARTING_MS = 100;

/** Resolves when idle connections of HTTP/1.1 may be closed. */
export async function untilParting(clock: Clock): Promise<void> {
  await clock.sleep(PARTING_MS);
  await untilRead(clock);
}

export interface Writer {
  /** True if what it wrote or made last was much: those with little go first. */
  readonly isHeavy: boolean;
  /** The turn is over. Returns how many bytes it wrote. */
  flush(): number;
}

export class Turns {
  readonly #clock: Clock;
  readonly #light: Writer[] = [];
  readonly #heavy: Writer[] = [];
  readonly #starts: (() => void)[] = [];
  #spentBytes = 0;
  #isDue = false;
  #isEnding = false;
  #nowMs = 0;
  /** Only as long as the end of the turn is due, or under way: a turn that does not end here would leave its time to another. */
  #isTimeKnown = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Monotonic milliseconds, about once read in a turn that ends here: what is read in it had
   * come when it began, and reading the clock for each would be 2 % of a small call.
   */
  get nowMs(): number {
    if (this.#isTimeKnown && (this.#isDue || this.#isEnding)) return this.#nowMs;
    this.#isTimeKnown = true;
    this.#nowMs = this.#clock.monotonicMs();
    return this.#nowMs;
  }

  /** The same without its fraction, which would cost each connection a number on the heap for each of its times. */
  get wholeMs(): number {
    return Math.floor(this.nowMs);
  }

  /** No further answer should be made in this turn: see `spend`. */
  get isSpent(): boolean {
    return this.#spentBytes >= TURN_BYTES;
  }

  /** So many bytes of an answer were made in this turn. A connection that has to wait because of it calls `write`. */
  spend(bytes: number): void {
    this.#spentBytes += bytes + CALL_BYTES;
  }

  /** Flushes the writer when this turn is over, or a later one where there is much. To be called once for each flush. */
  write(writer: Writer): void {
    (writer.isHeavy ? this.#heavy : this.#light).push(writer);
    this.#schedule();
  }

  /** Begins in this turn, or in a later one. It may not throw. */
  start(work: () => void): void {
    this.#starts.push(work);
    this.#schedule();
  }

  /**
   * A call was begun whose answer is not there yet. The log writes at the end of the turn
   * in which it was given a record, and this turn then ends behind it: what the write
   * makes known is sent in the same turn, not in the next one.
   */
  expect(): void {
    this.#schedule();
  }

  #schedule(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    this.#isTimeKnown = false;
    void this.#clock.yield().then(() => this.#end());
  }

  #end(): void {
    this.#isDue = false;
    this.#isEnding = true;
    this.#spentBytes = 0;
    this.#start();
    this.#flush(this.#light);
    this.#flush(this.#heavy);
    this.#isEnding = false;
    this.#isTimeKnown = false;
    if (this.#starts.length + this.#light.length + this.#heavy.length > 0) this.#schedule();
  }

  #start(): void {
    let left = STARTS_PER_TURN;
    while (this.#starts.length > 0 && left > 0 && !this.isSpent) {
      this.#starts.shift()?.();
      left--;
    }
  }

  /** Those that stand in the line now, the first one always. */
  #flush(line: Writer[]): void {
    const count = line.length;
    let done = 0;
    while (done < count && (done === 0 || !this.isSpent)) {
      // Answers that are made within are spent there.
      const bytes = (line[done] as Writer).flush();
      this.#spentBytes += bytes + WRITE_BYTES;
      done++;
    }
    if (done === line.length) line.length = 0;
    else line.splice(0, done);
  }
}
