/** What a recovery makes of what the store has and the nodes say. */
import { describe, expect, it } from 'vitest';
import type { Heartbeat, Observation } from '#cluster/heartbeat.ts';
import { planRecovery } from '#cluster/plan-recovery.ts';
import { divideSlots, type Group, type ShardMap } from '#cluster/shard-map.ts';
import { makeEpoch, NO_POSITION, TERM_MAX, toLsn } from '#model/position.ts';
import { heartbeatOf } from '#test/doubles/heartbeat.ts';

const NOW_MS = 50_000;
const CLUSTER = 'c'.repeat(32);
const LOG = '1'.repeat(32);
const GENERATION = 2 ** 32;

const voters = (names: string, incarnation = 1) => [...names].map((node) => ({ node, incarnation }));
const record: Group = {
  id: 'g1',
  logId: LOG,
  voters: voters('abc'),
  term: 4,
  leader: { node: 'a', incarnation: 1, tail: NO_POSITION },
  lastLeader: '',
  next: undefined,
  withdrawn: 0,
  grants: undefined,
};
const mapWith = (fields: Partial<ShardMap> = {}): ShardMap => ({
  clusterId: CLUSTER,
  epoch: 7,
  groups: new Map([['g1', record]]),
  slots: divideSlots(['g1']),
  nodes: new Map([['a', { name: 'a', address: 'old:1', zone: 'z', status: 'draining' }]]),
  ...fields,
});
const EMPTY = mapWith({ clusterId: '', epoch: 0, groups: new Map(), slots: [], nodes: new Map() });

function say(node: string, fields: Partial<Heartbeat> = {}, agoMs = 0): Observation {
  const of = { clusterId: CLUSTER, group: 'g1', logId: LOG, term: 9, mapEpoch: 20, logVoters: voters('abc') };
  const heartbeat = heartbeatOf(node, { role: 'replica', ...of, ...fields });
  const since = { roleSinceMs: 0, epochSinceMs: 0, noWritesSinceMs: undefined, fewAcksSinceMs: undefined };
  return { heartbeat, heardMs: NOW_MS - agoMs, ...since };
}

function plan(map: ShardMap, said: Observation[], forced = '', unbelieved: string[] = []) {
  const observations = new Map(said.map((each) => [each.heartbeat.node, each]));
  return planRecovery({ map, observations, nowMs: NOW_MS, unbelieved }, forced);
}

const at = (term: number, lsn: number) => ({ tail: { epoch: makeEpoch(term, 1), lsn: toLsn(lsn) } });

describe('a recovery', () => {
  it('is refused while two lead one term, since either may have what was acknowledged', () => {
    const masters = [say('a', { role: 'master' }), say('b', { role: 'master' }), say('c')];
    expect(plan(mapWith(), masters).problems).toEqual([
      expect.stringContaining('a and b both lead term 9 of g1: start the one that takes no writes'),
    ]);
    const [a, , c] = masters;
    expect(plan(mapWith(), [a, say('b', { role: 'master', term: 8 }), c] as Observation[]).problems).toEqual(
      [],
    );
    const empty = say('b', { role: 'replica', incarnation: 2 });
    expect(plan(mapWith(), [a, empty, c] as Observation[]).problems).toEqual([]);
  });

  it('of an older store has terms above all that are stated, and an epoch of the next generation', () => {
    const { problems, groups, epoch, clusterId, nodes, slots } = plan(mapWith(), [
      say('a'),
      say('b', { term: 12 }),
    ]);
    expect(problems).toEqual([]);
    expect([clusterId, epoch]).toEqual([CLUSTER, GENERATION]);
    expect(groups).toEqual([
      {
        group: { ...record, term: 112, leader: undefined, lastLeader: 'a' },
        heard: ['a', 'b'],
        missing: ['c'],
      },
    ]);
    expect(nodes.map(({ name, address, status }) => [name, address, status])).toEqual([
      ['a', 'a:1', 'draining'],
      ['b', 'b:1', 'active'],
      ['c', '', 'active'],
    ]);
    expect(slots).toEqual(divideSlots(['g1']));
  });

  it('writes no epoch that could not be read again, whatever a node states', () => {
    const { problems } = plan(mapWith(), [say('a'), say('b', { mapEpoch: Number.MAX_SAFE_INTEGER })]);
    expect(problems).toEqual([
      `b states map epoch ${Number.MAX_SAFE_INTEGER}, above which there is no other: stop it`,
    ]);
  });

  it('again goes to the generation after the one that a node heard of', () => {
    const said = [say('a', { mapEpoch: 3 * GENERATION + 5 }), say('b')];
    expect(plan(mapWith({ epoch: GENERATION }), said).epoch).toBe(4 * GENERATION);
  });

  it('of a lost store is made of what the nodes say, with all slots for the only group', () => {
    const { problems, clusterId, groups, slots } = plan(EMPTY, [say('a'), say('c')]);
    expect(problems).toEqual([]);
    expect(clusterId).toBe(CLUSTER);
    expect(groups[0]?.group).toMatchObject({ id: 'g1', logId: LOG, voters: voters('abc'), term: 109 });
    expect(slots).toEqual([{ first: 0, last: 16_383, group: 'g1' }]);
  });

  it('of a lost store gives each group the slots that its log owns', () => {
    const of = (group: string, ...owned: { first: number; last: number }[]) => ({
      ...{ group, owned, logId: group.repeat(16) },
      logVoters: voters('ab'),
    });
    const [low, high] = [
      { first: 0, last: 8_191 },
      { first: 8_192, last: 16_383 },
    ];
    const both = [say('c', of('g2', high)), say('a', of('g1', low)), say('e', of('g3'))];
    expect(plan(EMPTY, both).slots).toEqual([
      { ...low, group: 'g1' },
      { ...high, group: 'g2' },
    ]);
    // A log that is behind may not have it yet.
    const newer = [say('a', { ...of('g1', low), ...at(9, 5) }), say('b', { ...of('g1'), ...at(9, 4) })];
    expect(plan(EMPTY, [...newer, say('c', of('g2', high))]).slots).toHaveLength(2);
    // A whole group is not heard.
    expect(plan(EMPTY, [say('a', of('g1', low))]).problems).toContainEqual(
      expect.stringContaining('no log of a node that is heard owns slots 8192 to 16383: start a node'),
    );
    expect(plan(EMPTY, [say('a', of('g1', low)), say('c', of('g2', low))]).problems).toContainEqual(
      'the log of g2 owns slot 0, and that of another group does, too',
    );
    expect(
      plan(EMPTY, [say('a', of('g1', low)), say('c', { ...of('g2'), owned: undefined })]).problems,
    ).toContainEqual(
      expect.stringContaining('does not say which group owns which slots, and not every log does'),
    );
  });

  it('takes the member list of the most advanced log, and counts no other incarnation', () => {
    const newer = [
      { node: 'a', incarnation: 1 },
      { node: 'b', incarnation: 2 },
      { node: 'c', incarnation: 1 },
    ];
    const said = [say('a', { ...at(9, 50), logVoters: newer }), say('b', at(8, 90)), say('c', at(9, 40))];
    const { groups } = plan(mapWith(), said);
    expect(groups[0]).toMatchObject({ heard: ['a', 'c'], missing: ['b'], group: { voters: newer } });
  });

  it('of a forced group asks the grants of all that are heard, in the next term only', () => {
    const map = mapWith({ epoch: 20 });
    const { groups, epoch, problems } = plan(map, [say('b', { term: 4 })], 'g1');
    expect(problems).toEqual([]);
    expect(epoch).toBe(21);
    expect(groups[0]).toMatchObject({
      heard: ['b'],
      missing: ['a', 'c'],
      group: { term: 104, grants: { term: 104, count: 1, voters: voters('b') }, voters: voters('abc') },
    });
  });

  const level = { term: 4, mapEpoch: 7 };

  it('of a forced group is done where its term waits for more than a failover needs', () => {
    const adopted = { ...record, leader: undefined, grants: { term: 4, count: 3, voters: voters('abc') } };
    const map = mapWith({ groups: new Map([['g1', adopted]]) });
    const { problems, groups } = plan(map, [say('a', level), say('c', level)], 'g1');
    expect(problems).toEqual([]);
    expect(groups[0]?.missing).toEqual(['b']);
  });

  it('of a forced group can be repeated where those whose grants count are gone too', () => {
    const waiting = { ...record, leader: undefined, grants: { term: 4, count: 1, voters: voters('a') } };
    const map = mapWith({ groups: new Map([['g1', waiting]]) });
    const { problems, groups } = plan(map, [say('b', level), say('c', level)], 'g1');
    expect(problems).toEqual([]);
    expect(groups[0]?.group.grants?.voters).toEqual(voters('bc'));
  });

  it('names voters that are not believed where it is refused, and goes on without them elsewhere', () => {
    const why = ['c states term 5000'];
    expect(plan(mapWith(), [say('a', level)], '', why).problems).toEqual(why);
    expect(plan(mapWith(), [say('a')], '', why).problems).toEqual([
      expect.stringMatching(/^g1 needs 2/),
      ...why,
    ]);
    expect(plan(mapWith(), [say('a'), say('b')], '', why).problems).toEqual([]);
  });

  it('gives no term that is above the highest there is', () => {
    const term = TERM_MAX - 50;
    const map = mapWith({ groups: new Map([['g1', { ...record, term }]]) });
    expect(plan(map, [say('a', { term }), say('b')]).problems).toEqual([
      expect.stringMatching(/^g1: term 2097101 was seen .*: walnut wal reset-term DIR$/),
    ]);
  });

  it('does not say that nothing is wrong beside something that is', () => {
    const { problems } = plan(EMPTY, []);
    expect(problems).toEqual([expect.stringContaining('no node that belongs to a cluster is heard')]);
  });

  it.each<[string, ShardMap, Observation[], string, string]>([
    [
      'nothing is wrong',
      mapWith(),
      [say('a', level), say('b', level)],
      '',
      'nothing is to be recovered: no node states a term or an epoch above those of the metadata store',
    ],
    [
      'too few are heard',
      mapWith(),
      [say('a'), say('b', {}, 2_000)],
      '',
      'g1 needs 2 of its voters, and a of them is heard: start b or c, or give up what only their disks have: walnut cluster recover --group g1 --force',
    ],
    [
      'nodes of two clusters are heard',
      EMPTY,
      [say('a'), say('b'), say('x', { clusterId: 'd'.repeat(32) })],
      '',
      'nodes of 2 clusters are heard, and the metadata store names none: stop those of the others',
    ],
    [
      'no node of a cluster is heard',
      EMPTY,
      [say('a', { clusterId: '', group: '' })],
      '',
      'no node that belongs to a cluster is heard: start them, with the addresses of the coordinators',
    ],
    [
      'nobody knows who owns the slots',
      EMPTY,
      [say('a'), say('b'), say('x', { group: 'g2', logVoters: voters('x') })],
      '',
      'the metadata store does not say which group owns which slots, and not every log does: restore any backup of it first',
    ],
    [
      'the group that is forced is whole',
      mapWith(),
      [say('a'), say('b'), say('c')],
      'g1',
      'a and b and c of g1 are heard, and 2 of its voters are enough: nothing has to be given up: recover it without --force',
    ],
    [
      'enough of the group that is forced are heard',
      mapWith(),
      [say('a', level), say('c', level)],
      'g1',
      'a and c of g1 are heard, and 2 of its voters are enough: nothing has to be given up: it fails over by itself, see walnut cluster status',
    ],
    [
      'nobody of the group that is forced is heard',
      mapWith(),
      [],
      'g1',
      'g1 needs 1 of its voters, and none of them are heard: start a or b or c',
    ],
    [
      'the leader of the group that is forced takes writes',
      mapWith(),
      [say('a', { ...level, role: 'master' })],
      'g1',
      'a leads g1 and takes writes: a failover would bring none nearer to QUORUM, and nothing has to be given up: start b and c, each on an empty directory where its disk is gone',
    ],
    [
      'the store has no cluster, and too few are heard',
      EMPTY,
      [say('a')],
      '',
      'this coordinator may have the wrong metadata store, where another one acts with which the nodes work: correct its coordinator.cluster or coordinator.metadata, and recover nothing',
    ],
    ...['', 'g1'].map((forced): [string, ShardMap, Observation[], string, string] => [
      `nobody knows the voters, forced: '${forced}'`,
      EMPTY,
      [say('a', { logVoters: [] }), say('b', { logVoters: [] })],
      forced,
      'nobody knows the voters of g1: neither the metadata store nor the log of a node that is heard lists them: start its other nodes, or restore any backup of the store that has the group',
    ]),
    [
      'the group that is forced is unknown',
      mapWith(),
      [say('a', level), say('b', level)],
      'g9',
      'there is no group g9: there are g1',
    ],
  ])('is refused where %s', (_, map, said, forced, problem) => {
    expect(plan(map, said, forced).problems).toContain(problem);
  });
});
