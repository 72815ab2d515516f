/**
 * Who was touched least recently. Each partition keeps its own order; stamps
 * from one counter make the orders comparable, so the victim is the entry with
 * the oldest stamp exactly, whatever the number of partitions.
 */
import { LRUCache } from 'lru-cache';
import { NO_SLOT, type SlotTable } from '#storage/slot-table.ts';

/** One partition's order of slots. */
export interface PartitionRecency {
  /** Adds the slot as the newest, or makes it the newest. */
  touch(slot: number): void;
  remove(slot: number): void;
  /** The least recently touched slot, or `NO_SLOT`. */
  oldest(): number;
}

/** Shared by all calls, so that touching allocates nothing; lru-cache only writes `status` into it. */
const SET_OPTIONS = { size: 1 };

/** lru-cache keeps the order. With a size of 1 each and no real maximum it never evicts by itself. */
export class LruRecency implements PartitionRecency {
  readonly #order = new LRUCache<number, true>({
    maxSize: Number.MAX_SAFE_INTEGER,
    sizeCalculation: () => 1,
  });

  touch(slot: number): void {
    this.#order.set(slot, true, SET_OPTIONS);
  }

  remove(slot: number): void {
    this.#order.delete(slot);
  }

  oldest(): number {
    return this.#order.rkeys().next().value ?? NO_SLOT;
  }
}

/** For the policy `none`: there is no order and never a victim. */
export class NoRecency implements PartitionRecency {
  touch(): void {}
  remove(): void {}
  oldest(): number {
    return NO_SLOT;
  }
}

/**
 * All partitions together. `#tailStamps` caches a lower bound of each
 * partition's oldest stamp, `Infinity` where it is empty. A tail's stamp only
 * rises (a touch moves it to the front with a newer stamp, a removal uncovers a
 * newer one), so a bound goes stale in one direction only and is corrected when
 * it comes up as the minimum.
 */
export class RecencyOrder {
  readonly #slots: SlotTable;
  readonly #partitions: PartitionRecency[];
  readonly #tailStamps: Float64Array;
  #lastStamp = 0;

  constructor(slots: SlotTable, partitions: number, create: () => PartitionRecency) {
    this.#slots = slots;
    this.#partitions = Array.from({ length: partitions }, create);
    this.#tailStamps = new Float64Array(partitions).fill(Number.POSITIVE_INFINITY);
  }

  /** Stamps the slot as the newest of all and puts it into the order. */
  touch(partition: number, slot: number): void {
    this.place(partition, slot, ++this.#lastStamp);
  }

  /** Puts a slot at the new end of its partition's order under a given stamp: stamps must rise there. */
  place(partition: number, slot: number, stamp: number): void {
    if (stamp > this.#lastStamp) this.#lastStamp = stamp;
    this.#slots.setStamp(slot, stamp);
    this.#recency(partition).touch(slot);
    if (stamp < (this.#tailStamps[partition] as number)) this.#tailStamps[partition] = stamp;
  }

  remove(partition: number, slot: number): void {
    this.#recency(partition).remove(slot);
  }

  /** Goes on counting above `stamp`. */
  continueFrom(stamp: number): void {
    this.#lastStamp = Math.max(this.#lastStamp, stamp);
  }

  get lastStamp(): number {
    return this.#lastStamp;
  }

  /** Removes and returns the slot with the oldest stamp, or `NO_SLOT`. */
  takeOldest(): number {
    for (;;) {
      const partition = this.#minimum();
      const bound = this.#tailStamps[partition] as number;
      if (bound === Number.POSITIVE_INFINITY) return NO_SLOT;
      const slot = this.#recency(partition).oldest();
      const stamp = slot === NO_SLOT ? Number.POSITIVE_INFINITY : this.#slots.stampOf(slot);
      if (stamp !== bound) {
        this.#tailStamps[partition] = stamp;
        continue;
      }
      this.#recency(partition).remove(slot);
      return slot;
    }
  }

  /** A plain walk over some 256 numbers (0.2 µs) is quicker than keeping a heap of them. */
  #minimum(): number {
    const stamps = this.#tailStamps;
    let best = 0;
    for (let i = 1; i < stamps.length; i++) {
      if ((stamps[i] as number) < (stamps[best] as number)) best = i;
    }
    return best;
  }

  #recency(partition: number): PartitionRecency {
    return this.#partitions[partition] as PartitionRecency;
  }
}
