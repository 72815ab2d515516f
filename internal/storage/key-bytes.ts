/**
 * A key as UTF-8 in 32-bit words, padded with zeros, and its hash. An operation
 * loads its key once and then compares, hashes and stores it word by word without
 * building a string. The next load overwrites it, so a caller that keeps a key while other
 * keys are looked up needs a buffer of its own (`Store.createKey`).
 *
 * The hash is HalfSipHash-1-3 (Aumasson and Bernstein; Linux uses it for its hash
 * tables). The store's seed is its key, so that only who knows the seed can choose
 * keys that collide.
 */
import { assert } from '#platform/assert.ts';

/** The largest key length that a slot can express; keys in the log have at most 1,024 bytes. */
export const STORED_KEY_BYTES_MAX = 0xffff;
const WORDS_INITIAL = 512;
/** UTF-8 needs at most this many bytes per UTF-16 code unit. */
const UTF8_BYTES_PER_UNIT = 3;

assert(
  new Uint8Array(new Int32Array([1]).buffer)[0] === 1,
  'words of bytes are read on little-endian machines only',
);

export class KeyBytes {
  words = new Int32Array(WORDS_INITIAL);
  bytes = new Uint8Array(this.words.buffer);
  /** Length of the key in bytes. */
  length = 0;
  hash = 0;
  readonly #encoder = new TextEncoder();
  readonly #k0: number;
  readonly #k1: number;
  readonly #hashMask: number;

  /** `hashMask` selects the bits of the hash in use. Tests clear some, so that keys collide. */
  constructor(seed = 0, hashMask = -1) {
    this.#k0 = seed | 0;
    this.#k1 = Math.imul(seed, 0x9e3779b1) ^ 0x7f4a7c15;
    this.#hashMask = hashMask;
  }

  /** Returns false for an ill-formed string: no entry can have such a key, and the buffer's content is then undefined. */
  load(key: string): boolean {
    if (key.length * UTF8_BYTES_PER_UNIT + 4 > this.bytes.length)
      this.#grow(key.length * UTF8_BYTES_PER_UNIT);
    if (this.#loadAscii(key)) this.length = key.length;
    else if (key.isWellFormed()) this.#pad(this.#encoder.encodeInto(key, this.bytes).written);
    else return false;
    this.hash = this.#sip() & this.#hashMask;
    return true;
  }

  /** Loads a key of `length` bytes of UTF-8, which the caller has checked. */
  loadBytes(source: Uint8Array, at: number, length: number): void {
    if (length + 4 > this.bytes.length) this.#grow(length);
    this.length = length;
    // Write whole words: a word read right after four byte writes stalls until they are done.
    const { words } = this;
    const whole = length >>> 2;
    let from = at;
    for (let i = 0; i < whole; i++, from += 4) {
      words[i] =
        (source[from] as number) |
        ((source[from + 1] as number) << 8) |
        ((source[from + 2] as number) << 16) |
        ((source[from + 3] as number) << 24);
    }
    let last = 0;
    for (let shift = 0; from < at + length; from++, shift += 8) last |= (source[from] as number) << shift;
    if ((length & 3) !== 0) words[whole] = last;
    this.hash = this.#sip() & this.#hashMask;
  }

  text(): string {
    return Buffer.from(this.bytes.buffer, 0, this.length).toString();
  }

  /** True if `source` contains this key at `at`. `source` must have `length` bytes from there. */
  standsAt(source: Uint8Array, at: number): boolean {
    const { bytes, length } = this;
    for (let i = 0; i < length; i++) if (bytes[i] !== source[at + i]) return false;
    return true;
  }

  /** Returns false if a character is not ASCII; the words are then wrong. */
  #loadAscii(key: string): boolean {
    const { words } = this;
    const { length } = key;
    let seen = 0;
    let i = 0;
    for (; i + 4 <= length; i += 4) {
      const a = key.charCodeAt(i);
      const b = key.charCodeAt(i + 1);
      const c = key.charCodeAt(i + 2);
      const d = key.charCodeAt(i + 3);
      seen |= a | b | c | d;
      words[i >>> 2] = a | (b << 8) | (c << 16) | (d << 24);
    }
    if (i < length) {
      let last = 0;
      for (let shift = 0; i < length; i++, shift += 8) {
        const code = key.charCodeAt(i);
        seen |= code;
        last |= code << shift;
      }
      words[(length - 1) >>> 2] = last;
    }
    return seen <= 0x7f;
  }

  #pad(length: number): void {
    this.length = length;
    for (let i = length; (i & 3) !== 0; i++) this.bytes[i] = 0;
  }

  #grow(bytes: number): void {
    this.words = new Int32Array((bytes >>> 2) + 2);
    this.bytes = new Uint8Array(this.words.buffer);
  }

  /**
   * The last block combines the bytes after the last whole word with the length. The round
   * stands here twice: in one loop with the finish it would ask three questions in each.
   */
  #sip(): number {
    const { words, length } = this;
    const whole = length >>> 2;
    let v0 = this.#k0;
    let v1 = this.#k1;
    let v2 = 0x6c796765 ^ v0;
    let v3 = 0x74656462 ^ v1;
    const last = (length << 24) | ((length & 3) === 0 ? 0 : (words[whole] as number));
    for (let i = 0; i <= whole; i++) {
      const m = i < whole ? (words[i] as number) : last;
      v3 ^= m;
      v0 = (v0 + v1) | 0;
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
      v0 = (v0 << 16) | (v0 >>> 16);
      v2 = (v2 + v3) | 0;
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
      v2 = (v2 << 16) | (v2 >>> 16);
      v0 ^= m;
    }
    v2 ^= 0xff;
    for (let i = 0; i < 3; i++) {
      v0 = (v0 + v1) | 0;
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
      v0 = (v0 << 16) | (v0 >>> 16);
      v2 = (v2 + v3) | 0;
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
      v2 = (v2 << 16) | (v2 >>> 16);
    }
    return v1 ^ v3;
  }
}
