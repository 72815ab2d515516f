/** A store that was lost or is older than its nodes, and disks that are gone: what coordinators do, and what an operator makes of it. */
import { afterEach, describe, expect, it } from 'vitest';
import type { RecoveryPlan } from '#cluster/plan-recovery.ts';
import { SimulatedCluster } from './simulated-cluster.ts';

let cluster: SimulatedCluster;

async function begin(voters = 3): Promise<void> {
  cluster = new SimulatedCluster(7, voters);
  await cluster.begin(1);
  await cluster.clock.advance(4_000);
}

const alarms = () => cluster.active?.coordinator.alarms.map(({ why }) => why);
const record = () => cluster.active?.coordinator.map?.groups.get('g1');
const recover = (forced = '', isApplied = true): Promise<RecoveryPlan> =>
  cluster.drive(cluster.active?.coordinator.requests.recover(forced, isApplied) as Promise<RecoveryPlan>);

/** The group fails over twice, and the store is put back to the copy of before. */
async function restore(copy: Awaited<ReturnType<SimulatedCluster['copyStore']>>): Promise<void> {
  await cluster.restoreStore(copy);
  await cluster.advanceUntil(() => cluster.active !== undefined, 10_000);
  await cluster.clock.advance(3_000);
}

async function failOver(): Promise<void> {
  const { master } = cluster;
  master?.kill();
  await cluster.advanceUntil(() => cluster.master !== undefined, 10_000);
  master?.start();
  await cluster.clock.advance(2_000);
}

async function untilLed(): Promise<void> {
  const acked = cluster.acked.size;
  await cluster.advanceUntil(() => cluster.master !== undefined && cluster.acked.size > acked, 15_000);
  if (cluster.master !== undefined) cluster.checkKept(cluster.master);
}

afterEach(() => {
  expect(cluster.wrongs).toEqual([]);
});

describe('a store that was restored from a backup', () => {
  it('leases nothing to a master that is cut off from the others before these are heard', async () => {
    await begin();
    const copy = await cluster.copyStore();
    cluster.isolate('a');
    await cluster.advanceUntil(() => cluster.master?.term === 2, 10_000);
    await cluster.restoreStore(copy);
    await cluster.advanceUntil(() => cluster.active !== undefined, 10_000);
    for (const name of ['b', 'c']) cluster.heartbeatsFromMs.set(name, cluster.clock.monotonicMs() + 600);
    await cluster.clock.advance(4_000);
    expect(cluster.member('a').whyNoWrites).toBe('no lease');
    expect(alarms()?.join()).toContain('see walnut cluster recover');
  });

  it('is shown what it lacks, recovered once, and then left alone', async () => {
    await begin();
    const copy = await cluster.copyStore();
    await failOver();
    await restore(copy);
    expect(alarms()?.join()).toContain('see walnut cluster recover');
    const before = record()?.term;
    const shown = await recover('', false);
    expect(shown).toMatchObject({ problems: [], groups: [{ heard: ['a', 'b', 'c'], missing: [] }] });
    expect(record()?.term).toBe(before);
    const done = await recover();
    expect(done).toEqual(shown);
    await untilLed();
    expect(cluster.master?.term).toBe(2 + 100);
    await cluster.clock.advance(2_000);
    expect(alarms()).toEqual([]);
    await expect(recover()).rejects.toThrow('nothing is to be recovered');
    await failOver();
    expect(cluster.master?.term).toBe(2 + 101);
  });

  it('does not stop a member that comes back after the recovery and knows a higher epoch', async () => {
    await begin();
    const copy = await cluster.copyStore();
    await failOver();
    const [away] = [...cluster.members.values()].filter((each) => each !== cluster.master);
    away?.hearEpoch(99);
    away?.kill();
    await restore(copy);
    await recover();
    await untilLed();
    away?.start();
    await cluster.clock.advance(3_000);
    expect(alarms()).toEqual([]);
  });
});

describe('a store that was lost', () => {
  it('is made anew from what the nodes say', async () => {
    await begin();
    await failOver();
    const { clusterId } = cluster.active?.coordinator.map ?? {};
    await restore([]);
    expect(alarms()).toEqual(
      [
        `the metadata store has no cluster, and a, b, c belong to cluster ${clusterId}: the store was lost, or is not theirs .coordinator.cluster, coordinator.metadata.: see walnut cluster recover`,
      ].map((text) => expect.stringMatching(new RegExp(text.replace('a, b, c', '[abc], [abc], [abc]')))),
    );
    await recover();
    await untilLed();
    expect(cluster.active?.coordinator.map).toMatchObject({ clusterId, epoch: expect.any(Number) });
    await cluster.clock.advance(3_000);
    expect(alarms()).toEqual([]);
  });

  it('is not passed over by a second cluster', async () => {
    await begin();
    cluster.member('c').kill();
    cluster.member('c').wipe();
    await restore([]);
    cluster.member('c').start();
    await cluster.clock.advance(2_000);
    const made = cluster.active?.coordinator.requests.initCluster({
      kind: 'given',
      groups: [{ id: 'g2', nodes: ['c'] }],
    });
    await expect(cluster.drive(made as Promise<unknown>)).rejects.toThrow(
      /the store was lost, or is not theirs .*: see walnut cluster recover; if it is another cluster, stop its nodes/,
    );
    expect(alarms()).toEqual([expect.stringContaining('the store was lost')]);
  });

  it('is recovered by a coordinator that has only begun to hear the nodes once it has heard them', async () => {
    await begin();
    await cluster.restoreStore([]);
    await cluster.advanceUntil(() => cluster.active !== undefined, 10_000);
    const { groups } = await recover('', false);
    expect(groups).toMatchObject([{ heard: ['a', 'b', 'c'], missing: [] }]);
  });
});

describe('a group that lost too many disks', () => {
  it('fails over with the grants of all that are left, after another coordinator took over too', async () => {
    await begin(5);
    for (const name of ['a', 'c', 'e']) cluster.member(name).kill();
    for (const name of ['a', 'c', 'e']) cluster.member(name).wipe();
    await cluster.clock.advance(5_000);
    await expect(recover()).rejects.toThrow('nothing is to be recovered');
    const shown = await recover('g1', false);
    expect(shown.groups[0]).toMatchObject({ heard: ['b', 'd'], missing: ['a', 'c', 'e'] });
    // One of them may have more than the other: both have to grant.
    cluster.network.cut('b', 'coordinator-1');
    cluster.network.cut('coordinator-1', 'b');
    await recover('g1');
    await cluster.clock.advance(5_000);
    expect(record()).toMatchObject({ leader: undefined, grants: { count: 2 } });
    expect(alarms()).toEqual([expect.stringContaining('2 voters have to grant a term')]);
    cluster.network.heal();
    cluster.killCoordinator(cluster.active as never);
    cluster.addCoordinator();
    await cluster.advanceUntil(() => cluster.master !== undefined, 20_000);
    expect(['b', 'd']).toContain(cluster.master?.name);
    expect(cluster.master?.term).toBe(101);
  });

  it('is led by nobody but those that were heard, although the others come back with their disks', async () => {
    await begin();
    for (const name of ['a', 'c']) cluster.member(name).kill();
    await cluster.clock.advance(5_000);
    cluster.network.cut('b', 'coordinator-1');
    cluster.network.cut('coordinator-1', 'b');
    await recover('g1');
    for (const name of ['a', 'c']) cluster.member(name).start();
    await cluster.clock.advance(10_000);
    expect(record()).toMatchObject({ term: 101, leader: undefined });
    expect(alarms()).toEqual([expect.stringContaining('and b')]);
    cluster.network.heal();
    await cluster.advanceUntil(() => cluster.master !== undefined, 20_000);
    expect(cluster.master).toMatchObject({ name: 'b', term: 101 });
  });
});
