/** Prefetching changes nothing, whatever it is asked for: keys that are there, that are not, and ranges of any length. */
import { describe, expect, it } from 'vitest';
import { PREFETCH_KEYS } from '#model/bulk.ts';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { at, newStore, remove, set } from '#test/storage/helpers.ts';

/** So many that it does anything. */
const ENTRIES = 60_000;

describe('prefetching', () => {
  it('changes neither entries nor their order, and counts neither hits nor misses', () => {
    const random = new SeededRandom(7);
    const [store, other] = [newStore(), newStore()];
    for (let i = 0; i < ENTRIES; i++) {
      const value = i % 1_000 === 0 ? 'x'.repeat(20_000) : 'v'.repeat(i % 50);
      for (const each of [store, other]) each.apply(set(`key ${i}`, value), at(i + 1));
    }
    for (let i = 0; i < ENTRIES; i += 3)
      for (const each of [store, other]) each.apply(remove(`key ${i}`), at(ENTRIES + i + 1));
    for (let round = 0; round < 200; round++) {
      const count = random.between(0, 2 * PREFETCH_KEYS);
      const keys = Array.from({ length: count }, () => `key ${random.between(0, ENTRIES + 1_000)}`);
      const bytes = Buffer.from(keys.join(''));
      const lengths = Uint16Array.from(keys, (key) => key.length);
      let end = 0;
      const offsets = Uint32Array.from(lengths, (length) => {
        end += length;
        return end - length;
      });
      const reads = store.reads(0, 0);
      for (let from = 0; from < count; from += PREFETCH_KEYS)
        reads.prefetch(bytes, offsets, lengths, from, count);
      for (const [i, key] of keys.entries()) {
        const found = reads.find(bytes, offsets[i] as number, lengths[i] as number);
        expect(found >= 0).toBe(other.get(key, 0) !== undefined);
      }
    }
    expect(store.stats()).toEqual(other.stats());
    expect(store.stateDigest()).toBe(other.stateDigest());
    for (let i = 0; i < 1_000; i++) expect(store.takeVictim()?.key).toBe(other.takeVictim()?.key);
  });

  it('follows no link of a taken victim to slots that are gone', () => {
    const store = newStore();
    const count = 6 * 16_384;
    for (let i = 0; i < count; i++) store.apply(set(`key ${i}`, 'v'), at(i + 1));
    // The last two chunks of slots are what was touched right after the victim.
    for (let i = 1; i < count - 1; i++) store.access(`key ${i}`);
    expect(store.takeVictim()?.key).toBe('key 0');
    for (let i = 4 * 16_384; i < count; i++) store.apply(remove(`key ${i}`), at(count + i + 1));
    const bytes = Buffer.from('key 0key 1');
    const prefetch = (): void => store.prefetch(bytes, Uint32Array.of(0, 5), Uint16Array.of(5, 5), 0, 2);
    expect(prefetch).not.toThrow();
    expect(store.peek('key 0')).toBeDefined();
  });
});
