/** Scrubs and snapshots of memory that was altered, and of memory that was not. */
import { describe, expect, it } from 'vitest';
import { AlteredStateError, describeAltered } from '#storage/altered-state.ts';
import type { Store } from '#storage/store.ts';
import { ALTERED_FIELDS, alterEntry } from '#test/doubles/altered-memory.ts';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { at, meta, newStore, remove, set } from '#test/storage/helpers.ts';

const SEEDS = Array.from({ length: 20 }, (_, i) => i + 1);

function filled(entries: number): Store {
  const store = newStore();
  for (let i = 1; i <= entries; i++)
    store.apply(set(`key${i}`, `value ${i}`, i % 3 === 0 ? 9_999 : 0), at(i));
  return store;
}

function scrub(store: Store) {
  const scan = store.beginScrub();
  while (scan.next(7, 1_000)) {
    // Slice by slice.
  }
  return scan.findings;
}

describe('a scrub', () => {
  it.each(SEEDS)('of whole memory finds nothing, whatever changes meanwhile (seed %i)', (seed) => {
    const random = new SeededRandom(seed);
    const store = newStore();
    let lsn = 0;
    const change = (): void => {
      const key = `k${random.below(60)}`;
      const isDelete = random.chance(0.4);
      const value = 'v'.repeat(random.pick([0, 3, 200]));
      const expireAtMs = random.chance(0.3) ? 1_000 + random.below(50) : 0;
      store.apply(isDelete ? remove(key) : set(key, value, expireAtMs), at(++lsn));
      if (random.chance(0.1)) store.get(key, 500);
      if (random.chance(0.05)) store.takeVictim();
    };
    for (let i = 0; i < 150; i++) change();
    for (let pass = 0; pass < 3; pass++) {
      const scan = store.beginScrub();
      let isMore = true;
      while (isMore) {
        for (let i = random.below(5); i > 0; i--) change();
        isMore = scan.next(random.between(1, 9), 1_000);
      }
      expect(scan.findings).toMatchObject({ altered: 0, named: [], whole: '' });
    }
  });

  it.each(ALTERED_FIELDS)('finds one altered bit of a %s', (field) => {
    for (const index of [1, 50, 100]) {
      const store = filled(100);
      alterEntry(store, `key${index}`, field, 3);
      const { altered, named, whole } = scrub(store);
      expect(altered + (whole === '' ? 0 : 1)).toBeGreaterThan(0);
      if (field !== 'value') continue;
      expect(named).toHaveLength(1);
      const told = named[0] === undefined ? '' : describeAltered(named[0]);
      expect(told).toMatch(new RegExp(`^"key${index}" of version \\d+-${index}: its value has the CRC`));
    }
  });

  it('finds every altered value, and names the first ten', () => {
    const store = filled(100);
    for (let i = 1; i <= 100; i += 4) alterEntry(store, `key${i}`);
    expect(scrub(store)).toMatchObject({ entries: 100, altered: 25, named: { length: 10 } });
  });

  it('finds that an altered entry was replaced, or deleted, before it came by', () => {
    for (const change of [set('key7', 'new'), remove('key7')]) {
      const store = filled(20);
      alterEntry(store, 'key7', 'lsn');
      store.apply(change, at(21));
      expect(scrub(store).whole).toMatch(/digest/);
    }
  });

  it('looks at about as much per slice as it is told', () => {
    const store = newStore();
    for (let i = 1; i <= 30; i++) store.apply(set(`key${i}`, 'v'.repeat(100)), at(i));
    const scan = store.beginScrub();
    expect(scan.next(4, 1_000_000)).toBe(true);
    expect(scan.findings.entries).toBe(4);
    scan.next(100, 250);
    expect(scan.findings.entries).toBe(7);
    scan.cancel();
    store.beginScrub().cancel();
  });
});

describe('a snapshot', () => {
  const take = (store: Store, between: () => void = () => {}): void => {
    const scan = store.beginSnapshot(meta(100));
    try {
      while (scan.next(64) !== undefined) between();
    } finally {
      scan.cancel();
    }
  };

  it.each(ALTERED_FIELDS)('of memory with an altered %s fails, and the next one can begin', (field) => {
    const store = filled(100);
    take(store);
    alterEntry(store, 'key30', field);
    expect(() => take(store)).toThrow(AlteredStateError);
    expect(() => take(store)).toThrow(/memory was altered/);
  });

  it('fails where the altered entry is one that was replaced meanwhile', () => {
    const store = filled(3_000);
    alterEntry(store, 'key2990');
    let isFirst = true;
    expect(() =>
      take(store, () => {
        if (isFirst) store.apply(set('key2990', 'new'), at(4_000));
        isFirst = false;
      }),
    ).toThrow(/"key2990" of version \d+-2990/);
  });
});
