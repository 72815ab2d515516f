import { describe, expect, it } from 'vitest';
import { DIGESTS_KEPT, DigestWindow } from '#engine/digest-window.ts';
import { toLsn } from '#model/position.ts';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { at, newStore, remove, set } from '#test/storage/helpers.ts';

const SEEDS = [1, 2, 3];

describe('the digests of the last states', () => {
  it.each(SEEDS)('are those that the store had, whatever came later (seed %i)', (seed) => {
    const random = new SeededRandom(seed);
    const store = newStore();
    const window = new DigestWindow();
    const first = random.between(0, 3 * DIGESTS_KEPT);
    const states: { digest: string; entries: number }[] = [];
    for (let lsn = first; lsn < first + 3_000; lsn++) {
      const key = `k${random.below(50)}`;
      store.apply(random.chance(0.3) ? remove(key) : set(key, `${lsn}`), at(Math.max(1, lsn)));
      window.note(toLsn(lsn), store);
      states.push({ digest: store.stateDigest(), entries: store.entries });
    }
    expect(window.firstLsn).toBe(first);
    states.forEach((state, i) => {
      expect(window.at(toLsn(first + i))).toEqual(state);
    });
    expect(window.at(toLsn(first + states.length))).toBeUndefined();
    if (first > 0) expect(window.at(toLsn(first - 1))).toBeUndefined();
  });

  it('are kept for exactly as many records as are promised', () => {
    const store = newStore();
    const window = new DigestWindow();
    expect(window.at(toLsn(0))).toBeUndefined();
    for (let lsn = 7; lsn < 7 + DIGESTS_KEPT; lsn++) window.note(toLsn(lsn), store);
    expect(window.at(toLsn(7))).toBeDefined();
    store.apply(set('a'), at(1));
    window.note(toLsn(7 + DIGESTS_KEPT), store);
    expect(window.at(toLsn(7))).toBeUndefined();
    expect(window.at(toLsn(8))?.entries).toBe(0);
    expect(window.at(toLsn(7 + DIGESTS_KEPT))).toEqual({ digest: store.stateDigest(), entries: 1 });
    expect(window.firstLsn).toBe(8);
  });
});
