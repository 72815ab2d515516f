import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Store } from '#storage/store.ts';
import { at, HASH_MASKS, newStore, remove, set, victimsOf } from '#test/storage/helpers.ts';
import { ModelStore } from '#test/storage/model-store.ts';

type Step =
  | { kind: 'get' | 'touch' | 'peek' | 'return'; key: string; nowMs: number }
  | { kind: 'set'; key: string; value: string; expireAtMs: number }
  | { kind: 'delete'; key: string; cause: 'client' | 'evicted' | 'expired' }
  | { kind: 'take' }
  | { kind: 'deadline'; key: string; expireAtMs: number }
  | { kind: 'policy'; policy: 'lru' | 'none' }
  | { kind: 'due'; nowMs: number };

const key = fc
  .integer({ min: 0, max: 25 })
  .map((i) => (i === 0 ? '__proto__' : `key-${i}-é`.slice(0, 4 + (i % 5))));
const timeMs = fc.integer({ min: 1, max: 3_000 });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constantFrom('get', 'touch', 'peek', 'return'), key, nowMs: timeMs }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('set'),
      key,
      value: fc.string({ maxLength: 80 }).map((text) => Buffer.from(text).toString('latin1')),
      expireAtMs: fc.oneof(fc.constant(0), timeMs),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('delete'),
      key,
      cause: fc.constantFrom('client', 'evicted', 'expired'),
    }),
  },
  { weight: 2, arbitrary: fc.constant({ kind: 'take' }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('deadline'),
      key,
      expireAtMs: fc.oneof(fc.constant(0), timeMs),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('due'), nowMs: timeMs }) },
) as fc.Arbitrary<Step>;

function take(store: Store, model: ModelStore, step: Step, lsn: number): void {
  switch (step.kind) {
    case 'get': {
      const entry = store.get(step.key, step.nowMs);
      expect(entry && Buffer.from(entry.value).toString('latin1')).toBe(
        model.get(step.key, step.nowMs)?.value,
      );
      return;
    }
    case 'peek': {
      const entry = store.peek(step.key);
      const known = model.map.get(step.key);
      expect(entry?.expireAtMs).toBe(known?.expireAtMs);
      expect(entry?.version).toEqual(known && { epoch: known.epoch, lsn: known.lsn });
      return;
    }
    case 'deadline': {
      const { key, expireAtMs } = step;
      const mutation = { op: 'touch', key, expireAtMs, cause: 'client' } as const;
      store.apply(mutation, at(lsn));
      model.apply(mutation, at(lsn));
      return;
    }
    case 'touch':
      store.access(step.key);
      model.touch(step.key);
      return;
    case 'return': {
      const entry = store.peek(step.key);
      if (entry !== undefined) store.returnVictim(entry);
      model.returnVictim(step.key);
      return;
    }
    case 'set': {
      const mutation = set(step.key, Buffer.from(step.value, 'latin1'), step.expireAtMs);
      store.apply(mutation, at(lsn));
      model.apply(mutation, at(lsn));
      return;
    }
    case 'delete': {
      const mutation = remove(step.key, step.cause);
      store.apply(mutation, at(lsn));
      model.apply(mutation, at(lsn));
      return;
    }
    case 'take':
      expect(store.takeVictim()?.key).toBe(model.takeVictim());
      return;
    case 'policy':
      return;
    case 'due':
      expect(
        store
          .due(step.nowMs, 1_000)
          .map((entry) => entry.key)
          .sort(),
      ).toEqual(model.due(step.nowMs).sort());
      return;
  }
}

describe('store against a plain model', () => {
  it('agrees after every step, digest and accounting included, whatever keys collide', () => {
    fc.assert(
      fc.property(fc.constantFrom(...HASH_MASKS), fc.array(step, { maxLength: 120 }), (hashMask, steps) => {
        const store = newStore(hashMask);
        const model = new ModelStore();
        for (const [i, next] of steps.entries()) {
          take(store, model, next, i + 1);
          expect(store.entries).toBe(model.map.size);
          expect(store.bytes).toBe(model.bytes);
          expect(store.stateDigest()).toBe(model.digest());
        }
        const { hits, misses, evicted, expired } = model;
        expect(store.stats()).toEqual({
          entries: store.entries,
          bytes: store.bytes,
          entriesMax: 0,
          bytesMax: 0,
          hits,
          refused: 0,
          misses,
          evicted,
          expired,
        });
        expect(victimsOf(store)).toEqual(model.order);
      }),
      { numRuns: 300 },
    );
  });

  it('gives up entries in exact recency order after long use with 1,000 keys', () => {
    for (const hashMask of [-1, 0x1f, 0x8000_00ff | 0]) {
      const store = newStore(hashMask);
      const model = new ModelStore();
      let state = 7;
      const below = (limit: number): number => {
        state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
        return Math.floor((state / 2 ** 32) * limit);
      };
      for (let i = 0; i < 6_000; i++) {
        const name = `k${below(1_000)}`;
        const kind = (['set', 'set', 'get', 'get', 'get', 'delete', 'take', 'return'] as const)[
          below(8)
        ] as 'set';
        take(store, model, { kind, key: name, value: name, expireAtMs: 0, nowMs: 1 } as Step, i + 1);
      }
      expect(victimsOf(store)).toEqual(model.order);
    }
  });

  it('keeps the exact order over a change of policy and back', () => {
    const store = newStore();
    for (let i = 0; i < 100; i++) store.apply(set(`k${i}`), at(i + 1));
    store.setLimits({ entriesMax: 5, bytesMax: 6, policy: 'none' });
    expect(store.limits).toEqual({ entriesMax: 5, bytesMax: 6, policy: 'none' });
    expect(store.takeVictim()).toBeUndefined();
    for (let i = 0; i < 50; i++) store.get(`k${i}`, 1);
    store.setLimits({ entriesMax: 0, bytesMax: 0, policy: 'lru' });
    const expected = [...Array(50).keys()]
      .map((i) => `k${i + 50}`)
      .concat([...Array(50).keys()].map((i) => `k${i}`));
    expect(victimsOf(store)).toEqual(expected);
  });
});
