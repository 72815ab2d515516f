/**
 * Parses and formats durations such as `250ms`, `30s` or `1.5h`, for configuration,
 * the keys routes and the command line. It is strict on purpose: "12xyz", "10", "1 s"
 * and a fraction of a millisecond are refused, not guessed.
 */

/** Largest unit first, as `formatDuration` needs them. */
const UNITS_MS: ReadonlyMap<string, number> = new Map([
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
  ['ms', 1],
]);

/** How messages describe the form. */
export const DURATION_FORM = 'a duration such as "500ms", "1s", "5m", "1h" or "1d"';

/** Returns whole milliseconds; undefined if `text` is no duration or is 2^53 ms or more. */
export function parseDuration(text: string): number | undefined {
  const match = /^(\d{1,16}(?:\.\d{1,6})?)(ms|s|m|h|d)$/.exec(text);
  if (match === null) return undefined;
  const ms = Number(match[1]) * (UNITS_MS.get(match[2] as string) as number);
  const rounded = Math.round(ms);
  return Math.abs(ms - rounded) < 1e-6 && Number.isSafeInteger(rounded) ? rounded : undefined;
}

/** Formats in the largest unit that gives a whole number: 60000 is "1m". Throws for a fraction of a millisecond. */
export function formatDuration(ms: number): string {
  if (ms === 0) return '0s';
  for (const [name, factor] of UNITS_MS) {
    if (ms % factor === 0) return `${ms / factor}${name}`;
  }
  throw new RangeError(`not a whole number of milliseconds: ${ms}`);
}

/** Describes a duration for people, in two units at most: `250ms`, `1.2s`, `5m 2s`, `3d 4h`. Rounds. */
export function describeDuration(ms: number): string {
  const whole = Math.round(ms);
  if (whole < 1_000) return `${whole}ms`;
  const tenths = Math.round(whole / 100);
  if (tenths < 600) return `${(tenths / 10).toFixed(1)}s`;
  const seconds = Math.round(whole / 1_000);
  const parts = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3_600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'm'],
    [seconds % 60, 's'],
  ] as const;
  const first = parts.findIndex(([count]) => count > 0);
  return parts
    .slice(first, first + 2)
    .map(([count, unit]) => `${count}${unit}`)
    .join(' ');
}
