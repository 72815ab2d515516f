/**
 * Sessions under faults and failovers: with tokens every one of sixteen clients
 * reads its own writes and reads monotonically, whatever node it goes to.
 * `WALNUT_SEEDS=500` runs more groups, `WALNUT_SEED=17` runs one.
 */
import { describe, expect, it } from 'vitest';
import { SimulatedGroup } from '#test/node/simulated-group.ts';
import { Sessions } from '#test/node/simulated-sessions.ts';

const SEEDS_DEFAULT = 12;
const SEED_MS_MAX = 10_000;

const one = process.env['WALNUT_SEED'];
const count = Number(process.env['WALNUT_SEEDS'] ?? SEEDS_DEFAULT);
const seeds = one === undefined ? Array.from({ length: count }, (_, i) => i + 1) : [Number(one)];

async function runAll(usesTokens: boolean) {
  const totals = { reads: 0, writes: 0, unavailable: 0, discarded: 0 };
  const violations: string[] = [];
  let promotions = 0;
  for (const seed of seeds) {
    const group = new SimulatedGroup(seed, (random, clock) => new Sessions(random, clock, usesTokens));
    const sessions = group.sessions as Sessions;
    await group.run().catch((error: unknown) => {
      const why = `${(error as Error).message}\n${group.trace.join('\n')}`;
      throw new Error(`seed ${seed}, again with WALNUT_SEED=${seed}: ${why}`, { cause: error });
    });
    violations.push(...sessions.violations.map((violation) => `seed ${seed}: ${violation}`));
    for (const how of ['promote', 'promotion', 'failover'] as const) promotions += group.counts.get(how) ?? 0;
    for (const what of ['reads', 'writes', 'unavailable', 'discarded'] as const)
      totals[what] += sessions.counts[what];
  }
  return { totals, violations, promotions };
}

describe('sixteen clients going from node to node under faults and failovers', () => {
  it(
    `read their own writes and read monotonically with tokens (${seeds.length} groups)`,
    async () => {
      const { totals, violations, promotions } = await runAll(true);
      expect(violations).toEqual([]);
      console.log(`sessions: ${JSON.stringify({ ...totals, promotions })}`);
      if (seeds.length < SEEDS_DEFAULT) return;
      expect(promotions).toBeGreaterThan(0);
      expect(totals.reads).toBeGreaterThan(1_000);
      expect(totals.writes).toBeGreaterThan(150);
      expect(totals.unavailable).toBeGreaterThan(100);
      expect(totals.discarded).toBeGreaterThan(0);
    },
    seeds.length * SEED_MS_MAX,
  );

  it(
    `do not without tokens, and the same check finds it (${seeds.length} groups)`,
    async () => {
      const { violations } = await runAll(false);
      console.log(`sessions without tokens: ${violations.length} violations`);
      if (seeds.length < SEEDS_DEFAULT) return;
      expect(violations.length).toBeGreaterThan(10);
    },
    seeds.length * SEED_MS_MAX,
  );
});
