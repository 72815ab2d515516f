/**
 * Seeded faults between a gateway and two groups: answers that are lost, calls that do nothing,
 * leaders that change. Every write is an increment, so that the sums tell what was done twice or
 * not at all. `WALNUT_ROUTING_RUNS` runs more, from `WALNUT_ROUTING_SEED`.
 */
import { expect, it } from 'vitest';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { FakeCluster, type Fate, incrementOf, mapOf } from '#test/routing/fake-cluster.ts';

const RUNS = Number(process.env['WALNUT_ROUTING_RUNS'] ?? 40);
const SEED = Number(process.env['WALNUT_ROUTING_SEED'] ?? 1);
const GROUPS = ['g1', 'g2'];
const KEYS = ['bar', 'foo', 'a', 'b'];
const CALLS = 60;

async function run(seed: number): Promise<void> {
  const random = new SeededRandom(seed);
  const below = (n: number): number => random.uint32() % n;
  const cluster = new FakeCluster(GROUPS, { callsMax: 1_000, bytesMax: 1_000_000 });
  const { clock } = cluster;
  let epoch = 1;
  const dead = new Map<string, number>();
  cluster.fate = (address): Fate => {
    if ((dead.get(address) ?? 0) > clock.monotonicMs()) return 'dead';
    const draw = below(10);
    return draw < 6 ? 'answer' : draw < 8 ? 'lost' : 'dead';
  };
  /** A leader dies, and a moment later the map names another one. */
  const failOver = async (): Promise<void> => {
    const id = GROUPS[below(2)] as string;
    const leader = cluster.routed.cache.map?.groups.get(id)?.leader?.node ?? '';
    dead.set(`${leader}:1`, clock.monotonicMs() + 1_500);
    await clock.sleep(below(1_000));
    const others = GROUPS.map((each): [string, string] => [
      each,
      each === id ? (leader.endsWith('1') ? `${id}-2` : `${id}-1`) : leaderOf(cluster, each),
    ]);
    cluster.map = mapOf(GROUPS, ++epoch, Object.fromEntries(others));
    cluster.routed.cache.take({ kind: 'whole', map: cluster.map, epoch });
  };
  const called = new Map<string, bigint>();
  const calls = Array.from({ length: CALLS }, async (_, i) => {
    await clock.sleep(below(4_000));
    if (i % 20 === 0) return failOver();
    const keys = Array.from({ length: 1 + below(4) }, () => KEYS[below(KEYS.length)] as string);
    for (const key of keys) called.set(key, (called.get(key) ?? 0n) + 1n);
    if (keys.length === 1) return cluster.keys.increment(incrementOf(keys[0] as string));
    const operations = keys.map((key) => ({ kind: 'increment', command: incrementOf(key) }) as const);
    const results = await cluster.keys.batch(operations);
    expect(results.map(({ kind }) => kind)).toEqual(keys.map(() => 'increment'));
  });
  const failed = await cluster.settled(Promise.all(calls));
  expect(failed).toBeInstanceOf(Array);
  const sums = new Map(cluster.groups.flatMap(({ sums: own }) => [...own]));
  expect(sums).toEqual(called);
}

function leaderOf(cluster: FakeCluster, id: string): string {
  return cluster.routed.cache.map?.groups.get(id)?.leader?.node ?? '';
}

it('does every write once, through lost answers and failovers', async () => {
  for (let seed = SEED; seed < SEED + RUNS; seed++) {
    try {
      await run(seed);
    } catch (error) {
      throw new Error(`seed ${seed}: again with WALNUT_ROUTING_SEED=${seed} WALNUT_ROUTING_RUNS=1`, {
        cause: error,
      });
    }
  }
});
