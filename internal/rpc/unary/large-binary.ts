/**
 * Protobuf's binary format for answers that are too large for the shared buffer of
 * `binary-encoder.ts`, in slices: lists of messages element by element, and each large
 * value is copied once. The bytes are those of `toBinary`.
 */
import {
  create,
  type DescField,
  type DescMessage,
  type MessageShape,
  ScalarType,
  toBinary,
} from '@bufbuild/protobuf';
import { SLICE_BYTES, type Slices } from '#platform/slices.ts';
import { tryEncodeBinary } from '#rpc/unary/binary-encoder.ts';
import { VARINT_BYTES_MAX, writeVarint } from '#wire/byte-writer.ts';

type Message = MessageShape<DescMessage>;
type Values = Readonly<Record<string, unknown>>;

const DELIMITED = 2;

/** The message, with `headroom` unwritten bytes before it. */
export function* encodeLargeBinary(schema: DescMessage, message: Message, headroom: number): Slices<Buffer> {
  const pieces = new Pieces();
  if (!isDivisible(schema, message)) pieces.add(toBinary(schema, message));
  else {
    for (const field of inOrder(schema)) {
      for (const each of valuesOf(field, message)) {
        addField(pieces, schema, field, each);
        if (pieces.work >= SLICE_BYTES) yield pieces.endSlice();
      }
    }
  }
  return yield* pieces.join(headroom);
}

/** True if the fields of the message can be written one after another. */
function isDivisible(schema: DescMessage, message: Message): boolean {
  const isPlain = message.$typeName === schema.typeName && message.$unknown === undefined;
  return isPlain && schema.fields.every((field) => field.fieldKind !== 'map');
}

function inOrder(schema: DescMessage): DescField[] {
  return schema.fields.toSorted((a, b) => a.number - b.number);
}

/** The values of a field: the elements of a list of messages, or the one value if it is set. */
function valuesOf(field: DescField, message: Message): readonly unknown[] {
  const values = message as unknown as Values;
  if (field.oneof !== undefined) {
    const chosen = values[field.oneof.localName] as { readonly case?: string; readonly value?: unknown };
    return chosen.case === field.localName ? [chosen.value] : [];
  }
  const value = values[field.localName];
  if (field.fieldKind === 'list' && field.listKind === 'message') return value as unknown[];
  return value === undefined ? [] : [value];
}

/** Adds one of `valuesOf`. */
function addField(pieces: Pieces, schema: DescMessage, field: DescField, value: unknown): void {
  if (value instanceof Uint8Array && value.length > 0 && field.scalar === ScalarType.BYTES) {
    pieces.addHead(field.number, value.length);
    pieces.addLarge(value);
    return;
  }
  if (field.message === undefined || typeof value !== 'object' || value === null) {
    const given = field.oneof === undefined ? value : { case: field.localName, value };
    pieces.add(
      toBinary(schema, create(schema, { [field.oneof?.localName ?? field.localName]: given } as never)),
    );
    return;
  }
  const nested = value as Message;
  const encoded = tryEncodeBinary(field.message, nested, 0);
  if (encoded !== undefined || !isDivisible(field.message, nested)) {
    const bytes = encoded ?? toBinary(field.message, nested);
    pieces.addHead(field.number, bytes.length);
    pieces.add(bytes);
    return;
  }
  const inner = new Pieces();
  for (const each of inOrder(field.message)) {
    for (const one of valuesOf(each, nested)) addField(inner, field.message, each, one);
  }
  pieces.addHead(field.number, inner.length);
  pieces.addAll(inner);
}

/** The bytes of a message, in pieces that are joined at the end. */
class Pieces {
  readonly #pieces: Uint8Array[] = [];
  length = 0;
  /** Bytes encoded since the last slice ended. */
  work = 0;

  add(piece: Uint8Array): void {
    this.addLarge(piece);
    this.work += piece.length;
  }

  /** A value that is not copied before the end. */
  addLarge(piece: Uint8Array): void {
    this.#pieces.push(piece);
    this.length += piece.length;
  }

  /** Tag and length of what follows. */
  addHead(number: number, length: number): void {
    const head = Buffer.allocUnsafe(2 * VARINT_BYTES_MAX);
    const end = writeVarint(head, length, writeVarint(head, number * 8 + DELIMITED, 0));
    this.add(head.subarray(0, end));
  }

  addAll(others: Pieces): void {
    for (const piece of others.#pieces) this.addLarge(piece);
    this.work += others.work;
  }

  endSlice(): number {
    const { work } = this;
    this.work = 0;
    return work;
  }

  *join(headroom: number): Slices<Buffer> {
    const whole = Buffer.allocUnsafeSlow(headroom + this.length);
    let at = headroom;
    let { work } = this;
    for (const piece of this.#pieces) {
      for (let from = 0; from < piece.length; from += SLICE_BYTES) {
        const part = piece.subarray(from, from + SLICE_BYTES);
        if (work > 0 && work + part.length > SLICE_BYTES) {
          yield work;
          work = 0;
        }
        whole.set(part, at);
        at += part.length;
        work += part.length;
      }
    }
    return whole;
  }
}
