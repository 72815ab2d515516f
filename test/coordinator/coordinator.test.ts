/** What coordinators do for one group, event by event, on a virtual clock. */
import { afterEach, describe, expect, it } from 'vitest';
import type { Heartbeat } from '#cluster/heartbeat.ts';
import type { ShardMap } from '#cluster/shard-map.ts';
import { heartbeatOf } from '#test/doubles/heartbeat.ts';
import { SimulatedCluster } from './simulated-cluster.ts';

let cluster: SimulatedCluster;

async function begin(voters = 3, coordinators = 2): Promise<void> {
  cluster = new SimulatedCluster(7, voters);
  await cluster.begin(coordinators);
  await cluster.clock.advance(4_000);
}

const isLed = (): boolean => cluster.master !== undefined;
const led = (): [string | undefined, number | undefined] => [cluster.master?.name, cluster.master?.term];

const alarms = () => cluster.active?.coordinator.alarms.map(({ why }) => why);

/** Milliseconds until a member takes writes again. */
async function untilLed(limitMs: number): Promise<number> {
  const fromMs = cluster.clock.monotonicMs();
  await cluster.advanceUntil(isLed, limitMs);
  return cluster.clock.monotonicMs() - fromMs;
}

/** A heartbeat of `a`, which leads term 1. */
function heartbeatOfMaster(): Heartbeat {
  const clusterId = cluster.coordinators[0]?.coordinator.feed.map?.clusterId ?? '';
  return heartbeatOf('a', {
    clusterId,
    process: 'x',
    role: 'master',
    term: 1,
    mapEpoch: 1,
    ackedByVoters: 2,
  });
}

afterEach(() => {
  if (cluster.master !== undefined) cluster.checkKept(cluster.master);
  expect(cluster.wrongs).toEqual([]);
});

describe('a group', () => {
  it('that is new gets a leader in its first term, and writes reach QUORUM', async () => {
    await begin();
    expect(led()).toEqual(['a', 1]);
    expect(cluster.acked.size).toBeGreaterThan(90);
  });

  it('loses its master and goes on within 5 s, with everything that was acked', async () => {
    await begin();
    cluster.member('a').kill();
    expect(await untilLed(5_000)).toBeGreaterThan(1_500 + 1_650);
    expect(led()).toEqual(['b', 2]);
    cluster.member('a').start();
    await cluster.clock.advance(3_000);
    expect(led()).toEqual(['b', 2]);
  });

  it('goes on as soon after the tenth master that is killed as after the first', async () => {
    await begin();
    for (let kill = 0; kill < 10; kill++) {
      const { master } = cluster;
      master?.kill();
      await untilLed(5_000);
      master?.start();
      await cluster.clock.advance(6_000);
    }
  });

  it('keeps a master that only the coordinators do not reach', async () => {
    await begin();
    for (const { name } of cluster.coordinators) {
      cluster.network.cut(name, 'a');
      cluster.network.cut('a', name);
    }
    await cluster.clock.advance(20_000);
    expect(led()).toEqual(['a', 1]);
  });

  it('replaces a master that its voters do not reach, although the coordinators do', async () => {
    await begin();
    for (const other of ['b', 'c']) cluster.network.cut('a', other);
    const isReplaced = (): boolean => cluster.member('b').isMaster || cluster.member('c').isMaster;
    await cluster.advanceUntil(isReplaced, 10_000);
    await untilLed(5_000);
    expect(led()).toEqual([expect.stringMatching(/^[bc]$/), 2]);
  });

  it('replaces a master that says it cannot write, and not one that waits for its first write', async () => {
    await begin();
    cluster.member('a').isSick = true;
    await untilLed(6_000);
    expect(led()).toEqual(['b', 2]);
    cluster.member('a').isSick = false;
    await cluster.clock.advance(10_000);
    expect(led()).toEqual(['b', 2]);
  });

  it('keeps its master where no other could do better', async () => {
    await begin();
    for (const member of cluster.members.values()) member.isSick = true;
    await cluster.clock.advance(10_000);
    expect(cluster.member('a').isMaster).toBe(true);
    expect(cluster.member('a').term).toBe(1);
  });

  it('does not lose its term where too few would grant, and an alarm names whom it lacks', async () => {
    await begin();
    cluster.member('a').kill();
    cluster.member('b').kill();
    await cluster.clock.advance(8_000);
    expect(alarms()).toEqual([
      'g1 cannot fail over: 2 voters have to grant a term, and a did not answer, and b did not answer. If the disks of a and b are gone for good, ' +
        'walnut cluster recover --group g1 --force goes on without, and gives up the writes that only these disks ' +
        'have, acknowledged at QUORUM or not',
    ]);
    expect(cluster.active?.coordinator.map?.groups.get('g1')?.term).toBe(1);
    cluster.member('b').start();
    await untilLed(10_000);
    await cluster.clock.advance(500);
    expect(alarms()).toEqual([]);
  });

  it('names what each voter answered that is heard and does not grant, and advises no loss then', async () => {
    await begin();
    const { tail } = cluster.member('b');
    const grant = { node: 'b', incarnation: 1, tail, isQuarantined: false, isLoading: true };
    Object.assign(cluster.member('b'), { wouldGrant: () => ({ kind: 'granted', term: 1, grant }) });
    Object.assign(cluster.member('c'), { wouldGrant: () => ({ kind: 'refused', term: 1 }) });
    cluster.member('a').kill();
    await cluster.clock.advance(4_000);
    expect(alarms()).toEqual([
      'g1 cannot fail over: 2 voters have to grant a term, and a did not answer, and b is loading, and c refused, ' +
        'having seen term 1; they are asked again until enough do',
    ]);
  });

  it('counts a failover when its term was given', async () => {
    await begin();
    const { store, coordinator } = cluster.active ?? expect.unreachable('nobody is active');
    const transact = store.transact.bind(store);
    store.transact = (transaction) =>
      transaction.writes.length > 0 ? Promise.reject(new Error('no space')) : transact(transaction);
    cluster.member('a').kill();
    await cluster.clock.advance(5_000);
    expect(coordinator.counts.failovers).toBe(0);
    store.transact = transact;
    await untilLed(10_000);
    expect(coordinator.counts.failovers).toBe(1);
  });

  it('has an alarm where none of its voters is heard, which ends when they are', async () => {
    await begin();
    for (const name of ['a', 'b', 'c']) cluster.member(name).kill();
    await cluster.clock.advance(4_000);
    expect(alarms()).toEqual([expect.stringContaining('no voter of g1 is heard (a, b, c)')]);
    for (const name of ['a', 'b', 'c']) cluster.member(name).start();
    await untilLed(10_000);
    await cluster.clock.advance(500);
    expect(alarms()).toEqual([]);
  });

  it('is led within seconds when a voter comes back after a long time', async () => {
    await begin();
    cluster.member('a').kill();
    cluster.member('b').kill();
    await cluster.clock.advance(120_000);
    cluster.member('b').start();
    await untilLed(5_500);
  });

  it('has a member that comes back at another address where it is now, unless its disk is another one', async () => {
    await begin();
    const addressOf = (node: string) => cluster.active?.coordinator.map?.nodes.get(node)?.address;
    for (const name of ['b', 'c']) {
      const member = cluster.member(name);
      member.kill();
      member.address = `${name}:2`;
      if (name === 'c') member.wipe();
      member.start();
    }
    await cluster.clock.advance(3_000);
    expect([addressOf('a'), addressOf('b'), addressOf('c')]).toEqual(['a:1', 'b:2', 'c:1']);
    expect(led()).toEqual(['a', 1]);
  });

  it('does not count a voter whose disk was replaced', async () => {
    await begin();
    cluster.member('c').kill();
    cluster.member('c').wipe();
    cluster.member('c').start();
    cluster.member('a').kill();
    await cluster.clock.advance(10_000);
    expect(led()).toEqual([undefined, undefined]);
    cluster.member('a').start();
    await untilLed(10_000);
  });

  it('of two fails over by itself, and has no lease by acks while one is down', async () => {
    await begin(2);
    cluster.member('a').kill();
    await untilLed(5_000);
    expect(led()).toEqual(['b', 2]);
    for (const coordinator of [...cluster.coordinators]) cluster.killCoordinator(coordinator);
    await cluster.clock.advance(1_600);
    expect(cluster.member('b').whyNoWrites).toBe('no lease');
    cluster.member('a').start();
    await untilLed(1_000);
  });

  it('of one leads again after its process restarted', async () => {
    await begin(1);
    cluster.member('a').kill();
    cluster.member('a').start();
    await untilLed(5_000);
    expect(led()).toEqual(['a', 1]);
  });
});

describe('coordinators', () => {
  it('that are all lost stop nothing', async () => {
    await begin();
    for (const coordinator of [...cluster.coordinators]) cluster.killCoordinator(coordinator);
    const before = cluster.acked.size;
    await cluster.clock.advance(10_000);
    expect(led()).toEqual(['a', 1]);
    expect(cluster.acked.size).toBeGreaterThan(before + 200);
  });

  it('are replaced within 7 s, and the next one goes on from the record', async () => {
    await begin();
    cluster.member('a').kill();
    await cluster.advanceUntil(() => cluster.active?.coordinator.map?.groups.get('g1')?.term === 2, 5_000);
    const [killed] = [cluster.active];
    if (killed !== undefined) cluster.killCoordinator(killed);
    await cluster.advanceUntil(() => cluster.active !== undefined, 7_000);
    await untilLed(6_000);
    expect(led()).toEqual(['b', 2]);
  });

  it('none of which is known to be active say so, and that it is worth another try', async () => {
    await begin(3, 1);
    const added = cluster.addCoordinator();
    added.store.isCut = true;
    await cluster.clock.advance(2_000);
    await expect(added.coordinator.heartbeat(heartbeatOfMaster())).rejects.toMatchObject({
      code: 'unavailable',
      message:
        'no coordinator is known to be active, and the metadata store does not answer: the store does not answer',
    });
  });

  it('whose store gives no answer demote nobody, and act again when it does', async () => {
    await begin();
    for (const { store } of cluster.coordinators) store.isCut = true;
    await cluster.clock.advance(20_000);
    expect(led()).toEqual(['a', 1]);
    expect(cluster.active).toBeUndefined();
    for (const { store } of cluster.coordinators) store.isCut = false;
    await cluster.advanceUntil(() => cluster.active !== undefined, 7_000);
    await cluster.clock.advance(5_000);
    expect(led()).toEqual(['a', 1]);
  });

  it('whose renewals take longer than they may act do not act, and demote nobody', async () => {
    await begin();
    for (const { store } of cluster.coordinators) store.slowMs = 2_000;
    await cluster.clock.advance(4_000);
    expect(cluster.active).toBeUndefined();
    await cluster.clock.advance(20_000);
    expect(led()).toEqual(['a', 1]);
    for (const { store } of cluster.coordinators) store.slowMs = 0;
    await cluster.advanceUntil(() => cluster.active !== undefined, 12_000);
    await cluster.clock.advance(5_000);
    expect(led()).toEqual(['a', 1]);
  });

  it('hear nodes while the store is asked, and lease nothing by what may be old', async () => {
    await begin();
    const { coordinator, store } = cluster.active ?? (expect.fail('no coordinator is active') as never);
    store.lossChance = 1;
    coordinator.requests.failoverGroup('g1', 'b').catch(() => {});
    await cluster.clock.advance(500);
    expect(coordinator.map).toBeUndefined();
    const answered = await cluster.drive(coordinator.heartbeat(heartbeatOfMaster()));
    expect(answered).toMatchObject({ group: { id: 'g1', term: 1 }, isLeased: false });
  });

  it('that were stopped for a while are not active, and judge nobody by what they missed', async () => {
    await begin();
    const stopped = cluster.active;
    stopped?.clock.pause();
    await cluster.clock.advance(10_000);
    stopped?.clock.resume();
    await cluster.clock.advance(10);
    expect(stopped?.coordinator.isActive).toBe(false);
    expect(cluster.coordinators.filter(({ coordinator }) => coordinator.isActive)).toHaveLength(1);
    await cluster.clock.advance(5_000);
    expect(led()).toEqual(['a', 1]);
  });

  it('that are the only ones and were stopped for less than their lease depose nobody', async () => {
    await begin(3, 1);
    const [only] = cluster.coordinators;
    only?.clock.pause();
    // When the coordinator goes on, it hears the other voters before the master.
    for (const other of ['b', 'c', 'coordinator-1']) cluster.network.cut('a', other);
    await cluster.clock.advance(2_500);
    only?.clock.resume();
    await cluster.clock.advance(250);
    cluster.network.heal();
    await cluster.clock.advance(4_000);
    expect(led()).toEqual(['a', 1]);
  });

  it('whose key is gone from the store lease nothing and change nothing, although they still believe', async () => {
    await begin();
    const deposed = cluster.active;
    const beat = () => cluster.drive(deposed?.coordinator.heartbeat(heartbeatOfMaster()) as Promise<object>);
    expect(await beat()).toMatchObject({ isLeased: true });
    await cluster.depose();
    expect(await beat()).toMatchObject({ isLeased: false });
    const asked = cluster.drive(deposed?.coordinator.requests.failoverGroup('g1', 'b') as Promise<ShardMap>);
    await expect(asked).rejects.toMatchObject({ code: 'unavailable' });
    expect(deposed?.coordinator.map?.groups.get('g1')?.next).toBeUndefined();
    // The master reaches nobody but the deposed coordinator, which must not lease it while the other fails over.
    for (const { name } of [...cluster.members.values(), ...cluster.coordinators])
      if (name !== deposed?.name) cluster.network.cut('a', name);
    await cluster.clock.advance(1_600);
    expect(cluster.member('a').whyNoWrites).toBe('no lease');
    expect(deposed?.coordinator.isActive).toBe(false);
    await untilLed(10_000);
    expect(led()).toEqual(['b', 2]);
  });

  it('hear no node of another cluster, and say which names differ', async () => {
    await begin();
    const stranger = heartbeatOf('x', { clusterName: 'other' });
    await expect(cluster.active?.coordinator.heartbeat(stranger)).rejects.toMatchObject({
      code: 'failed_precondition',
      message: expect.stringContaining(
        'x is of cluster other, and this coordinator is of cluster test: correct',
      ),
    });
    expect(cluster.active?.coordinator.observations.has('x')).toBe(false);
  });

  it('that are passive refuse heartbeats and changes, naming the active one', async () => {
    await begin();
    const passive = cluster.coordinators.find((each) => each !== cluster.active)?.coordinator;
    await expect(passive?.requests.failoverGroup('g1', 'b')).rejects.toMatchObject({
      code: 'failed_precondition',
      details: { leaderHint: `${cluster.active?.name}:1`, nothingDone: true },
    });
  });
});

describe('a coordinator that was just elected', () => {
  it('names nobody as the active one before it acts', async () => {
    cluster = new SimulatedCluster(7);
    const { coordinator } = cluster.addCoordinator();
    for (let ms = 0; ms < 600; ms += 5) {
      await cluster.clock.advance(5);
      expect(coordinator.active !== undefined).toBe(coordinator.isActive);
    }
    expect(coordinator.isActive).toBe(true);
  });
});

describe('a node that drains', () => {
  const set = (node: string, status: 'active' | 'draining'): Promise<ShardMap> =>
    cluster.drive(cluster.active?.coordinator.requests.setNodeStatus(node, status) as Promise<ShardMap>);

  it('hands over what it leads, and leads nothing after the next failover either', async () => {
    await begin();
    const { epoch } = await set('b', 'draining');
    expect((await set('b', 'draining')).epoch).toBe(epoch);
    await set('a', 'draining');
    await cluster.advanceUntil(() => cluster.master?.name === 'c', 3_000);
    await set('a', 'active');
    cluster.member('c').kill();
    await untilLed(5_000);
    expect(cluster.master?.name).toBe('a');
  });

  it('leads on where no other could', async () => {
    await begin();
    for (const node of ['c', 'b', 'a']) await set(node, 'draining');
    await cluster.clock.advance(5_000);
    expect(led()).toEqual(['a', 1]);
    cluster.member('a').kill();
    await untilLed(6_000);
    expect(led()).toEqual(['b', 2]);
  });

  it('is listed', async () => {
    await begin();
    await expect(set('z', 'draining')).rejects.toThrow('there is no node z: there are a, b, c');
  });
});

describe('a store that was restored from a backup', () => {
  it('is noticed by a term that it never gave: the group is left alone, with an alarm', async () => {
    await begin();
    cluster.member('b').term = 5;
    await cluster.clock.advance(3_000);
    expect(alarms()).toEqual([
      'a and b saw a term of g1 above all that the metadata store gave it: the store was lost, or restored from a backup: see walnut cluster recover',
    ]);
    cluster.member('a').kill();
    await cluster.clock.advance(10_000);
    expect(cluster.active?.coordinator.map?.groups.get('g1')?.term).toBe(1);
  });

  it('is noticed by an answer to the question, where the others would do for a failover: nothing is written', async () => {
    await begin(5);
    cluster.heartbeatsFromMs.set('c', Number.POSITIVE_INFINITY);
    cluster.member('a').kill();
    cluster.member('c').term = 5;
    await cluster.clock.advance(6_000);
    expect(alarms()).toEqual([expect.stringMatching(/^c saw a term of g1 above all/)]);
    expect(cluster.active?.coordinator.map?.groups.get('g1')?.term).toBe(1);
  });

  it('is noticed by a map epoch: nothing is changed, and leases go on', async () => {
    await begin();
    cluster.member('b').hearEpoch(99);
    await cluster.clock.advance(1_000);
    expect(alarms()).toEqual([
      expect.stringContaining('b heard of map epoch 99, and the metadata store has '),
    ]);
    const asked = cluster.drive(
      cluster.active?.coordinator.requests.failoverGroup('g1', 'b') as Promise<ShardMap>,
    );
    await expect(asked).rejects.toThrow('so nothing is changed');
    for (const other of ['b', 'c']) cluster.network.cut('a', other);
    await cluster.clock.advance(5_000);
    expect(led()).toEqual(['a', 1]);
  });

  it('is not believed of by a term far above, whose member does not count', async () => {
    await begin();
    cluster.member('b').term = 1 + 1_025;
    await cluster.clock.advance(1_000);
    expect(alarms()).toEqual([
      expect.stringMatching(/^b states term 1026, too far above 1 to be believed.*begin with an empty one/),
    ]);
    cluster.member('a').kill();
    cluster.member('a').start();
    await untilLed(12_000);
    expect(cluster.master?.name).not.toBe('b');
  });
});
