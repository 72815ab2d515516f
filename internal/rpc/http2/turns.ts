/**
 * Work gathered over a turn of the event loop: what connections have to write,
 * once each, and requests that cost more than a small call, so many a turn, so
 * that a burst of them keeps nobody else waiting.
 */
import type { Clock } from '#platform/clock.ts';

/** Requests through Connect's handlers begun in one turn, over all connections: some milliseconds. */
const STARTS_PER_TURN = 32;

export interface Writer {
  /** The turn is over. */
  flush(): void;
}

export class Turns {
  readonly #clock: Clock;
  #writers: Writer[] = [];
  readonly #starts: (() => void)[] = [];
  #isDue = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Flushes the writer when this turn is over. To be called once a turn for each. */
  write(writer: Writer): void {
    this.#writers.push(writer);
    this.#schedule();
  }

  /** Begins in this turn, or in a later one. It may not throw. */
  start(work: () => void): void {
    this.#starts.push(work);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    void this.#clock.yield().then(() => this.#end());
  }

  #end(): void {
    this.#isDue = false;
    for (const start of this.#starts.splice(0, STARTS_PER_TURN)) start();
    const writers = this.#writers;
    this.#writers = [];
    for (const writer of writers) writer.flush();
    if (this.#starts.length > 0) this.#schedule();
  }
}
