/** Writes and reads rows of little-endian fields one after another. No length is trusted. Pure. */
import { BlockError } from '#platform/blocks.ts';
import { readUint53, writeUint53 } from '#platform/bytes.ts';
import { isUtf8Range } from '#platform/utf8.ts';
import type { EntryHasher } from '#storage/entry-hash.ts';

const BYTES_MIN = 1_024;
const WORD_BYTES = 4;

/** Collects rows in a buffer that grows; `take` gives them and begins anew. */
export class RowWriter {
  #bytes = Buffer.allocUnsafeSlow(BYTES_MIN);
  /** The same bytes. */
  #words = new Int32Array(this.#bytes.buffer);
  #at = 0;

  get length(): number {
    return this.#at;
  }

  /** What was written, as a view that is good until the next field is written; the writer is empty then. */
  take(): Buffer {
    const bytes = this.#bytes.subarray(0, this.#at);
    this.#at = 0;
    return bytes;
  }

  /** Hashes what was written, and begins anew. */
  hashWith(hasher: EntryHasher): void {
    const length = this.#at;
    const end = this.#reserve(WORD_BYTES) + WORD_BYTES;
    this.#bytes.fill(0, length, end);
    this.#at = 0;
    hasher.hashWords(this.#words, length);
  }

  uint8(value: number): void {
    const at = this.#reserve(1);
    this.#bytes.writeUInt8(value, at);
  }

  uint16(value: number): void {
    const at = this.#reserve(2);
    this.#bytes.writeUInt16LE(value, at);
  }

  uint32(value: number): void {
    const at = this.#reserve(4);
    this.#bytes.writeUInt32LE(value, at);
  }

  /** Below 2^53. */
  uint64(value: number): void {
    const at = this.#reserve(8);
    writeUint53(this.#bytes, value, at);
  }

  bigUint64(value: bigint): void {
    const at = this.#reserve(8);
    this.#bytes.writeBigUInt64LE(value, at);
  }

  bigInt64(value: bigint): void {
    const at = this.#reserve(8);
    this.#bytes.writeBigInt64LE(value, at);
  }

  /** With its length in bytes before it, at most 65,535. */
  text(value: string): void {
    const length = Buffer.byteLength(value);
    this.uint16(length);
    const at = this.#reserve(length);
    this.#bytes.write(value, at);
  }

  /** The offset at which so many bytes are to be written. It may replace the buffer. */
  #reserve(bytes: number): number {
    const at = this.#at;
    this.#at += bytes;
    if (this.#at > this.#bytes.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(roundedUp(this.#at), 2 * this.#bytes.length));
      this.#bytes.copy(larger, 0, 0, at);
      this.#bytes = larger;
      this.#words = new Int32Array(larger.buffer);
    }
    return at;
  }
}

/** To whole words. */
function roundedUp(bytes: number): number {
  return Math.ceil(bytes / WORD_BYTES) * WORD_BYTES;
}

/** Reads `bytes[at, end)`. Every method throws `BlockError` where the field does not fit. */
export class RowReader {
  readonly #bytes: Buffer;
  readonly #end: number;
  #at: number;

  constructor(bytes: Buffer, from: number, to: number) {
    this.#bytes = bytes;
    this.#at = from;
    this.#end = to;
  }

  get at(): number {
    return this.#at;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#end;
  }

  uint8(): number {
    return this.#bytes.readUInt8(this.#skip(1));
  }

  uint16(): number {
    return this.#bytes.readUInt16LE(this.#skip(2));
  }

  uint32(): number {
    return this.#bytes.readUInt32LE(this.#skip(4));
  }

  uint64(): number {
    const at = this.#skip(8);
    const value = readUint53(this.#bytes, at);
    if (Number.isNaN(value)) throw new BlockError(at, 'a number of 2^53 or more');
    return value;
  }

  bigUint64(): bigint {
    return this.#bytes.readBigUInt64LE(this.#skip(8));
  }

  bigInt64(): bigint {
    return this.#bytes.readBigInt64LE(this.#skip(8));
  }

  text(): string {
    const length = this.uint16();
    const at = this.#skip(length);
    if (!isUtf8Range(this.#bytes, at, at + length)) throw new BlockError(at, 'text is not UTF-8');
    return this.#bytes.toString('utf8', at, at + length);
  }

  #skip(bytes: number): number {
    const at = this.#at;
    if (bytes > this.#end - at) throw new BlockError(at, 'a row ends within a field');
    this.#at = at + bytes;
    return at;
  }
}
