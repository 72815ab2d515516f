/** The short form of `npm run test:torture -- --only model`. Prints the seed that reproduces a failure. */
import { expect, it } from 'vitest';
import { checkApi } from '#test/node/api-model.ts';

/** Some 15 operations each. */
const RUNS = Number(process.env['WALNUT_MODEL_RUNS'] ?? 40);
const SEED = Number(process.env['WALNUT_SEED'] ?? Date.now() % 1_000_000);

it(
  'the API does what a map does, on a master and a replica, through failovers and restarts',
  async () => {
    expect(await checkApi(SEED, RUNS)).toBeGreaterThanOrEqual(5 * RUNS);
  },
  120_000 + 1_000 * RUNS,
);
