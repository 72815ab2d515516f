/** The order of victims against lru-cache, which other people wrote and tested. */
import { LRUCache } from 'lru-cache';
import { expect, it } from 'vitest';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { at, newStore, remove, set } from '#test/storage/helpers.ts';

it('victims come in the order of lru-cache, over 100,000 operations at 3,000 entries', () => {
  const random = new SeededRandom(5);
  const store = newStore();
  const order = new LRUCache<string, number>({ max: 1_000_000 });
  for (let i = 1; i <= 100_000; i++) {
    const key = `k${random.below(6_000)}`;
    switch (random.below(4)) {
      case 0:
        store.apply(set(key, `${i}`), at(i));
        order.set(key, i);
        break;
      case 1:
        store.apply(remove(key), at(i));
        order.delete(key);
        break;
      default:
        expect(store.get(key, 0)?.version.lsn).toBe(order.get(key));
    }
    if (store.entries <= 3_000) continue;
    const victim = store.takeVictim()?.key as string;
    expect(victim).toBe(order.rkeys().next().value);
    store.apply(remove(victim, 'evicted'), at(i));
    order.delete(victim);
  }
  for (const key of order.rkeys()) expect(store.takeVictim()?.key).toBe(key);
  expect(store.takeVictim()).toBeUndefined();
});
