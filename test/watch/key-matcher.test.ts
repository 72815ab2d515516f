import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { WatchTarget } from '#model/watch.ts';
import { KeyMatcher } from '#watch/key-matcher.ts';
import { isWatched } from '#watch/target.ts';

const text = fc.string({ unit: fc.constantFrom('a', 'b', 'é', '😀'), maxLength: 6 });
const target: fc.Arbitrary<WatchTarget> = fc.oneof(
  text.map((prefix) => ({ kind: 'prefix' as const, prefix })),
  text.filter((key) => key !== '').map((key) => ({ kind: 'key' as const, key })),
);

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
            const found: number[] = [];
            matcher.match(key, found);
            const expected = all.flatMap(([one, stays], index) =>
              stays && isWatched(one, key) ? [index] : [],
            );
            expect(found.sort((a, b) => a - b)).toEqual(expected);
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
    const found: number[] = [];
    matcher.match(key, found);
    expect(found).toHaveLength(1_025);
    found.length = 0;
    matcher.match('kkx', found);
    expect(found).toEqual([0, 1, 2]);
  });
});
