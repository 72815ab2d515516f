/** The short form of `npm run test:torture -- --only links`: real processes, real connections, a few of each fault. */
import { describe, expect, it } from 'vitest';
import { CUT_KINDS, cutAgainAndAgain } from './link-cuts.ts';
import { stopMaster, stopReplica } from './link-pauses.ts';
import { withScratch } from './master-process.ts';
import { breakCablesAgainAndAgain, whyNoNamespaces } from './namespaces.ts';

const TIMEOUT_MS = 120_000;
const noNamespaces = await whyNoNamespaces();

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

describe('a process that stands still', () => {
  it(
    'as a replica is a cursor to its master: no full resync, and level again',
    async () => {
      const options = { seed: 1, rounds: 1, windowMs: 1_000, warmUpMs: 200 };
      const run = await withScratch((directory) => stopReplica({ directory, ...options }));
      expect(run.fullResyncs).toBe(0);
      expect(run.lagRecordsMax).toBeGreaterThan(10);
      expect(run.setMs.stopped.length).toBeGreaterThan(10);
    },
    TIMEOUT_MS,
  );

  it(
    'as a master is noticed and followed when it goes on, or fenced where a replica was promoted',
    () => withScratch((directory) => stopMaster(directory, 1)),
    TIMEOUT_MS,
  );
});

describe('cables between network namespaces', () => {
  it.skipIf(noNamespaces !== undefined)(
    `${noNamespaces === undefined ? '' : `SKIPPED (${noNamespaces}): `}pulled and put back lose nothing`,
    async () => {
      const run = await withScratch((directory) => breakCablesAgainAndAgain(directory, 1, 2));
      expect(run.fullResyncs).toBe(0);
      expect(run.acked).toBeGreaterThan(50);
    },
    TIMEOUT_MS,
  );
});
