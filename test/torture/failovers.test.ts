/** The short form of `npm run test:torture -- --only failovers`: one round with real processes. */
import { expect, it } from 'vitest';
import { failAgainAndAgain } from './failovers.ts';
import { withScratch } from './master-process.ts';

const TIMEOUT_MS = 120_000;

it(
  'a master handed over under load, and one killed and replaced, lose nothing that was promised',
  async () => {
    const run = await withScratch((directory) => failAgainAndAgain({ directory, rounds: 1, loadMs: 400 }));
    expect(run.acked).toBeGreaterThan(50);
    expect(run).toMatchObject({ lost: 0, promotions: 1, setAside: 3 });
    expect(run.pausedMs).toHaveLength(1);
  },
  TIMEOUT_MS,
);
