/**
 * Durations as people write them: `250ms`, `30s`, `1.5h`; the one parser for
 * configuration, the keys routes and the command line. Strict on purpose:
 * "12xyz", "10", "1 s" and a part of a millisecond are undefined, never guessed at.
 */

/** Largest first, for `formatDuration`. */
const UNITS_MS: ReadonlyMap<string, number> = new Map([
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
  ['ms', 1],
]);

/** What messages say of the form. */
export const DURATION_FORM = 'a duration such as "500ms", "1s", "5m", "1h" or "1d"';

/** Whole milliseconds; undefined where `text` is no duration or beyond 2^53. */
export function parseDuration(text: string): number | undefined {
  const match = /^(\d{1,16}(?:\.\d{1,6})?)(ms|s|m|h|d)$/.exec(text);
  if (match === null) return undefined;
  const ms = Number(match[1]) * (UNITS_MS.get(match[2] as string) as number);
  const rounded = Math.round(ms);
  return Math.abs(ms - rounded) < 1e-6 && Number.isSafeInteger(rounded) ? rounded : undefined;
}

/** In the largest unit that leaves a whole number: 60000 is "1m". Throws for a part of a millisecond. */
export function formatDuration(ms: number): string {
  if (ms === 0) return '0s';
  for (const [name, factor] of UNITS_MS) {
    if (ms % factor === 0) return `${ms / factor}${name}`;
  }
  throw new RangeError(`not a whole number of milliseconds: ${ms}`);
}
