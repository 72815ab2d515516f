/**
 * Which entry makes room: the one place that knows the eviction policies. Everything
 * else asks for the next victim and logs its deletion.
 */
import { NEVER, type StoreLimits } from '#model/entry.ts';
import type { ExpiryIndex } from '#storage/expiry-index.ts';
import type { RecencyList } from '#storage/recency.ts';
import { NO_SLOT, SLOT_LIVE, SLOT_UNLISTED, type SlotTable } from '#storage/slot-table.ts';

export interface VictimChoice {
  /** Takes the next victim out of the order of recency and returns its slot; `NO_SLOT` if there is none. */
  take(): number;
}

export interface VictimParts {
  readonly slots: SlotTable;
  readonly recency: RecencyList;
  readonly expiry: ExpiryIndex;
}

const NONE: VictimChoice = { take: () => NO_SLOT };

export function chooseVictims({ policy, scope = 'all' }: StoreLimits, parts: VictimParts): VictimChoice {
  if (policy === 'none') return NONE;
  const byRecency = scope === 'all' ? new LeastRecent(parts) : new LeastRecentWithDeadline(parts);
  return policy === 'lru' ? byRecency : new Soonest(parts, scope === 'all' ? byRecency : NONE);
}

class LeastRecent implements VictimChoice {
  readonly #recency: RecencyList;

  constructor({ recency }: VictimParts) {
    this.#recency = recency;
  }

  take(): number {
    return this.#recency.takeOldest();
  }
}

/**
 * Removes an entry without a deadline from the recency list when it is the oldest, so
 * that later evictions need not skip it. A Set or Touch puts it back.
 */
class LeastRecentWithDeadline implements VictimChoice {
  readonly #parts: VictimParts;

  constructor(parts: VictimParts) {
    this.#parts = parts;
  }

  take(): number {
    const { slots, recency } = this.#parts;
    for (;;) {
      const slot = recency.takeOldest();
      if (slot === NO_SLOT || slots.expireAtMsOf(slot) !== NEVER) return slot;
      slots.setState(slot, SLOT_UNLISTED);
    }
  }
}

/** The entry that expires first; if none has a deadline, what `rest` chooses. */
class Soonest implements VictimChoice {
  readonly #parts: VictimParts;
  readonly #rest: VictimChoice;

  constructor(parts: VictimParts, rest: VictimChoice) {
    this.#parts = parts;
    this.#rest = rest;
  }

  take(): number {
    const { slots, recency, expiry } = this.#parts;
    for (;;) {
      const slot = expiry.takeSoonest();
      if (slot === NO_SLOT) return this.#rest.take();
      const state = slots.stateOf(slot);
      if (state === SLOT_LIVE) recency.remove(slot);
      // A victim that was taken before is out of the order already.
      if (state === SLOT_LIVE || state === SLOT_UNLISTED) return slot;
    }
  }
}
