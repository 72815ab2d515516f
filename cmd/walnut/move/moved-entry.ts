/** One entry on its way into or out of a group, and its line of NDJSON. Pure. */
import type { Entry } from '#gen/walnut/v1/types_pb.ts';
import { contentTypeToJson, valueToJson } from '../output/output.ts';

export interface MovedEntry {
  readonly key: string;
  readonly value: Uint8Array;
  /** Since the Unix epoch, milliseconds; 0 is never. */
  readonly expireAtMs: number;
  /** Empty: none. */
  readonly contentType: string;
}

/** One line, without its end: the fields that `walnut scan --json` prints, and that `parseLine` reads. */
export function entryLine({ key, value, expireAtMs, contentType }: Entry): string {
  return JSON.stringify({
    key,
    ...valueToJson(value),
    ...(expireAtMs === 0n ? {} : { expireAtMs: Number(expireAtMs) }),
    ...contentTypeToJson({ contentType }),
  });
}

/** What `walnut scan --json` prints beside; it says nothing of where the entry goes. */
const IGNORED = new Set(['bytes', 'version', 'modifiedMs']);
const READ = ['key', 'value', 'valueBase64', 'expireAtMs', 'contentType'];
const BASE64_QUANTUM = 4;
/** A group that repeats would overflow the stack on a value of some MiB. */
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;
const UTF8 = new TextEncoder();

/** Throws an error that says what is wrong with the line. */
export function parseLine(line: string): MovedEntry {
  const fields = parseObject(line);
  const unknown = Object.keys(fields).find((name) => !READ.includes(name) && !IGNORED.has(name));
  if (unknown !== undefined)
    throw new Error(`unknown field ${JSON.stringify(unknown)}: expected ${READ.join(', ')}`);
  const { key, expireAtMs = 0, contentType = '' } = fields;
  if (typeof key !== 'string') throw new Error('expected key as a string');
  if (typeof expireAtMs !== 'number' || !Number.isSafeInteger(expireAtMs) || expireAtMs < 0)
    throw new Error('expected expireAtMs as whole milliseconds since 1970');
  if (typeof contentType !== 'string') throw new Error('expected contentType as a string');
  return { key, value: bytesOf(fields), expireAtMs, contentType };
}

function parseObject(line: string): Record<string, unknown> {
  const parsed: unknown = JSON.parse(line);
  if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed))
    return parsed as Record<string, unknown>;
  throw new Error('expected an object such as {"key":"a","value":"text"}');
}

function bytesOf({ value, valueBase64 }: Record<string, unknown>): Uint8Array {
  if (typeof value === 'string' && valueBase64 === undefined && value.isWellFormed())
    return UTF8.encode(value);
  if (typeof valueBase64 === 'string' && value === undefined && isBase64(valueBase64))
    return Buffer.from(valueBase64, 'base64');
  throw new Error('expected either value, a string, or valueBase64, standard base64');
}

function isBase64(text: string): boolean {
  return text.length % BASE64_QUANTUM === 0 && BASE64.test(text);
}
