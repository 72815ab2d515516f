/**
 * Limits log lines of one kind to a number per window of time, no matter what causes them.
 * The first line of the next window says how many were omitted.
 */
import type { Clock } from '#platform/clock.ts';

const WINDOW_MS = 10_000;
const LINES_MAX = 5;
/** Kinds whose pace is remembered. */
const KINDS_MAX = 256;

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

/** One pace for each kind of line. Of too many kinds the one that was seen first is forgotten. */
export class LinePaces {
  readonly #clock: Clock;
  readonly #paces = new Map<string, LinePace>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Like `LinePace.take`, for a line of `kind`. */
  take(kind: string): { readonly leftOut?: number } | undefined {
    const pace = this.#paces.get(kind) ?? this.#begin(kind);
    return pace.take();
  }

  #begin(kind: string): LinePace {
    const pace = new LinePace(this.#clock);
    if (this.#paces.size >= KINDS_MAX) {
      const [oldest = ''] = this.#paces.keys();
      this.#paces.delete(oldest);
    }
    this.#paces.set(kind, pace);
    return pace;
  }
}
