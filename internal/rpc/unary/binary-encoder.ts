/**
 * Protobuf's binary format for the messages that answers are made of, written
 * into a buffer that all calls share: `toBinary` allocates twice for each, which
 * costs more than the writing. Encoders are made from schemas, once. The bytes
 * are those of `toBinary`; what is not provided for here (maps, floats, packed
 * lists, unknown fields, values of a wrong type, well-known types, messages
 * above 1 MiB) is `toBinary`'s to write, or to refuse.
 */
import {
  type DescField,
  type DescMessage,
  type DescOneof,
  type MessageShape,
  ScalarType,
  toBinary,
} from '@bufbuild/protobuf';
import { FeatureSet_FieldPresence as Presence } from '@bufbuild/protobuf/wkt';
import { VARINT_BYTES_MAX, varintBytes, writeVarint } from '#wire/byte-writer.ts';
import {
  isWellKnown,
  type PreparedSchema,
  PreparedSchemas,
  type Values,
  zeroOf,
} from '#wire/prepared-schemas.ts';

/** False: this value is not provided for. */
type WriteValue = (out: Scratch, value: unknown) => boolean;
type WriteField = (out: Scratch, message: Values) => boolean;

const SCRATCH_BYTES = 65_536;
const SCRATCH_BYTES_MAX = 1_048_576;
/** The longest tag and the longest varint after it. */
const FIELD_BYTES_MAX = 5 + VARINT_BYTES_MAX;

class Scratch {
  buffer = Buffer.allocUnsafeSlow(SCRATCH_BYTES);
  at = 0;

  /** False where the message grows too large for this. */
  hasRoom(bytes: number): boolean {
    const needed = this.at + bytes;
    if (needed <= this.buffer.length) return true;
    if (needed > SCRATCH_BYTES_MAX) return false;
    const larger = Buffer.allocUnsafeSlow(Math.min(SCRATCH_BYTES_MAX, 2 * needed));
    this.buffer.copy(larger, 0, 0, this.at);
    this.buffer = larger;
    return true;
  }

  /** Writes a whole number from 0 to 2^53 - 1. The caller has made room. */
  varint(value: number): void {
    this.at = writeVarint(this.buffer, value, this.at);
  }
}

const scratch = new Scratch();
const encoders = new PreparedSchemas<WriteField>(fieldWriter);

/** The message, with `headroom` unwritten bytes before it; undefined if it is not provided for. */
export function tryEncodeBinary(
  schema: DescMessage,
  message: MessageShape<DescMessage>,
  headroom: number,
): Buffer | undefined {
  scratch.at = headroom;
  if (!writeMessage(scratch, encoders.of(schema), message as unknown as Values)) return undefined;
  const bytes = Buffer.allocUnsafe(scratch.at);
  scratch.buffer.copy(bytes, headroom, headroom, scratch.at);
  return bytes;
}

/** Like `tryEncodeBinary`, for every message. */
export function encodeBinary(schema: DescMessage, message: MessageShape<DescMessage>, headroom = 0): Buffer {
  const encoded = tryEncodeBinary(schema, message, headroom);
  if (encoded !== undefined) return encoded;
  const written = toBinary(schema, message);
  const bytes = Buffer.allocUnsafe(headroom + written.length);
  bytes.set(written, headroom);
  return bytes;
}

function writeMessage(
  out: Scratch,
  { typeName, fields }: PreparedSchema<WriteField>,
  message: Values,
): boolean {
  if (fields === undefined || message['$typeName'] !== typeName || message['$unknown'] !== undefined) {
    return false;
  }
  for (const write of fields) if (!write(out, message)) return false;
  return true;
}

function fieldWriter(field: DescField): WriteField | undefined {
  const write = valueWriter(field);
  if (write === undefined) return undefined;
  const { localName } = field;
  if (field.fieldKind === 'list') return listWriter(localName, write);
  if (field.oneof !== undefined) return oneofWriter(field.oneof, localName, write);
  if (field.presence === Presence.LEGACY_REQUIRED) return undefined;
  if (field.presence !== Presence.IMPLICIT) {
    return (out, message) => {
      const value = message[localName];
      return value === undefined || !Object.hasOwn(message, localName) || write(out, value);
    };
  }
  if (field.scalar === ScalarType.BYTES) {
    return (out, message) => {
      const value = message[localName];
      return (value instanceof Uint8Array && value.length === 0) || write(out, value);
    };
  }
  const zero = zeroOf(field);
  return (out, message) => {
    const value = message[localName];
    return value === zero || write(out, value);
  };
}

function listWriter(localName: string, write: WriteValue): WriteField {
  return (out, message) => {
    const values = message[localName];
    if (!Array.isArray(values)) return false;
    for (const value of values) if (!write(out, value)) return false;
    return true;
  };
}

function oneofWriter(oneof: DescOneof, localName: string, write: WriteValue): WriteField {
  return (out, message) => {
    const chosen = message[oneof.localName] as
      | { readonly case?: string; readonly value?: unknown }
      | undefined;
    return chosen?.case !== localName || write(out, chosen.value);
  };
}

const VARINT = 0;
const DELIMITED = 2;
const INT32_MAX = 2 ** 31 - 1;
const UINT32_MAX = 2 ** 32 - 1;

/** Tag and value; for a list, of one of its elements. Undefined where it is not provided for. */
function valueWriter(field: DescField): WriteValue | undefined {
  const tagOf = (wireType: number): number => field.number * 8 + wireType;
  const kind = field.fieldKind === 'list' ? field.listKind : field.fieldKind;
  if (kind === 'message' && field.message !== undefined) {
    if (field.delimitedEncoding === true || isWellKnown(field.message)) {
      return undefined;
    }
    return nestedWriter(tagOf(DELIMITED), field.message);
  }
  // Numbers in lists are packed, which answers have no use for.
  if (kind === 'enum') return field.fieldKind === 'list' ? undefined : numberWriter(tagOf(VARINT), INT32_MAX);
  if (kind !== 'scalar') return undefined;
  const scalar = field.scalar as ScalarType;
  if (scalar === ScalarType.STRING) return stringWriter(tagOf(DELIMITED));
  if (scalar === ScalarType.BYTES) return bytesWriter(tagOf(DELIMITED));
  if (field.fieldKind === 'list') return undefined;
  switch (scalar) {
    case ScalarType.BOOL:
      return boolWriter(tagOf(VARINT));
    case ScalarType.UINT32:
      return numberWriter(tagOf(VARINT), UINT32_MAX);
    case ScalarType.INT32:
      return numberWriter(tagOf(VARINT), INT32_MAX);
    case ScalarType.UINT64:
    case ScalarType.INT64:
      return bigintWriter(tagOf(VARINT));
    case ScalarType.SINT64:
      return signedWriter(tagOf(VARINT));
    default:
      return undefined;
  }
}

function numberWriter(tag: number, max: number): WriteValue {
  return (out, value) => {
    if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > max) return false;
    if (!out.hasRoom(FIELD_BYTES_MAX)) return false;
    out.varint(tag);
    out.varint(value);
    return true;
  };
}

function boolWriter(tag: number): WriteValue {
  return (out, value) => {
    if (typeof value !== 'boolean' || !out.hasRoom(FIELD_BYTES_MAX)) return false;
    out.varint(tag);
    out.varint(value ? 1 : 0);
    return true;
  };
}

const SAFE_MAX = BigInt(Number.MAX_SAFE_INTEGER);

function bigintWriter(tag: number): WriteValue {
  return (out, value) => {
    if (typeof value !== 'bigint' || value < 0n || value > SAFE_MAX) return false;
    if (!out.hasRoom(FIELD_BYTES_MAX)) return false;
    out.varint(tag);
    out.varint(Number(value));
    return true;
  };
}

/** Numbers within it have a zigzag form below 2^53. */
const SIGNED_MAX = 2n ** 52n - 1n;

function signedWriter(tag: number): WriteValue {
  return (out, value) => {
    if (typeof value !== 'bigint' || value < -SIGNED_MAX || value > SIGNED_MAX) return false;
    if (!out.hasRoom(FIELD_BYTES_MAX)) return false;
    const number = Number(value);
    out.varint(tag);
    out.varint(number < 0 ? -2 * number - 1 : 2 * number);
    return true;
  };
}

function bytesWriter(tag: number): WriteValue {
  return (out, value) => {
    if (!(value instanceof Uint8Array) || !out.hasRoom(value.length + FIELD_BYTES_MAX)) return false;
    out.varint(tag);
    out.varint(value.length);
    out.buffer.set(value, out.at);
    out.at += value.length;
    return true;
  };
}

function stringWriter(tag: number): WriteValue {
  return (out, value) => {
    // Three bytes of UTF-8 for each unit of UTF-16, at most.
    if (typeof value !== 'string' || !out.hasRoom(3 * value.length + FIELD_BYTES_MAX)) return false;
    const bytes = Buffer.byteLength(value, 'utf8');
    // toBinary refuses ill-formed text.
    if (bytes !== value.length && !value.isWellFormed()) return false;
    out.varint(tag);
    out.varint(bytes);
    out.at += out.buffer.write(value, out.at, bytes, 'utf8');
    return true;
  };
}

function nestedWriter(tag: number, schema: DescMessage): WriteValue {
  const encoder = encoders.of(schema);
  return (out, value) => {
    if (typeof value !== 'object' || value === null || !out.hasRoom(2 * FIELD_BYTES_MAX)) return false;
    out.varint(tag);
    // A length of one byte is presumed; where it takes more, the message moves.
    const start = out.at + 1;
    out.at = start;
    if (!writeMessage(out, encoder, value as Values)) return false;
    const bytes = out.at - start;
    const shift = varintBytes(bytes) - 1;
    if (shift > 0) {
      if (!out.hasRoom(shift)) return false;
      out.buffer.copyWithin(start + shift, start, out.at);
    }
    out.at = start - 1;
    out.varint(bytes);
    out.at += bytes;
    return true;
  };
}
