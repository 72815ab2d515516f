/** Content types of values: where they lie, what they cost, and that nothing loses or mixes them up. */
import { describe, expect, it } from 'vitest';
import { digestAnew } from '#backup/fold-log.ts';
import { entryCost } from '#storage/entry-cost.ts';
import { createSnapshotLoader } from '#storage/snapshot-loader.ts';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { at, HASH_MASKS, meta, newStore, remove, set, touch } from '#test/storage/helpers.ts';

const typed = (key: string, value: string | Uint8Array, contentType: string, expireAtMs = 0) => ({
  ...set(key, value, expireAtMs),
  contentType,
});
const TYPES = ['', 'a', 'text/plain', 'application/json', 'x'.repeat(255)];
/** Around the sizes at which a value moves to a buffer of its own. */
const SIZES = [0, 1, 3, 4, 5, 100, 16_383, 16_384, 16_385, 20_000];

describe('a content type', () => {
  it('comes back with the value, costs its length, and a set without one removes it', () => {
    const store = newStore();
    store.apply(typed('k', 'v', 'text/plain'), at(1));
    expect(store.peek('k')).toMatchObject({
      value: new Uint8Array(Buffer.from('v')),
      contentType: 'text/plain',
    });
    expect(store.bytes).toBe(entryCost(1, 1) + 10);
    expect(store.get('k', 1)?.contentType).toBe('text/plain');
    const { entries } = store.scan({ prefix: '', cursor: '', limit: 0, keysOnly: true }, 1);
    expect(entries).toMatchObject([{ key: 'k', contentType: 'text/plain' }]);
    store.apply(set('k', 'v'), at(2));
    expect(store.peek('k')).not.toHaveProperty('contentType');
    expect(store.bytes).toBe(entryCost(1, 1));
  });

  it('is part of the digest, and without one the digest is what it was', () => {
    const [plain, one, other, removed] = [newStore(), newStore(), newStore(), newStore()];
    plain.apply(set('k', 'v'), at(1));
    one.apply(typed('k', 'v', 'text/plain'), at(1));
    other.apply(typed('k', 'v', 'text/other'), at(1));
    removed.apply(typed('k', 'v', 'text/html'), at(1));
    removed.apply(set('k', 'v'), at(1));
    expect(new Set([plain, one, other].map((store) => store.stateDigest())).size).toBe(3);
    expect(removed.stateDigest()).toBe(plain.stateDigest());
    one.apply(remove('k'), at(2));
    expect(one.stateDigest()).toBe(newStore().stateDigest());
  });

  it('stays with a touch', () => {
    const store = newStore();
    store.apply(typed('k', 'v', 'text/plain'), at(1));
    store.apply(touch('k', 5_000), at(2));
    expect(store.peek('k')).toMatchObject({ contentType: 'text/plain', expireAtMs: 5_000, version: at(1) });
  });

  it.each(HASH_MASKS.slice(0, 3))('survives overwrites, moves of cells and snapshots, mask %s', (mask) => {
    const random = new SeededRandom(7 + mask);
    const store = newStore(mask);
    const truth = new Map<string, { value: Buffer; contentType: string }>();
    for (let lsn = 1; lsn <= 3_000; lsn++) {
      const key = `key ${random.below(120)}`;
      if (random.below(5) === 0) {
        store.apply(remove(key), at(lsn));
        truth.delete(key);
        continue;
      }
      const value = Buffer.alloc(SIZES[random.below(SIZES.length)] as number, lsn);
      const contentType = TYPES[random.below(TYPES.length)] as string;
      store.apply(contentType === '' ? set(key, value) : typed(key, value, contentType), at(lsn));
      truth.set(key, { value, contentType });
    }
    const scan = store.beginSnapshot({ ...meta(3_000), formatLevel: 1 });
    const loader = createSnapshotLoader({ hashMask: mask });
    for (let bytes = scan.next(50_000); bytes !== undefined; bytes = scan.next(50_000)) {
      loader.push(Buffer.from(bytes));
      // Changes between the slices must not be in the file.
      store.apply(typed(`key ${random.below(120)}`, 'later', 'text/later'), at(4_000));
      store.apply(remove(`key ${random.below(120)}`), at(4_001));
    }
    const { store: loaded } = loader.finish();
    expect(loaded.entries).toBe(truth.size);
    expect(digestAnew(loaded)?.digest).toBe(loaded.stateDigest());
    expect(digestAnew(store)?.digest).toBe(store.stateDigest());
    for (const [key, { value, contentType }] of truth) {
      const entry = loaded.peek(key);
      expect(Buffer.from(entry?.value ?? []).equals(value), key).toBe(true);
      expect(entry?.contentType ?? '', key).toBe(contentType);
    }
  });
});
