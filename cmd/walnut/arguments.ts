/**
 * Parses arguments: durations, numbers, positions, addresses, times. Parsing is strict:
 * `12xyz` is an error that names what was expected (commander's InvalidArgumentError, which
 * ends in exit code 2).
 */
import { InvalidArgumentError } from 'commander';
import {
  CONTENT_TYPE_CHARACTERS_MAX,
  KEY_BYTES_MAX,
  REQUEST_ID_CHARACTERS_MAX,
  utf8Length,
} from '#model/limits.ts';
import { parsePosition } from '#model/position.ts';
import { DURATION_FORM, parseDuration } from '#platform/duration.ts';
import { parseTime } from '#platform/time.ts';

const PORT_DEFAULT = 8080;

/** An address as a user writes it: to be reached, it becomes an `Endpoint`. */
export interface NamedAddress {
  /** `host:port`, with IPv6 hosts in brackets. */
  readonly text: string;
  /** Without brackets. */
  readonly host: string;
  readonly port: number;
  /** Written with `https://`. */
  readonly isTls: boolean;
}

/** Parses a position into its wire form. */
export interface WirePosition {
  readonly epoch: bigint;
  readonly lsn: bigint;
}

export function parseDurationMs(text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined) throw new InvalidArgumentError(`Expected ${DURATION_FORM}.`);
  return ms;
}

/** Like `parseDurationMs`, but also takes a plain number as milliseconds. At most `maxMs`. */
export function parseWaitMs(maxMs: number): (text: string) => number {
  return (text) => {
    const ms = /^\d{1,15}$/.test(text) ? Number(text) : parseDurationMs(text);
    if (ms > maxMs) throw new InvalidArgumentError(`Expected at most ${maxMs} ms.`);
    return ms;
  };
}

/** Checks a key as nodes do: 1 to 1,024 bytes. */
export function parseKey(text: string): string {
  const bytes = utf8Length(text);
  if (bytes >= 1 && bytes <= KEY_BYTES_MAX && text.isWellFormed()) return text;
  throw new InvalidArgumentError(`Expected 1 to ${KEY_BYTES_MAX} bytes of UTF-8, not ${bytes}.`);
}

/** Checks the name of a write as nodes do. An empty one would mean no name. */
export function parseRequestId(text: string): string {
  if (text !== '' && text.length <= REQUEST_ID_CHARACTERS_MAX && text.isWellFormed()) return text;
  throw new InvalidArgumentError(
    `Expected 1 to ${REQUEST_ID_CHARACTERS_MAX} characters, not ${text.length}.`,
  );
}

/** Checks a content type as nodes do. An empty one would mean none. */
export function parseContentType(text: string): string {
  if (text.length <= CONTENT_TYPE_CHARACTERS_MAX && /^[\x20-\x7e]+$/.test(text)) return text;
  throw new InvalidArgumentError(
    `Expected 1 to ${CONTENT_TYPE_CHARACTERS_MAX} characters of printable ASCII, such as application/json.`,
  );
}

export function parseTtlMs(text: string): number {
  const ms = parseDurationMs(text);
  if (ms === 0) throw new InvalidArgumentError('Expected at least 1ms; to delete a key use: walnut del KEY');
  return ms;
}

/** A whole number in `min` .. `max`. */
export function parseCount(min: number, max = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
    throw new InvalidArgumentError(`Expected a whole number ${range}.`);
  };
}

export function parseWirePosition(text: string): WirePosition {
  const position = parsePosition(text);
  if (position === undefined) {
    throw new InvalidArgumentError(
      'Expected a position EPOCH-LSN such as 4294967303-12, as set and get show it.',
    );
  }
  return { epoch: BigInt(position.epoch), lsn: BigInt(position.lsn) };
}

/** Milliseconds since the Unix epoch, an ISO 8601 time, or `never`, as milliseconds; 0 is never. */
export function parseExpireAtMs(text: string): number {
  const ms = text === 'never' ? 0 : parseTime(text);
  if (ms !== undefined) return ms;
  throw new InvalidArgumentError(
    'Expected milliseconds since 1970, a time such as 2027-01-31T12:00:00Z, or never.',
  );
}

/** `host`, `host:port`, `[v6]:port`, after `http://`, `https://` or nothing; the port defaults to 8080. */
export function parseAddress(text: string): NamedAddress {
  const match = /^(?:http(s?):\/\/)?(\[[0-9a-fA-F:.]+\]|[^\s\p{C}:/[\]]+)(?::(\d{1,5}))?\/?$/u.exec(text);
  const port = match?.[3] === undefined ? PORT_DEFAULT : Number(match[3]);
  const host = match?.[2];
  if (host === undefined || port < 1 || port > 65_535) {
    throw new InvalidArgumentError(
      'Expected HOST:PORT such as 127.0.0.1:8080 (without :PORT it is 8080), or https://HOST:PORT.',
    );
  }
  const isTls = match?.[1] === 's';
  return { host: host.replace(/^\[|\]$/g, ''), port, text: `${host}:${port}`, isTls };
}

/**
 * The path of a file or directory. An empty one, such as of an unset variable of a shell, would mean the root
 * directory or the working directory where names are appended to it.
 */
export function parsePath(text: string): string {
  if (text.trim() !== '' && !text.includes('\0')) return text;
  throw new InvalidArgumentError('Expected the path of a file or directory; the working directory is “.”.');
}

/** The same for an option that may be given several times. */
export function collectPaths(text: string, before: readonly string[] = []): string[] {
  return [...before, parsePath(text)];
}
