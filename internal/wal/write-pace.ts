/**
 * Whether a batch is written on the calling thread. For few bytes that is a copy
 * into the system's cache, a tenth of what the way over another thread costs. But
 * a system that has too much to write, or a disk that hangs, can hold up any
 * write: so not behind an fdatasync that takes its time, and no more for a while
 * after a write took long, for twice as long each time.
 */
import type { Clock } from '#platform/clock.ts';

/** Larger batches take more to copy than to hand over. */
export const NOW_BYTES_MAX = 65_536;
/** An fdatasync that takes longer than this is not waited for; on many systems it would not hold up a write anyway. */
export const SYNCING_MS_MAX = 5;
/** A write that takes longer than this would be missed by others; a busy machine alone seldom does that. */
export const SLOW_MS = 20;
/** After the first slow one; it is the first again when none was for the longest pause since. */
export const PAUSE_MS_MIN = 10_000;
export const PAUSE_MS_MAX = 600_000;

export class WritePace {
  readonly #clock: Clock;
  #pauseMs = PAUSE_MS_MIN;
  #pausedUntilMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether so many bytes are to be written at once, beside an fdatasync that began at `syncingSinceMs`, if any. */
  allows(bytes: number, syncingSinceMs: number | undefined): boolean {
    if (bytes > NOW_BYTES_MAX) return false;
    const nowMs = this.#clock.monotonicMs();
    if (syncingSinceMs !== undefined && nowMs - syncingSinceMs > SYNCING_MS_MAX) return false;
    return nowMs >= this.#pausedUntilMs;
  }

  /** Makes such a write; throws what it throws. */
  measure(write: () => void): void {
    const startMs = this.#clock.monotonicMs();
    write();
    const endMs = this.#clock.monotonicMs();
    if (endMs - startMs > SLOW_MS) this.#pause(endMs);
  }

  #pause(nowMs: number): void {
    const isFirst = nowMs - this.#pausedUntilMs > PAUSE_MS_MAX;
    this.#pauseMs = isFirst ? PAUSE_MS_MIN : Math.min(2 * this.#pauseMs, PAUSE_MS_MAX);
    this.#pausedUntilMs = nowMs + this.#pauseMs;
  }
}
