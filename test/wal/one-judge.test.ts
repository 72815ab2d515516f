/**
 * One damaged log, and everyone who judges it: a start, a backup's survey, the
 * inspector and, where one segment alone shows it, the check in the background.
 * They find the same place and say the same of it.
 */
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ImageDamageError } from '#backup/log-image.ts';
import { rehearseSettled } from '#backup/repair/rehearse-start.ts';
import { withLogImage } from '#backup/survey-log.ts';
import { silentLogger } from '#platform/logger.ts';
import { createNodeClock } from '#platform/node-clock.ts';
import { createNodeFileSystem } from '#platform/node-file-system.ts';
import { createNodeRandom } from '#platform/random.ts';
import { change, flipAt, segmentsIn, WalRig } from '#test/cli/wal-rig.ts';
import {
  markFor,
  sealedAfterStop,
  withFormatVersion,
  withHeader,
  withNote,
  withSeal,
} from '#test/wal/append-record.ts';
import { parseSegmentName, type SegmentName } from '#wal/file-names.ts';
import { createSegment } from '#wal/segment-table.ts';
import { verifySegment } from '#wal/verify-segments.ts';
import { openDirectory } from '#wal/wal-directory.ts';
import type { DamagePlace } from '#wal/wal-errors.ts';
import { inspectWal } from '../../cmd/walnut/log/wal-inspect.ts';

const parts = { fileSystem: createNodeFileSystem(), clock: createNodeClock(), random: createNodeRandom() };
const NOTE = 28;

let directory = '';
let names: string[] = [];
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'walnut-judge-'));
  const rig = await WalRig.open(directory);
  await rig.write(100);
  await rig.close();
  names = await segmentsIn(directory);
});
afterEach(() => rm(directory, { recursive: true }));

const nameAt = (index: number): string => names.at(index) as string;
const segmentAt = (index: number): SegmentName => parseSegmentName(nameAt(index)) as SegmentName;

function placeOf({ file, byte, lsn, why }: DamagePlace): DamagePlace {
  return { file: basename(file), byte, lsn, why };
}

async function byStart(): Promise<DamagePlace | undefined> {
  const { outcome } = await rehearseSettled(parts, directory);
  return outcome.kind === 'refused' ? placeOf(outcome.place) : undefined;
}

async function bySurvey(): Promise<DamagePlace | undefined> {
  try {
    await withLogImage(parts, directory, async () => undefined);
    return undefined;
  } catch (error) {
    if (error instanceof ImageDamageError) return placeOf(error.place);
    throw error;
  }
}

async function byInspector(): Promise<DamagePlace | undefined> {
  const [finding] = (await inspectWal(parts.fileSystem, directory)).findings;
  return finding && placeOf(finding);
}

async function byBackgroundCheck(index: number): Promise<DamagePlace | undefined> {
  const owned = await openDirectory({ ...parts, path: directory, logger: silentLogger });
  try {
    const segment = createSegment(directory, segmentAt(index), 0);
    const found = await verifySegment(owned, segment, parts.clock, new AbortController().signal);
    return found && placeOf(found);
  } finally {
    await owned.close();
  }
}

/** Everyone's answer, which must be one. */
async function judged(): Promise<DamagePlace | undefined> {
  const start = await byStart();
  expect(await bySurvey()).toEqual(start);
  expect(await byInspector()).toEqual(start);
  return start;
}

const LATER = 'damaged, though a later segment shows that it was durable';

describe('one segment in the middle', () => {
  const middle = (edit: (bytes: Buffer) => Uint8Array) => change(directory, nameAt(2), edit);

  it.each<[string, (bytes: Buffer) => Uint8Array, string]>([
    ['a flipped bit in a record', flipAt(200), 'CRC differs'],
    ['a seal with another count', (bytes) => withSeal(bytes, { records: 1 }), 'the seal (LSN '],
    ['a seal of another record', (bytes) => withSeal(bytes, { lastCrc: 7 }), 'the seal (LSN '],
    [
      'a mark of another record',
      (bytes) => withSeal(bytes, {}, markFor(bytes, 3)),
      'a mark of LSN 3 stands after',
    ],
    ['something behind the seal', (bytes) => withNote(bytes, 2, () => {}), 'there is an item after the seal'],
  ])('with %s: same place, same words', async (_, edit, why) => {
    await middle(edit);
    const start = await judged();
    expect(start).toMatchObject({ file: nameAt(2), why: expect.stringContaining(why) });
    expect(start?.why).toContain(LATER);
    const found = await byBackgroundCheck(2);
    expect({ ...found, why: `${found?.why}; ${LATER}` }).toEqual(start);
  });

  it('without its seal', async () => {
    await middle((bytes) => bytes.subarray(0, -NOTE));
    const why = 'the segment ends without its seal';
    const start = await judged();
    expect(start?.why).toBe(`${why}, though a later segment shows that it was durable`);
    expect(await byBackgroundCheck(2)).toEqual({ ...start, why });
  });

  it.each<[string, (bytes: Buffer) => Uint8Array, number, string]>([
    ['a damaged header', flipAt(20), 0, 'segment header CRC differs; damaged, though a later segment'],
    [
      'a header of a later format',
      (bytes) => withFormatVersion(bytes, 2),
      0,
      'format version 2 is not known',
    ],
    [
      'another log’s header',
      (bytes) => withHeader(bytes, { logId: 'f'.repeat(32) }),
      16,
      'the segment belongs to log f',
    ],
    [
      'another number in its header',
      (bytes) => withHeader(bytes, { seq: 99 }),
      32,
      'the file name and the header differ',
    ],
    [
      'another CRC before it',
      (bytes) => withHeader(bytes, { lastCrc: 7 }),
      48,
      'does not continue the segment before it',
    ],
    [
      'another epoch before it',
      (bytes) => withHeader(bytes, { epoch: 7 }),
      48,
      'does not continue the segment before it',
    ],
  ])('with %s: same place, same words', async (_, edit, byte, why) => {
    await middle(edit);
    const { firstLsn } = segmentAt(2);
    expect(await judged()).toEqual({
      file: nameAt(2),
      byte,
      lsn: firstLsn,
      why: expect.stringContaining(why),
    });
  });

  it('that is gone', async () => {
    await rm(join(directory, nameAt(2)));
    const { firstLsn } = segmentAt(3);
    const why = `LSN ${segmentAt(2).firstLsn} is missing before this segment`;
    expect(await judged()).toEqual({ file: nameAt(3), byte: 40, lsn: firstLsn, why });
  });
});

describe('the newest segment', () => {
  it('damaged where it had been durable: same place, same words', async () => {
    await change(directory, nameAt(-1), flipAt(200));
    expect((await judged())?.why).toContain('shows that LSN');
  });

  it('that ends in something of a later format', async () => {
    await change(directory, nameAt(-1), (bytes) => withNote(bytes, 4, () => {}));
    expect((await judged())?.why).toBe('unknown item kind 4');
  });

  it('without a record, beginning behind records that are not there', async () => {
    await change(directory, nameAt(-1), sealedAfterStop);
    const { seq } = segmentAt(-1);
    const name = `${String(seq + 1).padStart(10, '0')}-${String(500).padStart(20, '0')}.wal`;
    await writeFile(join(directory, name), Buffer.alloc(50));
    const why = 'LSN 102 is missing before this segment';
    expect(await judged()).toEqual({ file: name, byte: 0, lsn: 500, why });
  });
});

describe('the beginning', () => {
  it('that is not there', async () => {
    await rename(join(directory, nameAt(0)), join(directory, 'away'));
    const start = await byStart();
    expect(start?.why).toBe('the log begins here, but LSN 1 is missing and there is no valid snapshot');
    expect(await bySurvey()).toEqual(start);
    expect((await byInspector())?.why).toBe(start?.why);
  });
});
