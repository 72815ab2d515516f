import { describe, expect, it } from 'vitest';
import { lastCommonLsn } from '#engine/epoch-table.ts';
import { completeAddress } from '#model/address.ts';
import type { EpochStart, Lsn } from '#model/position.ts';
import { makeEpoch } from '#model/position.ts';
import type { ChainPoint } from '#model/replication.ts';
import { decideResync, type MasterHistory } from '#replication/resync.ts';

const E1 = makeEpoch(1, 7);
const E1B = makeEpoch(1, 8);
const E2 = makeEpoch(2, 9);

const at = (epoch: number, lsn: number, crc = lsn): ChainPoint => ({ epoch, lsn: lsn as Lsn, crc });
const starts = (...rows: [number, number][]): EpochStart[] =>
  rows.map(([epoch, firstLsn]) => ({ epoch, firstLsn: firstLsn as Lsn }));

/** E1 from 1 to 49, E1B from 50 to 100; the log begins at 20. */
const master: MasterHistory = {
  logId: 'L',
  epochs: starts([E1, 1], [E1B, 50]),
  durable: at(E1B, 100),
  earliestLsn: 20 as Lsn,
  atReplicaTail: undefined,
};

describe('decideResync', () => {
  const rows: [string, Partial<MasterHistory>, { logId: string; tail: ChainPoint }, string, RegExp?][] = [
    ['fresh replica, whole log', { earliestLsn: 1 as Lsn }, { logId: '', tail: at(0, 0, 0) }, 'continue'],
    ['fresh replica, log compacted', {}, { logId: '', tail: at(0, 0, 0) }, 'snapshot', /empty.*begins at 20/],
    ['adopted but empty', {}, { logId: 'L', tail: at(0, 0, 0) }, 'snapshot', /empty/],
    ['level', { atReplicaTail: at(E1B, 100) }, { logId: 'L', tail: at(E1B, 100) }, 'continue'],
    ['behind', { atReplicaTail: at(E1, 30) }, { logId: 'L', tail: at(E1, 30) }, 'continue'],
    ["at the snapshot's edge", { atReplicaTail: at(E1, 19) }, { logId: 'L', tail: at(E1, 19) }, 'continue'],
    ['past retention', {}, { logId: 'L', tail: at(E1, 10) }, 'snapshot', /begins at 20/],
    // The log knows the record it was opened behind for ever, but need not reach back to it.
    [
      'known, but past retention',
      { atReplicaTail: at(E1, 10) },
      { logId: 'L', tail: at(E1, 10) },
      'snapshot',
      /begins at 20/,
    ],
    [
      'known, level, nothing kept',
      { atReplicaTail: at(E1B, 100), earliestLsn: 101 as Lsn },
      { logId: 'L', tail: at(E1B, 100) },
      'continue',
    ],
    ['past retention, of an unknown epoch', {}, { logId: 'L', tail: at(E2, 10) }, 'conflict', /epoch/],
    [
      'past retention, of an epoch that came later',
      {},
      { logId: 'L', tail: at(E1B, 10) },
      'conflict',
      /epoch/,
    ],
    [
      'foreign log',
      { atReplicaTail: at(E1, 30) },
      { logId: 'M', tail: at(E1, 30) },
      'conflict',
      /has log M, the master log L/,
    ],
    ['foreign log, empty', { earliestLsn: 1 as Lsn }, { logId: 'M', tail: at(0, 0, 0) }, 'conflict', /log M/],
    ['ahead', {}, { logId: 'L', tail: at(E1B, 101) }, 'conflict', /-101 is beyond the master's .*-100/],
    [
      'an empty master',
      { durable: at(0, 0, 0), epochs: [] },
      { logId: 'L', tail: at(E1, 5) },
      'conflict',
      /beyond/,
    ],
    [
      'same place, other crc',
      { atReplicaTail: at(E1, 30, 1) },
      { logId: 'L', tail: at(E1, 30, 2) },
      'conflict',
      /00000002.*00000001/,
    ],
    [
      'same place, other epoch',
      { atReplicaTail: at(E1B, 60) },
      { logId: 'L', tail: at(E1, 60) },
      'conflict',
      new RegExp(`${E1}-60.*${E1B}-60`),
    ],
  ];
  it.each(rows)('%s', (_name, changes, replica, kind, reason = /^/) => {
    const verdict = decideResync({ ...master, ...changes }, replica);
    expect(verdict.kind).toBe(kind);
    expect(verdict.kind === 'continue' ? '' : verdict.reason).toMatch(reason);
  });

  it('sends a snapshot where the log after the tail is damaged', () => {
    const damaged = { ...master, atReplicaTail: at(E1, 30), damagedLsn: 40 };
    expect(decideResync(damaged, { logId: 'L', tail: at(E1, 30) })).toMatchObject({
      kind: 'snapshot',
      reason: expect.stringMatching(/damaged at 40/),
    });
    const beyond = { ...master, atReplicaTail: at(E1, 45), damagedLsn: 40 };
    expect(decideResync(beyond, { logId: 'L', tail: at(E1, 45) })).toEqual({ kind: 'continue' });
    const empty = { ...master, earliestLsn: 1 as Lsn, damagedLsn: 40 };
    expect(decideResync(empty, { logId: '', tail: at(0, 0, 0) })).toMatchObject({ kind: 'snapshot' });
  });
});

describe('lastCommonLsn', () => {
  const rows: [string, [number, number][], number, [number, number][], number, number][] = [
    ['nothing in common', [[E1, 1]], 10, [[E2, 1]], 20, 0],
    ['one empty', [], 0, [[E1, 1]], 20, 0],
    ['same, shorter side counts', [[E1, 1]], 10, [[E1, 1]], 20, 10],
    [
      'promoted at 8, old master went on to 10',
      [[E1, 1]],
      10,
      [
        [E1, 1],
        [E2, 9],
      ],
      20,
      8,
    ],
    [
      'promoted at 12, old master ended at 10',
      [[E1, 1]],
      10,
      [
        [E1, 1],
        [E2, 13],
      ],
      20,
      10,
    ],
    [
      'both went on from 8',
      [
        [E1, 1],
        [E1B, 9],
      ],
      15,
      [
        [E1, 1],
        [E2, 9],
      ],
      20,
      8,
    ],
    [
      'both went on, at different places',
      [
        [E1, 1],
        [E1B, 7],
      ],
      15,
      [
        [E1, 1],
        [E2, 9],
      ],
      20,
      6,
    ],
    [
      'same epoch begun at different places',
      [
        [E1, 1],
        [E2, 7],
      ],
      15,
      [
        [E1, 1],
        [E2, 9],
      ],
      20,
      6,
    ],
    [
      'a second shared epoch',
      [
        [E1, 1],
        [E1B, 5],
      ],
      9,
      [
        [E1, 1],
        [E1B, 5],
        [E2, 8],
      ],
      20,
      7,
    ],
  ];
  it.each(rows)('%s', (_name, ours, ourTail, theirs, theirTail, expected) => {
    const a = { epochs: starts(...ours), tailLsn: ourTail as Lsn };
    const b = { epochs: starts(...theirs), tailLsn: theirTail as Lsn };
    expect(lastCommonLsn(a, b)).toBe(expected);
    expect(lastCommonLsn(b, a)).toBe(expected);
  });
});

describe('completeAddress', () => {
  it.each([
    ['replica:8081', '10.0.0.5', 'replica:8081'],
    [':8081', '10.0.0.5', '10.0.0.5:8081'],
    ['8081', '10.0.0.5', '10.0.0.5:8081'],
    [':8081', '::ffff:10.0.0.5', '10.0.0.5:8081'],
    [':8081', 'fd00::5', '[fd00::5]:8081'],
    ['[fd00::5]:8081', '10.0.0.1', '[fd00::5]:8081'],
  ])('%s seen from %s is %s', (advertise, remote, expected) => {
    expect(completeAddress(advertise, remote)).toBe(expected);
  });

  it.each([
    '',
    ':',
    'host',
    'host:',
    'host:0',
    'host:65536',
    'http://host:80',
    'host:80/path',
    'user@host:80',
    'a b:80',
    'evil\r\nx:80',
    `${'h'.repeat(300)}:80`,
  ])('%j is refused', (advertise) => {
    expect(() => completeAddress(advertise, '10.0.0.1')).toThrow(
      expect.objectContaining({ code: 'invalid_argument' }),
    );
  });
});
