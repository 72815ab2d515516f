/** Which entries make room, against a plain model, for every policy and scope. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { EvictionPolicy, EvictionScope, StoreLimits } from '#model/entry.ts';
import { createStore } from '#storage/store.ts';
import { at, remove, set, touch } from '#test/storage/helpers.ts';

const POLICIES: readonly EvictionPolicy[] = ['lru', 'ttl', 'none'];
const SCOPES: readonly EvictionScope[] = ['all', 'with_ttl'];
const limitsOf = (policy: EvictionPolicy, scope: EvictionScope): StoreLimits => ({
  entriesMax: 0,
  bytesMax: 0,
  policy,
  scope,
});

/** Keys in the order of their last access, with their deadlines; 0: never. */
class Model {
  order: string[] = [];
  readonly deadlines = new Map<string, number>();
  readonly taken = new Set<string>();

  set(key: string, deadline: number): void {
    this.deadlines.set(key, deadline);
    this.taken.delete(key);
    this.access(key);
  }

  access(key: string): void {
    if (!this.deadlines.has(key) || this.taken.has(key)) return;
    this.order = [...this.order.filter((one) => one !== key), key];
  }

  touch(key: string, deadline: number): void {
    if (!this.deadlines.has(key)) return;
    this.deadlines.set(key, deadline);
    this.access(key);
  }

  remove(key: string): void {
    this.order = this.order.filter((one) => one !== key);
    this.deadlines.delete(key);
    this.taken.delete(key);
  }

  /** Those of which one must be the next victim: several where deadlines are equal. */
  candidates({ policy, scope }: StoreLimits): string[] {
    if (policy === 'none') return [];
    const withDeadline = this.order.filter((key) => this.deadlines.get(key) !== 0);
    if (policy === 'ttl' && withDeadline.length > 0) {
      const soonest = Math.min(...withDeadline.map((key) => this.deadlines.get(key) as number));
      return withDeadline.filter((key) => this.deadlines.get(key) === soonest);
    }
    return (scope === 'with_ttl' ? withDeadline : this.order).slice(0, 1);
  }

  take(key: string): void {
    this.order = this.order.filter((one) => one !== key);
    this.taken.add(key);
  }

  giveBack(key: string): void {
    if (this.taken.delete(key)) this.access(key);
  }
}

const key = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g');
const step = fc.oneof(
  { weight: 5, arbitrary: fc.tuple(fc.constant('set' as const), key, fc.constantFrom(0, 0, 50, 60, 70)) },
  { weight: 3, arbitrary: fc.tuple(fc.constant('get' as const), key, fc.constant(0)) },
  { weight: 2, arbitrary: fc.tuple(fc.constant('touch' as const), key, fc.constantFrom(0, 50, 60)) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('delete' as const), key, fc.constant(0)) },
  { weight: 4, arbitrary: fc.tuple(fc.constant('take' as const), key, fc.constant(0)) },
  { weight: 2, arbitrary: fc.tuple(fc.constant('give back' as const), key, fc.constant(0)) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('limits' as const), key, fc.nat(5)) },
);

describe('victims', () => {
  it('are those of the plain model, whatever policies follow each other', () => {
    let taken = 0;
    fc.assert(
      fc.property(fc.nat(5), fc.array(step, { minLength: 10, maxLength: 80 }), (first, steps) => {
        const chosen = (i: number): StoreLimits =>
          limitsOf(POLICIES[i % 3] as EvictionPolicy, SCOPES[i % 2] as EvictionScope);
        const store = createStore({ limits: chosen(first) });
        const model = new Model();
        steps.forEach(([kind, name, number], lsn) => {
          if (kind === 'set') {
            store.apply(set(name, 'v', number), at(lsn + 1));
            model.set(name, number);
          } else if (kind === 'get') {
            store.get(name, 1);
            model.access(name);
          } else if (kind === 'touch') {
            store.apply(touch(name, number), at(lsn + 1));
            model.touch(name, number);
          } else if (kind === 'delete') {
            store.apply(remove(name), at(lsn + 1));
            model.remove(name);
          } else if (kind === 'limits') {
            store.setLimits(chosen(number));
          } else if (kind === 'give back') {
            const entry = store.peek(name);
            if (entry !== undefined) store.returnVictim(entry);
            model.giveBack(name);
          } else {
            const candidates = model.candidates(store.limits);
            const victim = store.takeVictim()?.key;
            if (candidates.length === 0) expect(victim).toBeUndefined();
            else expect(candidates).toContain(victim);
            if (victim === undefined) return;
            taken++;
            model.take(victim);
          }
        });
        // Whoever is due is found, taken or not put back; taken ones may be left out.
        const due = store.due(100, 100).map((entry) => entry.key);
        for (const [one, deadline] of model.deadlines)
          if (deadline !== 0 && !model.taken.has(one)) expect(due).toContain(one);
      }),
      { numRuns: 500 },
    );
    expect(taken).toBeGreaterThan(300);
  });

  it('pass over entries without a deadline once, not at each eviction', () => {
    const store = createStore({ limits: limitsOf('lru', 'with_ttl') });
    for (let i = 0; i < 1_000; i++) store.apply(set(`n${i}`, 'v'), at(1));
    for (let i = 0; i < 3; i++) store.apply(set(`t${i}`, 'v', 50), at(2));
    expect([store.takeVictim()?.key, store.takeVictim()?.key]).toEqual(['t0', 't1']);
    store.apply(set('n7', 'v', 40), at(3));
    expect([store.takeVictim()?.key, store.takeVictim()?.key, store.takeVictim()]).toEqual([
      't2',
      'n7',
      undefined,
    ]);
    store.get('n0', 1);
    store.setLimits(limitsOf('lru', 'all'));
    expect([store.takeVictim()?.key, store.takeVictim()?.key]).toEqual(['n1', 'n2']);
  });
});
