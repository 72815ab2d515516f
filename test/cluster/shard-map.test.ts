import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { applyChange } from '#cluster/map-change.ts';
import { diffMaps } from '#cluster/map-diff.ts';
import {
  type ClusterNode,
  divideSlots,
  electorateOf,
  type Group,
  grantsNeeded,
  majorityOf,
  ownerOf,
  runsOf,
  type ShardMap,
} from '#cluster/shard-map.ts';
import { SLOTS } from '#model/slots.ts';

describe('majorities', () => {
  it.each([
    [1, 1, 1],
    [2, 2, 1],
    [3, 2, 2],
    [4, 3, 2],
    [5, 3, 3],
  ])('of %i voters are %i, and %i grants meet each of them', (voters, majority, grants) => {
    expect(majorityOf(voters)).toBe(majority);
    expect(grantsNeeded(voters)).toBe(grants);
    expect(majority + grants).toBeGreaterThan(voters);
  });

  it('of no voters need a grant all the same, which nobody can give', () => {
    expect(grantsNeeded(0)).toBe(1);
  });
});

describe('the grants of a term', () => {
  const named = (names: string) => [...names].map((node) => ({ node, incarnation: 1 }));

  it.each([
    [7, undefined, 2, 'abc'],
    [7, { term: 7, count: 1, voters: named('b') }, 1, 'b'],
    [7, { term: 7, count: 3, voters: named('abc') }, 3, 'abc'],
    // Earlier versions wrote a count alone.
    [7, { term: 7, count: 1, voters: [] }, 1, 'abc'],
    [8, { term: 7, count: 1, voters: named('b') }, 2, 'abc'],
  ])('%i of three voters, where the record says %j, are %i of %s', (term, grants, needed, expected) => {
    const voters = named('abc');
    const nobody = { leader: undefined, lastLeader: '', next: undefined, withdrawn: 0 };
    const group = { id: 'g1', logId: 'l', voters, term, ...nobody, grants };
    expect(electorateOf(group)).toEqual({ needed, voters: named(expected) });
  });
});

describe('the owner of a slot', () => {
  it('is found at both ends of a range, and nowhere between ranges', () => {
    const slots = [
      { first: 10, last: 20, group: 'g1' },
      { first: 30, last: 30, group: 'g2' },
    ];
    const owners = [9, 10, 20, 21, 29, 30, 31].map((slot) => ownerOf(slots, slot));
    expect(owners).toEqual([undefined, 'g1', 'g1', undefined, undefined, 'g2', undefined]);
  });

  it('is one of any number of groups, which own as many slots as each other', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 0, max: SLOTS - 1 }), (count, slot) => {
        const groups = Array.from({ length: count }, (_, i) => `g${i}`);
        const slots = divideSlots(groups);
        const sizes = slots.map(({ first, last }) => last - first + 1);
        expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(SLOTS);
        expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
        const owning = slots.filter(({ first, last }) => first <= slot && slot <= last);
        expect(owning.map(({ group }) => group)).toEqual([ownerOf(slots, slot)]);
      }),
      { numRuns: 50 },
    );
  });
});

describe('the slots of one group', () => {
  it('are few runs: ranges that touch are one', () => {
    const slots = [
      { first: 0, last: 9, group: 'g1' },
      { first: 10, last: 20, group: 'g1' },
      { first: 21, last: 21, group: 'g2' },
      { first: 22, last: 30, group: 'g1' },
    ];
    const runs = [
      { first: 0, last: 20 },
      { first: 22, last: 30 },
    ];
    expect(runsOf(slots, 'g1')).toEqual(runs);
    expect(runsOf(slots, 'g2')).toEqual([{ first: 21, last: 21 }]);
    expect(runsOf(slots, 'g3')).toEqual([]);
  });
});

describe('the change between two maps', () => {
  const group = (id: string, term: number): Group => ({
    id,
    logId: 'a'.repeat(32),
    voters: [{ node: 'a:1', incarnation: 1 }],
    term,
    leader: undefined,
    lastLeader: '',
    next: undefined,
    withdrawn: 0,
    grants: undefined,
  });
  const node = (name: string, zone: string): ClusterNode => ({ name, address: name, zone, status: 'active' });
  const small = fc.integer({ min: 0, max: 3 });
  const map: fc.Arbitrary<ShardMap> = fc
    .record({
      epoch: fc.nat(),
      groups: fc.dictionary(fc.constantFrom('g1', 'g2', 'g3'), small),
      nodes: fc.dictionary(fc.constantFrom('a:1', 'b:2', 'c:3'), fc.constantFrom('', 'x')),
      cuts: fc.integer({ min: 1, max: 3 }),
    })
    .map(({ epoch, groups, nodes, cuts }) => ({
      clusterId: 'c'.repeat(32),
      epoch,
      groups: new Map(Object.entries(groups).map(([id, term]) => [id, group(id, term)])),
      slots: divideSlots(Array.from({ length: cuts }, (_, i) => `g${i}`)),
      nodes: new Map(Object.entries(nodes).map(([name, zone]) => [name, node(name, zone)])),
    }));

  it('turns the older into the newer', () => {
    fc.assert(
      fc.property(map, map, (older, newer) => {
        expect(applyChange(older, diffMaps(older, newer))).toEqual(newer);
      }),
    );
  });

  it('names only what changed', () => {
    const older: ShardMap = {
      clusterId: 'c',
      epoch: 1,
      groups: new Map([group('g1', 1), group('g2', 1)].map((each) => [each.id, each])),
      slots: divideSlots(['g1', 'g2']),
      nodes: new Map([['a:1', node('a:1', '')]]),
    };
    const newer = { ...older, epoch: 2, groups: new Map(older.groups).set('g2', group('g2', 2)) };
    expect(diffMaps(older, newer)).toEqual({
      fromEpoch: 1,
      epoch: 2,
      groups: [group('g2', 2)],
      groupsGone: [],
      slots: undefined,
      nodes: [],
      nodesGone: [],
    });
    expect(() => applyChange(newer, diffMaps(older, newer))).toThrow(
      'a change from epoch 1 on a map of epoch 2',
    );
  });
});
