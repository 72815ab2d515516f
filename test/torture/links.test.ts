/** The short form of `npm run test:torture -- --only links`: real processes, real connections, a few of each fault. */
import { describe, expect, it } from 'vitest';
import { CUT_KINDS, cutAgainAndAgain } from './link-cuts.ts';
import { withScratch } from './master-process.ts';

const TIMEOUT_MS = 120_000;

describe('links between real processes', () => {
  it(
    'cut, stalled, delayed and half-open under load lose nothing and need no full resync',
    async () => {
      const run = await withScratch((directory) => cutAgainAndAgain({ directory, seed: 1, cutsMin: 6 }));
      expect(run.cuts).toBe(6);
      expect(CUT_KINDS.every((kind) => run.kinds[kind] > 0)).toBe(true);
      expect(run.fullResyncs).toBe(0);
      expect(run.acked).toBeGreaterThan(100);
      expect(run.comparisons).toBeGreaterThanOrEqual(3);
    },
    TIMEOUT_MS,
  );
});
