import type { Clock } from '#platform/clock.ts';

/** Monotonic milliseconds. Fractions would cost each connection a number on the heap for each of its times. */
export function wholeMs(clock: Clock): number {
  return Math.floor(clock.monotonicMs());
}
