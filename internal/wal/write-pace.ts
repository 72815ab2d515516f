/**
 * Decides whether a batch is written on the calling thread. For a few bytes that
 * only copies them into the page cache and costs a tenth of a write on another
 * thread. But it blocks the event loop when the system has too many dirty pages or
 * the disk hangs. So it is not done during a slow fdatasync, nor for a while after
 * slow writes; the pause doubles each time. One slow write alone says nothing: on a
 * busy machine the thread may have waited for a processor in the middle of it, and a
 * write on another thread would wait for two.
 *
 * In a replica inside of another program the calling thread is that program's, and nothing
 * is written on it: its reads never wait for the log, and a write that waits to be visible
 * there takes one hop more.
 */
import type { Clock } from '#platform/clock.ts';

/** Larger batches take more to copy than to hand over. */
export const NOW_BYTES_MAX = 65_536;
/** A write on the calling thread is not risked during an fdatasync that has taken longer than this. */
export const SYNCING_MS_MAX = 5;
/** A write that takes longer than this counts as slow. */
export const SLOW_MS = 20;
/** A second slow write among so many, or one that takes this long, is the disk's. */
export const WRITES_BETWEEN_SLOW = 16;
export const STALLED_MS = 200;
/** The first pause. A pause counts as the first again if there was none for the longest one. */
export const PAUSE_MS_MIN = 10_000;
export const PAUSE_MS_MAX = 600_000;

export class WritePace {
  readonly #clock: Clock;
  readonly #nowBytesMax: number;
  #pauseMs = PAUSE_MS_MIN;
  #writesSinceSlow = WRITES_BETWEEN_SLOW;
  #pausedUntilMs = Number.NEGATIVE_INFINITY;

  /** `nowBytesMax`: larger batches are left to another thread; 0: all are. */
  constructor(clock: Clock, nowBytesMax = NOW_BYTES_MAX) {
    this.#clock = clock;
    this.#nowBytesMax = nowBytesMax;
  }

  /** True if so many bytes should be written on the calling thread. `syncingSinceMs`: when the running fdatasync began; undefined if none runs. */
  allows(bytes: number, syncingSinceMs: number | undefined): boolean {
    if (bytes > this.#nowBytesMax) return false;
    const nowMs = this.#clock.monotonicMs();
    if (syncingSinceMs !== undefined && nowMs - syncingSinceMs > SYNCING_MS_MAX) return false;
    return nowMs >= this.#pausedUntilMs;
  }

  /** Performs such a write and measures it; its errors come through. */
  measure(write: () => void): void {
    const startMs = this.#clock.monotonicMs();
    write();
    const endMs = this.#clock.monotonicMs();
    this.#writesSinceSlow++;
    if (endMs - startMs <= SLOW_MS) return;
    if (this.#writesSinceSlow <= WRITES_BETWEEN_SLOW || endMs - startMs >= STALLED_MS) this.#pause(endMs);
    this.#writesSinceSlow = 0;
  }

  #pause(nowMs: number): void {
    const isFirst = nowMs - this.#pausedUntilMs > PAUSE_MS_MAX;
    this.#pauseMs = isFirst ? PAUSE_MS_MIN : Math.min(2 * this.#pauseMs, PAUSE_MS_MAX);
    this.#pausedUntilMs = nowMs + this.#pauseMs;
  }
}
