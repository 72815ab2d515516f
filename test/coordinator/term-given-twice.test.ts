/**
 * A metadata store that was restored while the nodes that knew of its last term were out of
 * reach gives that term again, by a plan, which asks for no grants (ADR 17).
 */
import { expect, it } from 'vitest';
import { SimulatedCluster } from './simulated-cluster.ts';
import type { SimulatedMember } from './simulated-member.ts';

const LEFT = ['a', 'b'];
const RIGHT = ['c', 'd', 'e'];

/** Nothing passes between a process of the one side and one of the other. */
function part(cluster: SimulatedCluster, side: readonly string[], other: readonly string[]): void {
  for (const one of side)
    for (const another of other) {
      cluster.network.cut(one, another);
      cluster.network.cut(another, one);
    }
}

/** `c` leads term 2 by the grants of its side; `b` by the plan of a coordinator on the older store. */
async function begin(): Promise<{ cluster: SimulatedCluster; first: SimulatedMember }> {
  const cluster = new SimulatedCluster(7, 5);
  await cluster.begin(1);
  await cluster.clock.advance(4_000);
  expect(cluster.master?.name).toBe('a');
  const copy = await cluster.copyStore();
  part(cluster, LEFT, [...RIGHT, 'coordinator-1']);
  const right = (): SimulatedMember | undefined =>
    RIGHT.map((name) => cluster.member(name)).find((one) => one.isMaster && one.whyNoWrites === '');
  await cluster.advanceUntil(() => right() !== undefined, 10_000);
  const first = right() ?? expect.unreachable('nobody leads');
  await cluster.clock.advance(2_000);
  const restored = await cluster.restoreStore(copy);
  part(cluster, [restored.name], RIGHT);
  await cluster.advanceUntil(
    () => restored.coordinator.isActive && cluster.member('a').whyNoWrites === '',
    9_000,
  );
  await cluster.drive(restored.coordinator.requests.failoverGroup('g1', 'b'));
  await cluster.advanceUntil(() => cluster.member('b').isMaster, 5_000);
  expect([first.term, cluster.member('b').term]).toEqual([2, 2]);
  await cluster.clock.advance(1_000);
  return { cluster, first };
}

it('keeps what reached QUORUM in the term, and lets only that master go on until an operator has decided', async () => {
  const { cluster, first } = await begin();
  cluster.network.heal();
  await cluster.clock.advance(5_000);
  const acked = cluster.acked.size;
  await cluster.clock.advance(2_000);
  expect(cluster.acked.size).toBeGreaterThan(acked + 20);
  expect([first.whyNoWrites, cluster.member('b').whyNoWrites]).toEqual(['', 'no lease']);
  const { coordinator } = cluster.active ?? expect.unreachable('nobody is active');
  expect(coordinator.alarms.map(({ why }) => why)).toEqual([
    expect.stringContaining(`${first.name} leads term 2 of g1, which the metadata store gave to b`),
  ]);
  await expect(cluster.drive(coordinator.requests.recover('', true))).rejects.toThrow(
    `b and ${first.name} both lead term 2 of g1`,
  );
  cluster.member('b').kill();
  cluster.member('b').wipe();
  cluster.member('b').start();
  await cluster.clock.advance(2_000);
  await cluster.drive(coordinator.requests.recover('', true));
  await cluster.advanceUntil(() => (cluster.master?.term ?? 0) > 100, 15_000);
  const before = cluster.wrongs.length;
  cluster.checkKept(cluster.master ?? expect.unreachable('nobody leads'));
  expect(cluster.wrongs.slice(before)).toEqual([]);
});
