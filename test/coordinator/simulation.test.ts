/**
 * A group under coordinators, with random faults of everything at once.
 * `WALNUT_SEEDS=2000` runs more of them, `WALNUT_SEED=17` runs one;
 * `npm run test:torture -- --only clusters` runs them by the thousand.
 */
import { describe, expect, it } from 'vitest';
import type { SimulatedCluster } from './simulated-cluster.ts';
import { clusterOf, HAPPENINGS, runFaults, runOlderStore } from './simulated-faults.ts';

const SEEDS_DEFAULT = 120;
const SEED_MS_MAX = 10_000;
const TRACE_LINES = 60;

const one = process.env['WALNUT_SEED'];
const count = Number(process.env['WALNUT_SEEDS'] ?? SEEDS_DEFAULT);
const seeds = one === undefined ? Array.from({ length: count }, (_, i) => i + 1) : [Number(one)];

async function runSeed(
  seed: number,
  run: (cluster: SimulatedCluster) => Promise<void>,
): Promise<SimulatedCluster> {
  const cluster = clusterOf(seed);
  try {
    await run(cluster);
    return cluster;
  } catch (error) {
    const trace = cluster.trace.slice(-TRACE_LINES).join('\n  ');
    const why = (error as Error).message;
    throw new Error(`seed ${seed}, again with WALNUT_SEED=${seed}: ${why}\n  ${trace}`, { cause: error });
  }
}

describe('a group under coordinators and random faults', () => {
  it(
    `never has two masters, keeps what was acked at QUORUM, is linearizable, and serves again (${seeds.length} seeds)`,
    async () => {
      const happened = new Set<string>();
      let failovers = 0;
      let reads = 0;
      for (const seed of seeds) {
        const cluster = await runSeed(seed, runFaults);
        for (const line of cluster.trace) happened.add(line.replace(/^\d+ ms: /, ''));
        failovers += cluster.failovers;
        reads += cluster.history.reads;
      }
      if (seeds.length < SEEDS_DEFAULT) return;
      // A run in which a fault never happened proves nothing about it.
      for (const what of Object.keys(HAPPENINGS)) expect(happened, what).toContain(what);
      expect(failovers).toBeGreaterThan(1.5 * seeds.length);
      expect(reads).toBeGreaterThan(100 * seeds.length);
    },
    seeds.length * SEED_MS_MAX,
  );

  it(
    `has no second master of a term where the store was restored from a copy and heartbeats arrive late, and serves again after a recovery (${seeds.length} seeds)`,
    async () => {
      for (const seed of seeds) await runSeed(seed, runOlderStore);
    },
    seeds.length * SEED_MS_MAX,
  );
});
