/**
 * Makes room for the sets of one record: chooses which entries go, and has their
 * deletes logged in the same record, before the sets. So a record that is applied on
 * any node leaves it within the limits.
 */
import type { AcceptedState } from '#master/accepted-state.ts';
import { type Entry, isExpired, type StoreLimits } from '#model/entry.ts';
import { WalnutError } from '#model/errors.ts';
import type { Store } from '#storage/store.ts';

/** Most deletes that one record contains to make room. */
export const VICTIMS_MAX = 1_024;

export interface RoomParts {
  readonly store: Store;
  readonly accepted: AcceptedState;
  readonly nowMs: number;
  /** What the store gave up for the record, which is given back if the record is refused. */
  readonly taken: Entry[];
  /** Adds a delete to the record. */
  readonly remove: (key: string, cause: 'expired' | 'evicted') => void;
}

/** True if so much more than what is accepted would exceed a limit. */
export function isOver(
  { entriesMax, bytesMax }: StoreLimits,
  accepted: AcceptedState,
  moreEntries: number,
  moreBytes: number,
): boolean {
  return (
    (entriesMax > 0 && accepted.entries + moreEntries > entriesMax) ||
    (bytesMax > 0 && accepted.bytes + moreBytes > bytesMax)
  );
}

export class Room {
  readonly #parts: RoomParts;
  #victims = 0;

  constructor(parts: RoomParts) {
    this.#parts = parts;
  }

  /**
   * Makes room for what a record adds, sparing its own keys, which are the most
   * recently touched. Throws `resource_exhausted` if the policy is `none` and too
   * little has expired. If `VICTIMS_MAX` victims do not suffice (a huge value among
   * tiny entries, or limits just lowered) the store stays over the limits until the
   * master's next trim.
   */
  make(moreEntries: number, moreBytes: number, isSpared: (key: string) => boolean): void {
    if (this.#parts.store.limits.policy === 'none') {
      this.#dropExpired(moreEntries, moreBytes, isSpared);
      return;
    }
    while (this.#isOver(moreEntries, moreBytes) && this.#victims < VICTIMS_MAX) {
      if (!this.#evictOne(isSpared)) return;
    }
  }

  /** Evicts until the limits are kept or the record is full of victims. Returns true if there is more to do. */
  trim(): boolean {
    while (this.#isOver(0, 0)) {
      if (!this.#evictOne(() => false)) return false;
      if (this.#victims >= VICTIMS_MAX) return this.#isOver(0, 0);
    }
    return false;
  }

  /** Without eviction only what has expired may go. Spared keys are replaced anyway, and counted as such. */
  #dropExpired(moreEntries: number, moreBytes: number, isSpared: (key: string) => boolean): void {
    const { store, accepted, nowMs, remove } = this.#parts;
    for (const { key } of store.due(nowMs, VICTIMS_MAX)) {
      if (!this.#isOver(moreEntries, moreBytes)) return;
      if (this.#victims >= VICTIMS_MAX) break;
      const { entry } = accepted.lookup(key);
      if (entry === undefined || !isExpired(entry.expireAtMs, nowMs) || isSpared(key)) continue;
      remove(key, 'expired');
      this.#victims++;
    }
    if (this.#isOver(moreEntries, moreBytes)) throw this.#full(moreEntries, moreBytes);
  }

  #full(moreEntries: number, moreBytes: number): WalnutError {
    const { store, accepted } = this.#parts;
    const { entriesMax, bytesMax } = store.limits;
    const entries = accepted.entries + moreEntries;
    return new WalnutError(
      'resource_exhausted',
      `the store is full (${accepted.entries} of storage.max_entries ${entriesMax || 'unlimited'}, ` +
        `${accepted.bytes} of storage.max_memory ${bytesMax || 'unlimited'} bytes) ` +
        'and storage.eviction_policy is none',
      {
        limit:
          entriesMax > 0 && entries > entriesMax
            ? { name: 'storage.max_entries', max: entriesMax, size: entries }
            : { name: 'storage.max_memory', max: bytesMax, size: accepted.bytes + moreBytes },
      },
    );
  }

  #isOver(moreEntries: number, moreBytes: number): boolean {
    const { store, accepted } = this.#parts;
    return isOver(store.limits, accepted, moreEntries, moreBytes);
  }

  /** Returns false if nothing is left to evict but spared keys. */
  #evictOne(isSpared: (key: string) => boolean): boolean {
    const { store, accepted, taken } = this.#parts;
    const stored = this.#oldestStored(isSpared);
    if (stored !== undefined && !accepted.isInFlight(stored.key)) {
      taken.push(stored);
      return this.#evict(stored.key);
    }
    // Everything else that is stored is in flight too: among those the order is that of acceptance.
    const inFlight = accepted.oldestInFlight(isSpared);
    if (stored !== undefined && stored.key === inFlight) taken.push(stored);
    else if (stored !== undefined) store.returnVictim(stored);
    return inFlight === undefined ? false : this.#evict(inFlight);
  }

  /** Takes the least recently touched entry that is stored and that no record in flight deletes; never a spared one. */
  #oldestStored(isSpared: (key: string) => boolean): Entry | undefined {
    const { store, accepted, taken } = this.#parts;
    for (;;) {
      const victim = store.takeVictim();
      if (victim === undefined) return undefined;
      if (isSpared(victim.key)) {
        // Spared keys were touched last, so there is no other.
        store.returnVictim(victim);
        return undefined;
      }
      if (accepted.lookup(victim.key).entry !== undefined) return victim;
      // Its delete is in flight, so that it frees nothing more.
      taken.push(victim);
    }
  }

  #evict(key: string): true {
    this.#parts.remove(key, 'evicted');
    this.#victims++;
    return true;
  }
}
