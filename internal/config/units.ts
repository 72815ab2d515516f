/**
 * Durations ("10ms", "5m") and sizes ("100MB", "4KiB") as people write them:
 * a whole number and a unit, nothing around or between. Strict on purpose:
 * "12xyz", "1.5GB", "10" and "1 s" are undefined, never guessed at.
 */

const DURATION_UNITS_MS: Readonly<Record<string, number>> = {
  d: 86_400_000,
  h: 3_600_000,
  m: 60_000,
  s: 1_000,
  ms: 1,
};
/** Largest first. KB and kB are powers of 1,000 like MB; KiB, MiB, GiB of 1,024. */
const SIZE_UNITS_BYTES: Readonly<Record<string, number>> = {
  GiB: 1_073_741_824,
  GB: 1_000_000_000,
  MiB: 1_048_576,
  MB: 1_000_000,
  KiB: 1_024,
  KB: 1_000,
  kB: 1_000,
  B: 1,
};

/** What messages say of the two forms. */
export const DURATION_FORM = 'a duration such as "500ms", "1s", "5m", "1h" or "1d"';
export const SIZE_FORM = 'a size such as "512B", "100MB" or "64MiB"';

/** Milliseconds; undefined where `text` is no duration or beyond 2^53. */
export function parseDuration(text: string): number | undefined {
  return parseQuantity(text, DURATION_UNITS_MS);
}

/** Bytes; undefined where `text` is no size or beyond 2^53. */
export function parseSize(text: string): number | undefined {
  return parseQuantity(text, SIZE_UNITS_BYTES);
}

/** In the largest unit that leaves a whole number: 60000 is "1m". */
export function formatDuration(ms: number): string {
  return ms === 0 ? '0s' : formatQuantity(ms, DURATION_UNITS_MS);
}

/** In the largest unit that leaves a whole number: 256000000 is "256MB". */
export function formatSize(bytes: number): string {
  return bytes === 0 ? '0B' : formatQuantity(bytes, SIZE_UNITS_BYTES);
}

function parseQuantity(text: string, units: Readonly<Record<string, number>>): number | undefined {
  const match = /^(\d{1,16})([A-Za-z]{1,3})$/.exec(text);
  const name = match?.[2] ?? '';
  if (!Object.hasOwn(units, name)) return undefined;
  const value = Number(match?.[1]) * (units[name] as number);
  return Number.isSafeInteger(value) ? value : undefined;
}

function formatQuantity(value: number, units: Readonly<Record<string, number>>): string {
  for (const [name, factor] of Object.entries(units)) {
    if (value % factor === 0) return `${value / factor}${name}`;
  }
  throw new RangeError(`not a whole number: ${value}`);
}
