import { describe, expect, it } from 'vitest';
import { EpochTable, lastCommonLsn } from '#engine/epoch-table.ts';
import type { EpochStart, Lsn } from '#model/position.ts';
import { NO_POSITION, toLsn } from '#model/position.ts';

function starts(...rows: readonly (readonly [number, number])[]): EpochStart[] {
  return rows.map(([epoch, firstLsn]) => ({ epoch, firstLsn: firstLsn as Lsn }));
}

const TABLE = new EpochTable(starts([11, 1], [22, 10], [33, 11]));

describe('the epoch table', () => {
  it.each([
    [0, 0],
    [1, 11],
    [9, 11],
    [10, 22],
    [11, 33],
    [1_000, 33],
  ])('LSN %i was written in epoch %i', (lsn, epoch) => {
    expect(TABLE.epochAt(toLsn(lsn))).toBe(epoch);
  });

  it.each([
    [11, 1, 'in_history'],
    [11, 9, 'in_history'],
    [11, 10, 'discarded'],
    [22, 10, 'in_history'],
    [22, 11, 'discarded'],
    [33, 11, 'in_history'],
    [33, 1_000, 'in_history'],
    [44, 5, 'unknown'],
  ] as const)('a token (%i, %i) is %s', (epoch, lsn, standing) => {
    expect(TABLE.standingOf({ epoch, lsn: toLsn(lsn) })).toBe(standing);
  });

  it('has the beginning in every history, the empty one too', () => {
    expect(TABLE.standingOf(NO_POSITION)).toBe('in_history');
    const empty = new EpochTable();
    expect(empty.standingOf(NO_POSITION)).toBe('in_history');
    expect(empty.standingOf({ epoch: 11, lsn: toLsn(1) })).toBe('unknown');
    expect(empty.epochAt(toLsn(5))).toBe(0);
    expect(empty.newest).toBe(0);
  });

  it('gives copies of its rows and keeps those it was given apart', () => {
    const rows = starts([11, 1]);
    const table = new EpochTable(rows);
    table.add(22, toLsn(8));
    table.starts().pop();
    expect(rows).toHaveLength(1);
    expect(table.starts()).toEqual(starts([11, 1], [22, 8]));
    expect(table.newest).toBe(22);
  });
});

describe('the last LSN two histories share', () => {
  const rows: readonly (readonly [string, EpochStart[], number, EpochStart[], number, number])[] = [
    ['nothing here', [], 0, starts([11, 1]), 5, 0],
    ['nothing there', starts([11, 1]), 5, [], 0, 0],
    ['the same', starts([11, 1]), 5, starts([11, 1]), 5, 5],
    ['the other is ahead', starts([11, 1]), 5, starts([11, 1]), 9, 5],
    ['the other is behind', starts([11, 1]), 9, starts([11, 1]), 5, 5],
    ['other logs', starts([11, 1]), 9, starts([12, 1]), 9, 0],
    ['the other went on in a new epoch before our end', starts([11, 1]), 9, starts([11, 1], [22, 6]), 20, 5],
    ['the other went on in a new epoch after our end', starts([11, 1]), 4, starts([11, 1], [22, 6]), 20, 4],
    ['both went on, differently', starts([11, 1], [21, 8]), 9, starts([11, 1], [22, 6]), 20, 5],
    [
      'both went on differently from the same LSN',
      starts([11, 1], [21, 6]),
      9,
      starts([11, 1], [22, 6]),
      20,
      5,
    ],
    ['a shared second epoch', starts([11, 1], [22, 6]), 9, starts([11, 1], [22, 6], [33, 8]), 20, 7],
    ['the same epoch said to begin elsewhere', starts([11, 1], [22, 6]), 9, starts([11, 1], [22, 7]), 9, 5],
  ];

  it.each(rows)('%s', (_, ours, ourTail, theirs, theirTail, common) => {
    const a = { epochs: ours, tailLsn: toLsn(ourTail) };
    const b = { epochs: theirs, tailLsn: toLsn(theirTail) };
    expect(lastCommonLsn(a, b)).toBe(common);
    expect(lastCommonLsn(b, a)).toBe(common);
  });
});
