/** Formats answers: text for people, JSON for programs. Nothing here calls a node. */
import type { Entry, Position } from '#gen/walnut/v1/types_pb.ts';
import { UNKNOWN_LAG_MS } from '#model/status.ts';
import { describeDuration } from '#platform/duration.ts';
import { escapeControls } from './terminal.ts';

const PREVIEW_CHARACTERS = 48;
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
/** `epoch-lsn`, or `-` if there is no position. */
export function showPosition(position: Position | undefined): string {
  return position === undefined ? '-' : `${position.epoch}-${position.lsn}`;
}

/** The value as text if it is UTF-8, else as base64: exactly one of the two fields is set. */
export function valueToJson(value: Uint8Array): { value: string } | { valueBase64: string } {
  try {
    return { value: utf8.decode(value) };
  } catch {
    return { valueBase64: Buffer.from(value).toString('base64') };
  }
}

export function entryToJson(entry: Entry, hasValue = true): Record<string, unknown> {
  return {
    key: entry.key,
    ...(hasValue ? { ...valueToJson(entry.value), bytes: entry.value.length } : {}),
    version: showPosition(entry.version),
    expireAtMs: Number(entry.expireAtMs),
    ...contentTypeToJson(entry),
  };
}

/** Nothing where it is not known or was not asked for, which an answer says by 0. */
export function modifiedToJson({ modifiedMs }: { readonly modifiedMs: bigint }): Record<string, unknown> {
  return modifiedMs === 0n ? {} : { modifiedMs: Number(modifiedMs) };
}

/** Nothing where the value has no content type. */
export function contentTypeToJson({
  contentType,
}: {
  readonly contentType: string;
}): Record<string, unknown> {
  return contentType === '' ? {} : { contentType };
}

/** One quoted line without control characters, which is safe to show on a terminal. */
export function showText(text: string, charactersMax = PREVIEW_CHARACTERS): string {
  const shown = text.length > charactersMax ? `${text.slice(0, charactersMax)}…` : text;
  const quoted = JSON.stringify(shown.toWellFormed());
  // JSON does not escape DEL, C1 controls and direction marks, but a terminal obeys them.
  return escapeControls(quoted);
}

export function showValue(value: Uint8Array): string {
  const decoded = valueToJson(value.subarray(0, 4 * PREVIEW_CHARACTERS));
  if ('value' in decoded) return showText(decoded.value);
  return `(${value.length} bytes, binary)`;
}

/** The whole value as text for a terminal. Bytes that are not UTF-8 become `\\xff`. */
export function showWholeValue(value: Uint8Array): string {
  const decoded = valueToJson(value);
  if ('value' in decoded) return decoded.value;
  const text = Buffer.from(value).toString('latin1');
  return text.replace(/[\u0080-\u00ff]/g, (byte) => `\\x${byte.charCodeAt(0).toString(16)}`);
}

export function showDeadline(expireAtMs: bigint | number): string {
  const ms = Number(expireAtMs);
  if (ms === 0) return 'never';
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? `${ms} ms` : date.toISOString();
}

/** A node of release 0.1 does not say it. */
export function showModified(modifiedMs: bigint): string {
  return modifiedMs === 0n ? 'unknown' : showDeadline(modifiedMs);
}

/** `1.5 MB`: powers of 1,000, as in the configuration. */
export function showBytes(bytes: bigint | number): string {
  let value = Number(bytes);
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let unit = 0;
  for (; value >= 1_000 && unit < units.length - 1; unit++) value /= 1_000;
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

export function showCount(count: bigint | number): string {
  return count.toLocaleString('en-US');
}

/** `3d 4h`, `5m 2s`, `1.2s`. */
export function showDuration(ms: bigint | number): string {
  return describeDuration(Number(ms));
}

/** How far behind: `?` for data whose age is not known. */
export function showLag(ms: bigint | number): string {
  return Number(ms) === UNKNOWN_LAG_MS ? '?' : showDuration(ms);
}

/** `1 segment`, `2 segments`. */
export function countOf(count: bigint | number, one: string, many = `${one}s`): string {
  return `${showCount(count)} ${Number(count) === 1 ? one : many}`;
}

/**
 * The generated name (`CATCHING_UP` for `NODE_STATE_CATCHING_UP`) in lower case, as reasons
 * and documents spell it.
 */
export function enumName(names: Readonly<Record<string, number>>, value: number): string {
  const name = Object.keys(names).find((key) => names[key] === value);
  return name === undefined ? String(value) : name.toLowerCase();
}

export function renderJson(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

/** The text as one word of a command line of a shell, which changes nothing in it. */
export function shellWord(text: string): string {
  return /^[\w.:/@%+,=-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** The key unchanged, unless it would break the line or could be mistaken for a quoted key. */
export function showLineKey(key: string): string {
  const quoted = showText(key, Number.POSITIVE_INFINITY);
  return quoted === `"${key}"` ? key : quoted;
}
