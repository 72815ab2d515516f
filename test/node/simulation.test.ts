/**
 * Whole groups under random work and faults. `WALNUT_SEEDS=500` runs more of
 * them, `WALNUT_SEED=17` runs one.
 */
import { describe, expect, it } from 'vitest';
import { FAULTS, SimulatedGroup } from '#test/node/simulated-group.ts';

const SEEDS_DEFAULT = 30;
const SEED_MS_MAX = 10_000;

const one = process.env['WALNUT_SEED'];
const count = Number(process.env['WALNUT_SEEDS'] ?? SEEDS_DEFAULT);
const seeds = one === undefined ? Array.from({ length: count }, (_, i) => i + 1) : [Number(one)];

describe('a group under random faults', () => {
  it(
    `converges without losing or inventing anything (${seeds.length} seeds)`,
    async () => {
      const totals = new Map<string, number>();
      for (const seed of seeds) {
        const group = new SimulatedGroup(seed);
        try {
          await group.run();
        } catch (error) {
          throw new Error(`seed ${seed}, again with WALNUT_SEED=${seed}: ${(error as Error).message}`, {
            cause: error,
          });
        }
        for (const [what, times] of group.counts) totals.set(what, (totals.get(what) ?? 0) + times);
      }
      if (seeds.length < SEEDS_DEFAULT) return;
      // A run in which a fault never happened proves nothing about it.
      for (const what of [...FAULTS, 'fullResync', 'partialResync', 'ackedWrites', 'digestComparison']) {
        expect(totals.get(what) ?? 0, what).toBeGreaterThan(0);
      }
    },
    seeds.length * SEED_MS_MAX,
  );
});
