/**
 * Goes through a message in protobuf's binary format before anything is made of it:
 * counts its fields, known and unknown ones, at every depth, and the elements of
 * lists, and measures its texts. Bytes are read exactly as protobuf-es does, which
 * goes by the schema whatever the wire type says, so that nothing is decoded which
 * was not counted.
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
  /** By field number: how the value is written; of a message, its shape. */
  readonly fields: Map<number, Field>;
}

interface Field {
  readonly wireType: number;
  readonly message: Shape | undefined;
  readonly isText: boolean;
  /** A list of numbers, which may come as one run of bytes. */
  readonly isPackable: boolean;
}

const shapes = new WeakMap<DescMessage, Shape>();

/**
 * Bytes of one text of a request, as sent. The longest are keys, of 1,024 bytes,
 * which take 6 KiB in JSON where every character is escaped.
 */
export const TEXT_BYTES_MAX = 8_192;

/**
 * Throws `resource_exhausted` where there are more than `fieldsMax` fields, and
 * `invalid_argument` where a text is longer than any may be. What is no message is
 * for the decoder to refuse. Returns how many fields there are.
 */
export function checkMessage(schema: DescMessage, bytes: Uint8Array, fieldsMax: number): number {
  const check = new Check(bytes, fieldsMax);
  check.message(shapeOf(schema), bytes.length);
  return check.fields;
}

export function tooManyFields(fieldsMax: number): WalnutError {
  const message = `the message has more than ${fieldsMax} fields: send less at once`;
  return new WalnutError('resource_exhausted', message);
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
    // Known before its fields are, since a message may hold its own kind.
    shapes.set(schema, shape);
    for (const field of schema.fields) shape.fields.set(field.number, fieldOf(field));
  }
  return shape;
}

function fieldOf(field: DescField): Field {
  const kind = field.fieldKind === 'list' ? field.listKind : field.fieldKind;
  const isPackable = field.fieldKind === 'list' && !isDelimited(field);
  // An entry of a map is a message of two fields; counted by its bytes, it is counted high.
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

/** The decoder goes no deeper. */
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

  /** What runs beyond `end` is read on from there by whoever holds the message, as the decoder does. */
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

  /** Unknown groups, one within another; each field in them costs the decoder a turn. */
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

  /** The rest is no message. */
  #stop(): void {
    this.#at = this.#bytes.length;
  }

  #varint(): void {
    while ((this.#bytes[this.#at++] as number) >= 0x80);
  }

  /** The low 32 bits of a varint of at most ten bytes. */
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
