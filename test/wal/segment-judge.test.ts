import { describe, expect, it } from 'vitest';
import { encodeSegmentHeader, type SegmentHeader } from '#wal/segment-format.ts';
import {
  hasLaterSegment,
  judgeHeader,
  SegmentJudge,
  type WholeItem,
  whyNotBase,
  whyNotFirst,
  whyNotJoined,
  whyNotNewest,
} from '#wal/segment-judge.ts';
import { EPOCH, frameAfter, LOG_ID } from './harness.ts';

const BEFORE = { epoch: EPOCH, lsn: 4, crc: 99 } as Parameters<typeof frameAfter>[0];
const HEADER = {
  logId: LOG_ID,
  seq: 2,
  firstLsn: 5,
  epoch: EPOCH,
  lastCrc: 99,
  salt: 1,
} as SegmentHeader;
const FIRST = frameAfter(BEFORE, 'five');
const SECOND = frameAfter(FIRST, 'six');

const record = (frame: typeof FIRST, nextOffset = 200): WholeItem => ({
  kind: 'record',
  offset: 96,
  nextOffset,
  frame,
  durLag: 0,
});
const mark = (lastLsn: number, isCleanStop = false): WholeItem => ({
  kind: 'mark',
  offset: 200,
  nextOffset: 228,
  mark: { lastLsn, durLag: 0, isCleanStop },
});
const seal = (changes: object = {}): WholeItem => ({
  kind: 'seal',
  offset: 228,
  nextOffset: 256,
  seal: { lastLsn: 6, lastCrc: SECOND.crc, records: 2, durLag: 0, ...changes },
});

describe('the items of a segment', () => {
  it.each<[string, readonly WholeItem[], string | undefined]>([
    ['records in order and their seal', [record(FIRST), record(SECOND), seal()], undefined],
    ['a mark of the record before it', [record(FIRST), mark(5), record(SECOND), seal()], undefined],
    [
      'a clean mark, and more after the next start',
      [record(FIRST), mark(5, true), record(SECOND)],
      undefined,
    ],
    ['a mark before the first record', [mark(4)], undefined],
    ['a record that is left out', [record(SECOND)], 'LSN 6 stands after LSN 4'],
    [
      'a record of another history',
      [record(frameAfter({ ...BEFORE, crc: 1 }, 'x'))],
      'LSN 5 does not follow',
    ],
    ['a mark of a later record', [record(FIRST), mark(6)], 'a mark of LSN 6 stands after LSN 5'],
    ['a mark of an earlier record', [record(FIRST), mark(4)], 'a mark of LSN 4 stands after LSN 5'],
    [
      'a seal of an earlier record',
      [record(FIRST), record(SECOND), seal({ lastLsn: 5 })],
      'the seal (LSN 5, 2 records)',
    ],
    ['a seal with another CRC', [record(FIRST), record(SECOND), seal({ lastCrc: 1 })], 'does not fit LSN 6'],
    [
      'a seal with another count',
      [record(FIRST), record(SECOND), seal({ records: 3 })],
      'the seal (LSN 6, 3 records)',
    ],
    [
      'a mark behind the seal',
      [record(FIRST), record(SECOND), seal(), mark(6)],
      'there is an item after the seal',
    ],
  ])('%s', (_, items, why) => {
    const judge = new SegmentJudge(HEADER);
    const found = items.map((item) => judge.tryTake(item));
    expect(found.slice(0, -1).every((each) => each === undefined)).toBe(true);
    if (why === undefined) expect(found.at(-1)).toBeUndefined();
    else expect(found.at(-1)).toContain(why);
  });

  it('that do not fit change nothing', () => {
    const judge = new SegmentJudge(HEADER);
    judge.tryTake(record(FIRST));
    judge.tryTake(seal());
    const { validEnd, recordsEnd, records, isSealed, chain } = judge;
    expect({ validEnd, recordsEnd, records, isSealed, lsn: chain.lsn }).toEqual({
      validEnd: 200,
      recordsEnd: 200,
      records: 1,
      isSealed: false,
      lsn: 5,
    });
  });

  it('behind damage that was stepped over are not counted', () => {
    const judge = new SegmentJudge(HEADER);
    judge.stepOver(6, SECOND.prevCrc);
    expect(judge.tryTake(record(SECOND))).toBeUndefined();
    expect(judge.tryTake(seal())).toBeUndefined();
  });

  it('end with a clean stop only where its mark is the last', () => {
    const judge = new SegmentJudge(HEADER);
    judge.tryTake(record(FIRST));
    judge.tryTake(mark(5, true));
    expect(judge.isStopped).toBe(true);
    judge.tryTake(record(SECOND));
    expect(judge.isStopped).toBe(false);
  });
});

describe('a header', () => {
  const bytes = encodeSegmentHeader(HEADER);
  const identity = { seq: 2, firstLsn: 5, logId: LOG_ID };

  it('is the segment’s, or is refused by kind', () => {
    expect(judgeHeader(bytes, identity)).toEqual(HEADER);
    expect(judgeHeader(bytes, { ...identity, logId: undefined })).toEqual(HEADER);
    expect(judgeHeader(bytes.subarray(0, 40), identity)).toMatchObject({ kind: 'unreadable', byte: 0 });
    expect(judgeHeader(bytes, { ...identity, seq: 3 })).toMatchObject({ kind: 'misplaced', byte: 32 });
    expect(judgeHeader(bytes, { ...identity, firstLsn: 6 })).toMatchObject({ kind: 'misplaced', byte: 32 });
    expect(judgeHeader(bytes, { ...identity, logId: 'ff' })).toMatchObject({ kind: 'foreign', byte: 16 });
  });

  it.each<[string, Partial<typeof BEFORE>, number | undefined]>([
    ['continues the record before it', {}, undefined],
    ['does not, after another LSN', { lsn: 3 as typeof BEFORE.lsn }, 40],
    ['does not, after another CRC', { crc: 98 }, 48],
    ['does not, after another epoch', { epoch: EPOCH + 1 }, 48],
  ])('%s', (_, changes, byte) => {
    expect(whyNotJoined(HEADER, { ...BEFORE, ...changes }, 'the snapshot')?.byte).toBe(byte);
  });
});

describe('the place of a segment in the log', () => {
  it('is the first, the newest, or before others', () => {
    expect(whyNotFirst(5, 4)).toBeUndefined();
    expect(whyNotFirst(5, 3)).toContain('LSN 4 is missing after the snapshot');
    expect(whyNotFirst(5, 0)).toContain('LSN 1 is missing and there is no valid snapshot');
    expect(whyNotNewest(5, 4)).toBeUndefined();
    expect(whyNotNewest(6, 4)).toBe('LSN 5 is missing before this segment');
    expect(hasLaterSegment(2, [1, 2], undefined)).toBe(false);
    expect(hasLaterSegment(2, [1, 2, 3], undefined)).toBe(true);
    expect(hasLaterSegment(2, [1, 2], { segment: '', seq: 3, lsn: 0 })).toBe(true);
  });

  it('has the record of the snapshot where it has that LSN', () => {
    expect(whyNotBase(BEFORE, BEFORE)).toBeUndefined();
    expect(whyNotBase(BEFORE, FIRST)).toBeUndefined();
    expect(whyNotBase(BEFORE, { ...BEFORE, crc: 1 })).toContain('not the one at which the snapshot was made');
    expect(whyNotBase(BEFORE, { ...BEFORE, epoch: 1 })).toContain(
      'not the one at which the snapshot was made',
    );
  });
});
