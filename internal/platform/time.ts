/** Parses a moment, for the command line and plain HTTP: strict, so that nothing is guessed. */

/** How messages describe the form. */
export const TIME_FORM = 'milliseconds since 1970, or a time such as 2027-01-31T12:00:00Z';

const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d)$/;

/** Returns whole milliseconds since the Unix epoch, 0 or more; undefined if `text` is no such moment. */
export function parseTime(text: string): number | undefined {
  if (/^\d{1,16}$/.test(text)) return Number.isSafeInteger(Number(text)) ? Number(text) : undefined;
  const ms = ISO.test(text) ? Date.parse(text) : Number.NaN;
  return ms >= 0 ? ms : undefined;
}
