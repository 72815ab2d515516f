/** Parameters of plain HTTP routes. Pure; what is wrong throws `invalid_argument` naming what was expected. */
import { invalidArgument, type WalnutError } from '#model/errors.ts';
import { type Position, parsePosition } from '#model/position.ts';
import { parseDuration } from '#platform/duration.ts';
import { parseTime, TIME_FORM } from '#platform/time.ts';

/** Characters that a URL must escape (RFC 3986): what they stand for would depend on the version of HTTP. */
export const UNESCAPED = /[^\x21-\x7e]/;

/** The parameters by name; each is known and there once. Bytes that are not UTF-8 are refused, as in the path. */
export function readQuery(query: string, known: readonly string[]): ReadonlyMap<string, string> {
  const parameters = new Map<string, string>();
  if (query === '') return parameters;
  if (UNESCAPED.test(query)) throw badEscape();
  for (const pair of query.split('&')) {
    if (pair === '') continue;
    const cut = pair.indexOf('=');
    const name = unescaped(cut < 0 ? pair : pair.slice(0, cut));
    const value = cut < 0 ? '' : unescaped(pair.slice(cut + 1));
    if (!known.includes(name)) {
      throw invalidArgument(`unknown parameter ${quote(name)}: expected one of ${known.join(', ')}`);
    }
    if (parameters.has(name)) throw invalidArgument(`parameter ${name} is given twice`);
    parameters.set(name, value);
  }
  return parameters;
}

/** URLSearchParams would make U+FFFD of bad bytes, so that different names become one. */
function unescaped(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    throw badEscape();
  }
}

function badEscape(): WalnutError {
  return invalidArgument('the query has a bad escape: expected %XX with UTF-8 bytes, such as %C3%BC for ü');
}

export function readPosition(text: string, name: string): Position {
  const position = parsePosition(text);
  if (position === undefined) throw invalidArgument(`${name} is ${quote(text)}: expected epoch-lsn`);
  return position;
}

/** Milliseconds. */
export function readDuration(text: string, name: string): number {
  const ms = parseDuration(text);
  if (ms === undefined)
    throw invalidArgument(`${name} is ${quote(text)}: expected a duration such as 250ms or 5s`);
  return ms;
}

/** Milliseconds since the Unix epoch. */
export function readTime(text: string, name: string): number {
  const ms = parseTime(text);
  if (ms === undefined) throw invalidArgument(`${name} is ${quote(text)}: expected ${TIME_FORM}`);
  return ms;
}

/** `name` alone means true. */
export function readFlag(text: string | undefined, name: string): boolean {
  if (text === undefined || text === 'false') return false;
  if (text === '' || text === 'true') return true;
  throw invalidArgument(`${name} is ${quote(text)}: expected true or false`);
}

/** A parameter as it was sent, quoted and cut so that a message may show it. */
export function quote(text: string): string {
  return JSON.stringify(text.slice(0, 64).toWellFormed());
}
