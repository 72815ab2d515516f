/**
 * Decodes a request in JSON without stalling the event loop. Its size is checked first.
 * A large one is decoded in slices: its values from base64 directly, because `JSON.parse`
 * and the schema's decoder take 6 ms per mebibyte, and its list of messages, if it has
 * one, element by element.
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
import { SLICE_BYTES, type Slices } from '#platform/slices.ts';
import { decodeText } from '#wire/json-base64.ts';
import { type JsonRange, type ListRange, ListWatch } from '#wire/json-elements.ts';
import { checkJson, JsonScan, type TextRange } from '#wire/json-scan.ts';

export interface JsonDecoding extends Partial<JsonReadOptions> {
  readonly textDecoder: TextDecoder;
}

/** Below this many bytes the schema's decoder is fast enough. */
const LARGE_BYTES = 65_536;
/**
 * Bytes outside values cost more than those in them: `JSON.parse` and the schema's
 * decoder take some 30 ns for each.
 */
const REST_WEIGHT = 8;

/** What the decoder must know of a schema. */
interface Shape {
  /** JSON names of its bytes fields and of those in nested messages. */
  readonly bytesNames: ReadonlySet<string>;
  /** Its own fields that are lists of messages, by each of their JSON names. */
  readonly lists: ReadonlyMap<string, DescField>;
  readonly listNames: ReadonlySet<string>;
}

const shapes = new WeakMap<DescMessage, Shape>();
const NO_NAMES: ReadonlySet<string> = new Set();

/**
 * Decodes a message. Throws `resource_exhausted` or `invalid_argument` if it is above
 * the limits of any request, and the parser's error if it does not fit the schema.
 */
export function* decodeJson(
  schema: DescMessage,
  bytes: Uint8Array,
  fieldsMax: number,
  options: JsonDecoding,
): Slices<MessageShape<DescMessage>> {
  const json = asBuffer(bytes);
  const shape = shapeOf(schema);
  const limits = { fieldsMax, bytesNames: shape.bytesNames };
  if (json.length < LARGE_BYTES) {
    checkJson(json, limits);
    return fromJsonString(schema, options.textDecoder.decode(json), options);
  }
  const watch = new ListWatch(json, shape.listNames);
  const scan = new JsonScan(json, limits, watch);
  while (!scan.advance(scan.rest + SLICE_BYTES)) yield SLICE_BYTES;
  return yield* new LargeDecoder(shape, json, scan.texts, options).decode(schema, watch.lists);
}

class LargeDecoder {
  readonly #shape: Shape;
  readonly #json: Buffer;
  readonly #texts: readonly TextRange[];
  readonly #options: JsonDecoding;
  /** Work since the last slice ended. */
  #work = 0;

  constructor(shape: Shape, json: Buffer, texts: readonly TextRange[], options: JsonDecoding) {
    this.#shape = shape;
    this.#json = json;
    this.#texts = texts;
    this.#options = options;
  }

  *decode(schema: DescMessage, lists: readonly ListRange[]): Slices<MessageShape<DescMessage>> {
    const message = yield* this.#decodePieces(schema, this.#around(lists));
    for (const { name, elements } of lists) {
      const field = this.#shape.lists.get(name) as DescField & { message: DescMessage };
      const target = message[field.localName] as Values[];
      for (const element of elements) target.push(yield* this.#decodePieces(field.message, [element]));
    }
    return message;
  }

  /** The message without the elements of its lists. */
  #around(lists: readonly ListRange[]): JsonRange[] {
    const pieces: JsonRange[] = [];
    let from = 0;
    let textsFrom = 0;
    for (const list of lists) {
      pieces.push({ from, to: list.from, textsFrom, textsTo: list.textsFrom });
      from = list.to;
      textsFrom = list.textsTo;
    }
    pieces.push({ from, to: this.#json.length, textsFrom, textsTo: this.#texts.length });
    return pieces;
  }

  /** Decodes one message, which is written in these pieces of the JSON. */
  *#decodePieces(schema: DescMessage, pieces: readonly JsonRange[]): Slices<Values> {
    const rest = Buffer.concat(pieces.flatMap((piece) => this.#withNumbers(piece)));
    yield* this.#spend(rest.length * REST_WEIGHT);
    const { textDecoder } = this.#options;
    const message = fromJsonString(schema, textDecoder.decode(rest), this.#options) as Values;
    for (const hole of holesIn(schema, message, this.#shape.bytesNames)) {
      const text = this.#texts[hole.number] as TextRange;
      yield* this.#spend(text.to - text.from);
      const value = yield* decodeText(this.#json, text);
      if (value === undefined)
        throw new Error(`cannot decode ${hole.field} from JSON: invalid base64 string`);
      hole.holder[hole.name] = value;
    }
    return message;
  }

  /** The JSON of one piece, with each text replaced by its index, as base64. */
  #withNumbers({ from, to, textsFrom, textsTo }: JsonRange): Buffer[] {
    const pieces: Buffer[] = [];
    let at = from;
    for (let i = textsFrom; i < textsTo; i++) {
      const text = this.#texts[i] as TextRange;
      const number = Buffer.alloc(NUMBER_BYTES);
      number.writeUInt32BE(i);
      pieces.push(this.#json.subarray(at, text.from), Buffer.from(number.toString('base64')));
      at = text.to;
    }
    pieces.push(this.#json.subarray(at, to));
    return pieces;
  }

  /** Ends the slice first if the work does not fit into it any more. */
  *#spend(work: number): Slices<void> {
    if (this.#work > 0 && this.#work + work > SLICE_BYTES) {
      yield this.#work;
      this.#work = 0;
    }
    // What is longer than a slice ends some itself; the rest of it counts.
    this.#work += Math.min(work, SLICE_BYTES);
  }
}

const NUMBER_BYTES = 4;

type Values = Record<string, unknown> & MessageShape<DescMessage>;

/** A bytes field that contains the index of its text instead of its value. */
interface Hole {
  readonly field: DescField;
  readonly holder: Record<string, unknown>;
  readonly name: string;
  readonly number: number;
}

function holesIn(
  schema: DescMessage,
  message: Values,
  names: ReadonlySet<string>,
  holes: Hole[] = [],
): Hole[] {
  for (const field of schema.fields) {
    const { oneof, localName } = field;
    const holder = (oneof === undefined ? message : message[oneof.localName]) as Record<string, unknown>;
    if (oneof !== undefined && holder['case'] !== localName) continue;
    const name = oneof === undefined ? localName : 'value';
    const value = holder[name];
    if (isBytes(field) && names.has(field.name)) {
      const bytes = asBuffer(value as Uint8Array);
      if (bytes.length > 0) holes.push({ field, holder, name, number: bytes.readUInt32BE() });
    } else if (field.message !== undefined && value !== undefined) {
      for (const each of Array.isArray(value) ? value : [value]) holesIn(field.message, each, names, holes);
    }
  }
  return holes;
}

function shapeOf(schema: DescMessage): Shape {
  let shape = shapes.get(schema);
  if (shape === undefined) {
    const lists = new Map<string, DescField>();
    for (const field of schema.fields) {
      if (field.fieldKind !== 'list' || field.listKind !== 'message') continue;
      for (const name of [field.name, field.jsonName]) lists.set(name, field);
    }
    shape = { bytesNames: findBytesNames(schema), lists, listNames: new Set(lists.keys()) };
    shapes.set(schema, shape);
  }
  return shape;
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
