/** The time table against the exact times of every record, over seconds and over years. */
import { describe, expect, it } from 'vitest';
import { SnapshotError } from '#storage/snapshot-bytes.ts';
import { BLOCK_HEADER_BYTES, encodeTimesBlock, sealBlock } from '#storage/snapshot-codec.ts';
import { encodeHeader } from '#storage/snapshot-header.ts';
import { createSnapshotLoader } from '#storage/snapshot-loader.ts';
import { decodeTimes, TimeTable } from '#storage/time-table.ts';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { at, drain, meta, newStore, set, snapshotOf } from '#test/storage/helpers.ts';

const START_MS = 1_700_000_000_000;
const DAY_MS = 86_400_000;

/** Steps between records, from many a second to one a month. */
const PACES = [1, 30, 999, 2_500, 60_000, 7_777_777, 30 * DAY_MS];

describe('the time table', () => {
  it('is exact for two minutes, and later by less than a 128th of the age after that', () => {
    const random = new SeededRandom(11);
    let table = new TimeTable();
    const made: number[] = [0];
    let ms = START_MS;
    for (let lsn = 1; lsn <= 20_000; lsn++) {
      ms += random.below(PACES[random.below(PACES.length - 1)] as number);
      made.push(ms);
      table.note(lsn, ms);
      // Written to a snapshot and loaded: thinned, and thinned again later.
      if (lsn % 4_000 === 0) table = new TimeTable(table.rows());
    }
    for (let lsn = 1; lsn < made.length; lsn++) {
      const exact = Math.floor((made[lsn] as number) / 1_000);
      const ageSeconds = Math.floor(ms / 1_000) - exact;
      const late = (table.madeMs(lsn) as number) / 1_000 - exact;
      expect(late, `record ${lsn}`).toBeGreaterThanOrEqual(0);
      if (ageSeconds < 128) expect(late, `record ${lsn}`).toBe(0);
      else expect(late, `record ${lsn}`).toBeLessThan(ageSeconds / 128);
    }
    expect(table.madeMs(made.length)).toBeUndefined();
  });

  it('names a record before which all are older than a time', () => {
    const random = new SeededRandom(12);
    const table = new TimeTable();
    const made: number[] = [0];
    let ms = START_MS;
    for (let lsn = 1; lsn <= 3_000; lsn++) {
      ms += random.below(PACES[random.below(4)] as number);
      made.push(ms);
      table.note(lsn, ms);
    }
    for (let i = 0; i < 500; i++) {
      const since = START_MS + random.below(ms - START_MS + 5_000);
      const first = table.firstLsnSince(since);
      const exact = made.findIndex((one) => one >= since);
      expect(first).toBeLessThanOrEqual(exact === -1 ? made.length : exact);
    }
    expect(table.firstLsnSince(0)).toBe(1);
    expect(table.firstLsnSince(ms + 1_000)).toBe(made.length);
  });

  it('stays small: some 2,000 rows for a year of records every second', () => {
    const table = new TimeTable();
    // Rows are one a second at most, so a year is skipped through in steps of its thinned rows.
    for (let second = 0; second < 365 * 86_400; second += second < 31_500_000 ? 211 : 1)
      table.note(second + 1, START_MS + 1_000 * second);
    expect(table.rows().length).toBeLessThan(2_500);
  });

  it('takes a record that states an earlier time for one of the same second', () => {
    const table = new TimeTable();
    table.note(1, START_MS);
    table.note(2, START_MS - 60_000);
    table.note(3, START_MS + 1_000);
    expect([1, 2, 3].map((lsn) => table.madeMs(lsn))).toEqual([START_MS, START_MS, START_MS + 1_000]);
  });
});

describe('the time table of a snapshot', () => {
  const store = newStore();
  store.apply(set('k', 'v'), at(7));
  const times = [
    { lastLsn: 3, second: 1_699_999_000 },
    { lastLsn: 7, second: 1_700_000_000 },
  ];
  const bytesOf = (formatLevel: number) =>
    drain(store.beginSnapshot({ ...meta(7), formatLevel, times }), 1 << 20);
  const load = (bytes: Uint8Array) => {
    const loader = createSnapshotLoader();
    loader.push(bytes);
    return loader.finish();
  };

  it('comes back from format version 2', () => {
    expect(load(bytesOf(1)).meta.times).toEqual(times);
  });

  it('is one row where there is none: made when the snapshot was, at the latest', () => {
    expect(load(bytesOf(0)).meta.times).toEqual([{ lastLsn: 7, second: 1_700_000_000 }]);
    expect(bytesOf(0)).toEqual(snapshotOf(store, 7));
  });

  it('is refused where its rows do not ascend, are cut, or come twice', () => {
    const [first, second] = times;
    for (const bad of [
      [second, first],
      [first, first],
    ] as const) {
      const block = encodeTimesBlock(bad as never);
      expect(() => decodeTimes(block.subarray(BLOCK_HEADER_BYTES), 0)).toThrow(/do not ascend/);
    }
    expect(() => decodeTimes(new Uint8Array(24), 0)).toThrow(SnapshotError);
    const header = encodeHeader({ ...meta(7), formatLevel: 1 }, 1);
    const twice = Buffer.concat([header, encodeTimesBlock(times), encodeTimesBlock(times)]);
    expect(() => load(twice)).toThrow(/second time table/);
  });

  it.each([
    ['xtra', 1, /cut: there is no footer/],
    ['XTRA', 1, /unknown block type .*newer/],
    ['xtra', 0, /unknown block type/],
  ])('an unknown block %s at format level %i', (name, formatLevel, outcome) => {
    const block = Buffer.alloc(BLOCK_HEADER_BYTES + 5, 1);
    sealBlock(block, Buffer.from(name).readUInt32LE(), 0);
    expect(() => load(Buffer.concat([encodeHeader({ ...meta(7), formatLevel }, 1), block]))).toThrow(outcome);
  });
});
