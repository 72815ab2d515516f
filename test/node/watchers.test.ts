/**
 * The watch checker: watchers that are broken off by faults, failovers and at random,
 * and go on at other nodes, have been told exactly the log.
 * `WALNUT_SEEDS=500` runs more groups, `WALNUT_SEED=17` runs one.
 */
import { expect, it } from 'vitest';
import { SimulatedGroup } from '#test/node/simulated-group.ts';
import { Watchers } from '#test/node/simulated-watchers.ts';

const SEEDS_DEFAULT = 14;
const SEED_MS_MAX = 10_000;

const one = process.env['WALNUT_SEED'];
const count = Number(process.env['WALNUT_SEEDS'] ?? SEEDS_DEFAULT);
const seeds = one === undefined ? Array.from({ length: count }, (_, i) => i + 1) : [Number(one)];

it(
  `watchers have exactly the log, whatever broke them off and wherever they went on (${seeds.length} groups)`,
  async () => {
    const totals: Record<string, number> = {};
    for (const seed of seeds) {
      let watchers: Watchers | undefined;
      const group = new SimulatedGroup(seed, (random, clock) => {
        watchers = new Watchers(random, clock);
        return watchers;
      });
      await group.run().catch((error: unknown) => {
        const why = `${(error as Error).message}\n${group.trace.join('\n')}`;
        throw new Error(`seed ${seed}, again with WALNUT_SEED=${seed}: ${why}`, { cause: error });
      });
      for (const [name, value] of Object.entries(watchers?.counts ?? {}))
        totals[name] = (totals[name] ?? 0) + value;
    }
    console.log(`watchers: ${JSON.stringify(totals)}`);
    if (seeds.length < SEEDS_DEFAULT) return;
    expect(totals['events']).toBeGreaterThan(1_000);
    expect(totals['resumed']).toBeGreaterThan(300);
    expect(totals['broken']).toBeGreaterThan(100);
    expect(totals['checked']).toBeGreaterThan(50);
    expect((totals['unknown'] ?? 0) / (totals['checked'] ?? 1)).toBeLessThan(0.1);
  },
  seeds.length * SEED_MS_MAX,
);
