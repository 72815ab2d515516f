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

  /** True where the loop is due a turn. A look at the clock: some 50 ns. */
  get isOver(): boolean {
    return this.#clock.monotonicMs() >= this.#endMs;
  }

  /** Gives the loop a turn, and begins the next slice. */
  async next(): Promise<void> {
    await this.#clock.yield();
    this.#endMs = this.#clock.monotonicMs() + SLICE_MS;
  }
}
