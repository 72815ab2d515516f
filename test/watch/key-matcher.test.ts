import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { EncodedPair } from '#model/encoded.ts';
import type { WatchTarget } from '#model/watch.ts';
import { KeyMatcher } from '#watch/key-matcher.ts';
import { bytesOfTarget, isWatched } from '#watch/target.ts';

const text = fc.string({ unit: fc.constantFrom('a', 'b', 'é', '😀'), maxLength: 6 });
const target: fc.Arbitrary<WatchTarget> = fc.oneof(
  text.map((prefix) => ({ kind: 'prefix' as const, prefix })),
  text.filter((key) => key !== '').map((key) => ({ kind: 'key' as const, key })),
);

/** The key between other bytes, as in a record. */
function found(matcher: KeyMatcher<number>, key: string): number[] {
  const { bytes, keyOffset, keyBytes } = pairOf(key);
  const members: number[] = [];
  expect(matcher.match(bytes, keyOffset, keyBytes, members)).toBe(members.length);
  return members.sort((a, b) => a - b);
}

function pairOf(key: string): EncodedPair {
  const bytes = Buffer.from(`aé${key}aé`);
  const keyBytes = Buffer.byteLength(key);
  return {
    bytes,
    keyOffset: 3,
    keyBytes,
    valueOffset: 0,
    valueBytes: 0,
    expireAtMs: 0,
    typeOffset: 0,
    typeBytes: 0,
  };
}

function isMeant({ kind, ...text }: WatchTarget, key: string): boolean {
  return 'key' in text ? key === text.key : key.startsWith((text as { prefix: string }).prefix);
}

describe('a key matcher', () => {
  it('finds whom a look at each one finds, after any of them has gone', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(target, fc.boolean())),
        fc.array(text),
        fc.integer(),
        (all, keys, seed) => {
          const matcher = new KeyMatcher<number>(seed);
          const removers = all.map(([one], index) => matcher.add(one, index));
          all.forEach(([, stays], index) => {
            if (stays) return;
            removers[index]?.();
            removers[index]?.();
          });
          for (const key of keys) {
            const expected = all.flatMap(([one, stays], index) =>
              stays && isMeant(one, key) ? [index] : [],
            );
            expect(found(matcher, key)).toEqual(expected);
            for (const [one] of all)
              expect(isWatched(one.kind, bytesOfTarget(one), pairOf(key))).toBe(isMeant(one, key));
          }
          expect(matcher.size).toBe(all.filter(([, stays]) => stays).length);
        },
      ),
    );
  });

  it('tells prefixes of every length apart, the longest too', () => {
    const matcher = new KeyMatcher<number>(7);
    const key = 'k'.repeat(1_024);
    for (let length = 0; length <= 1_024; length++)
      matcher.add({ kind: 'prefix', prefix: key.slice(0, length) }, length);
    expect(found(matcher, key)).toHaveLength(1_025);
    expect(found(matcher, 'kkx')).toEqual([0, 1, 2]);
  });
});
