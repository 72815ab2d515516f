/**
 * How often caches of one size find what they are asked for, by policy: what a policy
 * beyond those of Walnut would bring, or not. Simulated, of keys alone; every miss is
 * stored. Pure: the same accesses give the same hits.
 */
import { createNumbers } from '../wire/unary-requests.ts';
import { lruHits } from './accesses.ts';

/** The defaults of redis: maxmemory-samples, and the size of its pool of candidates. */
const SAMPLES = 5;
const POOL = 16;
/** The defaults of redis: lfu-log-factor, and the counter of a new key. */
const LFU_FACTOR = 10;
const LFU_START = 5;
const LFU_MAX = 255;

/** Hits of each policy, by its name. */
export const POLICIES: Readonly<Record<string, (accesses: Int32Array, entriesMax: number) => number>> = {
  "Belady's optimum": optimalHits,
  'exact LRU': lruHits,
  'redis allkeys-lru': (accesses, entriesMax) => sampledHits(accesses, entriesMax, new Recency()),
  'redis allkeys-lfu, without decay': (accesses, entriesMax) =>
    sampledHits(accesses, entriesMax, new Frequency()),
};

/** Belady's optimum: evicts the key whose next access is furthest in the future. No policy has more hits. */
export function optimalHits(accesses: Int32Array, entriesMax: number): number {
  const next = nextUses(accesses);
  /** The next use of each key that is stored. */
  const stored = new Map<number, number>();
  const heap = new LatestFirst();
  let hits = 0;
  accesses.forEach((key, at) => {
    if (stored.has(key)) hits++;
    stored.set(key, next[at] as number);
    heap.push(next[at] as number, key);
    while (stored.size > entriesMax) {
      const { use, key: victim } = heap.pop();
      // If the key was accessed again since, a later item of the heap has its next use.
      if (stored.get(victim) === use) stored.delete(victim);
    }
  });
  return hits;
}

/** For each access the index of the next one of its key; beyond the end where there is none. */
function nextUses(accesses: Int32Array): Float64Array {
  const next = new Float64Array(accesses.length);
  const seen = new Map<number, number>();
  for (let at = accesses.length - 1; at >= 0; at--) {
    const key = accesses[at] as number;
    // Keys that never come again are told apart, so that each is found in the heap by its own number.
    next[at] = seen.get(key) ?? accesses.length + at;
    seen.set(key, at);
  }
  return next;
}

interface Item {
  readonly use: number;
  readonly key: number;
}

/** A heap with the latest use on top. */
class LatestFirst {
  readonly #items: Item[] = [];

  push(use: number, key: number): void {
    const items = this.#items;
    let at = items.length;
    items.push({ use, key });
    while (at > 0) {
      const above = (at - 1) >> 1;
      if ((items[above] as Item).use >= use) break;
      items[at] = items[above] as Item;
      at = above;
    }
    items[at] = { use, key };
  }

  pop(): Item {
    const items = this.#items;
    const top = items[0] as Item;
    const last = items.pop() as Item;
    if (items.length === 0) return top;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= items.length) break;
      if (child + 1 < items.length && (items[child + 1] as Item).use > (items[child] as Item).use) child++;
      if ((items[child] as Item).use <= last.use) break;
      items[at] = items[child] as Item;
      at = child;
    }
    items[at] = last;
    return top;
  }
}

/** The state of a policy that samples: a key with a higher rank is evicted first. */
interface Ranking {
  access(key: number, at: number, isNew: boolean): void;
  rank(key: number): number;
  forget(key: number): void;
}

class Recency implements Ranking {
  readonly #last = new Map<number, number>();

  access(key: number, at: number): void {
    this.#last.set(key, at);
  }

  rank(key: number): number {
    return -(this.#last.get(key) as number);
  }

  forget(key: number): void {
    this.#last.delete(key);
  }
}

/** A counter that grows the more slowly the larger it is. Accesses have no times here, so it never shrinks. */
class Frequency implements Ranking {
  readonly #counters = new Map<number, number>();
  readonly #random = createNumbers(1_000_000, 11);

  access(key: number, _at: number, isNew: boolean): void {
    const counter = isNew ? LFU_START : (this.#counters.get(key) as number);
    const chance = 1 / (Math.max(0, counter - LFU_START) * LFU_FACTOR + 1);
    const grows = !isNew && counter < LFU_MAX && this.#random() / 1_000_000 < chance;
    this.#counters.set(key, grows ? counter + 1 : counter);
  }

  rank(key: number): number {
    return LFU_MAX - (this.#counters.get(key) as number);
  }

  forget(key: number): void {
    this.#counters.delete(key);
  }
}

/** Candidates are sampled at random and kept, the best of them, from one eviction to the next. */
function sampledHits(accesses: Int32Array, entriesMax: number, ranking: Ranking): number {
  const keys: number[] = [];
  const placeOf = new Map<number, number>();
  const random = createNumbers(2 ** 30, 7);
  let pool: number[] = [];
  let hits = 0;
  const evict = (): void => {
    for (let i = 0; i < SAMPLES; i++) {
      const key = keys[random() % keys.length] as number;
      if (!pool.includes(key)) pool.push(key);
    }
    pool = pool.filter((key) => placeOf.has(key)).sort((a, b) => ranking.rank(b) - ranking.rank(a));
    const victim = pool.shift() as number;
    pool.length = Math.min(pool.length, POOL);
    const place = placeOf.get(victim) as number;
    const last = keys.pop() as number;
    if (last !== victim) {
      keys[place] = last;
      placeOf.set(last, place);
    }
    placeOf.delete(victim);
    ranking.forget(victim);
  };
  accesses.forEach((key, at) => {
    const isNew = !placeOf.has(key);
    if (!isNew) hits++;
    else {
      if (keys.length === entriesMax) evict();
      placeOf.set(key, keys.length);
      keys.push(key);
    }
    ranking.access(key, at, isNew);
  });
  return hits;
}
