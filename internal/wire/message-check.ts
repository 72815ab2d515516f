/**
 * Scans a message in protobuf's binary format before it is decoded: counts known and
 * unknown fields at every depth and the elements of lists, and measures texts. It reads
 * the bytes exactly as protobuf-es does, which follows the schema even if the wire type
 * differs, so that the decoder creates nothing that was not counted.
 */
import { type DescField, type DescMessage, ScalarType } from '@bufbuild/protobuf';
import { invalidArgument, WalnutError } from '#model/errors.ts';

const VARINT = 0;
const FIXED64 = 1;
const DELIMITED = 2;
const GROUP = 3;
const END_GROUP = 4;
const FIXED32 = 5;

interface Shape {
  /** For each field number, how the value is encoded and, for a message, its shape. */
  readonly fields: Map<number, Field>;
}

interface Field {
  readonly wireType: number;
  readonly message: Shape | undefined;
  readonly isText: boolean;
  /** True for a list of numbers, which may be encoded as one run of bytes. */
  readonly isPackable: boolean;
}

const shapes = new WeakMap<DescMessage, Shape>();

/**
 * Most bytes of one text of a request, as sent. The longest texts are keys of 1,024
 * bytes, which take 6 KiB in JSON if every character is escaped.
 */
export const TEXT_BYTES_MAX = 8_192;

/**
 * Returns how many fields a message has. Throws `resource_exhausted` if there are more
 * than `fieldsMax`, and `invalid_argument` if a text is too long. An invalid message may
 * pass; the decoder refuses it later.
 */
export function checkMessage(schema: DescMessage, bytes: Uint8Array, fieldsMax: number): number {
  const check = new Check(bytes, fieldsMax);
  check.message(shapeOf(schema), bytes.length);
  return check.fields;
}

export function tooManyFields(fieldsMax: number): WalnutError {
  const message = `the message has more than ${fieldsMax} fields: send less at once`;
  return new WalnutError('resource_exhausted', message, { nothingDone: true });
}

export function textTooLong(): WalnutError {
  return invalidArgument(
    `a text of the message is longer than ${TEXT_BYTES_MAX} bytes: no key or name may be`,
  );
}

function shapeOf(schema: DescMessage): Shape {
  let shape = shapes.get(schema);
  if (shape === undefined) {
    shape = { fields: new Map() };
    // Stored before its fields are, because a message type may contain itself.
    shapes.set(schema, shape);
    for (const field of schema.fields) shape.fields.set(field.number, fieldOf(field));
  }
  return shape;
}

function fieldOf(field: DescField): Field {
  const kind = field.fieldKind === 'list' ? field.listKind : field.fieldKind;
  const isPackable = field.fieldKind === 'list' && !isDelimited(field);
  // A map entry is a message of two fields. Counting its bytes instead gives a higher number.
  if (kind === 'map') return { wireType: DELIMITED, message: undefined, isText: false, isPackable: true };
  const message = kind === 'message' && field.message !== undefined ? shapeOf(field.message) : undefined;
  const isText = field.scalar === ScalarType.STRING;
  return { wireType: wireTypeOf(field), message, isText, isPackable };
}

function isDelimited(field: DescField): boolean {
  return wireTypeOf(field) === DELIMITED;
}

function wireTypeOf(field: DescField): number {
  if (field.message !== undefined || field.fieldKind === 'map') return DELIMITED;
  switch (field.scalar) {
    case ScalarType.STRING:
    case ScalarType.BYTES:
      return DELIMITED;
    case ScalarType.DOUBLE:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
      return FIXED64;
    case ScalarType.FLOAT:
    case ScalarType.FIXED32:
    case ScalarType.SFIXED32:
      return FIXED32;
    default:
      return VARINT;
  }
}

/** The deepest nesting that the decoder accepts. */
const DEPTH_MAX = 100;

class Check {
  readonly #bytes: Uint8Array;
  readonly #fieldsMax: number;
  #at = 0;
  #depth = 0;
  fields = 0;

  constructor(bytes: Uint8Array, fieldsMax: number) {
    this.#bytes = bytes;
    this.#fieldsMax = fieldsMax;
  }

  /** Reads the fields up to `end`. If the last one runs beyond it, the outer message continues there, as in the decoder. */
  message(shape: Shape, end: number): void {
    while (this.#at < end && this.#goesOn()) {
      const tag = this.#uint32();
      const wireType = tag & 7;
      const number = tag >>> 3;
      if (number === 0 || wireType > FIXED32) {
        this.#stop();
        return;
      }
      this.#count(1);
      const field = shape.fields.get(number);
      if (field === undefined) this.#skip(wireType);
      else this.#known(field, wireType);
    }
  }

  #known({ wireType, message, isText, isPackable }: Field, sent: number): void {
    if (message !== undefined) {
      const length = this.#uint32();
      if (++this.#depth > DEPTH_MAX) this.#stop();
      this.message(message, this.#at + length);
      this.#depth--;
    } else if (isPackable && sent === DELIMITED) {
      const length = this.#uint32();
      this.#count(length);
      this.#at += length;
    } else if (isText) {
      const length = this.#uint32();
      if (length > TEXT_BYTES_MAX) throw textTooLong();
      this.#at += length;
    } else {
      this.#skip(wireType);
    }
  }

  #skip(wireType: number): void {
    if (wireType === VARINT) this.#varint();
    else if (wireType === FIXED64) this.#at += 8;
    else if (wireType === FIXED32) this.#at += 4;
    else if (wireType === DELIMITED) {
      const length = this.#uint32();
      this.#at += length;
    } else if (wireType === GROUP) this.#skipGroup();
    else this.#stop();
  }

  /** Skips an unknown group with nested ones, and counts its fields, as the decoder visits each. */
  #skipGroup(): void {
    for (let depth = 1; depth > 0 && this.#goesOn(); ) {
      this.#count(1);
      const wireType = this.#uint32() & 7;
      if (wireType === END_GROUP) depth--;
      else if (wireType === GROUP) depth++;
      else this.#skip(wireType);
    }
  }

  #goesOn(): boolean {
    return this.#at < this.#bytes.length;
  }

  #count(fields: number): void {
    this.fields += fields;
    if (this.fields > this.#fieldsMax) throw tooManyFields(this.#fieldsMax);
  }

  /** Stops, because the rest is no valid message. */
  #stop(): void {
    this.#at = this.#bytes.length;
  }

  #varint(): void {
    while ((this.#bytes[this.#at++] as number) >= 0x80);
  }

  /** Reads a varint of at most ten bytes and returns its low 32 bits. */
  #uint32(): number {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) break;
      if (shift < 32) value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
    this.#stop();
    return 0;
  }
}
