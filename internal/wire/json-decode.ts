/**
 * Decodes a request in JSON without stalling the event loop. Its size is checked first.
 * Large values are decoded from base64 directly, because `JSON.parse` and the schema's
 * decoder take 6 ms per mebibyte.
 */

import type { JsonReadOptions } from '@bufbuild/protobuf';
import {
  type DescField,
  type DescMessage,
  fromJsonString,
  type MessageShape,
  ScalarType,
} from '@bufbuild/protobuf';
import { asBuffer } from '#platform/bytes.ts';
import { scanJson, type TextRange } from '#wire/json-scan.ts';

export interface JsonDecoding extends Partial<JsonReadOptions> {
  readonly textDecoder: TextDecoder;
}

/** Below this many bytes of values in total, the general decoder is fast enough. */
const LARGE_BYTES = 65_536;

/** For each schema, the JSON names of its bytes fields and of those in nested messages. */
const namesBySchema = new WeakMap<DescMessage, ReadonlySet<string>>();
const NO_NAMES: ReadonlySet<string> = new Set();

/**
 * Decodes a message. Throws `resource_exhausted` or `invalid_argument` if it is above
 * the limits of any request, and the parser's error if it does not fit the schema.
 */
export function decodeJson(
  schema: DescMessage,
  bytes: Uint8Array,
  fieldsMax: number,
  options: JsonDecoding,
): MessageShape<DescMessage> {
  const json = asBuffer(bytes);
  const names = bytesNames(schema);
  const texts = scanJson(json, { fieldsMax, bytesNames: names });
  let large = 0;
  for (const { from, to } of texts) large += to - from;
  const isLarge = large >= LARGE_BYTES;
  const rest = isLarge ? withNumbers(json, texts) : json;
  const message = fromJsonString(schema, options.textDecoder.decode(rest), options);
  if (isLarge) fill(schema, message as Values, names, (number) => textAt(json, texts[number]));
  return message;
}

function bytesNames(schema: DescMessage): ReadonlySet<string> {
  let names = namesBySchema.get(schema);
  if (names === undefined) {
    names = findBytesNames(schema);
    namesBySchema.set(schema, names);
  }
  return names;
}

/** The names that denote bytes in every message of the schema; none if it has a well-known type with its own JSON form. */
function findBytesNames(schema: DescMessage): ReadonlySet<string> {
  const all = [...messagesIn(schema)];
  if (all.some(({ typeName }) => typeName.startsWith('google.protobuf.'))) return NO_NAMES;
  const fields = all.flatMap((message) => message.fields);
  const namesOf = (isWanted: (field: DescField) => boolean): string[] =>
    fields.filter(isWanted).flatMap(({ name, jsonName }) => [name, jsonName]);
  const others = new Set(namesOf((field) => !isBytes(field)));
  return new Set(namesOf(isBytes).filter((name) => !others.has(name)));
}

function messagesIn(schema: DescMessage, seen = new Set<DescMessage>()): Set<DescMessage> {
  if (seen.has(schema)) return seen;
  seen.add(schema);
  for (const { message } of schema.fields) if (message !== undefined) messagesIn(message, seen);
  return seen;
}

function isBytes(field: DescField): boolean {
  return field.fieldKind === 'scalar' && field.scalar === ScalarType.BYTES;
}

const NUMBER_BYTES = 4;

/** The JSON with each text replaced by its index, as base64. */
function withNumbers(json: Buffer, texts: readonly TextRange[]): Buffer {
  const pieces: Buffer[] = [];
  let at = 0;
  for (const [i, { from, to }] of texts.entries()) {
    const number = Buffer.alloc(NUMBER_BYTES);
    number.writeUInt32BE(i);
    pieces.push(json.subarray(at, from), Buffer.from(number.toString('base64')));
    at = to;
  }
  pieces.push(json.subarray(at));
  return Buffer.concat(pieces);
}

type Values = Record<string, unknown> & MessageShape<DescMessage>;

/** Replaces the index in every bytes field by the value of that text. */
function fill(
  schema: DescMessage,
  message: Values,
  names: ReadonlySet<string>,
  textOf: (number: number) => string,
): void {
  for (const field of schema.fields) {
    const { oneof, localName } = field;
    const holder = (oneof === undefined ? message : message[oneof.localName]) as Record<string, unknown>;
    if (oneof !== undefined && holder['case'] !== localName) continue;
    const name = oneof === undefined ? localName : 'value';
    const value = holder[name];
    if (isBytes(field) && names.has(field.name)) {
      const number = asBuffer(value as Uint8Array);
      if (number.length > 0) holder[name] = decodeBytes(field, textOf(number.readUInt32BE()));
    } else if (field.message !== undefined && value !== undefined) {
      for (const each of Array.isArray(value) ? value : [value]) fill(field.message, each, names, textOf);
    }
  }
}

function textAt(json: Buffer, text: TextRange | undefined): string {
  if (text === undefined) return '';
  const written = json.subarray(text.from, text.to);
  return written.includes(BACKSLASH) ? withoutEscapes(written) : written.toString('latin1');
}

function decodeBytes(field: DescField, text: string): Uint8Array {
  const value = decodeBase64(text);
  if (value === undefined) throw new Error(`cannot decode ${field} from JSON: invalid base64 string`);
  return value;
}

/** Decodes base64 in either alphabet, padded or not; undefined if `text` is no base64. */
function decodeBase64(text: string): Buffer | undefined {
  let digits = text.length;
  while (digits > text.length - 2 && text[digits - 1] === '=') digits--;
  const value = Buffer.from(text, 'base64');
  // Node skips characters that are not base64, so the value is then too short.
  return digits % 4 !== 1 && value.length === Math.floor((digits * 3) / 4) ? value : undefined;
}

const BACKSLASH = 0x5c;
const LETTER_U = 0x75;
/** For each byte, 1 if it is a character of base64. */
const SIGNS = new Uint8Array(256);
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_=';
for (const byte of Buffer.from(ALPHABET)) SIGNS[byte] = 1;
/** For each byte, its value as a hex digit, or 256 if it is none. */
const HEX = new Uint16Array(256).fill(256);
for (let digit = 0; digit < 16; digit++) {
  const [lower = 0] = Buffer.from(digit.toString(16));
  const [upper = 0] = Buffer.from(digit.toString(16).toUpperCase());
  HEX[lower] = digit;
  HEX[upper] = digit;
}
/** For each letter after a backslash, the base64 character that it stands for, or `BLANK` for white space. */
const BLANK = 1;
const ESCAPES = new Uint8Array(256);
ESCAPES[0x2f] = 0x2f;
for (const byte of Buffer.from('nrt')) ESCAPES[byte] = BLANK;
/** Lines of base64 have 64 or 76 characters and end with up to two characters of white space. */
const BYTES_PER_BLANK = 16;
/** Returned for a text that is no base64. */
const NO_BASE64 = '!';

/** The base64 of a text that contains JSON escapes such as `\/` and `\u002B`, without line ends. */
function withoutEscapes(written: Buffer): string {
  const signs = Buffer.allocUnsafe(written.length);
  let length = 0;
  let blanksLeft = Math.ceil(written.length / BYTES_PER_BLANK);
  for (let at = 0; at < written.length; at++) {
    let byte = written[at] as number;
    if (byte === BACKSLASH) {
      const letter = written[++at] ?? 0;
      if (letter === LETTER_U) {
        // A missing hex digit sets bits above a byte, so that the check below refuses it.
        byte =
          ((HEX[written[at + 1] ?? 0] as number) << 12) |
          ((HEX[written[at + 2] ?? 0] as number) << 8) |
          ((HEX[written[at + 3] ?? 0] as number) << 4) |
          (HEX[written[at + 4] ?? 0] as number);
        at += 4;
      } else {
        byte = ESCAPES[letter] as number;
        if (byte === BLANK && --blanksLeft >= 0) continue;
      }
    }
    if (SIGNS[byte] !== 1) return NO_BASE64;
    signs[length++] = byte;
  }
  return signs.toString('latin1', 0, length);
}
