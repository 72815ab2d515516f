/**
 * Dates in HTTP headers (RFC 9110, 5.6.7), to the second, and the preconditions that compare
 * them. Pure. A date that is none makes its header mean nothing, as the RFC says.
 */

const DAY = '(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)';
const MONTH = '(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)';
const TIME = '\\d{2}:\\d{2}:\\d{2}';
/** The form that is sent, and an obsolete one that must be read. */
const WITH_ZONE = new RegExp(
  `^(?:${DAY}, \\d{2} ${MONTH} \\d{4}|\\w{6,9}, \\d{2}-${MONTH}-\\d{2}) ${TIME} GMT$`,
);
/** The form of asctime, obsolete too: always in GMT. */
const WITHOUT_ZONE = new RegExp(`^${DAY} ${MONTH} [\\d ]\\d ${TIME} \\d{4}$`);

export function formatHttpDate(ms: number): string {
  return new Date(ms).toUTCString();
}

/** More than the Date that connections add to answers is ever old: they renew it each second or so. */
const DATE_AGE_MS_MAX = 10_000;

/**
 * When an entry was modified, which may not be after the Date of its answer: that of the connection
 * may be too old, and the clock of the master that wrote may be ahead of this one.
 */
export function modifiedHeaders(modifiedMs: number, nowMs: number): Record<string, string> {
  if (nowMs - modifiedMs > DATE_AGE_MS_MAX) return { 'last-modified': formatHttpDate(modifiedMs) };
  return { 'last-modified': formatHttpDate(Math.min(modifiedMs, nowMs)), date: formatHttpDate(nowMs) };
}

/** Milliseconds since the Unix epoch; undefined: the text is no date. */
export function parseHttpDate(text: string): number | undefined {
  const isLocal = WITHOUT_ZONE.test(text);
  if (!isLocal && !WITH_ZONE.test(text)) return undefined;
  const ms = Date.parse(isLocal ? `${text} GMT` : text);
  return Number.isNaN(ms) ? undefined : ms;
}

/** The header values that the preconditions are read from. */
export interface DateHeaders {
  readonly 'if-match'?: string | undefined;
  readonly 'if-none-match'?: string | undefined;
  readonly 'if-modified-since'?: string | undefined;
  readonly 'if-unmodified-since'?: string | undefined;
}

/** If-Modified-Since, which counts for nothing beside If-None-Match. `modifiedMs` undefined: not known. */
export function isModifiedSince(headers: DateHeaders, modifiedMs: number | undefined): boolean {
  const since = headers['if-modified-since'];
  if (since === undefined || headers['if-none-match'] !== undefined || modifiedMs === undefined) return true;
  const sinceMs = parseHttpDate(since);
  return sinceMs === undefined || modifiedMs > sinceMs;
}

/** If-Unmodified-Since, which counts for nothing beside If-Match. */
export function isUnmodifiedSince(headers: DateHeaders, modifiedMs: number | undefined): boolean {
  const since = headers['if-unmodified-since'];
  if (since === undefined || headers['if-match'] !== undefined || modifiedMs === undefined) return true;
  const sinceMs = parseHttpDate(since);
  return sinceMs === undefined || modifiedMs <= sinceMs;
}
