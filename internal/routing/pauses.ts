/** How pauses between repeats grow. Pure. */

/** Doubled `times` times, up to the longest. */
export function doubled(firstMs: number, times: number, maxMs: number): number {
  return Math.min(maxMs, firstMs * 2 ** Math.min(times, 10));
}

/** From half of the time to all of it, so that callers who failed together do not come back together. `jitter`: from 0 to 1. */
export function jittered(ms: number, jitter: number): number {
  return ms * (0.5 + jitter / 2);
}
