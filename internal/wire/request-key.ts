/**
 * Finds the key that a request is about, in the beginning of its bytes and without decoding
 * the rest: for the slow log, which looks at few calls and only once they have ended. Pure.
 */
import { type DescField, type DescMessage, ScalarType } from '@bufbuild/protobuf';
import { ByteReader } from '#wire/byte-reader.ts';

/** A key has at most 1,024 bytes; a Batch has two lengths and two tags before its first one. */
export const REQUEST_HEAD_BYTES = 1_088;

const NAMES = ['key', 'prefix'];
const DELIMITED = 2;
const JSON_KEY = /"(?:key|prefix)"\s*:\s*("(?:[^"\\]|\\.)*")/;

/** The key or prefix with which a message of protobuf's binary format begins, also within its first operation. */
export function keyInBinary(message: DescMessage, head: Buffer): string | undefined {
  const reader = new ByteReader();
  reader.open(head);
  let about: DescMessage | undefined = message;
  let end = head.length;
  while (about !== undefined && reader.at < end) {
    const tag = reader.varint(end);
    const length = reader.varint(end);
    // Generated code writes fields in the order of their numbers, and a key is the first.
    if (tag < 0 || tag % 8 !== DELIMITED || length < 0) return undefined;
    end = Math.min(reader.at + length, end);
    const field: DescField | undefined = about.fields.find(({ number }) => number === Math.floor(tag / 8));
    if (field?.scalar === ScalarType.STRING)
      return NAMES.includes(field.name) ? head.toString('utf8', reader.at, end) : undefined;
    about = field?.message;
  }
  return undefined;
}

/** The first key or prefix in a message as JSON. */
export function keyInJson(head: Buffer): string | undefined {
  const found = JSON_KEY.exec(head.toString('utf8'))?.[1];
  if (found === undefined) return undefined;
  try {
    return JSON.parse(found) as string;
  } catch {
    return undefined;
  }
}
