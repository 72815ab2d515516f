/**
 * Whole groups under random work and faults. `WALNUT_SEEDS=600` runs more of
 * them, `WALNUT_SEED=17` runs one; `npm run test:torture -- --only groups` runs
 * them by the thousand.
 */
import { describe, expect, it } from 'vitest';
import { SimulatedGroup } from '#test/node/simulated-group.ts';
import { HAPPENINGS, RunTally } from '#test/node/simulated-runs.ts';

const SEEDS_DEFAULT = 120;
const SEED_MS_MAX = 10_000;
const TRACE_LINES = 40;

const one = process.env['WALNUT_SEED'];
const count = Number(process.env['WALNUT_SEEDS'] ?? SEEDS_DEFAULT);
const seeds = one === undefined ? Array.from({ length: count }, (_, i) => i + 1) : [Number(one)];

describe('a group under random faults', () => {
  it(
    `converges without losing or inventing anything (${seeds.length} seeds)`,
    async () => {
      const tally = new RunTally();
      for (const seed of seeds) tally.add(await runSeed(seed));
      if (seeds.length < SEEDS_DEFAULT) return;
      console.log(tally.describe());
      // A run in which a fault never happened proves nothing about it.
      for (const what of HAPPENINGS) expect(tally.runsWith(what), what).toBeGreaterThan(0);
    },
    seeds.length * SEED_MS_MAX,
  );
});

/** Throws with what was done in the run where it fails. */
async function runSeed(seed: number): Promise<SimulatedGroup> {
  const group = new SimulatedGroup(seed);
  try {
    await group.run();
  } catch (error) {
    const trace = group.trace.slice(-TRACE_LINES).join('\n  ');
    const why = (error as Error).message;
    throw new Error(`seed ${seed}, again with WALNUT_SEED=${seed}: ${why}\n  ${trace}`, { cause: error });
  }
  return group;
}
