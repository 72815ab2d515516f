/**
 * The 128-bit hash of one stored entry, and the sum of them that is the digest
 * of a state. Both are part of the replication protocol: two nodes compare
 * them, so they never change within a format version (README.md specifies
 * them, a test holds golden values).
 *
 * The hash is MurmurHash3_x86_128 (Austin Appleby, public domain) with seed 0
 * over eight little-endian 32-bit words that state the value's CRC, deadline
 * and version, followed by the key's UTF-8. It is not keyed: it detects
 * accidents, not attackers.
 */

const C1 = 0x239b961b;
const C2 = 0xab0e9789;
const C3 = 0x38b34ae5;
const C4 = 0xa1e38b93;
/** Bytes hashed before the key. */
const FIXED_BYTES = 32;

const TWO_32 = 2 ** 32;

/** Everything of a stored entry that the digest covers. */
export interface HashedFields {
  readonly valueCrc: number;
  readonly expireAtMs: number;
  readonly epoch: number;
  readonly lsn: number;
}

/**
 * Computes entry hashes into its own lanes `h1` (most significant) to `h4`, so
 * that the write path allocates nothing. One per store; not reentrant.
 */
export class EntryHasher {
  h1 = 0;
  h2 = 0;
  h3 = 0;
  h4 = 0;
  /** Bytes of UTF-8 of the key hashed last. */
  keyBytes = 0;
  readonly #encoder = new TextEncoder();
  #scratch: Uint8Array = new Uint8Array(4_096);

  /** Hashes one entry; read the lanes and `keyBytes` before the next call. */
  hashEntry(key: string, valueCrc: number, expireAtMs: number, epoch: number, lsn: number): void {
    this.#hashFixed(valueCrc, expireAtMs, epoch, lsn, key.length);
    if (!this.#absorbAscii(key)) {
      const keyBytes = this.#encode(key);
      this.#hashFixed(valueCrc, expireAtMs, epoch, lsn, keyBytes);
      this.#absorbBytes(this.#scratch, keyBytes);
      this.keyBytes = keyBytes;
    } else {
      this.keyBytes = key.length;
    }
    this.#finish(FIXED_BYTES + this.keyBytes);
  }

  /** Plain MurmurHash3_x86_128 of `bytes`, seed 0: what the golden test compares with published values. */
  hashBytes(bytes: Uint8Array): void {
    this.h1 = this.h2 = this.h3 = this.h4 = 0;
    this.#absorbBytes(bytes, bytes.length);
    this.#finish(bytes.length);
  }

  /** The lanes as 32 hex digits. */
  hex(): string {
    return lanesToHex(this.h1, this.h2, this.h3, this.h4);
  }

  #hashFixed(valueCrc: number, expireAtMs: number, epoch: number, lsn: number, keyBytes: number): void {
    this.h1 = this.h2 = this.h3 = this.h4 = 0;
    this.#block(valueCrc | 0, expireAtMs | 0, (expireAtMs / TWO_32) | 0, epoch | 0);
    this.#block((epoch / TWO_32) | 0, lsn | 0, (lsn / TWO_32) | 0, keyBytes);
  }

  /** False where a character is not ASCII: the lanes are then spoilt and the caller starts over. */
  #absorbAscii(key: string): boolean {
    const length = key.length;
    let seen = 0;
    let i = 0;
    for (; i + 16 <= length; i += 16) {
      const k1 = word(key, i);
      const k2 = word(key, i + 4);
      const k3 = word(key, i + 8);
      const k4 = word(key, i + 12);
      if (((k1 | k2 | k3 | k4) & 0x80808080) !== 0) return false;
      this.#block(k1, k2, k3, k4);
    }
    let k1 = 0;
    let k2 = 0;
    let k3 = 0;
    let k4 = 0;
    for (let j = 0; i < length; i++, j++) {
      const code = key.charCodeAt(i);
      seen |= code;
      const shifted = code << ((j & 3) * 8);
      if (j < 4) k1 |= shifted;
      else if (j < 8) k2 |= shifted;
      else if (j < 12) k3 |= shifted;
      else k4 |= shifted;
    }
    this.#tail(k1, k2, k3, k4);
    return seen <= 0x7f;
  }

  #absorbBytes(bytes: Uint8Array, length: number): void {
    let i = 0;
    for (; i + 16 <= length; i += 16) {
      this.#block(wordOf(bytes, i), wordOf(bytes, i + 4), wordOf(bytes, i + 8), wordOf(bytes, i + 12));
    }
    const last = new Uint8Array(16);
    last.set(bytes.subarray(i, length));
    this.#tail(wordOf(last, 0), wordOf(last, 4), wordOf(last, 8), wordOf(last, 12));
  }

  #encode(key: string): number {
    if (this.#scratch.length < key.length * 3) this.#scratch = new Uint8Array(key.length * 3);
    return this.#encoder.encodeInto(key, this.#scratch).written;
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

  /** The last 0 .. 15 bytes, padded with zeros, which change nothing. */
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

/** The sum of entry hashes mod 2^128: the order of additions does not matter. */
export class DigestSum {
  #a = 0;
  #b = 0;
  #c = 0;
  #d = 0;

  add(hash: EntryHasher): void {
    const d = this.#d + (hash.h4 >>> 0);
    const c = this.#c + (hash.h3 >>> 0) + (d >= TWO_32 ? 1 : 0);
    const b = this.#b + (hash.h2 >>> 0) + (c >= TWO_32 ? 1 : 0);
    this.#a = (this.#a + (hash.h1 >>> 0) + (b >= TWO_32 ? 1 : 0)) % TWO_32;
    this.#b = b % TWO_32;
    this.#c = c % TWO_32;
    this.#d = d % TWO_32;
  }

  subtract(hash: EntryHasher): void {
    const d = this.#d - (hash.h4 >>> 0);
    const c = this.#c - (hash.h3 >>> 0) - (d < 0 ? 1 : 0);
    const b = this.#b - (hash.h2 >>> 0) - (c < 0 ? 1 : 0);
    const a = this.#a - (hash.h1 >>> 0) - (b < 0 ? 1 : 0);
    this.#a = a < 0 ? a + TWO_32 : a;
    this.#b = b < 0 ? b + TWO_32 : b;
    this.#c = c < 0 ? c + TWO_32 : c;
    this.#d = d < 0 ? d + TWO_32 : d;
  }

  /** 32 lower-case hex digits, most significant first. */
  hex(): string {
    return lanesToHex(this.#a, this.#b, this.#c, this.#d);
  }

  /** Writes the four lanes to `target` from `at` on, most significant first: cheap enough for every record. */
  copyTo(target: Uint32Array, at: number): void {
    target[at] = this.#a;
    target[at + 1] = this.#b;
    target[at + 2] = this.#c;
    target[at + 3] = this.#d;
  }
}

/** The text of a digest that `DigestSum.copyTo` wrote to `lanes` at `at`. */
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

/** Four ASCII characters as a little-endian word; a higher character sets one of the bytes' top bits. */
function word(key: string, i: number): number {
  const a = key.charCodeAt(i);
  const b = key.charCodeAt(i + 1);
  const c = key.charCodeAt(i + 2);
  const d = key.charCodeAt(i + 3);
  if ((a | b | c | d) > 0x7f) return 0x80808080;
  return a | (b << 8) | (c << 16) | (d << 24);
}

function wordOf(bytes: Uint8Array, i: number): number {
  return (
    (bytes[i] as number) |
    ((bytes[i + 1] as number) << 8) |
    ((bytes[i + 2] as number) << 16) |
    ((bytes[i + 3] as number) << 24)
  );
}
