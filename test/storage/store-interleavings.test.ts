/**
 * Several victims outstanding at once, returned or evicted in any order, sets in
 * between, the policy changing back and forth: the same answers under any hash
 * seed and however keys collide, and those of the plain model.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Entry, Mutation } from '#model/entry.ts';
import { createStore, type Store } from '#storage/store.ts';
import { at, HASH_MASKS, remove, set, UNLIMITED } from '#test/storage/helpers.ts';
import { ModelStore } from '#test/storage/model-store.ts';

const NOW_MS = 1_000_000;

type Step =
  | { readonly do: 'set'; readonly key: string; readonly bytes: number; readonly expireAtMs: number }
  | { readonly do: 'delete' | 'get' | 'touch'; readonly key: string }
  | { readonly do: 'take' }
  /** What becomes of one of the victims outstanding. */
  | { readonly do: 'return' | 'evict'; readonly pick: number }
  | { readonly do: 'policy'; readonly policy: 'lru' | 'none' };

const key = fc.nat(13).map((number) => (number % 3 === 0 ? `ключ-${number}` : `key-number-${number}`));
const expireAtMs = fc.oneof(fc.constant(0), fc.integer({ min: NOW_MS - 600, max: NOW_MS + 600 }));
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant('set' as const), key, bytes: fc.nat(5), expireAtMs }) },
  {
    weight: 7,
    arbitrary: fc.record({
      do: fc.constantFrom('delete' as const, 'get' as const, 'get' as const, 'touch' as const),
      key,
    }),
  },
  { weight: 5, arbitrary: fc.constant({ do: 'take' as const }) },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constantFrom('return' as const, 'evict' as const),
      pick: fc.nat(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('policy' as const),
      policy: fc.constantFrom('lru' as const, 'none' as const),
    }),
  },
);

/** One store and its model side by side. `told` is everything a caller got to see. */
class Duel {
  readonly told: unknown[] = [];
  readonly #store: Store;
  readonly #model = new ModelStore();
  readonly #victims: Entry[] = [];
  #policy: 'lru' | 'none' = 'lru';
  #lsn = 0;

  constructor(hashMask: number, hashSeed: number) {
    this.#store = createStore({ limits: UNLIMITED, hashMask, hashSeed });
  }

  run(each: Step): void {
    switch (each.do) {
      case 'set':
        this.#apply(set(each.key, new Uint8Array(each.bytes).fill(this.#lsn), each.expireAtMs));
        break;
      case 'delete':
        this.#apply(remove(each.key));
        break;
      case 'get':
        this.told.push(this.#store.get(each.key, NOW_MS));
        this.#model.get(each.key, NOW_MS);
        break;
      case 'touch':
        this.#store.access(each.key);
        this.#model.touch(each.key);
        break;
      case 'take':
        this.#take();
        break;
      case 'return':
      case 'evict':
        this.#settle(each.do, this.#victims.splice(each.pick % Math.max(1, this.#victims.length), 1)[0]);
        break;
      case 'policy':
        this.#policy = each.policy;
        this.#store.setLimits({ ...UNLIMITED, policy: each.policy });
        break;
    }
  }

  /** Takes everything that is left, which shows the whole order. */
  finish(): void {
    this.#store.setLimits(UNLIMITED);
    this.#policy = 'lru';
    while (this.#take() !== undefined) {
      // Each step compares one victim.
    }
    const { hits, misses, evicted, expired } = this.#model;
    const sums = { entries: this.#model.map.size, bytes: this.#model.bytes, entriesMax: 0, bytesMax: 0 };
    expect(this.#store.stats()).toEqual({ ...sums, hits, misses, evicted, expired, refused: 0 });
    expect(this.#store.stateDigest()).toBe(this.#model.digest());
    this.told.push(this.#store.stats(), this.#store.stateDigest());
  }

  #take(): Entry | undefined {
    const victim = this.#store.takeVictim();
    expect(victim?.key).toBe(this.#policy === 'none' ? undefined : this.#model.takeVictim());
    if (victim !== undefined) this.#victims.push(victim);
    this.told.push(victim);
    return victim;
  }

  #settle(how: 'return' | 'evict', victim: Entry | undefined): void {
    if (victim === undefined) return;
    if (how === 'evict') {
      this.#apply(remove(victim.key, 'evicted'));
      return;
    }
    this.#store.returnVictim(victim);
    this.#model.returnVictim(victim.key);
  }

  #apply(mutation: Mutation): void {
    const position = at(++this.#lsn);
    this.#store.apply(mutation, position);
    this.#model.apply(mutation, position);
  }
}

describe('a store, however keys collide,', () => {
  it('tells the same over every interleaving of takes, returns, evictions and changes of policy', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100 }), fc.integer(), (steps, hashSeed) => {
        const told = HASH_MASKS.map((hashMask) => {
          const duel = new Duel(hashMask, hashSeed + hashMask);
          for (const each of steps) duel.run(each);
          duel.finish();
          return duel.told;
        });
        for (const other of told.slice(1)) expect(other).toEqual(told[0]);
      }),
      { numRuns: 80 },
    );
  });

  it('leaves victims out of the order that a change of policy builds anew, until they are returned', () => {
    const store = createStore({ limits: UNLIMITED, hashMask: 2 });
    for (const [i, name] of ['a', 'b', 'c'].entries()) store.apply(set(name), at(i + 1));
    const victim = store.takeVictim() as Entry;
    store.setLimits({ ...UNLIMITED, policy: 'none' });
    store.setLimits(UNLIMITED);
    expect(store.takeVictim()?.key).toBe('b');
    store.returnVictim(victim);
    expect([1, 2, 3].map(() => store.takeVictim()?.key)).toEqual(['c', 'a', undefined]);
  });

  it('does not bring a returned victim back into the order twice', () => {
    const store = createStore({ limits: UNLIMITED, hashMask: 2 });
    for (const [i, name] of ['a', 'b'].entries()) store.apply(set(name), at(i + 1));
    const victim = store.takeVictim() as Entry;
    store.returnVictim(victim);
    store.returnVictim(victim);
    expect([1, 2, 3].map(() => store.takeVictim()?.key)).toEqual(['b', 'a', undefined]);
  });

  it('does not return a victim into a slot that another key has now', () => {
    const store = createStore({ limits: UNLIMITED, hashMask: 1 });
    store.apply(set('a'), at(1));
    const victim = store.takeVictim() as Entry;
    store.apply(remove('a', 'evicted'), at(2));
    store.apply(set('b'), at(3));
    expect(store.takeVictim()?.key).toBe('b');
    store.returnVictim(victim);
    expect(store.takeVictim()).toBeUndefined();
  });
});
