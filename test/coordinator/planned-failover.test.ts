/** Planned failovers of one group: done, refused beforehand, or withdrawn with the master in place. */
import { afterEach, describe, expect, it } from 'vitest';
import type { ShardMap } from '#cluster/shard-map.ts';
import { decodeEpoch, decodeGroup, encodeEpoch, encodeGroup } from '#wire/cluster-codec.ts';
import { SimulatedCluster } from './simulated-cluster.ts';

let cluster: SimulatedCluster;

async function begin(): Promise<void> {
  cluster = new SimulatedCluster(7);
  await cluster.begin();
  await cluster.clock.advance(4_000);
}

const isLed = (): boolean => cluster.master !== undefined;
const led = (): [string | undefined, number | undefined] => [cluster.master?.name, cluster.master?.term];
const alarms = () => cluster.active?.coordinator.alarms.map(({ why }) => why);

afterEach(() => {
  if (cluster.master !== undefined) cluster.checkKept(cluster.master);
  expect(cluster.wrongs).toEqual([]);
});

describe('a planned failover', () => {
  const ask = (to: string): Promise<ShardMap> =>
    cluster.drive(cluster.active?.coordinator.requests.failoverGroup('g1', to) as Promise<ShardMap>);

  it('hands over without a wait, and is answered alike when it is repeated', async () => {
    await begin();
    const { epoch } = await ask('c');
    await cluster.advanceUntil(() => cluster.master?.name === 'c', 1_500);
    expect(led()).toEqual(['c', 2]);
    await cluster.clock.advance(1_000);
    expect((await ask('c')).epoch).toBe(epoch + 1);
    expect(cluster.active?.coordinator.map?.groups.get('g1')).toMatchObject({
      next: undefined,
      lastLeader: 'a',
    });
  });

  it('to nobody in particular goes to the most advanced of the others', async () => {
    await begin();
    cluster.network.cut('a', 'b');
    await cluster.clock.advance(500);
    await ask('');
    await cluster.advanceUntil(() => cluster.master?.name === 'c', 1_500);
  });

  it.each<[string, string, () => unknown]>([
    ['is silent', 'is not heard', () => cluster.member('c').kill()],
    [
      'could take no writes',
      'could take no writes: no space',
      () => Object.assign(cluster.member('c'), { isSick: true }),
    ],
    ['does not follow the master', 'does not follow a', () => cluster.network.cut('a', 'c')],
    [
      'drains',
      'is draining',
      () => cluster.active?.coordinator.requests.setNodeStatus('c', 'draining').catch(() => {}),
    ],
  ])('to a voter that %s is refused, and the master leads on', async (_, why, happen) => {
    await begin();
    happen();
    await cluster.clock.advance(3_000);
    await expect(ask('c')).rejects.toMatchObject({
      code: 'failed_precondition',
      message: `c cannot lead g1 now: it ${why}; see walnut cluster nodes`,
    });
    await cluster.clock.advance(5_000);
    expect(led()).toEqual(['a', 1]);
  });

  it.each<[string, () => unknown, string]>([
    [
      'no other voter is heard',
      () => ['b', 'c'].map((name) => cluster.member(name).kill()),
      'b is not heard and c is not heard',
    ],
    [
      'one of the others is not heard, and a failover that fails would need it',
      () => cluster.member('b').kill(),
      'b is not heard, and a failover that came to nothing would need it',
    ],
  ])('to nobody in particular is refused with the reasons where %s', async (_, happen, why) => {
    await begin();
    happen();
    await cluster.clock.advance(3_000);
    await expect(ask('')).rejects.toMatchObject({
      code: 'failed_precondition',
      message: `no voter of g1 could lead in place of a now: ${why}; see walnut cluster nodes`,
    });
    expect(led()).toEqual(['a', 1]);
  });

  const record = () => cluster.active?.coordinator.map?.groups.get('g1');

  it('that the master refuses is withdrawn: the master stays, and its term is given to nobody', async () => {
    await begin();
    cluster.member('a').refusesPlans = true;
    await ask('c');
    await cluster.clock.advance(500);
    expect(record()).toMatchObject({ next: undefined, withdrawn: 2, term: 1 });
    expect(alarms()).toEqual(['the plan that c leads g1 was withdrawn: a did not hand over: refused']);
    await cluster.clock.advance(5_000);
    expect(led()).toEqual(['a', 1]);
    cluster.member('a').refusesPlans = false;
    await ask('c');
    await cluster.advanceUntil(() => cluster.master?.name === 'c', 1_500);
    expect(led()).toEqual(['c', 3]);
    await cluster.clock.advance(500);
    expect(alarms()).toEqual([]);
  });

  it('that cannot be costs a master nothing where it is the only one that could lead', async () => {
    await begin();
    cluster.member('b').kill();
    cluster.member('c').kill();
    await ask('c');
    await cluster.clock.advance(15_000);
    expect(led()).toEqual(['a', 1]);
    const noQuorum = expect.stringContaining('no write reaches QUORUM');
    const withdrawn = 'the plan that c leads g1 was withdrawn: a did not hand over: refused';
    expect(alarms()).toEqual([withdrawn, noQuorum]);
    await cluster.clock.advance(60_000);
    expect(alarms()).toEqual([noQuorum]);
  });

  it.each([
    ['stops', () => cluster.member('a').clock.pause()],
    ['is killed', () => cluster.member('a').kill()],
    ['is cut off from everybody', () => cluster.isolate('a')],
  ])(
    'whose master %s meanwhile is a failover after 1.5 s of silence, as without a plan',
    async (_, happen) => {
      await begin();
      // The hand-over takes longer than the master is there.
      cluster.network.cut('a', 'b');
      await ask('b');
      await cluster.advanceUntil(() => cluster.member('a').whyNoWrites === 'handing over', 1_000);
      happen();
      const isFollowed = (): boolean => cluster.master !== undefined && cluster.master.name !== 'a';
      await cluster.advanceUntil(isFollowed, 5_000);
      expect(record()).toMatchObject({ next: undefined, withdrawn: 0 });
      cluster.member('a').clock.resume();
      await cluster.clock.advance(2_000);
    },
  );

  it('that nobody answers is withdrawn after 10 s; a hand-over that arrives later ends in a failover above it', async () => {
    await begin();
    cluster.handOversLateMs = 17_000;
    await ask('b');
    await cluster.advanceUntil(() => record()?.withdrawn === 2, 16_000);
    cluster.handOversLateMs = 0;
    expect(record()).toMatchObject({ next: undefined, withdrawn: 2, term: 1 });
    expect(led()).toEqual(['a', 1]);
    await cluster.advanceUntil(() => cluster.member('b').isMaster, 10_000);
    expect(cluster.member('b').term).toBe(2);
    await cluster.advanceUntil(() => record()?.term === 3, 10_000);
    await cluster.advanceUntil(isLed, 5_000);
  });

  it('is refused where too many came to nothing in one term, since members believe no term far above', async () => {
    await begin();
    const { store } = cluster;
    const { entries } = await store.read('/walnut/test/');
    const epoch = entries.find(({ key }) => key.endsWith('/epoch'));
    const group = entries.find(({ key }) => key.endsWith('/groups/g1'));
    const value = encodeGroup({ ...decodeGroup(group?.value as Uint8Array), withdrawn: 1 + 512 });
    await store.transact({
      compare: [],
      writes: [
        { key: group?.key as string, value },
        { key: epoch?.key as string, value: encodeEpoch(decodeEpoch(epoch?.value as Uint8Array) + 1) },
      ],
    });
    await cluster.clock.advance(1_000);
    await expect(ask('b')).rejects.toThrow('too many planned failovers of g1 came to nothing in term 1');
    cluster.member('a').kill();
    await cluster.advanceUntil(isLed, 6_000);
    expect(cluster.master?.term).toBe(1 + 513);
    await cluster.clock.advance(4_000);
    await ask('c');
    await cluster.advanceUntil(() => cluster.master?.name === 'c', 2_500);
  });

  it.each([
    ['g2', 'b', 'not_found', 'there is no group g2: there are g1'],
    ['g1', 'z', 'invalid_argument', 'z is no voter of g1: expected one of a, b, c'],
  ])('of %s to %s is refused', async (group, to, code, message) => {
    await begin();
    const asked = cluster.drive(
      cluster.active?.coordinator.requests.failoverGroup(group, to) as Promise<ShardMap>,
    );
    await expect(asked).rejects.toMatchObject({ code, message });
  });
});
