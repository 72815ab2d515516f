/**
 * Gathers the mutations of one record as operations are accepted one after
 * another: a single write, or a whole Batch. It makes room first (victims stand
 * in the record before the set that needs it), so that a record applied on any
 * node leaves it within the limits.
 */

import type { PayloadWriter } from '#engine/records/payload-writer.ts';
import { type AcceptedState, MISSING } from '#master/accepted-state.ts';
import type { RecordInFlight } from '#master/record-in-flight.ts';
import { type Cause, type EncodedPair, type Entry, isExpired } from '#model/entry.ts';
import { WalnutError } from '#model/errors.ts';
import { BATCH_OPERATIONS_MAX, KEY_BYTES_MAX, quoteKey } from '#model/limits.ts';
import type { Position } from '#model/position.ts';
import { assert } from '#platform/assert.ts';
import type { KeyBytes } from '#storage/key-bytes.ts';
import { entryCost, type Store } from '#storage/store.ts';
import { PAYLOAD_BYTES_MAX } from '#wal/frame.ts';

/** Why a caller's set or delete is in the log. */
export type WriteCause = 'client' | 'restored';

/** Deletes that one record may carry to make room. */
export const VICTIMS_MAX = 1_024;
/** What a mutation takes in a record beyond key and value, at most. */
const MUTATION_OVERHEAD_BYTES = 16;
/** What sets may take of a record: whatever else a Batch may need still fits. */
const SETS_BYTES_MAX =
  PAYLOAD_BYTES_MAX - (VICTIMS_MAX + BATCH_OPERATIONS_MAX) * (KEY_BYTES_MAX + MUTATION_OVERHEAD_BYTES);

/** What an accepted operation will answer once the records it depends on are settled. */
export interface Accepted {
  readonly applied: boolean;
  readonly previous: Entry | undefined;
  readonly current: Entry | undefined;
  /** The record in flight that the answer depends on; undefined: none. */
  readonly dependsOn: RecordInFlight | undefined;
  /** What the answer is from, where it was settled before; undefined: the record, or the state now. */
  readonly position?: Position | undefined;
  /** What an Increment wrote; undefined for other operations, and if it wrote nothing. */
  readonly counter?: WrittenCounter | undefined;
}

export interface WrittenCounter {
  readonly value: bigint;
  /** By the log clock. */
  readonly expireAtMs: number;
}

/** Keys of the record that is being built; used again by the next one. */
export class RecordKeys {
  /** Of the set that room is made for. */
  readonly set: KeyBytes;
  /** Of a delete: the caller's, or one that makes room. */
  readonly delete: KeyBytes;

  constructor(store: Store) {
    this.set = store.createKey();
    this.delete = store.createKey();
  }
}

export class RecordBuilder {
  /** What the store gave up for this record: given back if it is refused. */
  readonly taken: Entry[] = [];
  /** Where the record will stand is known before it is submitted, because accepting is synchronous. */
  readonly record: RecordInFlight;
  /** Of every operation that this record holds, and that answers nothing else. */
  readonly written: Accepted;
  readonly nowMs: number;
  readonly #store: Store;
  readonly #keys: RecordKeys;
  readonly #accepted: AcceptedState;
  readonly #payload: PayloadWriter;
  readonly #cause: WriteCause;
  #victims = 0;
  #setsBytes = 0;

  /** `payload`: begun anew, and the record's source. */
  constructor(
    store: Store,
    keys: RecordKeys,
    accepted: AcceptedState,
    payload: PayloadWriter,
    record: RecordInFlight,
    nowMs: number,
    cause: WriteCause = 'client',
  ) {
    this.#store = store;
    this.#keys = keys;
    this.#cause = cause;
    this.#accepted = accepted;
    this.#payload = payload;
    this.record = record;
    this.written = { applied: true, previous: undefined, current: undefined, dependsOn: record };
    this.nowMs = nowMs;
  }

  /**
   * Adds a set, victims before it. Throws `resource_exhausted` where there is
   * no room: the set is not in the record then, though deletes of expired
   * entries may be, and the record is to be submitted all the same.
   */
  set(key: string, value: Uint8Array, expireAtMs: number): void {
    load(this.#keys.set, key);
    this.#setLoaded(value, 0, value.length, expireAtMs);
  }

  /** As `set`, from bytes. */
  setEncoded({ bytes, keyOffset, keyBytes, valueOffset, valueBytes, expireAtMs }: EncodedPair): void {
    this.#keys.set.loadBytes(bytes, keyOffset, keyBytes);
    this.#setLoaded(bytes, valueOffset, valueBytes, expireAtMs);
  }

  /** Sets the key in `#keys.set`. */
  #setLoaded(source: Uint8Array, valueOffset: number, valueBytes: number, expireAtMs: number): void {
    const bytes = KEY_BYTES_MAX + valueBytes + MUTATION_OVERHEAD_BYTES;
    if (this.#setsBytes + bytes > SETS_BYTES_MAX) {
      throw new WalnutError(
        'resource_exhausted',
        `writes that are made together take at most ${SETS_BYTES_MAX} bytes: make the batch smaller`,
      );
    }
    const { set: key } = this.#keys;
    const cost = entryCost(key.length, valueBytes);
    const before = this.#makeRoom(cost);
    this.#setsBytes += bytes;
    const place = this.#payload.set(key, source, valueOffset, valueBytes, expireAtMs, this.#cause);
    this.#accepted.acceptSet(key, this.record, place, before, cost);
  }

  /** Without `cause`: the caller's. */
  delete(key: string, cause: WriteCause | 'expired' = this.#cause): void {
    this.#delete(key, cause);
  }

  /** Evicts until the limits hold or the record is full of victims. Returns whether there is more to do. */
  trim(): boolean {
    while (this.#isOver(0, 0)) {
      if (!this.#evictOne('')) return false;
      if (this.#victims >= VICTIMS_MAX) return this.#isOver(0, 0);
    }
    return false;
  }

  #delete(key: string, cause: Cause): void {
    const { delete: loaded } = this.#keys;
    load(loaded, key);
    this.#accepted.acceptDelete(loaded, this.record, this.#payload.delete(loaded, cause));
  }

  /** For the key in `#keys.set`: returns what its accepted entry counts for, or `MISSING`. */
  #makeRoom(cost: number): number {
    const { limits } = this.#store;
    const { set: key } = this.#keys;
    if (limits.bytesMax > 0 && cost > limits.bytesMax) {
      throw new WalnutError(
        'resource_exhausted',
        `entry ${quoteKey(key.text())} takes ${cost} bytes: storage.max_memory is ${limits.bytesMax}`,
        { limit: { name: 'storage.max_memory', max: limits.bytesMax, size: cost } },
      );
    }
    // Touched before victims are chosen, so that it is the last to be one.
    const before = this.#accepted.touch(key);
    const moreEntries = before === MISSING ? 1 : 0;
    const moreBytes = before === MISSING ? cost : cost - before;
    // An overwrite that is no larger makes nothing worse than it is.
    if (!this.#isOver(moreEntries, moreBytes) || (moreEntries === 0 && moreBytes <= 0)) return before;
    const text = key.text();
    if (limits.policy === 'none') this.#dropExpired(text, moreEntries, moreBytes);
    else this.#evictFor(text, moreEntries, moreBytes);
    return before;
  }

  /**
   * Where 1,024 victims do not suffice (a huge value among tiny entries, or
   * limits just lowered) the store stays over until the master's next trim.
   */
  #evictFor(key: string, moreEntries: number, moreBytes: number): void {
    while (this.#isOver(moreEntries, moreBytes) && this.#victims < VICTIMS_MAX) {
      if (!this.#evictOne(key)) return;
    }
  }

  /** Without eviction only what has expired may go; `key` itself is replaced anyway, and counted as such. */
  #dropExpired(key: string, moreEntries: number, moreBytes: number): void {
    for (const { key: due } of this.#store.due(this.nowMs, VICTIMS_MAX)) {
      if (!this.#isOver(moreEntries, moreBytes)) return;
      if (this.#victims >= VICTIMS_MAX) break;
      const { entry } = this.#accepted.lookup(due);
      if (due === key || entry === undefined || !isExpired(entry.expireAtMs, this.nowMs)) continue;
      this.delete(due, 'expired');
      this.#victims++;
    }
    if (!this.#isOver(moreEntries, moreBytes)) return;
    const { limits } = this.#store;
    const entries = this.#accepted.entries + moreEntries;
    const isOverEntries = limits.entriesMax > 0 && entries > limits.entriesMax;
    throw new WalnutError(
      'resource_exhausted',
      `the store is full (${this.#accepted.entries} of storage.max_entries ${limits.entriesMax || 'unlimited'}, ` +
        `${this.#accepted.bytes} of storage.max_memory ${limits.bytesMax || 'unlimited'} bytes) ` +
        'and storage.eviction_policy is none',
      {
        limit: isOverEntries
          ? { name: 'storage.max_entries', max: limits.entriesMax, size: entries }
          : { name: 'storage.max_memory', max: limits.bytesMax, size: this.#accepted.bytes + moreBytes },
      },
    );
  }

  #isOver(moreEntries: number, moreBytes: number): boolean {
    const { entriesMax, bytesMax } = this.#store.limits;
    return (
      (entriesMax > 0 && this.#accepted.entries + moreEntries > entriesMax) ||
      (bytesMax > 0 && this.#accepted.bytes + moreBytes > bytesMax)
    );
  }

  /** False where nothing is left to evict but `key` itself. */
  #evictOne(key: string): boolean {
    const stored = this.#oldestStored(key);
    if (stored !== undefined && !this.#accepted.isInFlight(stored.key)) {
      this.taken.push(stored);
      return this.#evict(stored.key);
    }
    // All else stored is in flight too: among those the order is that of acceptance.
    const inFlight = this.#accepted.oldestInFlight(key);
    if (stored !== undefined && stored.key === inFlight) this.taken.push(stored);
    else if (stored !== undefined) this.#store.returnVictim(stored);
    return inFlight === undefined ? false : this.#evict(inFlight);
  }

  /** Takes the least recently touched of what is stored and not deleted by a record in flight; never `key`. */
  #oldestStored(key: string): Entry | undefined {
    for (;;) {
      const victim = this.#store.takeVictim();
      if (victim === undefined) return undefined;
      if (victim.key === key) {
        // It was touched last, so there is no other.
        this.#store.returnVictim(victim);
        return undefined;
      }
      if (this.#accepted.lookup(victim.key).entry !== undefined) return victim;
      // It frees nothing more.
      this.taken.push(victim);
    }
  }

  #evict(key: string): true {
    this.#delete(key, 'evicted');
    this.#victims++;
    return true;
  }
}

function load(into: KeyBytes, key: string): void {
  assert(into.load(key), 'a key is well-formed');
}
