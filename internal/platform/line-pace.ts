/**
 * Bounds how many lines of one kind a log gets, whoever causes them: so many in a
 * window of time, and the first of the next says how many were left out.
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

  /** Undefined where the line is left out; else fields that belong into it. */
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
