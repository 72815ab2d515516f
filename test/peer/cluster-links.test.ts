/** A coordinator and a member over one loopback port: what one asks is what the other is asked. */
import { afterEach, describe, expect, it } from 'vitest';
import type { MemberPort, TermClaimAnswer } from '#cluster/member-port.ts';
import type { Group, ShardMap } from '#cluster/shard-map.ts';
import { createMembers } from '#coordinator/members.ts';
import { WalnutError } from '#model/errors.ts';
import { makeEpoch, type Position, toLsn } from '#model/position.ts';
import { ClusterLinks } from '#peer/cluster-links.ts';
import { createNodeClock } from '#platform/node-clock.ts';
import { STRICT_JSON } from '#rpc/rpc-adapter.ts';
import type { RpcModule } from '#rpc/rpc-routes.ts';
import { createMemberModule } from '#server/member-service.ts';
import { openRpcEdge } from '#test/server/rpc-edge.ts';

const TAIL: Position = { epoch: makeEpoch(3, 9), lsn: toLsn(12) };
const GRANT: TermClaimAnswer = {
  isGranted: true,
  term: 4,
  reason: '',
  voter: { node: 'a', incarnation: 7 },
  tail: TAIL,
  epochs: [{ epoch: TAIL.epoch, firstLsn: toLsn(1) }],
  isQuarantined: false,
  isLoading: false,
};
const group: Group = {
  id: 'g1',
  logId: '1'.repeat(32),
  voters: [{ node: 'a', incarnation: 7 }],
  term: 4,
  leader: { node: 'a', incarnation: 7, tail: TAIL },
  lastLeader: '',
  next: undefined,
  withdrawn: 0,
  grants: undefined,
};

class FakeMember implements MemberPort {
  readonly asked: unknown[] = [];
  grant: TermClaimAnswer | WalnutError = GRANT;

  async claim(request: unknown): Promise<TermClaimAnswer> {
    this.asked.push(request);
    if (this.grant instanceof WalnutError) throw this.grant;
    return this.grant;
  }

  async takeOver(request: unknown) {
    this.asked.push(request);
    return { isAccepted: true, reason: '', term: 4 };
  }

  async handOver(request: unknown) {
    this.asked.push(request);
    return { isAccepted: false, leadsOn: true, reason: 'b lacks records', term: 4 };
  }
}

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0).reverse()) cleanup();
});

async function open(module: RpcModule): Promise<{ links: ClusterLinks; address: string }> {
  const { port, close } = await openRpcEdge({
    isDirect: true,
    compressMinBytes: 1 << 30,
    jsonOptions: STRICT_JSON,
    observe: () => {},
    routes: (routes) => module.register(routes),
  });
  const links = new ClusterLinks({ clock: createNodeClock() });
  cleanups.push(close, () => links.close());
  return { links, address: `127.0.0.1:${port}` };
}

async function openMember() {
  const member = new FakeMember();
  const { links, address } = await open(createMemberModule(member));
  const map: ShardMap = {
    clusterId: '2'.repeat(32),
    epoch: 5,
    groups: new Map([['g1', group]]),
    slots: [{ first: 0, last: 16_383, group: 'g1' }],
    nodes: new Map([['a', { name: 'a', address, zone: 'z', status: 'active' }]]),
  };
  return { member, map, links, members: createMembers((at) => links.member(at)) };
}

describe('what a coordinator asks of a member', () => {
  it('arrives with cluster, node, group and log named, and so does the answer', async () => {
    const { member, map, members } = await openMember();
    const to = { clusterId: map.clusterId, node: 'a', group: 'g1', logId: group.logId };
    const { incarnation, tail } = { incarnation: 7, tail: TAIL };
    const grant = { node: 'a', incarnation, tail, isQuarantined: false, isLoading: false };
    expect(await members.wouldGrant(map, 'a', group, 9)).toEqual({ kind: 'granted', term: 4, grant });
    expect(await members.claim(map, 'a', group)).toEqual({ kind: 'granted', term: 4, grant });
    expect(await members.takeOver(map, group, { node: 'a', incarnation, tail })).toMatchObject({
      isAccepted: true,
    });
    const answer = { isAccepted: false, leadsOn: true, reason: 'b lacks records' };
    expect(await members.handOver(map, group, { term: 5, node: 'b' })).toEqual(answer);
    expect(member.asked).toEqual([
      { ...to, term: 9, isCheck: true },
      { ...to, term: 4, isCheck: false },
      { ...to, term: 4, incarnation, tail, map },
      { ...to, term: 4, next: { term: 5, node: 'b' } },
    ]);
  });

  it('is no grant where the member refuses, fails, or is another node', async () => {
    const { member, map, members } = await openMember();
    member.grant = { ...GRANT, isGranted: false, term: 8 };
    expect(await members.claim(map, 'a', group)).toEqual({ kind: 'refused', term: 8 });
    member.grant = new WalnutError('failed_precondition', 'another log');
    await expect(members.claim(map, 'a', group)).rejects.toThrow('another log');
    member.grant = { ...GRANT, voter: { node: 'b', incarnation: 7 } };
    await expect(members.claim(map, 'a', group)).rejects.toThrow(/b answered in place of a/);
    await expect(members.claim(map, 'c', group)).rejects.toThrow('the map lists no node c');
  });

  it('is no answer after its link was given up', async () => {
    const { map, members, links } = await openMember();
    await members.claim(map, 'a', group);
    links.retain(new Set(['other:1']));
    expect(await members.claim(map, 'a', group)).toMatchObject({ kind: 'granted' });
    const unlisted = { ...map, nodes: new Map([['a', { ...map.nodes.get('a'), address: 'nowhere' }]]) };
    await expect(members.claim(unlisted as ShardMap, 'a', group)).rejects.toThrow(/"nowhere" is no address/);
  });
});
