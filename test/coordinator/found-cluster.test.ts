import { describe, expect, it } from 'vitest';
import type { GroupPlan } from '#cluster/coordinator-port.ts';
import type { Observation } from '#cluster/heartbeat.ts';
import { GROUPS_MAX, type Group, type ShardMap } from '#cluster/shard-map.ts';
import { addedGroup, foundCluster } from '#coordinator/found-cluster.ts';
import type { WalnutError } from '#model/errors.ts';
import { makeEpoch, toLsn } from '#model/position.ts';
import { heartbeatOf } from '#test/doubles/heartbeat.ts';
import { SeededRandom } from '#test/doubles/seeded-random.ts';

const NOW_MS = 50_000;
const NO_MAP: ShardMap = { clusterId: '', epoch: 0, groups: new Map(), slots: [], nodes: new Map() };

function observation(node: string, fields: object = {}, heardMs = NOW_MS): Observation {
  const address = `${node}.example:8080`;
  const heartbeat = heartbeatOf(node, { incarnation: 3, address, zone: `zone ${node}`, ...fields });
  const sinceMs = { roleSinceMs: 0, epochSinceMs: 0, noWritesSinceMs: undefined, fewAcksSinceMs: undefined };
  return { heartbeat, heardMs, ...sinceMs };
}

const heard = new Map(
  [
    observation('a'),
    observation('b'),
    observation('c'),
    observation('busy', { role: 'master' }),
    observation('full', { tail: { epoch: makeEpoch(1, 1), lsn: toLsn(1) } }),
    observation('late', {}, NOW_MS - 1_500),
    observation('strict', { votersMin: 3 }),
  ].map((each) => [each.heartbeat.node, each]),
);
const found = (groups: readonly GroupPlan[], map = NO_MAP) =>
  foundCluster({
    map,
    plan: { kind: 'given', groups },
    observations: heard,
    nowMs: NOW_MS,
    random: new SeededRandom(1),
  });

describe('founding a cluster', () => {
  it('lists the nodes as they present themselves, divides the slots, and mints ids', () => {
    const writes = found([
      { id: 'g1', nodes: ['b', 'a'] },
      { id: 'g2', nodes: ['c'] },
    ]);
    expect(writes?.groups?.map(({ id, voters, term, leader }) => ({ id, voters, term, leader }))).toEqual([
      { id: 'g1', voters: ['a', 'b'].map((node) => ({ node, incarnation: 3 })), term: 1, leader: undefined },
      { id: 'g2', voters: [{ node: 'c', incarnation: 3 }], term: 1, leader: undefined },
    ]);
    expect(writes?.slots).toEqual([
      { first: 0, last: 8_191, group: 'g1' },
      { first: 8_192, last: 16_383, group: 'g2' },
    ]);
    expect(writes?.nodes?.[0]).toEqual({
      name: 'b',
      address: 'b.example:8080',
      zone: 'zone b',
      status: 'active',
    });
    const ids = [writes?.clusterId, ...(writes?.groups ?? []).map(({ logId }) => logId)];
    expect(new Set(ids).size).toBe(3);
    for (const id of ids) expect(id).toMatch(/^[0-9a-f]{32}$/);
  });

  it.each<[string, GroupPlan[]]>([
    ['a cluster needs at least one group, and each a name and a node', []],
    ['a cluster needs at least one group, and each a name and a node', [{ id: 'g1', nodes: [] }]],
    ['each group and each node may be named once', [{ id: 'g1', nodes: ['a', 'a'] }]],
    [
      'each group and each node may be named once',
      [
        { id: 'g1', nodes: ['a'] },
        { id: 'g1', nodes: ['b'] },
      ],
    ],
    ['group g/1: expected letters, digits and hyphens, at most 64', [{ id: 'g/1', nodes: ['a'] }]],
    ['x is not heard: start it, with the addresses of the coordinators', [{ id: 'g1', nodes: ['a', 'x'] }]],
    ['late is not heard: start it, with the addresses of the coordinators', [{ id: 'g1', nodes: ['late'] }]],
    ['busy is a master already', [{ id: 'g1', nodes: ['busy'] }]],
    ['full is not empty: start it on an empty directory', [{ id: 'g1', nodes: ['full'] }]],
    [
      'strict is configured for a group of at least 3 voters (cluster.durability), and g1 would have 2',
      [{ id: 'g1', nodes: ['a', 'strict'] }],
    ],
  ])('refuses: %s', (message, plans) => {
    expect(() => found(plans)).toThrow(message);
  });

  it('may be asked again where a node is not heard yet, and not where it is not free', () => {
    const codeOf = (node: string) => {
      try {
        return found([{ id: 'g1', nodes: [node] }]);
      } catch (error) {
        return (error as WalnutError).code;
      }
    };
    expect(['x', 'late', 'busy', 'full'].map(codeOf)).toEqual([
      ...['unavailable', 'unavailable'],
      ...['failed_precondition', 'failed_precondition'],
    ]);
  });

  it('refuses more groups than the store takes in one transaction', () => {
    const plans = (count: number) =>
      Array.from({ length: count }, (_, i) => ({ id: `g${i}`, nodes: [`unheard-${i}`] }));
    expect(() => found(plans(GROUPS_MAX))).toThrow('unheard-0 is not heard');
    const most = 'a cluster has at most 125 groups, and this would be 126: name fewer groups';
    expect(() => found(plans(GROUPS_MAX + 1))).toThrow(most);
    const groups = new Map(plans(GROUPS_MAX).map(({ id }) => [id, { id, voters: [] } as unknown as Group]));
    const map = { ...NO_MAP, clusterId: 'c', groups };
    const founding = { map, observations: heard, nowMs: NOW_MS, random: new SeededRandom(1) };
    expect(() => addedGroup(founding, { id: 'more', nodes: ['a'] })).toThrow(most);
  });

  it('changes nothing where it is repeated, and refuses other groups', () => {
    const writes = found([{ id: 'g1', nodes: ['a', 'b'] }]);
    const groups = new Map(writes?.groups?.map((group) => [group.id, group]));
    const map = { ...NO_MAP, clusterId: 'c', epoch: 1, groups };
    expect(found([{ id: 'g1', nodes: ['b', 'a'] }], map)).toBeUndefined();
    expect(() => found([{ id: 'g1', nodes: ['a'] }], map)).toThrow('the cluster exists, with groups g1');
  });
});

describe('adopting a plain group', () => {
  const log = (digit: string) => digit.repeat(32);
  const plainNode = (node: string, replicas: string[] | undefined, fields: object = {}): Observation => {
    const plain = { isMaster: replicas !== undefined, replicas: replicas ?? [] };
    const tail = { epoch: makeEpoch(4, 1), lsn: toLsn(9) };
    return observation(node, { logId: log('7'), term: 4, tail, plain, ...fields });
  };
  const adopting = (groups: readonly GroupPlan[], ...nodes: Observation[]) =>
    foundCluster({
      map: NO_MAP,
      plan: { kind: 'given', groups },
      observations: new Map([observation('e'), ...nodes].map((each) => [each.heartbeat.node, each])),
      nowMs: NOW_MS,
      random: new SeededRandom(1),
    });
  const master = plainNode('m', ['r.example:8080']);
  const replica = plainNode('r', undefined, { term: 5 });

  it('keeps its log, asks all grants in a term far above, and gives it all slots', () => {
    const writes = adopting(
      [
        { id: 'g0', nodes: ['e'] },
        { id: 'g1', nodes: ['r', 'm'] },
      ],
      master,
      replica,
    );
    expect(writes?.groups?.[1]).toMatchObject({
      logId: log('7'),
      term: 518,
      leader: undefined,
      grants: { term: 518, count: 2, voters: ['m', 'r'].map((node) => ({ node, incarnation: 3 })) },
      voters: ['m', 'r'].map((node) => ({ node, incarnation: 3 })),
    });
    expect(writes?.slots).toEqual([{ first: 0, last: 16_383, group: 'g1' }]);
  });

  it.each<[string, Observation[], string[][]]>([
    ['r of g1 have the log of a plain group, and its master is not among them', [replica], [['r']]],
    [
      'the master m of g1 knows the replica at r.example:8080, and none of the nodes is there',
      [master],
      [['m']],
    ],
    [
      'm, r of g1 have the logs of 2 plain groups',
      [master, plainNode('r', undefined, { logId: log('8') })],
      [['m', 'r']],
    ],
    ['m and r of g1 are both masters of one log', [plainNode('m', []), plainNode('r', [])], [['m', 'r']]],
    [
      'one plain group can become part of a cluster',
      [plainNode('m', []), plainNode('r', [], { logId: log('8') })],
      [['m'], ['r']],
    ],
  ])('is refused: %s', (message, nodes, groups) => {
    const plans = groups.map((names, i) => ({ id: `g${i + 1}`, nodes: names }));
    expect(() => adopting(plans, ...nodes)).toThrow(message);
  });
});

describe('placing nodes by themselves', () => {
  const placed = (...nodes: Observation[]) =>
    foundCluster({
      map: NO_MAP,
      plan: { kind: 'auto', replicas: 1 },
      observations: new Map(nodes.map((each) => [each.heartbeat.node, each])),
      nowMs: NOW_MS,
      random: new SeededRandom(1),
    });
  const empty = [observation('a'), observation('b')];
  const withLog = {
    tail: { epoch: makeEpoch(4, 1), lsn: toLsn(9) },
    plain: { isMaster: true, replicas: [] },
  };

  it('takes those that are heard and empty', () => {
    expect(placed(...empty, observation('full', { tail: withLog.tail }))?.nodes?.length).toBe(2);
    expect(() => placed(observation('a'))).toThrow('needs 2 nodes that are heard and empty, and there are 1');
  });

  it('is refused while a node waits with a log to be adopted, and names it and the command', () => {
    expect(() => placed(...empty, observation('r', withLog), observation('m', withLog))).toThrow(
      'm, r have logs to be adopted, which placing by itself would leave out: name each group and its nodes: walnut cluster init --group GROUP=NODE,NODE',
    );
    expect(() => placed(...empty, observation('m', withLog))).toThrow('m has a log to be adopted');
    // One that is gone cannot be named either, and one that has a group is no restored one.
    expect(placed(...empty, observation('m', withLog, NOW_MS - 1_500))?.nodes?.length).toBe(2);
    expect(placed(...empty, observation('m', { ...withLog, role: 'master' }))?.nodes?.length).toBe(2);
  });
});

describe('adopting groups that were restored from a backup of a cluster', () => {
  const log = (digit: string) => digit.repeat(32);
  const node = (name: string, digit: string, first: number, last: number): Observation =>
    observation(name, {
      logId: log(digit),
      term: 4,
      tail: { epoch: makeEpoch(4, 1), lsn: toLsn(9) },
      plain: { isMaster: true, replicas: [] },
      owned: [{ first, last }],
    });
  const founded = (...nodes: Observation[]) =>
    foundCluster({
      map: NO_MAP,
      plan: {
        kind: 'given',
        groups: nodes.map(({ heartbeat }, i) => ({ id: `g${i + 1}`, nodes: [heartbeat.node] })),
      },
      observations: new Map(nodes.map((each) => [each.heartbeat.node, each])),
      nowMs: NOW_MS,
      random: new SeededRandom(1),
    });

  it('gives each the slots of its log, and keeps its log', () => {
    const writes = founded(node('y', '7', 8_000, 16_383), node('x', '8', 0, 7_999));
    expect(writes?.slots).toEqual([
      { first: 0, last: 7_999, group: 'g2' },
      { first: 8_000, last: 16_383, group: 'g1' },
    ]);
    expect(writes?.groups?.map(({ logId, term }) => [logId, term])).toEqual([
      [log('7'), 517],
      [log('8'), 517],
    ]);
    // A group that was restored as a plain one owns all slots by its log.
    expect(founded(node('y', '7', 0, 16_383))?.slots).toEqual([{ first: 0, last: 16_383, group: 'g1' }]);
  });

  it.each<[string, Observation[]]>([
    ['slots 0 to 7999 belong to none of g1 by their logs', [node('y', '7', 8_000, 16_383)]],
    [
      'slot 7999 belongs to g2 and to g1 by their logs',
      [node('y', '7', 7_999, 16_383), node('x', '8', 0, 7_999)],
    ],
  ])('is refused: %s', (message, nodes) => {
    expect(() => founded(...nodes)).toThrow(message);
  });
});

describe('a further group', () => {
  const writes = found([{ id: 'g1', nodes: ['a'] }]);
  const groups = new Map(writes?.groups?.map((group) => [group.id, group]));
  const map: ShardMap = { ...NO_MAP, clusterId: 'c', epoch: 1, groups };
  const plain = observation('plain', { plain: { isMaster: true, replicas: [] } });
  const observations = new Map([...heard, ['plain', plain]]);
  const added = (plan: GroupPlan) =>
    addedGroup({ map, observations, nowMs: NOW_MS, random: new SeededRandom(2) }, plan);

  it('has nodes that are free, and no slots', () => {
    const { groups: more, nodes, slots } = added({ id: 'g2', nodes: ['c', 'b'] }) ?? {};
    expect(more?.map(({ id, term, voters }) => [id, term, voters.map(({ node }) => node)])).toEqual([
      ['g2', 1, ['b', 'c']],
    ]);
    expect([nodes?.map(({ name }) => name), slots]).toEqual([['c', 'b'], undefined]);
  });

  it('changes nothing where it is repeated', () => {
    expect(added({ id: 'g1', nodes: ['a'] })).toBeUndefined();
  });

  it.each<[string, GroupPlan]>([
    ['g1 exists, with a', { id: 'g1', nodes: ['b'] }],
    ['a belongs to another group', { id: 'g2', nodes: ['a', 'b'] }],
    ['busy is a master already', { id: 'g2', nodes: ['busy'] }],
    [
      'plain has the log of a plain group, which can only become the first group of a new cluster: start it on an empty directory',
      { id: 'g2', nodes: ['plain'] },
    ],
    ['each group and each node may be named once', { id: 'g2', nodes: ['b', 'b'] }],
  ])('is refused: %s', (message, plan) => {
    expect(() => added(plan)).toThrow(message);
  });
});
