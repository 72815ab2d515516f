/**
 * Encodes answers in JSON, as `toJsonString` does, without stalling the event loop: long
 * lists are written element by element and values to base64 piece by piece, in slices.
 * Writers are made from schemas, once. What they do not support (maps, floats,
 * well-known types, values of a wrong type) is left to `toJsonString`, which writes or
 * refuses it.
 */
import {
  type DescField,
  type DescMessage,
  type JsonWriteOptions,
  type MessageShape,
  ScalarType,
  toJsonString,
} from '@bufbuild/protobuf';
import { FeatureSet_FieldPresence as Presence } from '@bufbuild/protobuf/wkt';
import { asBuffer } from '#platform/bytes.ts';
import { SLICE_BYTES, type Slices } from '#platform/slices.ts';
import { JsonPieces } from '#wire/json-pieces.ts';
import { type PreparedSchema, PreparedSchemas, type Values, zeroOf } from '#wire/prepared-schemas.ts';

/** False: this value is not supported. */
type WriteValue = (out: JsonPieces, value: unknown) => boolean;
/** The value of the field that is to be written; undefined if it is not set. */
type FieldValue = (message: Values) => unknown;

interface FieldWriter {
  /** `{"name":` and `,"name":`: the field as the first one of its message, and behind another. */
  readonly first: string;
  readonly next: string;
  readonly value: FieldValue;
  readonly isList: boolean;
  /** Writes one value, or one element of a list. */
  readonly write: WriteValue;
}

type Writer = PreparedSchema<FieldWriter>;

const writers = new PreparedSchemas<FieldWriter>(fieldWriter);

/** The message, with `headroom` unwritten bytes before it. */
export function* encodeJson(
  schema: DescMessage,
  message: MessageShape<DescMessage>,
  options: Partial<JsonWriteOptions>,
  headroom: number,
): Slices<Buffer> {
  const out = new JsonPieces();
  const writer = writers.of(schema);
  const values = message as unknown as Values;
  // Only lists take long to write: the generator for them costs as much as a small message.
  const hasLists = writer.fields?.some(({ isList }) => isList);
  if (hasLists === true ? yield* writeInSlices(out, writer, values) : writeMessage(out, writer, values)) {
    return out.tryTake(headroom) ?? (yield* out.take(headroom));
  }
  const text = toJsonString(schema, message, options);
  const bytes = Buffer.allocUnsafe(headroom + Buffer.byteLength(text));
  bytes.write(text, headroom);
  return bytes;
}

/** Writes a message, and ends the slice where it is due between the elements of its lists. */
function* writeInSlices(out: JsonPieces, writer: Writer, message: Values): Slices<boolean> {
  if (writer.fields === undefined || message['$typeName'] !== writer.typeName) return false;
  let isFirst = true;
  for (const { first, next, value, isList, write } of writer.fields) {
    const given = value(message);
    if (given === undefined) continue;
    out.put(isFirst ? first : next);
    isFirst = false;
    if (!isList) {
      if (!write(out, given)) return false;
      continue;
    }
    if (!Array.isArray(given)) return false;
    let before = '[';
    for (const each of given) {
      out.put(before);
      before = ',';
      if (!write(out, each)) return false;
      if (out.written >= SLICE_BYTES) yield out.endSlice();
    }
    out.put(']');
  }
  out.put(isFirst ? '{}' : '}');
  return true;
}

function writeMessage(out: JsonPieces, { typeName, fields }: Writer, message: Values): boolean {
  if (fields === undefined || message['$typeName'] !== typeName) return false;
  let isFirst = true;
  for (const { first, next, value, isList, write } of fields) {
    const given = value(message);
    if (given === undefined) continue;
    out.put(isFirst ? first : next);
    isFirst = false;
    if (!(isList ? writeList(out, write, given) : write(out, given))) return false;
  }
  out.put(isFirst ? '{}' : '}');
  return true;
}

function writeList(out: JsonPieces, write: WriteValue, values: unknown): boolean {
  if (!Array.isArray(values)) return false;
  let before = '[';
  for (const each of values) {
    out.put(before);
    before = ',';
    if (!write(out, each)) return false;
  }
  out.put(']');
  return true;
}

function fieldWriter(field: DescField): FieldWriter | undefined {
  const write = valueWriter(field);
  const value = readerOf(field);
  if (write === undefined || value === undefined) return undefined;
  const label = `${JSON.stringify(field.jsonName)}:`;
  return { first: `{${label}`, next: `,${label}`, value, isList: field.fieldKind === 'list', write };
}

function readerOf(field: DescField): FieldValue | undefined {
  const { localName } = field;
  if (field.fieldKind === 'list') {
    return (message) => {
      const list = message[localName];
      return Array.isArray(list) && list.length === 0 ? undefined : list;
    };
  }
  if (field.oneof !== undefined) {
    const { localName: oneof } = field.oneof;
    return (message) => {
      const chosen = message[oneof] as { readonly case?: string; readonly value?: unknown };
      return chosen.case === localName ? chosen.value : undefined;
    };
  }
  if (field.presence === Presence.LEGACY_REQUIRED) return undefined;
  if (field.presence !== Presence.IMPLICIT) {
    return (message) => (Object.hasOwn(message, localName) ? message[localName] : undefined);
  }
  const zero = zeroOf(field);
  return (message) => {
    const value = message[localName];
    return value === zero || (value instanceof Uint8Array && value.length === 0) ? undefined : value;
  };
}

/** Undefined if it is not supported. */
function valueWriter(field: DescField): WriteValue | undefined {
  const kind = field.fieldKind === 'list' ? field.listKind : field.fieldKind;
  if (kind === 'message' && field.message !== undefined) {
    const writer = writers.of(field.message);
    return (out, value) =>
      typeof value === 'object' && value !== null && writeMessage(out, writer, value as Values);
  }
  if (kind === 'enum' && field.enum !== undefined) return enumWriter(field.enum.value);
  if (kind !== 'scalar') return undefined;
  switch (field.scalar) {
    case ScalarType.STRING:
      return (out, value) => typeof value === 'string' && out.put(JSON.stringify(value));
    case ScalarType.BOOL:
      return (out, value) => typeof value === 'boolean' && out.put(String(value));
    case ScalarType.BYTES:
      return writeBytes;
    case ScalarType.FLOAT:
    case ScalarType.DOUBLE:
      return undefined;
    case ScalarType.UINT64:
    case ScalarType.INT64:
    case ScalarType.FIXED64:
    case ScalarType.SINT64:
    case ScalarType.SFIXED64:
      return (out, value) => typeof value === 'bigint' && out.put(`"${value}"`);
    default:
      return (out, value) => Number.isInteger(value) && out.put(String(value));
  }
}

function enumWriter(values: Readonly<Record<number, { readonly jsonName: string }>>): WriteValue {
  return (out, value) => {
    const name = typeof value === 'number' ? values[value]?.jsonName : undefined;
    return name !== undefined && out.put(`"${name}"`);
  };
}

function writeBytes(out: JsonPieces, value: unknown): boolean {
  if (!(value instanceof Uint8Array)) return false;
  out.base64(asBuffer(value));
  return true;
}
