/**
 * The digest once more, written from its definition in internal/storage/README.md
 * and sharing no code with the store: bytes laid out by DataView, 64-bit-safe
 * BigInt arithmetic, node:zlib for the CRC. Slow and plain on purpose.
 */
import { crc32 } from 'node:zlib';

export interface DigestedEntry {
  readonly key: string;
  readonly value: Uint8Array;
  readonly expireAtMs: number;
  readonly epoch: number;
  readonly lsn: number;
}

const MASK = 0xffff_ffffn;
const TWO_128 = 1n << 128n;

/** The 128-bit hash of one entry as a number. */
export function referenceEntryHash(entry: DigestedEntry): bigint {
  const key = new TextEncoder().encode(entry.key);
  const bytes = new Uint8Array(32 + key.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, crc32(entry.value), true);
  view.setBigUint64(4, BigInt(entry.expireAtMs), true);
  view.setBigUint64(12, BigInt(entry.epoch), true);
  view.setBigUint64(20, BigInt(entry.lsn), true);
  view.setUint32(28, key.length, true);
  bytes.set(key, 32);
  return murmur3(bytes);
}

export function referenceDigest(entries: Iterable<DigestedEntry>): string {
  let sum = 0n;
  for (const entry of entries) sum += referenceEntryHash(entry);
  return toHex(sum);
}

export function toHex(sum: bigint): string {
  return (sum % TWO_128).toString(16).padStart(32, '0');
}

const C = [0x239b961bn, 0xab0e9789n, 0x38b34ae5n, 0xa1e38b93n] as const;
/** Per lane: how far its word, and how far the lane, is rotated, and what is added. */
const LANES = [
  { word: 15n, lane: 19n, add: 0x561ccd1bn },
  { word: 16n, lane: 17n, add: 0x0bcaa747n },
  { word: 17n, lane: 15n, add: 0x96cd1c35n },
  { word: 18n, lane: 13n, add: 0x32ac3b17n },
] as const;

/** MurmurHash3_x86_128 with seed 0, lanes concatenated from the first. */
function murmur3(bytes: Uint8Array): bigint {
  const h = [0n, 0n, 0n, 0n];
  const padded = new Uint8Array(Math.ceil((bytes.length + 1) / 16) * 16);
  padded.set(bytes);
  const view = new DataView(padded.buffer);
  for (let at = 0; at < padded.length; at += 16) {
    const isTail = at + 16 > bytes.length;
    LANES.forEach(({ word, lane, add }, i) => {
      const mixed = mul(
        rotate(mul(BigInt(view.getUint32(at + 4 * i, true)), C[i] as bigint), word),
        nextC(i),
      );
      h[i] = (h[i] as bigint) ^ mixed;
      if (isTail) return;
      const neighbour = h[(i + 1) % 4] as bigint;
      h[i] = (((rotate(h[i] as bigint, lane) + neighbour) & MASK) * 5n + add) & MASK;
    });
  }
  const length = BigInt(bytes.length);
  let [a, b, c, d] = h.map((lane) => lane ^ length) as [bigint, bigint, bigint, bigint];
  a = (a + b + c + d) & MASK;
  [a, b, c, d] = [a, b + a, c + a, d + a].map((lane) => finish(lane & MASK)) as [
    bigint,
    bigint,
    bigint,
    bigint,
  ];
  a = (a + b + c + d) & MASK;
  return [a, b + a, c + a, d + a].reduce((sum, lane) => (sum << 32n) | (lane & MASK), 0n);
}

function nextC(i: number): bigint {
  return C[(i + 1) % 4] as bigint;
}

function mul(a: bigint, b: bigint): bigint {
  return (a * b) & MASK;
}

function rotate(x: bigint, bits: bigint): bigint {
  return ((x << bits) | (x >> (32n - bits))) & MASK;
}

function finish(h: bigint): bigint {
  let x = mul(h ^ (h >> 16n), 0x85ebca6bn);
  x = mul(x ^ (x >> 13n), 0xc2b2ae35n);
  return x ^ (x >> 16n);
}
