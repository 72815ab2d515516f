import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KeyIndex } from '#storage/key-index.ts';
import { NO_SLOT } from '#storage/slot-table.ts';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { keyOf } from '#test/storage/helpers.ts';

/** An index whose keys are numbers: slot `n` has the key `k<n>`. `places`: where keys lie, else at 0; what is touched is noted. */
function numbered(places: ReadonlyMap<number, number> = new Map(), touched: number[] = []): KeyIndex {
  return new KeyIndex(
    { matches: (slot, key) => Buffer.from(key.bytes.subarray(0, key.length)).toString() === `k${slot}` },
    { placeOf: (slot) => places.get(slot) ?? 0, touch: (place) => touched.push(place) },
  );
}

describe('key hash', () => {
  it.each([
    ['numbers', (i: number) => String(i)],
    ['a common prefix', (i: number) => `tenant:0000000000:user:${i}`],
    ['a common suffix', (i: number) => `${i}:session:aaaaaaaaaaaaaaaaaaaa`],
    ['astral characters', (i: number) => String.fromCodePoint(0x1f300 + (i % 256), 0x4e00 + (i >>> 8))],
  ])('spreads keys of %s evenly, by its high bits and by its low bits', (_, textOf) => {
    const high = new Uint32Array(64);
    const low = new Uint32Array(64);
    for (let i = 0; i < 64_000; i++) {
      const { hash } = keyOf(textOf(i), 0x1234);
      high[hash >>> 26] = (high[hash >>> 26] as number) + 1;
      low[hash & 63] = (low[hash & 63] as number) + 1;
    }
    // 1,000 each, with a standard deviation of 32.
    for (const count of [...high, ...low]) expect(Math.abs(count - 1_000)).toBeLessThan(200);
  });

  it('is another under another seed', () => {
    let same = 0;
    for (let i = 0; i < 6_400; i++) {
      if ((keyOf(`k${i}`, 1).hash & 63) === (keyOf(`k${i}`, 2).hash & 63)) same++;
    }
    expect(same).toBeLessThan(200);
  });

  it('is the same of a string and of its UTF-8, whose words end in zeros', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 40 }), fc.string(), (text, before) => {
        const key = keyOf(before, 7);
        expect(key.load(text)).toBe(true);
        const other = keyOf(before, 7);
        const bytes = Buffer.from(`xyz${text}xyz`);
        other.loadBytes(bytes, 3, bytes.length - 6);
        const words = (of: typeof key): number[] => [...of.words.subarray(0, Math.ceil(of.length / 4))];
        expect([other.hash, other.length, words(other)]).toEqual([key.hash, key.length, words(key)]);
        expect(Buffer.from(key.bytes.subarray(0, key.length)).toString()).toBe(text);
      }),
    );
  });

  it('is HalfSipHash-1-3', () => {
    // Computed with the reference C code (crounds 1, drounds 3) would need its key bytes; this is the plain definition.
    const reference = (text: string, k0: number, k1: number): number => {
      let [v0, v1, v2, v3] = [k0, k1, 0x6c796765 ^ k0, 0x74656462 ^ k1];
      const rotate = (x: number, bits: number): number => (x << bits) | (x >>> (32 - bits));
      const round = (): void => {
        v0 = (v0 + v1) | 0;
        v1 = rotate(v1, 5) ^ v0;
        v0 = rotate(v0, 16);
        v2 = (v2 + v3) | 0;
        v3 = rotate(v3, 8) ^ v2;
        v0 = (v0 + v3) | 0;
        v3 = rotate(v3, 7) ^ v0;
        v2 = (v2 + v1) | 0;
        v1 = rotate(v1, 13) ^ v2;
        v2 = rotate(v2, 16);
      };
      const bytes = Buffer.from(text);
      const padded = Buffer.concat([bytes, Buffer.alloc(4 - (bytes.length % 4))]);
      padded[padded.length - 1] = bytes.length;
      for (let i = 0; i < padded.length; i += 4) {
        v3 ^= padded.readInt32LE(i);
        round();
        v0 ^= padded.readInt32LE(i);
      }
      v2 ^= 0xff;
      for (let i = 0; i < 3; i++) round();
      return v1 ^ v3;
    };
    const seed = 0x5eed;
    const k1 = Math.imul(seed, 0x9e3779b1) ^ 0x7f4a7c15;
    for (const text of ['', 'a', 'ab', 'abc', 'abcd', 'abcde', 'é', '\u{1f5dd}', 'k'.repeat(1_024)]) {
      expect(keyOf(text, seed).hash, text).toBe(reference(text, seed, k1));
    }
  });

  it('refuses ill-formed strings and takes keys of any length', () => {
    const key = keyOf('before');
    for (const text of ['\ud800', 'a\udc00b', '\udc00\ud800']) expect(key.load(text)).toBe(false);
    expect(key.load('é'.repeat(5_000))).toBe(true);
    expect(key.length).toBe(10_000);
  });
});

describe('key index', () => {
  it('finds what is in it, through growth and shrinking, whatever hashes collide', () => {
    for (const hashMask of [-1, 0x0000_ffff, 0xffff_0000 | 0, 0x7007_0007, 0x7]) {
      const random = new SeededRandom(hashMask >>> 0);
      const index = numbered();
      const present = new Set<number>();
      const count = hashMask === 0x7 ? 400 : 10_000;
      for (let i = 0; i < 3 * count; i++) {
        // Grows for the first third, shrinks for the last.
        const slot = random.below(count);
        const key = keyOf(`k${slot}`, 1, hashMask);
        const isThere = present.has(slot);
        const find = random.below(2) === 0 ? 'find' : 'findNear';
        expect(index[find](key)).toBe(isThere ? slot : NO_SLOT);
        if (isThere && (i > 2 * count || random.below(3) === 0)) {
          index.remove(key.hash, slot);
          present.delete(slot);
        } else if (!isThere && i < 2 * count) {
          index.add(key.hash, slot);
          present.add(slot);
        }
      }
      for (let slot = 0; slot < count; slot++) {
        expect(index.find(keyOf(`k${slot}`, 1, hashMask))).toBe(present.has(slot) ? slot : NO_SLOT);
      }
    }
  });

  it('touches the place of a key before the key is compared, as it was when it was last read', () => {
    const places = new Map<number, number>();
    const touched: number[] = [];
    const index = numbered(places, touched);
    const keys = Array.from({ length: 500 }, (_, slot) => keyOf(`k${slot}`));
    const readAll = (): number[] => {
      touched.length = 0;
      for (const [slot, key] of keys.entries()) expect(index.findNear(key)).toBe(slot);
      return [...touched];
    };
    const lie = (at: number): number[] => {
      for (const slot of keys.keys()) places.set(slot, at + slot);
      return [...places.values()];
    };
    for (const [slot, { hash }] of keys.entries()) index.add(hash, slot);
    const first = lie(10_000);
    const unread = index.heldBytes;
    expect(new Set(readAll())).toEqual(new Set([0]));
    expect(index.heldBytes).toBe(1.5 * unread);
    expect(readAll()).toEqual(first);
    const second = lie(-20_000);
    expect(readAll()).toEqual(first);
    expect(readAll()).toEqual(second);
    // Cells move when their segment grows: nothing is known of the new ones.
    for (let slot = 500; slot < 1_200; slot++) index.add(keyOf(`k${slot}`).hash, slot);
    expect(new Set(readAll())).toEqual(new Set([0]));
    expect(readAll()).toEqual(second);
  });

  it('takes 10 to 14 bytes an entry when large, and nearly nothing once it is empty again', () => {
    const index = numbered();
    const hashes: number[] = [];
    for (let slot = 0; slot < 200_000; slot++) {
      hashes.push(keyOf(`k${slot}`).hash);
      index.add(hashes[slot] as number, slot);
      if (slot >= 50_000 && slot % 10_000 === 0) {
        expect(index.heldBytes / slot).toBeGreaterThan(9.9);
        expect(index.heldBytes / slot).toBeLessThan(14);
      }
    }
    for (const [slot, hash] of hashes.entries()) index.remove(hash, slot);
    expect(index.heldBytes).toBeLessThan(40_000);
    expect(index.find(keyOf('k1'))).toBe(NO_SLOT);
  });
});
