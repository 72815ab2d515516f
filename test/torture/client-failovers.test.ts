/** The short form of `npm run test:torture -- --only client`: one round with real processes. */
import { expect, it } from 'vitest';
import { CALL_MS_MAX, failOverUnderClients } from './client-failovers.ts';
import { withScratch } from './master-process.ts';

const TIMEOUT_MS = 120_000;

it(
  'a client goes on with each new master: every call settles, nothing is counted twice or lost, and no near read is too old',
  async () => {
    const run = await withScratch((directory) =>
      failOverUnderClients({ directory, seed: 1, rounds: 1, calls: 4 }),
    );
    expect(run).toMatchObject({ failovers: 2, wrong: [], near: { stale: [] } });
    expect(run.longestMs).toBeLessThan(CALL_MS_MAX);
    // Calls of the killed master, and a position that only it had, which is told once.
    expect(run.unknown).toBeLessThanOrEqual(24);
    expect(run.near.hits).toBeGreaterThan(0);
    expect(run.near.reads).toBeGreaterThan(run.near.hits);
    console.info(JSON.stringify({ ...run, near: { ...run.near, stale: run.near.stale.length } }));
  },
  TIMEOUT_MS,
);
