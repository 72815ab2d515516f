/**
 * Limits log lines of one kind to a number per window of time, whoever causes them.
 * The first line of the next window says how many were omitted.
 */
import type { Clock } from '#platform/clock.ts';

const WINDOW_MS = 10_000;
const LINES_MAX = 5;

export class LinePace {
  readonly #clock: Clock;
  #windowEndMs = Number.NEGATIVE_INFINITY;
  #lines = 0;
  #leftOut = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Returns fields to add to the line; undefined if the line must be omitted. */
  take(): { readonly leftOut?: number } | undefined {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs >= this.#windowEndMs) {
      this.#windowEndMs = nowMs + WINDOW_MS;
      this.#lines = 0;
    }
    if (this.#lines === LINES_MAX) {
      this.#leftOut++;
      return undefined;
    }
    this.#lines++;
    const leftOut = this.#leftOut;
    this.#leftOut = 0;
    return leftOut === 0 ? {} : { leftOut };
  }
}
