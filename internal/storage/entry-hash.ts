/**
 * The 128-bit hash of one stored entry, and the digest of a state, which is the
 * sum of these hashes. Nodes compare digests, so both are part of the
 * replication protocol and never change within a format version. README.md
 * specifies them; a test compares them with golden values.
 *
 * The hash is MurmurHash3_x86_128 (Austin Appleby, public domain) with seed 0
 * over eight little-endian 32-bit words (value CRC, deadline, version and key
 * length) followed by the key's UTF-8. It is not keyed: it detects accidents,
 * not attackers.
 */

import { assert } from '#platform/assert.ts';
import { crc32 } from '#platform/crc32.ts';
import { KeyBytes } from '#storage/key-bytes.ts';

const C1 = 0x239b961b;
const C2 = 0xab0e9789;
const C3 = 0x38b34ae5;
const C4 = 0xa1e38b93;
/** Bytes hashed before the key. */
const FIXED_BYTES = 32;
/** More of them for a content type. */
const TYPE_BYTES = 16;

const TWO_32 = 2 ** 32;

/** Everything of a stored entry that the digest covers. */
export interface HashedFields {
  readonly valueCrc: number;
  readonly expireAtMs: number;
  readonly epoch: number;
  readonly lsn: number;
}

/**
 * Computes an entry hash into its fields `h1` (most significant) to `h4`, so that
 * the write path allocates nothing. The next call overwrites them: not reentrant.
 */
export class EntryHasher {
  h1 = 0;
  h2 = 0;
  h3 = 0;
  h4 = 0;
  /** Length in UTF-8 of the key hashed last. */
  keyBytes = 0;
  readonly #key = new KeyBytes();

  /** Hashes one entry into `h1` to `h4` and `keyBytes`. The key must be well-formed. */
  hashEntry(
    key: string,
    valueCrc: number,
    expireAtMs: number,
    epoch: number,
    lsn: number,
    contentType = '',
  ): void {
    assert(this.#key.load(key), 'the key of an entry is well-formed');
    const typeCrc = contentType === '' ? 0 : crc32(Buffer.from(contentType, 'latin1'));
    this.hashKey(this.#key, valueCrc, expireAtMs, epoch, lsn, contentType.length, typeCrc);
  }

  /** `hashEntry` for a key that is already loaded. */
  hashKey(
    { words, length }: KeyBytes,
    valueCrc: number,
    expireAtMs: number,
    epoch: number,
    lsn: number,
    typeBytes = 0,
    typeCrc = 0,
  ): void {
    this.keyBytes = length;
    this.h1 = this.h2 = this.h3 = this.h4 = 0;
    this.#block(valueCrc | 0, expireAtMs | 0, (expireAtMs / TWO_32) | 0, epoch | 0);
    this.#block((epoch / TWO_32) | 0, lsn | 0, (lsn / TWO_32) | 0, length | (typeBytes << 16));
    if (typeBytes > 0) this.#block(typeCrc | 0, 0, 0, 0);
    this.#absorb(words, length);
    this.#finish(FIXED_BYTES + (typeBytes > 0 ? TYPE_BYTES : 0) + length);
  }

  /** Plain MurmurHash3_x86_128 of `bytes`, seed 0, so that a test can compare it with published values. */
  hashBytes(bytes: Uint8Array): void {
    const words = new Int32Array((bytes.length + 3) >>> 2);
    new Uint8Array(words.buffer).set(bytes);
    this.hashWords(words, bytes.length);
  }

  /** `hashBytes` of the first `length` bytes of `words`, whose last word is padded with zeros. */
  hashWords(words: Int32Array, length: number): void {
    this.h1 = this.h2 = this.h3 = this.h4 = 0;
    this.#absorb(words, length);
    this.#finish(length);
  }

  /** The hash as 32 hex digits. */
  hex(): string {
    return lanesToHex(this.h1, this.h2, this.h3, this.h4);
  }

  /** `words` contain `length` bytes; zeros pad the last word and do not change the hash. */
  #absorb(words: Int32Array, length: number): void {
    const whole = length >>> 4;
    for (let i = 0; i < whole; i++) {
      const at = 4 * i;
      this.#block(
        words[at] as number,
        words[at + 1] as number,
        words[at + 2] as number,
        words[at + 3] as number,
      );
    }
    const rest = length & 15;
    const at = 4 * whole;
    this.#tail(
      rest > 0 ? (words[at] as number) : 0,
      rest > 4 ? (words[at + 1] as number) : 0,
      rest > 8 ? (words[at + 2] as number) : 0,
      rest > 12 ? (words[at + 3] as number) : 0,
    );
  }

  #block(w1: number, w2: number, w3: number, w4: number): void {
    let h1 = this.h1 ^ Math.imul(rotate(Math.imul(w1, C1), 15), C2);
    h1 = (Math.imul((rotate(h1, 19) + this.h2) | 0, 5) + 0x561ccd1b) | 0;
    let h2 = this.h2 ^ Math.imul(rotate(Math.imul(w2, C2), 16), C3);
    h2 = (Math.imul((rotate(h2, 17) + this.h3) | 0, 5) + 0x0bcaa747) | 0;
    let h3 = this.h3 ^ Math.imul(rotate(Math.imul(w3, C3), 17), C4);
    h3 = (Math.imul((rotate(h3, 15) + this.h4) | 0, 5) + 0x96cd1c35) | 0;
    let h4 = this.h4 ^ Math.imul(rotate(Math.imul(w4, C4), 18), C1);
    h4 = (Math.imul((rotate(h4, 13) + h1) | 0, 5) + 0x32ac3b17) | 0;
    this.h1 = h1;
    this.h2 = h2;
    this.h3 = h3;
    this.h4 = h4;
  }

  /** Mixes in the last 0 .. 15 bytes, padded with zeros. */
  #tail(w1: number, w2: number, w3: number, w4: number): void {
    this.h4 ^= Math.imul(rotate(Math.imul(w4, C4), 18), C1);
    this.h3 ^= Math.imul(rotate(Math.imul(w3, C3), 17), C4);
    this.h2 ^= Math.imul(rotate(Math.imul(w2, C2), 16), C3);
    this.h1 ^= Math.imul(rotate(Math.imul(w1, C1), 15), C2);
  }

  #finish(length: number): void {
    const sum = ((this.h1 ^ length) + (this.h2 ^ length) + (this.h3 ^ length) + (this.h4 ^ length)) | 0;
    const h2 = avalanche(((this.h2 ^ length) + sum) | 0);
    const h3 = avalanche(((this.h3 ^ length) + sum) | 0);
    const h4 = avalanche(((this.h4 ^ length) + sum) | 0);
    const h1 = (avalanche(sum) + h2 + h3 + h4) | 0;
    this.h1 = h1;
    this.h2 = (h2 + h1) | 0;
    this.h3 = (h3 + h1) | 0;
    this.h4 = (h4 + h1) | 0;
  }
}

/** The sum of entry hashes modulo 2^128, so the order of additions does not matter. */
export class DigestSum {
  #a = 0;
  #b = 0;
  #c = 0;
  #d = 0;

  add(hash: EntryHasher): void {
    // Compare and subtract: `%` on numbers above 2^31 calls into C, which is slower.
    let d = this.#d + (hash.h4 >>> 0);
    let c = this.#c + (hash.h3 >>> 0);
    let b = this.#b + (hash.h2 >>> 0);
    let a = this.#a + (hash.h1 >>> 0);
    if (d >= TWO_32) {
      d -= TWO_32;
      c++;
    }
    if (c >= TWO_32) {
      c -= TWO_32;
      b++;
    }
    if (b >= TWO_32) {
      b -= TWO_32;
      a++;
    }
    if (a >= TWO_32) a -= TWO_32;
    this.#a = a;
    this.#b = b;
    this.#c = c;
    this.#d = d;
  }

  subtract(hash: EntryHasher): void {
    let d = this.#d - (hash.h4 >>> 0);
    let c = this.#c - (hash.h3 >>> 0);
    let b = this.#b - (hash.h2 >>> 0);
    let a = this.#a - (hash.h1 >>> 0);
    if (d < 0) {
      d += TWO_32;
      c--;
    }
    if (c < 0) {
      c += TWO_32;
      b--;
    }
    if (b < 0) {
      b += TWO_32;
      a--;
    }
    if (a < 0) a += TWO_32;
    this.#a = a;
    this.#b = b;
    this.#c = c;
    this.#d = d;
  }

  /** Adds this sum to the digest at `target[at..at + 3]`, which `copyTo` wrote. */
  addTo(target: Uint32Array, at: number): void {
    const lanes = [this.#a, this.#b, this.#c, this.#d];
    let carry = 0;
    for (let i = lanes.length - 1; i >= 0; i--) {
      const sum = (target[at + i] as number) + (lanes[i] as number) + carry;
      target[at + i] = sum;
      carry = sum >= TWO_32 ? 1 : 0;
    }
  }

  /** 32 lower-case hex digits, most significant first. */
  hex(): string {
    return lanesToHex(this.#a, this.#b, this.#c, this.#d);
  }

  /** Writes the digest as four numbers to `target[at..at + 3]`, most significant first; cheap enough per record. */
  copyTo(target: Uint32Array, at: number): void {
    target[at] = this.#a;
    target[at + 1] = this.#b;
    target[at + 2] = this.#c;
    target[at + 3] = this.#d;
  }
}

/** Formats a digest that `DigestSum.copyTo` wrote to `lanes` at `at`. */
export function formatDigest(lanes: Uint32Array, at: number): string {
  return lanesToHex(...lanes.subarray(at, at + 4));
}

function lanesToHex(...lanes: readonly number[]): string {
  return lanes.map((lane) => (lane >>> 0).toString(16).padStart(8, '0')).join('');
}

function rotate(x: number, bits: number): number {
  return (x << bits) | (x >>> (32 - bits));
}

function avalanche(h: number): number {
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
