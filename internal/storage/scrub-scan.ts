/**
 * Hashes every stored entry again, in bounded slices, while the store changes. It
 * compares each value with its CRC, looks up each key in the index and at the end
 * compares the sum of all entry hashes with the digest that every change kept up
 * to date. It therefore finds one altered bit of a value, key, deadline, version
 * or of the digest, but not of the recency order.
 *
 * The scan walks the slots and keeps a sum for those behind its cursor. The store
 * reports every change there, so the final sum is that of the final state. If an
 * entry is altered and then replaced ahead of the cursor, the digest is wrong from
 * then on, and the comparison at the end fails.
 */

import type { Position } from '#model/position.ts';
import { assert } from '#platform/assert.ts';
import { messageOf } from '#platform/thrown.ts';
import { type AlteredEntry, describeCrc } from '#storage/altered-state.ts';
import { DigestSum, EntryHasher } from '#storage/entry-hash.ts';
import { KeyBytes } from '#storage/key-bytes.ts';
import { SLOT_FREE, type SlotTable } from '#storage/slot-table.ts';

/** Most altered entries reported by key; further ones are only counted. */
const NAMED_MAX = 10;
/** Most slots in one slice, free ones included. */
const SLOTS_PER_SLICE = 16_384;

/** What the scan needs from the store. */
export interface ScrubSource {
  readonly slots: SlotTable;
  /** How many entries the store has now, and its digest. */
  readonly entries: () => number;
  readonly digest: () => string;
  /** True if a lookup of the key in the slot finds that slot. */
  readonly isFoundAt: (slot: number) => boolean;
  /** Called once, when the scan is complete or cancelled. */
  readonly onEnd: () => void;
}

export interface ScrubFindings {
  /** Entries examined so far, and the bytes of their values. */
  readonly entries: number;
  readonly bytes: number;
  readonly altered: number;
  /** The first altered entries, at most ten. */
  readonly named: readonly AlteredEntry[];
  /** What is wrong with the state as a whole; empty if nothing, or if the scan is not complete. */
  readonly whole: string;
}

export class ScrubScan {
  readonly #source: ScrubSource;
  readonly #hasher = new EntryHasher();
  readonly #key = new KeyBytes();
  /** The sum over the slots behind the cursor. */
  readonly #sum = new DigestSum();
  readonly #named: AlteredEntry[] = [];
  #count = 0;
  #cursor = 0;
  #state: 'scanning' | 'complete' | 'cancelled' = 'scanning';
  #entries = 0;
  #bytes = 0;
  #altered = 0;
  #whole = '';

  constructor(source: ScrubSource) {
    this.#source = source;
  }

  /** Examines up to `entriesMax` entries with about `bytesMax` bytes in total. Returns false when the scan is complete. */
  next(entriesMax: number, bytesMax: number): boolean {
    assert(this.#state === 'scanning', `the scrub is ${this.#state}`);
    const { slots } = this.#source;
    const entriesEnd = this.#entries + entriesMax;
    const bytesEnd = this.#bytes + bytesMax;
    const slotsEnd = this.#cursor + SLOTS_PER_SLICE;
    while (this.#cursor < slots.end) {
      if (this.#entries >= entriesEnd || this.#bytes >= bytesEnd || this.#cursor >= slotsEnd) return true;
      const slot = this.#cursor++;
      if (slots.stateOf(slot) !== SLOT_FREE) this.#look(slot);
    }
    this.#compareWhole();
    this.#end('complete');
    return false;
  }

  cancel(): void {
    if (this.#state === 'scanning') this.#end('cancelled');
  }

  get findings(): ScrubFindings {
    return {
      entries: this.#entries,
      bytes: this.#bytes,
      altered: this.#altered,
      named: this.#named,
      whole: this.#whole,
    };
  }

  /** Must be called after the store wrote an entry with this hash into `slot`. */
  added(slot: number, hash: EntryHasher): void {
    if (slot >= this.#cursor) return;
    this.#sum.add(hash);
    this.#count++;
  }

  /** Must be called before the store removes or replaces the entry in `slot`, with the hash of what is there now. */
  removed(slot: number, hash: EntryHasher): void {
    if (slot >= this.#cursor) return;
    this.#sum.subtract(hash);
    this.#count--;
  }

  #look(slot: number): void {
    this.#entries++;
    try {
      const why = this.#compare(slot);
      if (why !== '') this.#note(slot, why);
    } catch (error) {
      // Reading throws if the fields that locate the cell were altered.
      this.#altered++;
      this.#whole = `slot ${slot} cannot be read: ${messageOf(error)}`;
    }
  }

  /** What is wrong with the entry; empty if nothing shows in this entry alone. */
  #compare(slot: number): string {
    const { slots, isFoundAt } = this.#source;
    const stored = slots.valueCrcOf(slot);
    slots.loadKey(slot, this.#key);
    this.#hasher.hashKey(
      this.#key,
      stored,
      slots.expireAtMsOf(slot),
      slots.epochOf(slot),
      slots.lsnOf(slot),
      slots.typeBytesOf(slot),
      slots.typeCrcOf(slot),
    );
    this.#sum.add(this.#hasher);
    this.#count++;
    this.#bytes += slots.valueBytesOf(slot);
    const found = slots.presentCrcOf(slot);
    if (found >>> 0 !== stored >>> 0) return describeCrc(found, stored);
    return isFoundAt(slot) ? '' : 'its key does not lead to it';
  }

  #note(slot: number, why: string): void {
    this.#altered++;
    if (this.#named.length >= NAMED_MAX) return;
    const { slots } = this.#source;
    const version = { epoch: slots.epochOf(slot), lsn: slots.lsnOf(slot) } as Position;
    this.#named.push({ key: slots.keyOf(slot), version, why });
  }

  #compareWhole(): void {
    if (this.#whole !== '') return;
    const entries = this.#source.entries();
    const digest = this.#source.digest();
    const sum = this.#sum.hex();
    if (this.#count !== entries)
      this.#whole = `${this.#count} entries were found where ${entries} are stored`;
    else if (sum !== digest) this.#whole = `the entries have the digest ${sum}, kept was ${digest}`;
  }

  #end(state: 'complete' | 'cancelled'): void {
    this.#state = state;
    this.#source.onEnd();
  }
}
