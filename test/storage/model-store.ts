/**
 * A plain model of the store, written for being obviously right: a Map, an array
 * in recency order, and the digest computed from scratch with an entry hash of
 * its own in BigInt.
 */
import { crc32 } from 'node:zlib';
import type { Mutation } from '#model/entry.ts';
import type { Position } from '#model/position.ts';
import { ENTRY_OVERHEAD_BYTES } from '#storage/entry-cost.ts';

export interface ModelEntry {
  readonly value: string;
  readonly expireAtMs: number;
  readonly epoch: number;
  readonly lsn: number;
}

export class ModelStore {
  readonly map = new Map<string, ModelEntry>();
  /** Least recently touched first; taken victims are not in it. */
  order: string[] = [];
  readonly taken = new Set<string>();
  hits = 0;
  misses = 0;
  evicted = 0;
  expired = 0;

  get(key: string, nowMs: number): ModelEntry | undefined {
    const entry = this.map.get(key);
    if (entry === undefined || (entry.expireAtMs !== 0 && nowMs >= entry.expireAtMs)) {
      this.misses++;
      return undefined;
    }
    this.hits++;
    this.touch(key);
    return entry;
  }

  touch(key: string): void {
    if (!this.map.has(key) || this.taken.has(key)) return;
    this.order = [...this.order.filter((other) => other !== key), key];
  }

  apply(mutation: Mutation, position: Position): void {
    const { key } = mutation;
    if (mutation.op === 'set') {
      const value = Buffer.from(mutation.value).toString('latin1');
      this.map.set(key, { value, expireAtMs: mutation.expireAtMs, ...position });
      this.taken.delete(key);
      this.touch(key);
      return;
    }
    if (mutation.op === 'touch') {
      const entry = this.map.get(key);
      if (entry === undefined) return;
      this.map.set(key, { ...entry, expireAtMs: mutation.expireAtMs });
      this.touch(key);
      return;
    }
    if (!this.map.delete(key)) return;
    if (mutation.cause === 'evicted') this.evicted++;
    if (mutation.cause === 'expired') this.expired++;
    this.taken.delete(key);
    this.order = this.order.filter((other) => other !== key);
  }

  takeVictim(): string | undefined {
    const key = this.order.shift();
    if (key !== undefined) this.taken.add(key);
    return key;
  }

  returnVictim(key: string): void {
    if (!this.taken.delete(key)) return;
    this.touch(key);
  }

  due(nowMs: number): string[] {
    return [...this.map].filter(([, e]) => e.expireAtMs !== 0 && e.expireAtMs <= nowMs).map(([key]) => key);
  }

  get bytes(): number {
    let sum = 0;
    for (const [key, entry] of this.map)
      sum += Buffer.byteLength(key) + entry.value.length + ENTRY_OVERHEAD_BYTES;
    return sum;
  }

  digest(): string {
    let sum = 0n;
    for (const [key, entry] of this.map) sum += modelEntryHash(key, entry);
    return BigInt.asUintN(128, sum).toString(16).padStart(32, '0');
  }
}

/** The entry hash as internal/storage/README.md specifies it, the slow way. */
export function modelEntryHash(key: string, entry: ModelEntry): bigint {
  const keyBytes = Buffer.from(key);
  const message = Buffer.alloc(32 + keyBytes.length);
  message.writeUInt32LE(crc32(Buffer.from(entry.value, 'latin1')), 0);
  message.writeBigUInt64LE(BigInt(entry.expireAtMs), 4);
  message.writeBigUInt64LE(BigInt(entry.epoch), 12);
  message.writeBigUInt64LE(BigInt(entry.lsn), 20);
  message.writeUInt32LE(keyBytes.length, 28);
  keyBytes.copy(message, 32);
  return murmur3x86128(message);
}

const C = [0x239b961bn, 0xab0e9789n, 0x38b34ae5n, 0xa1e38b93n] as const;
const WORD_ROTATION = [15n, 16n, 17n, 18n] as const;
const LANE_ROTATION = [19n, 17n, 15n, 13n] as const;
const LANE_CONSTANT = [0x561ccd1bn, 0x0bcaa747n, 0x96cd1c35n, 0x32ac3b17n] as const;

export function murmur3x86128(message: Buffer): bigint {
  const h = [0n, 0n, 0n, 0n];
  const at = <T>(list: readonly T[], i: number): T => list[i & 3] as T;
  const padded = Buffer.concat([message, Buffer.alloc(16 - (message.length % 16))]);
  for (let offset = 0; offset < padded.length; offset += 16) {
    const isTail = offset + 16 > message.length;
    for (let i = 0; i < 4; i++) {
      let k = u32(BigInt(padded.readUInt32LE(offset + i * 4)) * at(C, i));
      k = u32(rotate(k, at(WORD_ROTATION, i)) * at(C, i + 1));
      h[i] = at(h, i) ^ k;
      if (!isTail)
        h[i] = u32(u32(rotate(at(h, i), at(LANE_ROTATION, i)) + at(h, i + 1)) * 5n + at(LANE_CONSTANT, i));
    }
  }
  const spread = (lanes: bigint[]): bigint[] => {
    const sum = u32(lanes.reduce((a, b) => a + b, 0n));
    return lanes.map((lane, i) => (i === 0 ? sum : u32(lane + sum)));
  };
  const mixed = spread(h.map((lane) => lane ^ BigInt(message.length))).map(avalanche);
  return spread(mixed).reduce((all, lane) => (all << 32n) | lane, 0n);
}

function u32(x: bigint): bigint {
  return BigInt.asUintN(32, x);
}

function rotate(x: bigint, bits: bigint): bigint {
  return u32(x << bits) | (x >> (32n - bits));
}

function avalanche(h: bigint): bigint {
  h = u32((h ^ (h >> 16n)) * 0x85ebca6bn);
  h = u32((h ^ (h >> 13n)) * 0xc2b2ae35n);
  return h ^ (h >> 16n);
}
