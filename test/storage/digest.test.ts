/** The digest as two nodes compare it: the same state, whatever the way to it, and no other. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DigestSum, EntryHasher } from '#storage/entry-hash.ts';
import { createStore, type Store } from '#storage/store.ts';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { at, HASH_MASKS, remove, set, UNLIMITED } from '#test/storage/helpers.ts';
import { type ModelEntry, modelEntryHash } from '#test/storage/model-store.ts';

interface Digested extends ModelEntry {
  readonly key: string;
}

const ZERO = '0'.repeat(32);
const FIRST: Digested = { key: 'a', value: '', expireAtMs: 0, epoch: 1, lsn: 1 };
const SECOND: Digested = {
  key: 'user:42',
  value: '{"name":"Ada"}',
  expireAtMs: 1_767_225_600_000,
  epoch: 2 ** 32 + 7,
  lsn: 2,
};

function fill(store: Store, entries: readonly Digested[]): Store {
  for (const { key, value, expireAtMs, epoch, lsn } of entries) {
    store.apply(set(key, Buffer.from(value, 'latin1'), expireAtMs), at(lsn, epoch));
  }
  return store;
}

function digestOf(...entries: Digested[]): string {
  return fill(createStore({ limits: UNLIMITED, hashMask: 4 }), entries).stateDigest();
}

function toHex(sum: bigint): string {
  return BigInt.asUintN(128, sum).toString(16).padStart(32, '0');
}

const wholeNumber = fc.oneof(fc.nat(10), fc.nat(2 ** 31 - 1), fc.maxSafeNat());
const digested: fc.Arbitrary<Digested> = fc.record({
  key: fc.string({ unit: 'binary', minLength: 1, maxLength: 70 }),
  value: fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
  expireAtMs: wholeNumber,
  epoch: wholeNumber,
  lsn: wholeNumber,
});
const state = fc.uniqueArray(digested, { selector: ({ key }) => key, maxLength: 12 });

describe('the digest of a store', () => {
  it('has these values for ever: nodes of different versions compare them', () => {
    expect(digestOf(FIRST)).toBe('825ca87762aa7997b95d615b7fd7d6f2');
    expect(digestOf(SECOND)).toBe('0200c069e77da3b97f1cfbd48b0ceb4c');
    expect(digestOf(FIRST, SECOND)).toBe('845d68e14a281d51387a5d300ae4c23e');
    expect(digestOf()).toBe(ZERO);
  });

  it('has a part of its own for the slots that the group owns', () => {
    const store = fill(createStore({ limits: UNLIMITED }), [FIRST]);
    const plain = store.stateDigest();
    store.ownership.current = { mapEpoch: 3, owned: [{ first: 0, last: 5_460 }] };
    const owning = store.stateDigest();
    store.ownership.current = { mapEpoch: 3, owned: [] };
    expect(new Set([plain, owning, store.stateDigest()]).size).toBe(3);
    store.ownership.current = { mapEpoch: 3, owned: [{ first: 0, last: 5_460 }] };
    expect(store.stateDigest()).toBe(owning);
    store.ownership.current = undefined;
    expect(store.stateDigest()).toBe(plain);
  });

  it('is the sum of the definition, whatever the order, collisions, the seed and the slots', () => {
    fc.assert(
      fc.property(
        state,
        fc.integer(),
        fc.nat(),
        fc.constantFrom(...HASH_MASKS),
        (entries, seed, order, hashMask) => {
          const store = createStore({ limits: UNLIMITED, hashMask, hashSeed: seed });
          const random = new SeededRandom(order);
          fill(
            store,
            random.shuffle(entries).map((entry) => ({ ...entry, value: 'first another', lsn: 9 })),
          );
          for (const { key } of entries) if (random.chance(0.3)) store.apply(remove(key), at(10));
          fill(store, random.shuffle(entries));
          expect(store.stateDigest()).toBe(
            toHex(entries.reduce((sum, each) => sum + modelEntryHash(each.key, each), 0n)),
          );
          for (const { key } of random.shuffle(entries)) store.apply(remove(key), at(11));
          expect(store.stateDigest()).toBe(ZERO);
        },
      ),
    );
  });

  it('differs where one field of one entry differs, or an entry is missing', () => {
    const states = [
      [FIRST, SECOND],
      [FIRST],
      [SECOND],
      [FIRST, { ...SECOND, key: 'user:43' }],
      [FIRST, { ...SECOND, value: '{"name":"Adb"}' }],
      [FIRST, { ...SECOND, expireAtMs: SECOND.expireAtMs + 1 }],
      [FIRST, { ...SECOND, expireAtMs: 0 }],
      [FIRST, { ...SECOND, epoch: SECOND.epoch + 1 }],
      [FIRST, { ...SECOND, epoch: SECOND.epoch + 2 ** 32 }],
      [FIRST, { ...SECOND, lsn: 3 }],
      [FIRST, { ...SECOND, lsn: 2 + 2 ** 32 }],
      [FIRST, { ...SECOND, lsn: SECOND.epoch, epoch: SECOND.lsn }],
      [
        { ...FIRST, value: SECOND.value },
        { ...SECOND, value: FIRST.value },
      ],
    ];
    expect(new Set(states.map((entries) => digestOf(...entries))).size).toBe(states.length);
  });

  it('differs for every single bit of CRC, deadline, epoch and LSN', () => {
    const hasher = new EntryHasher();
    const seen = new Set<string>();
    const add = (valueCrc: number, expireAtMs: number, epoch: number, lsn: number): void => {
      hasher.hashEntry('key', valueCrc, expireAtMs, epoch, lsn);
      seen.add(hasher.hex());
    };
    add(0, 0, 0, 0);
    for (let bit = 0; bit < 32; bit++) add(2 ** bit, 0, 0, 0);
    for (let bit = 0; bit < 53; bit++) {
      add(0, 2 ** bit, 0, 0);
      add(0, 0, 2 ** bit, 0);
      add(0, 0, 0, 2 ** bit);
    }
    expect(seen.size).toBe(1 + 32 + 3 * 53);
  });

  it('does not collide over 200,000 entries, not even in 52 of its bits', () => {
    const hasher = new EntryHasher();
    const seen = new Set<number>();
    for (let i = 0; i < 200_000; i++) {
      hasher.hashEntry(`user:${i % 100_000}`, 0, 0, 1, i < 100_000 ? 1 : 2);
      seen.add((hasher.h3 >>> 0) * 2 ** 20 + ((hasher.h4 >>> 0) & 0xf_ffff));
    }
    expect(seen.size).toBe(200_000);
  });
});

describe('the digest sum', () => {
  const lanes = (h1: number, h2: number, h3: number, h4: number): EntryHasher =>
    Object.assign(new EntryHasher(), { h1, h2, h3, h4 });

  it('carries and borrows through all lanes, out of the top one too', () => {
    const sum = new DigestSum();
    sum.add(lanes(-1, -1, -1, -1));
    expect(sum.hex()).toBe('f'.repeat(32));
    sum.add(lanes(0, 0, 0, 1));
    expect(sum.hex()).toBe(ZERO);
    sum.subtract(lanes(0, 0, 0, 1));
    expect(sum.hex()).toBe('f'.repeat(32));
  });

  it('is arithmetic mod 2^128', () => {
    const lane = fc.oneof(fc.constantFrom(0, 1, -1, 2 ** 31 - 1, -(2 ** 31)), fc.integer());
    const term = fc.tuple(fc.boolean(), lane, lane, lane, lane);
    fc.assert(
      fc.property(fc.array(term, { maxLength: 20 }), (terms) => {
        const sum = new DigestSum();
        let expected = 0n;
        for (const [isAdded, ...parts] of terms) {
          const value = parts.reduce((all, part) => (all << 32n) | BigInt(part >>> 0), 0n);
          expected += isAdded ? value : -value;
          if (isAdded) sum.add(lanes(...parts));
          else sum.subtract(lanes(...parts));
        }
        expect(sum.hex()).toBe(toHex(expected));
      }),
    );
  });
});
