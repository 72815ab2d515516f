import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chooseLeader, type Grant } from '#cluster/choose-leader.ts';
import { judgeTerm, nextTerm } from '#cluster/group-terms.ts';
import { electorateOf, type Group, grantsNeeded, majorityOf } from '#cluster/shard-map.ts';
import { makeEpoch, TERM_MAX, termOf, toLsn } from '#model/position.ts';

function groupOf(names: string, fields: Partial<Group> = {}): Group {
  const voters = [...names].map((node) => ({ node, incarnation: 1 }));
  return {
    id: 'g1',
    logId: 'l',
    voters,
    term: 7,
    leader: undefined,
    lastLeader: '',
    next: undefined,
    withdrawn: 0,
    grants: undefined,
    ...fields,
  };
}

function grant(node: string, term: number, lsn: number, fields: Partial<Grant> = {}): Grant {
  const tail = { epoch: makeEpoch(term, 5), lsn: toLsn(lsn) };
  return { node, incarnation: 1, tail, isQuarantined: false, isLoading: false, ...fields };
}

interface Case {
  readonly group?: Group;
  readonly unfit?: string;
  readonly draining?: string;
  readonly zones?: Record<string, string>;
}

function choose(
  grants: readonly Grant[],
  { group = groupOf('abc'), unfit = '', draining = '', zones = {} }: Case = {},
): string {
  const choice = chooseLeader({
    group,
    electorate: electorateOf(group),
    grants,
    unfit: new Set(unfit),
    draining: new Set(draining),
    zones: new Map(Object.entries(zones)),
  });
  return choice.kind === 'leader' ? choice.grant.node : `lacks ${choice.lacking.join(' and ')}`;
}

const survived = groupOf('abc', { grants: { term: 7, count: 1, voters: [{ node: 'b', incarnation: 1 }] } });
const led = { group: groupOf('abc', { lastLeader: 'a' }) };

describe('the new leader', () => {
  it.each<[string, Grant[], Case, string]>([
    ['has the last record of the highest term', [grant('a', 3, 90), grant('b', 4, 10)], {}, 'b'],
    ['has most records of that term', [grant('a', 4, 10), grant('b', 4, 11)], {}, 'b'],
    [
      'is in the zone of the last one',
      [grant('b', 4, 9), grant('c', 4, 9)],
      { ...led, zones: { a: 'x', b: 'y', c: 'x' } },
      'c',
    ],
    ['is the first by name', [grant('c', 4, 9), grant('b', 4, 9)], led, 'b'],
    ['may be the last one', [grant('a', 4, 9), grant('b', 4, 8)], led, 'a'],
    ['is one of those whose grants count', [grant('a', 4, 9), grant('b', 4, 8)], { group: survived }, 'b'],
    [
      'is not chosen by others in their place',
      [grant('a', 4, 9), grant('c', 4, 9)],
      { group: survived },
      'lacks b',
    ],
    ['is nobody without voters', [grant('a', 4, 9)], { group: groupOf('') }, 'lacks '],
    ['needs two of three', [grant('a', 4, 9)], {}, 'lacks b and c'],
    [
      'needs the listed incarnations',
      [grant('a', 4, 9), grant('b', 4, 9, { incarnation: 2 })],
      {},
      'lacks b and c',
    ],
    ['is not chosen by learners', [grant('a', 4, 9), grant('z', 9, 99)], {}, 'lacks b and c'],
    [
      'is not quarantined',
      [grant('a', 4, 9), grant('b', 4, 9, { isQuarantined: true })],
      {},
      'lacks b and c',
    ],
    ['is not loading', [grant('a', 4, 9), grant('b', 4, 9, { isLoading: true })], {}, 'lacks b and c'],
    ['is fit where enough are', [grant('a', 4, 99), grant('b', 4, 9), grant('c', 4, 8)], { unfit: 'a' }, 'b'],
    [
      'does not drain where enough others do not',
      [grant('a', 4, 99), grant('b', 4, 9), grant('c', 4, 8)],
      { draining: 'a' },
      'b',
    ],
    [
      'drains where too few others are fit',
      [grant('a', 4, 99), grant('b', 4, 9), grant('c', 4, 8)],
      { unfit: 'a', draining: 'b' },
      'b',
    ],
    ['is unfit where too few are fit', [grant('a', 4, 99), grant('b', 4, 9)], { unfit: 'a' }, 'a'],
    ['is alone where a group of two lost the other', [grant('b', 4, 9)], { group: groupOf('ab') }, 'b'],
  ])('%s', (_, grants, given, expected) => {
    expect(choose(grants, given)).toBe(expected);
  });

  it('has every record that a majority had on its disks, with every set of voters that grants', () => {
    const tails = fc.array(fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 0, max: 9 })), {
      minLength: 1,
      maxLength: 5,
    });
    fc.assert(
      fc.property(tails, fc.nat(), (ends, chosen) => {
        const names = 'abcde'.slice(0, ends.length);
        const grants = ends.map(([term, lsn], i) => grant(names[i] as string, term, lsn));
        // The record that a majority has: what the weakest of the best W has, by term and LSN.
        const order = [...ends].sort((a, b) => b[0] - a[0] || b[1] - a[1]);
        const [term, lsn] = order[majorityOf(ends.length) - 1] as [number, number];
        const granting = grants.filter((_, i) => ((chosen >> i) & 1) === 1);
        const choice = chooseLeader({
          group: groupOf(names),
          electorate: electorateOf(groupOf(names)),
          grants: granting,
          unfit: new Set(),
          draining: new Set(),
          zones: new Map(),
        });
        if (choice.kind === 'too_few') {
          expect(granting.length).toBeLessThan(grantsNeeded(ends.length));
        } else {
          const [chosenTerm, chosenLsn] = [termOf(choice.grant.tail.epoch), choice.grant.tail.lsn];
          expect(chosenTerm > term || (chosenTerm === term && chosenLsn >= lsn)).toBe(true);
        }
      }),
    );
  });
});

describe('terms of a group', () => {
  it.each([
    [{ term: 7 }, 8],
    [{ term: 7, next: { term: 8, node: 'b' } }, 9],
    [{ term: 7, withdrawn: 9 }, 10],
    [{ term: TERM_MAX - 1 }, TERM_MAX],
  ])('after %j comes %i', (fields, expected) => {
    expect(nextTerm(groupOf('abc', fields))).toBe(expected);
  });

  it('come to an end', () => {
    expect(() => nextTerm(groupOf('abc', { term: TERM_MAX }))).toThrow('the highest there is');
  });

  it.each([
    [7, undefined, 'known'],
    [8, undefined, 'ahead'],
    [8, { term: 8, node: 'b' }, 'known'],
    [9, { term: 8, node: 'b' }, 'ahead'],
    [7 + 1_024, undefined, 'ahead'],
    [7 + 1_025, undefined, 'absurd'],
  ])('%i with next %j is %s', (stated, next, expected) => {
    expect(judgeTerm(groupOf('abc', { next }), stated)).toBe(expected);
  });
});
