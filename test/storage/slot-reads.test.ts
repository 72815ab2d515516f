/** Reads by bytes do and show what `get` does and shows. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { NOT_FOUND, TOO_LONG } from '#model/bulk.ts';
import { toLsn } from '#model/position.ts';
import { createStore, type Store } from '#storage/store.ts';

const NOW_MS = 1_000;
/** Around where values are copied by words, by memory, and kept in buffers of their own. */
const SIZES = [0, 1, 3, 4, 100, 255, 256, 257, 2_048, 16_383, 16_384, 16_385, 40_000];

const entry = fc.record({
  key: fc.constantFrom('a', 'bb', 'schlüssel', '鍵', 'k'.repeat(1_024)),
  size: fc.constantFrom(...SIZES),
  fill: fc.integer({ min: 1, max: 255 }),
  expireAtMs: fc.constantFrom(0, NOW_MS, NOW_MS + 1),
});

function read(store: Store, key: string, before: number): unknown {
  const reads = store.reads(NOW_MS, 0);
  const bytes = Buffer.from(`..${key}..`);
  const found = reads.find(bytes, 2, bytes.length - 4);
  if (found === NOT_FOUND) return undefined;
  const length = reads.valueBytesOf(found);
  // Room behind the value, less than a word, or none: where a copy by words must not go.
  const target = new Uint8Array(before + length + (length % 5));
  reads.copyValue(found, new DataView(target.buffer), before);
  expect(target.subarray(0, before)).toEqual(new Uint8Array(before));
  return {
    key,
    value: target.slice(before, before + length),
    expireAtMs: reads.expireAtMsOf(found),
    version: { epoch: reads.epochOf(found), lsn: reads.lsnOf(found) },
  };
}

it('finds the entries that get finds, with the same values, counts and order of victims', () => {
  fc.assert(
    fc.property(
      fc.array(entry, { maxLength: 8 }),
      fc.array(fc.tuple(entry, fc.nat(9)), { maxLength: 12 }),
      (sets, gets) => {
        const limits = { entriesMax: 0, bytesMax: 0, policy: 'lru' } as const;
        const [byKey, byBytes] = [createStore({ limits }), createStore({ limits })];
        sets.forEach(({ key, size, fill, expireAtMs }, i) => {
          const value = Buffer.alloc(size, fill);
          const mutation = { op: 'set', key, value, expireAtMs, cause: 'client' } as const;
          for (const store of [byKey, byBytes]) store.apply(mutation, { epoch: 2 ** 40, lsn: toLsn(i + 1) });
        });
        for (const [{ key }, before] of gets) {
          const expected = byKey.get(key, NOW_MS);
          expect(read(byBytes, key, before)).toEqual(
            expected && { ...expected, value: new Uint8Array(expected.value) },
          );
        }
        expect(byBytes.stats()).toEqual(byKey.stats());
        for (let victim = byKey.takeVictim(); victim !== undefined; victim = byKey.takeVictim()) {
          expect(byBytes.takeVictim()?.key).toBe(victim.key);
        }
      },
    ),
    { numRuns: 200 },
  );
});

it('leaves a value that is too long to another caller: not found, and nothing counted', () => {
  const store = createStore({ limits: { entriesMax: 0, bytesMax: 0, policy: 'lru' } });
  const mutation = { op: 'set', key: 'k', value: Buffer.alloc(5), expireAtMs: 0, cause: 'client' } as const;
  store.apply(mutation, { epoch: 1, lsn: toLsn(1) });
  const reads = store.reads(NOW_MS, 0);
  const find = (key: string, valueBytesMax: number) =>
    reads.findShort(Buffer.from(key), 0, key.length, valueBytesMax);
  const before = store.stats();
  expect(find('k', 4)).toBe(TOO_LONG);
  expect(store.stats()).toEqual(before);
  expect([reads.valueBytesOf(find('k', 5)), find('missing', 5)]).toEqual([5, NOT_FOUND]);
});

it('tells the key of each hit, and of nothing else', () => {
  const store = createStore({ limits: { entriesMax: 0, bytesMax: 0, policy: 'lru' } });
  const mutation = { op: 'set', key: '鍵', value: Buffer.alloc(1), expireAtMs: 0, cause: 'client' } as const;
  store.apply(mutation, { epoch: 1, lsn: toLsn(1) });
  const hits: string[] = [];
  const reads = store.reads(NOW_MS, 0, (key) => hits.push(key));
  for (const key of ['鍵', 'missing', '鍵']) {
    const bytes = Buffer.from(key);
    reads.find(bytes, 0, bytes.length);
  }
  expect(hits).toEqual(['鍵', '鍵']);
});
