/**
 * Re-hashes everything that is stored, in bounded slices, while the store goes
 * on changing: each value against its CRC, each key against the index, and in
 * the end the sum of all entry hashes against the digest that was kept up to
 * date by every change. So one altered bit of a value, a key, a deadline, a
 * version or of the digest itself is found; bits of the recency order are not.
 *
 * The walk is by slots. Its own sum covers the slots behind the cursor: the store
 * tells what comes and goes there, so at the end it is the sum of the state of
 * that moment. An entry that was altered and replaced before the walk came by
 * leaves the digest off, which the end notices.
 */

import type { Position } from '#model/position.ts';
import { assert } from '#platform/assert.ts';
import { messageOf } from '#platform/thrown.ts';
import { type AlteredEntry, describeCrc } from '#storage/altered-state.ts';
import { DigestSum, EntryHasher } from '#storage/entry-hash.ts';
import { KeyBytes } from '#storage/key-bytes.ts';
import { SLOT_FREE, type SlotTable } from '#storage/slot-table.ts';

/** Altered entries that are named; more are counted. */
const NAMED_MAX = 10;
/** Free slots passed over in one slice. */
const SLOTS_PER_SLICE = 16_384;

/** What the scan needs to know of the store. */
export interface ScrubSource {
  readonly slots: SlotTable;
  /** How many entries there are, and their digest. */
  readonly entries: () => number;
  readonly digest: () => string;
  /** Whether looking for the key in the slot finds the slot. */
  readonly isFoundAt: (slot: number) => boolean;
  /** Called once, when the scan is complete or cancelled. */
  readonly onEnd: () => void;
}

export interface ScrubFindings {
  /** Entries looked at, and the bytes of their values. */
  readonly entries: number;
  readonly bytes: number;
  readonly altered: number;
  /** The first of them. */
  readonly named: readonly AlteredEntry[];
  /** What is wrong with the whole; empty: nothing, or not at its end yet. */
  readonly whole: string;
}

export class ScrubScan {
  readonly #source: ScrubSource;
  readonly #hasher = new EntryHasher();
  readonly #key = new KeyBytes();
  /** Of what is in the slots behind the cursor. */
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

  /** Looks at up to `entriesMax` entries of together about `bytesMax` bytes. False when there is nothing more. */
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

  /** The store has put an entry with this hash into `slot`. */
  added(slot: number, hash: EntryHasher): void {
    if (slot >= this.#cursor) return;
    this.#sum.add(hash);
    this.#count++;
  }

  /** The store takes the entry with this hash, as it is stored now, out of `slot`. */
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
      // Where the fields that say where things are were altered, there is nothing to read there.
      this.#altered++;
      this.#whole = `slot ${slot} cannot be read: ${messageOf(error)}`;
    }
  }

  /** What is wrong with the entry; empty: nothing that shows in it alone. */
  #compare(slot: number): string {
    const { slots, isFoundAt } = this.#source;
    const stored = slots.valueCrcOf(slot);
    slots.loadKey(slot, this.#key);
    this.#hasher.hashKey(this.#key, stored, slots.expireAtMsOf(slot), slots.epochOf(slot), slots.lsnOf(slot));
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
