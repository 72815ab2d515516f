/**
 * From keys to slots: one Map per partition, because a Map rehashes all at once
 * (51 ms at a million keys) and many small ones rehash a millisecond or two each at
 * different moments. Keys are any string; a Map has no special ones.
 */
import { assert } from '#platform/assert.ts';

/** From this length on V8 may make a substring a view of its parent string. */
const SLICED_STRING_MIN = 13;

export class KeyIndex {
  readonly #maps: Map<string, number>[];
  readonly #mask: number;
  readonly #seed: number;

  /** `partitions` is a power of two; `seed` keeps clients from choosing partitions. */
  constructor(partitions: number, seed: number) {
    assert(partitions >= 1 && (partitions & (partitions - 1)) === 0, 'partitions is a power of two');
    this.#maps = Array.from({ length: partitions }, () => new Map<string, number>());
    this.#mask = partitions - 1;
    this.#seed = seed | 0;
  }

  partitionOf(key: string): number {
    let h = this.#seed;
    for (let i = 0; i < key.length; i++) {
      h = Math.imul(h ^ key.charCodeAt(i), 0x5bd1e995);
      h ^= h >>> 15;
    }
    h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
    return (h ^ (h >>> 13)) & this.#mask;
  }

  /** The key's slot, or undefined. */
  find(partition: number, key: string): number | undefined {
    return this.#map(partition).get(key);
  }

  add(partition: number, key: string, slot: number): void {
    this.#map(partition).set(key, slot);
  }

  remove(partition: number, key: string): void {
    this.#map(partition).delete(key);
  }

  sizeOf(partition: number): number {
    return this.#map(partition).size;
  }

  slotsOf(partition: number): Iterable<number> {
    return this.#map(partition).values();
  }

  #map(partition: number): Map<string, number> {
    return this.#maps[partition] as Map<string, number>;
  }
}

/**
 * The key as a string of its own: one cut out of a URL or a frame may be a view
 * that would keep all of it alive for as long as the entry lives.
 */
export function ownKey(key: string): string {
  if (key.length < SLICED_STRING_MIN) return key;
  return Buffer.from(key, 'utf8').toString('utf8');
}
