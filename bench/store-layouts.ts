/**
 * Ways to keep entries in memory, put together from parts so that one thing at
 * a time differs: how keys are found, what keeps the order, where values lie.
 * `slots` of all of them are those of the store; its digest and deadlines are in none.
 */
import { LRUCache } from 'lru-cache';
import type { EncodedPair } from '#model/encoded.ts';
import { KeyBytes } from '#storage/key-bytes.ts';
import { KeyIndex } from '#storage/key-index.ts';
import { RecencyList } from '#storage/recency.ts';
import { NO_SLOT, SlotTable } from '#storage/slot-table.ts';

export interface Layout {
  /** Under the one value of the run. */
  set(key: string): void;
  get(key: string): Uint8Array | undefined;
  touch(key: string): void;
  /** Deletes the least recently touched entry. */
  evict(): void;
}

const PARTITIONS = 256;
const EMPTY = new Uint8Array(0);

/** A value as it is in a record; the key is passed separately. */
function pairOf(value: Uint8Array): EncodedPair {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.length);
  const type = { typeOffset: 0, typeBytes: 0 };
  return {
    bytes,
    keyOffset: 0,
    keyBytes: 0,
    valueOffset: 0,
    valueBytes: value.length,
    expireAtMs: 0,
    ...type,
  };
}

/** The layout of ADR 0003: Maps by partition lead from strings to slots. */
class Maps {
  readonly #maps = Array.from({ length: PARTITIONS }, () => new Map<string, number>());
  readonly #keys: string[][] = [];

  partitionOf(key: string): number {
    let h = 77;
    for (let i = 0; i < key.length; i++) {
      h = Math.imul(h ^ key.charCodeAt(i), 0x5bd1e995);
      h ^= h >>> 15;
    }
    return (h ^ (h >>> 13)) & (PARTITIONS - 1);
  }

  find(partition: number, key: string): number {
    return this.#maps[partition]?.get(key) ?? NO_SLOT;
  }

  add(partition: number, key: string, slot: number): void {
    this.#maps[partition]?.set(key, slot);
    const chunk = this.#keys[slot >>> 14] ?? new Array<string>(16_384).fill('');
    chunk[slot & 16_383] = key;
    this.#keys[slot >>> 14] = chunk;
  }

  keyOf(slot: number): string {
    return this.#keys[slot >>> 14]?.[slot & 16_383] as string;
  }

  remove(partition: number, key: string): void {
    this.#maps[partition]?.delete(key);
  }
}

/** lru-cache per partition; stamps make the orders comparable, as ADR 0003 had it. */
class LruCaches {
  readonly #slots: SlotTable;
  readonly #orders = Array.from(
    { length: PARTITIONS },
    () => new LRUCache<number, true>({ maxSize: Number.MAX_SAFE_INTEGER, sizeCalculation: () => 1 }),
  );
  readonly #tails = new Float64Array(PARTITIONS).fill(Number.POSITIVE_INFINITY);
  #lastStamp = 0;

  constructor(slots: SlotTable) {
    this.#slots = slots;
  }

  touch(partition: number, slot: number): void {
    const stamp = ++this.#lastStamp;
    this.#slots.setStamp(slot, stamp);
    this.#orders[partition]?.set(slot, true, { size: 1 });
    if (stamp < (this.#tails[partition] as number)) this.#tails[partition] = stamp;
  }

  takeOldest(): { partition: number; slot: number } {
    for (;;) {
      let partition = 0;
      for (let i = 1; i < PARTITIONS; i++)
        if ((this.#tails[i] as number) < (this.#tails[partition] as number)) partition = i;
      const slot = this.#orders[partition]?.rkeys().next().value ?? NO_SLOT;
      const stamp = slot === NO_SLOT ? Number.POSITIVE_INFINITY : this.#slots.stampOf(slot);
      if (stamp !== this.#tails[partition]) {
        this.#tails[partition] = stamp;
        continue;
      }
      this.#orders[partition]?.delete(slot);
      return { partition, slot };
    }
  }
}

/** A `Uint8Array` per value, or the arena behind the slots. */
class Values {
  readonly #slots: SlotTable;
  readonly #buffers: Uint8Array[][] | undefined;
  readonly #key = new KeyBytes();
  readonly #pair: EncodedPair;

  constructor(slots: SlotTable, isArena: boolean, value: Uint8Array) {
    this.#pair = pairOf(isArena ? value : EMPTY);
    this.#slots = slots;
    this.#buffers = isArena ? undefined : [];
    this.#key.load('k');
  }

  write(slot: number, value: Uint8Array): void {
    this.#slots.write(slot, this.#key, this.#pair, 1, 1);
    if (this.#buffers === undefined) return;
    const chunk = this.#buffers[slot >>> 14] ?? new Array<Uint8Array>(16_384).fill(EMPTY);
    chunk[slot & 16_383] = new Uint8Array(value);
    this.#buffers[slot >>> 14] = chunk;
  }

  read(slot: number): Uint8Array {
    return this.#buffers?.[slot >>> 14]?.[slot & 16_383] ?? this.#slots.valueOf(slot);
  }

  free(slot: number): void {
    this.#slots.free(slot);
    const chunk = this.#buffers?.[slot >>> 14];
    if (chunk !== undefined) chunk[slot & 16_383] = EMPTY;
  }
}

/** Maps, with either order and either place for values. */
export function createMapLayout(hasLruCache: boolean, isArena: boolean, value: Uint8Array): Layout {
  const slots = new SlotTable();
  const maps = new Maps();
  const caches = new LruCaches(slots);
  const list = new RecencyList(slots);
  const values = new Values(slots, isArena, value);
  const touch = (partition: number, slot: number, isNew: boolean): void => {
    if (hasLruCache) caches.touch(partition, slot);
    else if (isNew) list.add(slot);
    else list.access(slot);
  };
  return {
    set: (key) => {
      const partition = maps.partitionOf(key);
      let slot = maps.find(partition, key);
      const isNew = slot === NO_SLOT;
      if (isNew) {
        slot = slots.allocate();
        maps.add(partition, key, slot);
      }
      values.write(slot, value);
      touch(partition, slot, isNew);
    },
    get: (key) => {
      const partition = maps.partitionOf(key);
      const slot = maps.find(partition, key);
      if (slot === NO_SLOT) return undefined;
      touch(partition, slot, false);
      return values.read(slot);
    },
    touch: (key) => {
      const partition = maps.partitionOf(key);
      touch(partition, maps.find(partition, key), false);
    },
    evict: () => {
      const slot = hasLruCache ? caches.takeOldest().slot : list.takeOldest();
      const key = maps.keyOf(slot);
      maps.remove(maps.partitionOf(key), key);
      values.free(slot);
    },
  };
}

/** What the store does. */
export function createIndexLayout(value: Uint8Array): Layout {
  const pair = pairOf(value);
  const slots = new SlotTable();
  const index = new KeyIndex(slots, slots.peeks);
  const list = new RecencyList(slots);
  const key = new KeyBytes(77);
  const find = (text: string): number => (key.load(text) ? index.find(key) : NO_SLOT);
  return {
    set: (text) => {
      let slot = find(text);
      const isNew = slot === NO_SLOT;
      if (isNew) {
        slot = slots.allocate();
        index.add(key.hash, slot);
      }
      slots.write(slot, key, pair, 1, 1);
      if (isNew) list.add(slot);
      else list.access(slot);
    },
    get: (text) => {
      const slot = find(text);
      if (slot === NO_SLOT) return undefined;
      list.access(slot);
      return slots.valueOf(slot);
    },
    touch: (text) => list.access(find(text)),
    evict: () => {
      const slot = list.takeOldest();
      // The key as text, because a victim is logged by it.
      find(slots.keyOf(slot));
      index.remove(key.hash, slot);
      slots.free(slot);
    },
  };
}
