/**
 * Decides whether a batch is written on the calling thread. For a few bytes that
 * only copies them into the page cache and costs a tenth of a write on another
 * thread. But it blocks the event loop when the system has too many dirty pages or
 * the disk hangs. So it is not done during a slow fdatasync, nor for a while after
 * a slow write; the pause doubles with each further slow write.
 */
import type { Clock } from '#platform/clock.ts';

/** Larger batches take more to copy than to hand over. */
export const NOW_BYTES_MAX = 65_536;
/** A write on the calling thread is not risked during an fdatasync that has taken longer than this. */
export const SYNCING_MS_MAX = 5;
/** A write that takes longer than this counts as slow; a busy machine alone seldom causes that. */
export const SLOW_MS = 20;
/** The pause after the first slow write. A write counts as the first again if none was slow for the longest pause. */
export const PAUSE_MS_MIN = 10_000;
export const PAUSE_MS_MAX = 600_000;

export class WritePace {
  readonly #clock: Clock;
  #pauseMs = PAUSE_MS_MIN;
  #pausedUntilMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** True if so many bytes should be written on the calling thread. `syncingSinceMs`: when the running fdatasync began; undefined if none runs. */
  allows(bytes: number, syncingSinceMs: number | undefined): boolean {
    if (bytes > NOW_BYTES_MAX) return false;
    const nowMs = this.#clock.monotonicMs();
    if (syncingSinceMs !== undefined && nowMs - syncingSinceMs > SYNCING_MS_MAX) return false;
    return nowMs >= this.#pausedUntilMs;
  }

  /** Performs such a write and measures it; its errors come through. */
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
