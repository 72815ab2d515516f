/**
 * Makes room for the sets of one record: chooses which entries go, and has their
 * deletes logged in the same record, before the sets. So a record that is applied on
 * any node leaves it within the limits.
 */
import type { AcceptedState } from '#master/accepted-state.ts';
import { type Entry, isExpired, NEVER, type StoreLimits } from '#model/entry.ts';
import { WalnutError } from '#model/errors.ts';
import type { Store } from '#storage/store.ts';

/** Most deletes that one record contains to make room. */
export const VICTIMS_MAX = 1_024;

/** Most victims of the store that are passed over for one eviction. */
const ASIDE_MAX = 64;

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
   * Makes room for what a record adds, sparing its own keys. Throws
   * `resource_exhausted` if too little may go: with the policy `none` what has not
   * expired, with the scope `with_ttl` what has no deadline. If `VICTIMS_MAX` victims do not suffice (a huge value among
   * tiny entries, or limits just lowered) the store stays over the limits until the
   * master's next trim.
   */
  make(moreEntries: number, moreBytes: number, isSpared: (key: string) => boolean): void {
    if (this.#parts.store.limits.policy === 'none') {
      this.#dropExpired(moreEntries, moreBytes, isSpared);
      return;
    }
    while (this.#isOver(moreEntries, moreBytes) && this.#victims < VICTIMS_MAX) {
      if (this.#evictOne(isSpared)) continue;
      // With the scope `all` nothing is left beside the spared keys, and they fit.
      if (this.#parts.store.limits.scope === 'with_ttl') throw this.#full(moreEntries, moreBytes);
      return;
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
    store.counts.refused++;
    const { entriesMax, bytesMax, policy } = store.limits;
    const entries = accepted.entries + moreEntries;
    const why =
      policy === 'none'
        ? 'storage.eviction_policy is none'
        : 'storage.eviction_scope is with_ttl, and no other entry has a deadline';
    return new WalnutError(
      'resource_exhausted',
      `the store is full (${accepted.entries} of storage.max_entries ${entriesMax || 'unlimited'}, ` +
        `${accepted.bytes} of storage.max_memory ${bytesMax || 'unlimited'} bytes) ` +
        `and ${why}`,
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

  /** Returns false if nothing is left that may be evicted. */
  #evictOne(isSpared: (key: string) => boolean): boolean {
    const { store, accepted, taken } = this.#parts;
    // Victims of the store that must stay, or whose newest state is in flight.
    const aside: Entry[] = [];
    let victim = this.#takeStored(isSpared, aside);
    if (victim === undefined) {
      // Among records in flight the order is that of acceptance.
      victim = accepted.oldestInFlight((key) => isSpared(key) || !this.#mayGo(key));
      const own = aside.findIndex(({ key }) => key === victim);
      if (own >= 0) taken.push(...aside.splice(own, 1));
    }
    for (const entry of aside) store.returnVictim(entry);
    return victim === undefined ? false : this.#evict(victim);
  }

  /** Takes the first victim of the store that is neither spared nor in flight, and returns its key. */
  #takeStored(isSpared: (key: string) => boolean, aside: Entry[]): string | undefined {
    const { store, accepted, taken } = this.#parts;
    // By recency, what is spared or in flight was accessed last: nothing else comes after it.
    const asideMax = store.limits.policy === 'lru' ? 1 : ASIDE_MAX;
    while (aside.length < asideMax) {
      const victim = store.takeVictim();
      if (victim === undefined) return undefined;
      const { entry, record } = accepted.lookup(victim.key);
      if (entry !== undefined && (isSpared(victim.key) || record !== undefined)) {
        aside.push(victim);
        continue;
      }
      taken.push(victim);
      // If its delete is in flight, it frees nothing more.
      if (entry !== undefined) return victim.key;
    }
    return undefined;
  }

  #mayGo(key: string): boolean {
    const { store, accepted } = this.#parts;
    return store.limits.scope !== 'with_ttl' || accepted.lookup(key).entry?.expireAtMs !== NEVER;
  }

  #evict(key: string): true {
    this.#parts.remove(key, 'evicted');
    this.#victims++;
    return true;
  }
}
