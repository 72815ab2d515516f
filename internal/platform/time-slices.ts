/** Cuts a long job into slices of a few milliseconds, so that it never stalls the event loop. */
import type { Clock } from '#platform/clock.ts';

const SLICE_MS = 4;

export class TimeSlices {
  readonly #clock: Clock;
  #endMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#endMs = clock.monotonicMs() + SLICE_MS;
  }

  /** True if the slice is over and the event loop must run. Costs a clock read of about 50 ns. */
  get isOver(): boolean {
    return this.#clock.monotonicMs() >= this.#endMs;
  }

  /** Lets the event loop run, then begins the next slice. */
  async next(): Promise<void> {
    await this.#clock.yield();
    this.#endMs = this.#clock.monotonicMs() + SLICE_MS;
  }
}
