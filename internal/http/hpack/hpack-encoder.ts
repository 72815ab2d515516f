/**
 * Encodes header blocks (RFC 7541). `prepareBlock` needs no connection: it uses
 * the static table and literals only, so its bytes mean the same everywhere and
 * at any time. An `HpackEncoder` belongs to one direction of one connection and
 * must encode in the order in which its blocks are sent.
 */
import { DynamicTable } from './dynamic-table.ts';
import { Field, FieldKind } from './field.ts';
import { TABLE_BYTES_DEFAULT } from './hpack-decoder.ts';
import { encodeHuffman, huffmanLength } from './huffman.ts';
import { STATIC_INDEX, STATIC_LENGTH } from './static-table.ts';

/** Names and values in turn: `[':method', 'GET', ':path', '/']`. Names in lower case, all in latin-1. */
export type FieldList = readonly string[];

/** Field lists whose blocks are remembered. */
const MEMO_LISTS = 64;

/** Secrets: literals that no table may keep (7.1.3). */
const NEVER_INDEXED = new Set(['authorization', 'cookie', 'proxy-authorization', 'set-cookie']);
/** Different in every call: a place in the table would only push out what repeats. */
const PASSING = new Set([
  'connect-timeout-ms',
  'content-length',
  'grpc-timeout',
  'traceparent',
  'tracestate',
  'x-request-id',
]);

const INDEXING = 0x40;
const NOT_INDEXED = 0x00;
const NEVER = 0x10;

/** A block in bytes, to be sent on any connection; never write into it. Throws as `checkFields` does. */
export function prepareBlock(fields: FieldList): Uint8Array {
  checkFields(fields);
  const writer = new BlockWriter();
  for (let i = 0; i < fields.length; i += 2)
    writeStatic(writer, fields[i] as string, fields[i + 1] as string);
  return new Uint8Array(writer.bytes());
}

/** Throws a RangeError for a field that HTTP/2 cannot carry: a peer would reset the stream for it. */
export function checkFields(fields: FieldList): void {
  for (let i = 0; i < fields.length; i += 2) {
    const [name = '', value] = [fields[i], fields[i + 1]];
    if (value !== undefined && new Field(name, value).kind !== FieldKind.malformed) continue;
    throw new RangeError(
      `header field ${JSON.stringify(name)}: expected a lower-case name that HTTP/2 allows and a value of visible latin-1 text, got ${JSON.stringify(value)}`,
    );
  }
}

interface ListMemo {
  readonly block: Uint8Array;
  readonly changes: number;
}

export class HpackEncoder {
  /** Undefined where nothing is ever inserted. */
  readonly #learned: LearnedFields | undefined;
  #memos: Map<FieldList, ListMemo> | undefined;
  #changes = 0;
  /** What the next block must begin with: the lowest size since the last one, then the present one. */
  #lowest: number | undefined;
  #sizeNext = TABLE_BYTES_DEFAULT;

  /**
   * Without `indexes` the table stays empty, so blocks never depend on what was sent before.
   * `passing`: names of fields that are not put into it.
   */
  constructor(indexes: boolean, passing: ReadonlySet<string> = PASSING) {
    this.#learned = indexes ? new LearnedFields(passing) : undefined;
  }

  get tableBytes(): number {
    return this.#learned?.table.size ?? 0;
  }

  /** The peer's SETTINGS_HEADER_TABLE_SIZE. More than the default is not made use of. */
  setSize(bytes: number): void {
    const size = Math.min(bytes, TABLE_BYTES_DEFAULT);
    if (size === this.#sizeNext && this.#lowest === undefined) return;
    this.#lowest = Math.min(size, this.#lowest ?? size);
    this.#sizeNext = size;
  }

  /** The updates (4.2, 6.3) that a prepared block must be sent behind; empty nearly always. */
  takeUpdates(): Uint8Array {
    if (this.#lowest === undefined) return NOTHING;
    WRITER.clear();
    if (this.#lowest < this.#sizeNext) WRITER.integer(0x20, 0x1f, this.#lowest);
    this.#learned?.table.resize(this.#lowest);
    WRITER.integer(0x20, 0x1f, this.#sizeNext);
    this.#learned?.table.resize(this.#sizeNext);
    this.#lowest = undefined;
    this.#changes++;
    return new Uint8Array(WRITER.bytes());
  }

  /**
   * The block of `fields`, updates included. Valid until the next call. A list
   * that is the identical array as before, and whose block changed nothing,
   * costs a look-up; so a list must not change. Throws a RangeError for a field
   * that cannot be sent, before anything has changed: half a block in the table
   * would leave it other than the peer's for good.
   */
  encode(fields: FieldList): Uint8Array {
    const memo = this.#lowest === undefined ? this.#memos?.get(fields) : undefined;
    if (memo !== undefined && memo.changes === this.#changes) return memo.block;
    checkFields(fields);
    const changesBefore = this.#changes;
    const updates = this.takeUpdates();
    WRITER.clear();
    WRITER.raw(updates);
    for (let i = 0; i < fields.length; i += 2) this.#write(fields[i] as string, fields[i + 1] as string);
    const block = WRITER.bytes();
    if (this.#changes !== changesBefore) return block;
    this.#memos ??= new Map();
    if (this.#memos.size >= MEMO_LISTS) this.#memos.clear();
    this.#memos.set(fields, { block: new Uint8Array(block), changes: this.#changes });
    return block;
  }

  #write(name: string, value: string) {
    const learned = this.#learned;
    const index = learned?.indexOf(name, value) ?? 0;
    if (index > 0) return WRITER.integer(0x80, 0x7f, index);
    const isToPass = NEVER_INDEXED.has(name) || STATIC_INDEX.has(`${name}\0${value}`);
    if (learned === undefined || isToPass || learned.passing.has(name))
      return writeStatic(WRITER, name, value);
    const field = new Field(name, value);
    // Larger than half of the table, it would push out nearly all that repeats.
    if (field.size > learned.table.sizeMax / 2) return writeStatic(WRITER, name, value);
    const nameIndex = STATIC_INDEX.get(name) ?? learned.indexOfName(name);
    WRITER.literal(INDEXING, 0x3f, nameIndex, name, value);
    learned.insert(field);
    this.#changes++;
  }
}

/** The table with which the peer decodes, as this side knows it. */
class LearnedFields {
  readonly table: DynamicTable;
  readonly passing: ReadonlySet<string>;
  /** Name, or name NUL value, to the number of the newest insertion that has it. */
  readonly #insertionOf = new Map<string, number>();

  constructor(passing: ReadonlySet<string>) {
    this.passing = passing;
    this.table = new DynamicTable(TABLE_BYTES_DEFAULT, (field, insertion) => this.#unlearn(field, insertion));
  }

  /** Its index in a block; 0 where the field is not in the table. */
  indexOf(name: string, value: string): number {
    return this.indexOfName(`${name}\0${value}`);
  }

  indexOfName(name: string): number {
    const insertion = this.#insertionOf.get(name);
    return insertion === undefined ? 0 : STATIC_LENGTH + 1 + this.table.insertions - insertion;
  }

  insert(field: Field): void {
    this.table.insert(field);
    const { insertions } = this.table;
    this.#insertionOf.set(field.name, insertions);
    this.#insertionOf.set(`${field.name}\0${field.value}`, insertions);
  }

  #unlearn(field: Field, insertion: number): void {
    for (const key of [field.name, `${field.name}\0${field.value}`]) {
      if (this.#insertionOf.get(key) === insertion) this.#insertionOf.delete(key);
    }
  }
}

const NOTHING = new Uint8Array(0);

/** By the static table, or as a literal that leaves the dynamic table as it is. */
function writeStatic(writer: BlockWriter, name: string, value: string): void {
  const index = STATIC_INDEX.get(`${name}\0${value}`);
  const first = NEVER_INDEXED.has(name) ? NEVER : NOT_INDEXED;
  if (index !== undefined) writer.integer(0x80, 0x7f, index);
  else writer.literal(first, 0x0f, STATIC_INDEX.get(name) ?? 0, name, value);
}

class BlockWriter {
  #bytes = Buffer.allocUnsafeSlow(256);
  #length = 0;

  /** A view, valid until the next `clear`. */
  bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  clear(): void {
    this.#length = 0;
  }

  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** `mask` is the prefix of ones; `first` the bits above it (RFC 7541, 5.1). */
  integer(first: number, mask: number, value: number): void {
    this.#reserve(6);
    if (value < mask) {
      this.#bytes[this.#length++] = first | value;
      return;
    }
    this.#bytes[this.#length++] = first | mask;
    let rest = value - mask;
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) this.#bytes[this.#length++] = 0x80 | (rest & 0x7f);
    this.#bytes[this.#length++] = rest;
  }

  literal(first: number, mask: number, nameIndex: number, name: string, value: string): void {
    this.integer(first, mask, nameIndex);
    if (nameIndex === 0) this.#string(name);
    this.#string(value);
  }

  /** In the Huffman code where that is shorter. */
  #string(text: string): void {
    const coded = huffmanLength(text);
    const isHuffman = coded < text.length;
    this.integer(isHuffman ? 0x80 : 0, 0x7f, isHuffman ? coded : text.length);
    this.#reserve(text.length);
    if (isHuffman) this.#length = encodeHuffman(text, this.#bytes, this.#length);
    else this.#length += this.#bytes.write(text, this.#length, 'latin1');
  }

  #reserve(room: number): void {
    if (this.#bytes.length - this.#length >= room) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#bytes.length * 2, this.#length + room));
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }
}

/** For all encoders: the caller copies a block before another one is written. */
const WRITER = new BlockWriter();
