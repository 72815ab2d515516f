/** Durations of calls, from microseconds to seconds, in the same three digits everywhere. */

/** `0.12 ms`, `3.4 ms`, `120 ms`, `over 10 s`; `-` where there is none. */
export function showMs(ms: number | null | undefined): string {
  if (ms === null || ms === undefined) return '-';
  if (ms >= 10_000) return 'over 10 s';
  return `${Number(ms.toPrecision(ms >= 100 ? 3 : 2))} ms`;
}
