/**
 * Sizes ("100MB", "4KiB") as people write them: a whole number and a unit,
 * nothing around or between. Strict on purpose: "12xyz", "1.5GB" and "10" are
 * undefined, never guessed at.
 */

/** Largest first. KB and kB are powers of 1,000 like MB; KiB, MiB, GiB of 1,024. */
const UNITS_BYTES: ReadonlyMap<string, number> = new Map([
  ['GiB', 1_073_741_824],
  ['GB', 1_000_000_000],
  ['MiB', 1_048_576],
  ['MB', 1_000_000],
  ['KiB', 1_024],
  ['KB', 1_000],
  ['kB', 1_000],
  ['B', 1],
]);

/** The form of a size, for messages. */
export const SIZE_FORM = 'a size such as "512B", "100KB", "64MiB" or "1GB"';

/** Bytes; undefined where `text` is no size or beyond 2^53. */
export function parseSize(text: string): number | undefined {
  const match = /^(\d{1,16})([A-Za-z]{1,3})$/.exec(text);
  const factor = UNITS_BYTES.get(match?.[2] ?? '');
  if (factor === undefined) return undefined;
  const bytes = Number(match?.[1]) * factor;
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** Formats bytes in the largest unit that gives a whole number: 256000000 is "256MB". Throws for a fraction of a byte. */
export function formatSize(bytes: number): string {
  if (bytes === 0) return '0B';
  for (const [name, factor] of UNITS_BYTES) {
    if (bytes % factor === 0) return `${bytes / factor}${name}`;
  }
  throw new RangeError(`not a whole number of bytes: ${bytes}`);
}
