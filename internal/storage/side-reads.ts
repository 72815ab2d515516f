/**
 * Reads for a program that has the store in its own process: by a string, without a
 * promise, and beside the recency order, since a store that never evicts needs none.
 */
import { type Entry, isExpired, NEVER } from '#model/entry.ts';
import type { KeyBytes } from '#storage/key-bytes.ts';
import type { KeyIndex } from '#storage/key-index.ts';
import { NO_SLOT, type SlotTable } from '#storage/slot-table.ts';

/** Says by which time entries have expired; asked only for an entry that has a deadline. */
export interface ReadClock {
  readNowMs(): number;
}

export class SideReads {
  readonly #slots: SlotTable;
  readonly #index: KeyIndex;
  /** Its own, so that a read disturbs no operation of the store. */
  readonly #key: KeyBytes;
  #hits = 0;
  #misses = 0;

  constructor(slots: SlotTable, index: KeyIndex, key: KeyBytes) {
    this.#slots = slots;
    this.#index = index;
    this.#key = key;
  }

  /** How many reads found an entry, and how many found none. */
  get hits(): number {
    return this.#hits;
  }

  get misses(): number {
    return this.#misses;
  }

  /** The value: a copy, or bytes that are never written again. */
  value(key: string, clock: ReadClock): Uint8Array | undefined {
    const slot = this.#find(key, clock);
    return slot === NO_SLOT ? undefined : this.#slots.valueOf(slot);
  }

  /** The value as it lies in the store. It may change with the next record that is applied. */
  view(key: string, clock: ReadClock): Uint8Array | undefined {
    const slot = this.#find(key, clock);
    return slot === NO_SLOT ? undefined : this.#slots.viewOf(slot);
  }

  entry(key: string, clock: ReadClock): Entry | undefined {
    const slot = this.#find(key, clock);
    return slot === NO_SLOT ? undefined : this.#slots.entry(slot, key);
  }

  has(key: string, clock: ReadClock): boolean {
    return this.#find(key, clock) !== NO_SLOT;
  }

  /** The slot of an entry that has not expired, or `NO_SLOT`; counts a hit or a miss. */
  #find(key: string, clock: ReadClock): number {
    const slot = this.#key.load(key) ? this.#index.findNear(this.#key) : NO_SLOT;
    if (slot !== NO_SLOT) {
      const expireAtMs = this.#slots.expireAtMsOf(slot);
      if (expireAtMs === NEVER || !isExpired(expireAtMs, clock.readNowMs())) {
        this.#hits++;
        return slot;
      }
    }
    this.#misses++;
    return NO_SLOT;
  }
}
