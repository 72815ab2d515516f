/** The policies that the eviction suite simulates, where their hits are known. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { lruHits } from '../../bench/eviction/accesses.ts';
import { optimalHits, POLICIES } from '../../bench/eviction/policies.ts';

/** The optimum by trying every victim. */
function bestHits(accesses: readonly number[], entriesMax: number, stored: ReadonlySet<number>): number {
  const [key, ...rest] = accesses;
  if (key === undefined) return 0;
  if (stored.has(key)) return 1 + bestHits(rest, entriesMax, stored);
  const all = new Set([...stored, key]);
  if (all.size <= entriesMax) return bestHits(rest, entriesMax, all);
  const after = [...all].map((victim) => {
    const left = new Set(all);
    left.delete(victim);
    return bestHits(rest, entriesMax, left);
  });
  return Math.max(...after);
}

const accesses = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 9 });

describe("Belady's optimum", () => {
  it('is what no choice of victims exceeds', () => {
    fc.assert(
      fc.property(accesses, fc.integer({ min: 1, max: 3 }), (keys, entriesMax) => {
        expect(optimalHits(Int32Array.from(keys), entriesMax)).toBe(bestHits(keys, entriesMax, new Set()));
      }),
      { numRuns: 300 },
    );
  });
});

describe('every policy', () => {
  it.each(Object.entries(POLICIES))('%s hits what fits, and never more than the optimum', (_name, hitsOf) => {
    expect(hitsOf(Int32Array.from([1, 2, 3, 1, 2, 3]), 3)).toBe(3);
    expect(hitsOf(Int32Array.from([1, 2, 3]), 1)).toBe(0);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 60 }), (keys) => {
        const asked = Int32Array.from(keys);
        expect(hitsOf(asked, 4)).toBeLessThanOrEqual(optimalHits(asked, 4));
      }),
      { numRuns: 100 },
    );
  });

  it('that samples comes close to what it samples for', () => {
    // A scan over 30 keys beside 20 that are asked for all the time.
    const asked = Int32Array.from({ length: 20_000 }, (_, i) => (i % 2 === 0 ? i % 40 : 1_000 + (i % 60)));
    const sampled = POLICIES['redis allkeys-lru'] as (accesses: Int32Array, entriesMax: number) => number;
    const exact = lruHits(asked, 40);
    expect(Math.abs(sampled(asked, 40) - exact) / asked.length).toBeLessThan(0.25);
    const frequent = POLICIES['redis allkeys-lfu, without decay'] as typeof sampled;
    expect(frequent(asked, 40)).toBeGreaterThan(0.4 * asked.length);
  });
});
