/**
 * Decodes header blocks (RFC 7541) against the dynamic table of one direction
 * of one connection. A block is decoded whole or the connection is at an end:
 * after an error the table is not what the peer thinks, so `decode` must not be
 * called again.
 */
import { DynamicTable } from './dynamic-table.ts';
import { Field } from './field.ts';
import { decodeHuffman } from './huffman.ts';
import { STATIC_LENGTH, STATIC_TABLE } from './static-table.ts';

export interface FieldSink {
  add(field: Field): void;
}

/** What every connection begins with (RFC 9113, 6.5.2). */
export const TABLE_BYTES_DEFAULT = 4096;

const BAD = -1;

export class HpackDecoder {
  readonly #table = new DynamicTable(TABLE_BYTES_DEFAULT);
  /** The largest size an update may name: our SETTINGS_HEADER_TABLE_SIZE once acknowledged. */
  #sizeAllowed = TABLE_BYTES_DEFAULT;
  #changes = 0;
  #bytes: Buffer = EMPTY;
  #at = 0;
  #end = 0;
  #why = '';

  /** Rises with each insertion and size update: equal blocks mean equal fields while it stays. */
  get changes(): number {
    return this.#changes;
  }

  get tableBytes(): number {
    return this.#table.size;
  }

  /** Our setting was acknowledged. Where it shrank the table, the next block must begin with an update. */
  allowSize(bytes: number): void {
    this.#sizeAllowed = bytes;
    this.#changes++;
  }

  /** Hands each field of `bytes[from, to)` to `sink`, in order; returns why the block is bad, if it is. */
  decode(bytes: Buffer, from: number, to: number, sink: FieldSink): string | undefined {
    this.#bytes = bytes;
    this.#at = from;
    this.#end = to;
    const why = this.#decodeUpdates() ?? this.#decodeFields(sink);
    this.#bytes = EMPTY;
    return why;
  }

  #decodeUpdates(): string | undefined {
    while (this.#at < this.#end && ((this.#bytes[this.#at] as number) & 0xe0) === 0x20) {
      const size = this.#readInteger(0x1f);
      if (size === BAD) return this.#why;
      if (size > this.#sizeAllowed) return `table size update to ${size}, above ${this.#sizeAllowed}`;
      this.#table.resize(size);
      this.#changes++;
    }
    if (this.#table.sizeMax <= this.#sizeAllowed) return undefined;
    return `no table size update after the setting became ${this.#sizeAllowed}`;
  }

  #decodeFields(sink: FieldSink): string | undefined {
    while (this.#at < this.#end) {
      const first = this.#bytes[this.#at] as number;
      if ((first & 0xe0) === 0x20) return 'table size update after a field';
      const field = first >= 0x80 ? this.#readIndexed() : this.#readLiteral(first);
      if (field === undefined) return this.#why;
      sink.add(field);
    }
    return undefined;
  }

  #readIndexed(): Field | undefined {
    const index = this.#readInteger(0x7f);
    return index === BAD ? undefined : this.#entry(index);
  }

  #readLiteral(first: number): Field | undefined {
    const isIndexing = first >= 0x40;
    const index = this.#readInteger(isIndexing ? 0x3f : 0x0f);
    if (index === BAD) return undefined;
    const name = index === 0 ? this.#readString() : this.#entry(index)?.name;
    if (name === undefined) return undefined;
    const value = this.#readString();
    if (value === undefined) return undefined;
    const field = new Field(name, value);
    if (isIndexing) {
      this.#table.insert(field);
      this.#changes++;
    }
    return field;
  }

  #entry(index: number): Field | undefined {
    if (index === 0) return this.#fail('index 0');
    if (index <= STATIC_LENGTH) return STATIC_TABLE[index];
    return this.#table.at(index - STATIC_LENGTH - 1) ?? this.#fail(`index ${index} past the table's end`);
  }

  #readString(): string | undefined {
    if (this.#at >= this.#end) return this.#fail('block ends before a string');
    const isHuffman = (this.#bytes[this.#at] as number) >= 0x80;
    const length = this.#readInteger(0x7f);
    if (length === BAD) return undefined;
    const from = this.#at;
    const to = from + length;
    if (to > this.#end) return this.#fail('string runs past the block');
    this.#at = to;
    if (isHuffman) return decodeHuffman(this.#bytes, from, to) ?? this.#fail('no Huffman code');
    return readLatin1(this.#bytes, from, to);
  }

  /** An integer (5.1) behind a prefix of ones `mask`: below 2^32, in at most five more octets. */
  #readInteger(mask: number): number {
    const prefix = (this.#bytes[this.#at++] as number) & mask;
    if (prefix < mask) return prefix;
    let value = mask;
    for (let scale = 1; scale <= 2 ** 28; scale *= 128) {
      if (this.#at >= this.#end) {
        this.#fail('block ends within an integer');
        return BAD;
      }
      const byte = this.#bytes[this.#at++] as number;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80 && value < 2 ** 32) return value;
    }
    this.#fail('integer of 2^32 or more');
    return BAD;
  }

  #fail(why: string): undefined {
    this.#why = why;
    return undefined;
  }
}

const EMPTY = Buffer.alloc(0);

/** Short strings without a call out of JavaScript, which costs more than their characters. */
function readLatin1(bytes: Buffer, from: number, to: number): string {
  if (to - from > 24) return bytes.toString('latin1', from, to);
  let text = '';
  for (let i = from; i < to; i++) text += String.fromCharCode(bytes[i] as number);
  return text;
}
