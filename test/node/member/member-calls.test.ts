/** What a member answers to claims, orders to lead and planned handovers, call by call. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { MemberPort, TermClaim } from '#cluster/member-port.ts';
import type { ShardMap } from '#cluster/shard-map.ts';
import { unavailable } from '#model/errors.ts';
import type { Position } from '#model/position.ts';
import type { MemberOptions } from '#node/member/member-options.ts';
import { TestCluster } from '#test/doubles/test-cluster.ts';
import type { TestNode } from '#test/doubles/test-group.ts';

let cluster: TestCluster;
let claim: TermClaim;
let map: ShardMap;

beforeEach(async () => {
  cluster = new TestCluster(3);
  await cluster.found('a', 'b', 'c');
  await cluster.group.set(cluster.master, 'k', 'v', { durability: 'quorum', timeoutMs: 5_000 });
  map = cluster.coordinator.map as ShardMap;
  const group = map.groups.get('g1');
  claim = {
    clusterId: map.clusterId,
    node: '',
    group: 'g1',
    logId: group?.logId ?? '',
    term: 2,
    isCheck: false,
  };
  await cluster.stopCoordinator();
});

afterEach(() => cluster.stop());

const portOf = ({ node }: TestNode): MemberPort => node.ports.member as MemberPort;
const replica = (): TestNode => [...cluster.nodes.values()].find((one) => one !== cluster.master) as TestNode;
const ask = (one: TestNode, changes: Partial<TermClaim> = {}) =>
  cluster.group.until(portOf(one).claim({ ...claim, node: one.name, ...changes }));

function lead(one: TestNode, tail: Position, incarnation: number, term = 2) {
  const { clusterId, group, logId } = claim;
  const request = { clusterId, group, logId, node: one.name, term, incarnation, tail, map };
  return cluster.group.until(portOf(one).takeOver(request));
}

describe('a claim', () => {
  it('is granted with the tail on the disk, again and again, and no lower one after it', async () => {
    const one = replica();
    const first = await ask(one);
    expect(first).toMatchObject({ isGranted: true, term: 2, tail: cluster.master.node.status().position });
    expect(await ask(one)).toEqual(first);
    expect(await ask(one, { term: 1 })).toMatchObject({ isGranted: false, term: 2 });
    const again = await cluster.start(one.name, { fileSystem: await cluster.group.stop(one) });
    expect(await ask(again, { term: 1 })).toMatchObject({ isGranted: false, term: 2 });
  });

  it('of a term that is led is not granted, by its master or by one that took its pushes', async () => {
    const refused = { isGranted: false, term: 1, reason: 'term 1 is led' };
    for (const one of [cluster.master, replica()]) {
      expect(await ask(one, { term: 1 })).toMatchObject(refused);
      expect(await ask(one, { term: 1, isCheck: true })).toMatchObject(refused);
      const again = await cluster.start(one.name, { fileSystem: await cluster.group.stop(one) });
      expect(await ask(again, { term: 1 })).toMatchObject(refused);
    }
  });

  it('that only asks changes nothing', async () => {
    const one = replica();
    expect(await ask(one, { isCheck: true, term: 9 })).toMatchObject({ isGranted: true, term: 1 });
    expect(one.node.status().term).toBe(1);
  });

  it('stops a master of a lower term before it is granted, and a restart does not make it lead again', async () => {
    const { master } = cluster;
    expect(await ask(master)).toMatchObject({ isGranted: true });
    expect(master.node.status().state).toBe('fenced');
    const again = await cluster.start(master.name, { fileSystem: await cluster.group.stop(master) });
    await cluster.group.clock.advance(5_000);
    expect(again.node.status()).toMatchObject({ role: 'replica', term: 2 });
  });

  it('ends what the old master may push: a member that granted counts for nothing in its term', async () => {
    const { master } = cluster;
    for (const one of [...cluster.nodes.values()].filter((each) => each !== master)) await ask(one);
    await cluster.group.clock.advance(2_000);
    expect(master.node.status().state).not.toBe('serving');
  });

  it.each<[string, Partial<TermClaim>, string]>([
    ['another node', { node: 'other' }, 'not_found'],
    ['another cluster', { clusterId: 'f'.repeat(32) }, 'failed_precondition'],
    ['another group', { group: 'g2' }, 'failed_precondition'],
    ['another log', { logId: 'f'.repeat(32) }, 'failed_precondition'],
  ])('for %s is refused', async (_, changes, code) => {
    await expect(ask(replica(), changes)).rejects.toMatchObject({ code });
    expect(replica().node.status().term).toBe(1);
  });

  it('of a term far above all that were seen is not granted', async () => {
    expect(await ask(replica(), { term: 5_000 })).toMatchObject({ isGranted: false, term: 1 });
  });
});

describe('a member that starts again', () => {
  it('states the highest map epoch that it heard of, before a coordinator answers', async () => {
    const one = replica();
    const fileSystem = await cluster.group.stop(one);
    const stated: number[] = [];
    const heartbeat: MemberOptions['heartbeat'] = async (_, { mapEpoch }) => {
      stated.push(mapEpoch);
      throw unavailable('no coordinator');
    };
    await cluster.start(one.name, { fileSystem, member: { ...cluster.memberOptions(one.name), heartbeat } });
    expect(stated[0]).toBe(map.epoch);
    expect(map.epoch).toBeGreaterThan(1);
  });
});

describe('an order to lead', () => {
  it('is followed as claimed, and a repeat changes nothing', async () => {
    const one = replica();
    const { tail, voter } = await ask(one);
    expect(await lead(one, tail, voter.incarnation)).toMatchObject({ isAccepted: true, term: 2 });
    const { position } = one.node.status();
    expect(await lead(one, tail, voter.incarnation)).toMatchObject({ isAccepted: true });
    expect(one.node.status()).toMatchObject({ role: 'master', term: 2, position });
  });

  it('is refused where anything is another than claimed', async () => {
    const one = replica();
    const { tail, voter } = await ask(one);
    const { incarnation } = voter;
    const earlier = { ...tail, lsn: (tail.lsn - 1) as Position['lsn'] };
    expect(await lead(one, earlier, incarnation)).toMatchObject({ isAccepted: false });
    expect(await lead(one, tail, incarnation + 1)).toMatchObject({ isAccepted: false });
    expect(await lead(one, tail, incarnation, 3)).toMatchObject({ isAccepted: false });
    await ask(one, { term: 3 });
    expect(await lead(one, tail, incarnation, 2)).toMatchObject({ isAccepted: false, term: 3 });
    expect(one.node.status().role).toBe('replica');
  });
});

describe('a planned handover', () => {
  const hand = (one: TestNode, to: TestNode, term = 1) => {
    const { clusterId, group, logId } = claim;
    const request = { clusterId, group, logId, node: one.name, term, next: { term: 2, node: to.name } };
    return cluster.group.until(portOf(one).handOver(request));
  };

  it('leaves a master without a lease in its place where the other one is not reached, and is done once it is', async () => {
    const { master } = cluster;
    const to = replica();
    for (const other of cluster.nodes.values())
      if (other !== master) cluster.group.network.cut(master.address, other.address);
    await cluster.group.untilTrue(() => master.node.status().state === 'no_lease', 'no lease');
    expect(await hand(master, to)).toMatchObject({ isAccepted: false, leadsOn: true });
    expect(master.node.status()).toMatchObject({ role: 'master', term: 1 });
    cluster.group.network.heal();
    await cluster.group.untilTrue(() => master.node.status().state === 'serving', 'a lease again');
    expect(await hand(master, to)).toMatchObject({ isAccepted: true });
    await cluster.group.untilTrue(() => to.node.status().role === 'master', 'the other one leads');
  });

  it('of a term that it does not lead is refused: a failover has to decide', async () => {
    const one = replica();
    expect(await hand(one, cluster.master)).toMatchObject({ isAccepted: false, leadsOn: false });
  });
});

describe('an announcement', () => {
  it('of another master of the same term fences no member: the coordinator and an operator decide', async () => {
    const { master } = cluster;
    const { logId } = claim;
    const said = { nodeId: 'e'.repeat(32), logId, term: 1, advertise: 'x:1' };
    const announced = cluster.group.until(master.node.ports.replication.announce(said, '127.0.0.1'));
    await expect(announced).rejects.toMatchObject({
      code: 'failed_precondition',
      message: 'this node leads term 1 too: see walnut cluster status',
    });
    expect(master.node.status().state).toBe('serving');
  });
});
