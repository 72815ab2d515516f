import { describe, expect, it } from 'vitest';
import type { Heartbeat, Observation } from '#cluster/heartbeat.ts';
import { groupOf, isLeasable } from '#cluster/leasable.ts';
import type { Group, ShardMap } from '#cluster/shard-map.ts';
import { NO_POSITION } from '#model/position.ts';

const group: Group = {
  id: 'g1',
  logId: 'l',
  voters: ['a', 'b', 'c'].map((node) => ({ node, incarnation: 4 })),
  term: 7,
  leader: { node: 'a', incarnation: 4, tail: NO_POSITION },
  lastLeader: '',
  next: undefined,
  withdrawn: 0,
  grants: undefined,
};
const mapWith = (fields: Partial<Group>): ShardMap => ({
  clusterId: 'c',
  epoch: 3,
  groups: new Map([['g1', { ...group, ...fields }]]),
  slots: [],
  nodes: new Map(),
});
const said = { node: 'a', incarnation: 4, role: 'master', term: 7 } as Heartbeat;

describe('a heartbeat', () => {
  it.each<[string, Partial<Heartbeat>, Partial<Group>, number[], boolean]>([
    ['of the leader is leased', {}, {}, [7, 6], true],
    ['of another voter is not', { node: 'b' }, {}, [], false],
    ['of a node of no group is not', { node: 'z' }, {}, [], false],
    ['of a replica is not', { role: 'replica' }, {}, [], false],
    ['of a lower term is not', { term: 6 }, {}, [], false],
    ['of a higher term is not', { term: 8 }, {}, [], false],
    ['of another incarnation is not', { incarnation: 5 }, {}, [], false],
    ['while no leader is recorded is not', {}, { leader: undefined }, [], false],
    ['during a planned failover is leased', {}, { next: { term: 8, node: 'b' } }, [8], true],
    ['where a voter saw a term that the store never gave is not', {}, {}, [8], false],
    ['where a voter states a term that is not believed is leased', {}, {}, [7 + 1_025], true],
  ])('%s', (_, fields, record, termsHeard, expected) => {
    const known = { observations: new Map(), termsAround: () => termsHeard };
    expect(isLeasable(mapWith(record), { ...said, ...fields }, known, false)).toBe(expected);
  });

  it.each<[string, string, Partial<Heartbeat>, boolean]>([
    ['while another voter leads its term is not leased', 'b', {}, false],
    ['while another voter leads a lower term is leased', 'b', { term: 6 }, true],
    ['while another disk of a voter led its term is leased', 'b', { incarnation: 3 }, true],
    ['that leads its term itself is leased', 'a', {}, true],
  ])('of the leader %s', (_, node, fields, expected) => {
    const heard = { heartbeat: { ...said, node, ...fields } } as Observation;
    const known = { observations: new Map([[node, heard]]), termsAround: () => [7] };
    expect(isLeasable(mapWith({}), said, known, false)).toBe(expected);
  });

  const NEW: readonly [number, string[], boolean][] = [
    [3, ['a'], false],
    [3, ['a', 'b'], true],
    [4, ['a', 'b'], false],
    [4, ['a', 'b', 'c'], true],
    [2, ['a'], false],
    [2, ['a', 'b'], true],
    [1, ['a'], true],
  ];
  it.each(NEW)('of one of %i is leased by a new coordinator that heard %j: %s', (size, names, expected) => {
    const voters = ['a', 'b', 'c', 'd'].slice(0, size).map((node) => ({ node, incarnation: 4 }));
    const heard = names.map(
      (node) => [node, { heartbeat: { node, incarnation: 4 } } as Observation] as const,
    );
    const known = { observations: new Map(heard), termsAround: () => [7] };
    expect(isLeasable(mapWith({ voters }), said, known, true)).toBe(expected);
  });

  it('is not leased by a new coordinator for another disk of a voter, which knows of no term', () => {
    const other = { heartbeat: { node: 'b', incarnation: 5 } } as Observation;
    const observations = new Map([
      ['a', { heartbeat: said } as Observation],
      ['b', other],
    ]);
    expect(isLeasable(mapWith({}), said, { observations, termsAround: () => [7] }, true)).toBe(false);
  });

  it('belongs to the group of which its node is a voter', () => {
    expect([groupOf(mapWith({}), 'b')?.id, groupOf(mapWith({}), 'z')]).toEqual(['g1', undefined]);
  });
});
