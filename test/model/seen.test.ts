/** What a session has seen of groups: which positions stay, and what a read has to show. */
import { describe, expect, it } from 'vitest';
import { makeEpoch, type Position, toLsn } from '#model/position.ts';
import { neededOf, type Seen, seenAfter, withoutGroup } from '#model/seen.ts';

const at = (group: string, term: number, lsn: number): Position => ({
  epoch: makeEpoch(term, 1),
  lsn: toLsn(lsn),
  group,
});
const text = (seen: Seen): string[] => seen.map(({ group, epoch, lsn }) => `${group} ${epoch - 1} ${lsn}`);
const epoch = (term: number): number => makeEpoch(term, 1) - 1;

describe('what a session has seen', () => {
  it.each([
    [
      'of another group stays',
      [at('g1', 1, 5)],
      at('g2', 1, 3),
      [],
      [`g1 ${epoch(1)} 5`, `g2 ${epoch(1)} 3`],
    ],
    ['of the same epoch is the later one', [at('g1', 1, 5)], at('g1', 1, 3), [], [`g1 ${epoch(1)} 5`]],
    [
      'of an earlier epoch stays unproven',
      [at('g1', 1, 5)],
      at('g1', 2, 3),
      [],
      [`g1 ${epoch(1)} 5`, `g1 ${epoch(2)} 3`],
    ],
    [
      'of an earlier epoch goes with a proof',
      [at('g1', 1, 5)],
      at('g1', 2, 9),
      [at('g1', 1, 5)],
      [`g1 ${epoch(2)} 9`],
    ],
    [
      'of an earlier epoch stays where the proof is of less',
      [at('g1', 1, 6)],
      at('g1', 2, 9),
      [at('g1', 1, 5)],
      [`g1 ${epoch(1)} 6`, `g1 ${epoch(2)} 9`],
    ],
    [
      'has nothing of an answer without a group',
      [at('g1', 1, 5)],
      { epoch: 1, lsn: toLsn(1) },
      [],
      [`g1 ${epoch(1)} 5`],
    ],
  ] as const)('%s', (_, seen, position, included, expected) => {
    expect(text(seenAfter(seen, position, included))).toEqual(expected);
  });

  it('has at most five positions of a group, however many failovers there were', () => {
    let seen: Seen = [];
    for (let term = 1; term <= 20; term++) seen = seenAfter(seen, at('g1', term, term), []);
    expect(seen.map(({ lsn }) => lsn)).toEqual([16, 17, 18, 19, 20]);
  });

  it('asks for the newest, and for a proof of the others', () => {
    const [old, newest] = [at('g1', 1, 9), at('g1', 2, 3)];
    expect(neededOf([newest, old])).toEqual({ atLeast: newest, earlier: [old] });
    expect(neededOf([])).toEqual({ atLeast: undefined, earlier: [] });
    expect(withoutGroup([old, at('g2', 1, 1)], 'g1')).toEqual([at('g2', 1, 1)]);
  });
});
