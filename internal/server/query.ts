/** Parameters of plain HTTP routes. Pure; what is wrong throws `invalid_argument` naming what was expected. */
import { invalidArgument } from '#model/errors.ts';
import { type Position, parsePosition } from '#model/position.ts';
import { parseDuration } from '#platform/duration.ts';
import { parseTime, TIME_FORM } from '#platform/time.ts';

/** The parameters by name; each is known and there once. */
export function readQuery(query: string, known: readonly string[]): ReadonlyMap<string, string> {
  const parameters = new Map<string, string>();
  if (query === '') return parameters;
  for (const [name, value] of new URLSearchParams(query)) {
    if (!known.includes(name)) {
      throw invalidArgument(`unknown parameter ${quote(name)}: expected one of ${known.join(', ')}`);
    }
    if (parameters.has(name)) throw invalidArgument(`parameter ${name} is given twice`);
    parameters.set(name, value);
  }
  return parameters;
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
