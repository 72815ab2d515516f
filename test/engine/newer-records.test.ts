/**
 * Records that a later version of the program wrote, whole and with every
 * checksum right: of a type, or of a payload version, that this one does not
 * know. They are refused by name. They are never a torn end, never damage.
 */

import { describe, expect, it } from 'vitest';
import { BackupRepository } from '#backup/backup-repository.ts';
import { createBackup } from '#backup/create-backup.ts';
import { runDrill } from '#backup/drill.ts';
import { rehearseSettled } from '#backup/repair/rehearse-start.ts';
import { planRepair } from '#backup/repair/repair-directory.ts';
import { restoreImage } from '#backup/restore-backup.ts';
import { withLogImage } from '#backup/survey-log.ts';
import { verifyBackup } from '#backup/verify-backup.ts';
import { checkFrames } from '#engine/checked-frames.ts';
import { RECORD_TYPE } from '#engine/records/record-kind.ts';
import { crc32 } from '#platform/crc32.ts';
import { silentLogger } from '#platform/logger.ts';
import type { MemoryFileSystem } from '#test/doubles/memory-file-system.ts';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { DIR, openBareHost, Rig, settled } from '#test/engine/rig.ts';
import { type ForeignRecord, frameAfter, lastFrame, withRecords } from '#test/wal/append-record.ts';

const UNKNOWN: ForeignRecord = { type: 9, payload: Buffer.from([1, 2, 3]) };
/** A delete of the key `a`. */
const KNOWN: ForeignRecord = {
  type: RECORD_TYPE.data,
  payload: Buffer.from([1, 1, 0, 0, 0, 2, 0, 1, 0, 0x61]),
};

/** The disk of a node that was killed, its last segment ending with `records`. */
async function diskEndingWith(...records: readonly ForeignRecord[]): Promise<MemoryFileSystem> {
  const rig = await Rig.open();
  for (let i = 0; i < 5; i++) await rig.set('a', `value ${i}`);
  const disk = rig.kill();
  const segment = segmentOf(disk);
  disk.put(segment, withRecords(disk.content(segment), ...records));
  return disk;
}

function segmentOf(disk: MemoryFileSystem): string {
  return disk.paths(DIR).findLast((path) => path.endsWith('.wal')) as string;
}

function contents(disk: MemoryFileSystem): Record<string, string> {
  const paths = disk.paths('/').filter((path) => !path.endsWith('LOCK'));
  return Object.fromEntries(paths.map((path) => [path, disk.content(path).toString('hex')]));
}

async function start(disk: MemoryFileSystem): Promise<unknown> {
  const clock = new VirtualClock();
  const host = await openBareHost({ fileSystem: disk, clock });
  try {
    return await settled(clock, host.open());
  } catch (error) {
    return error;
  } finally {
    await settled(clock, host.close());
  }
}

const partsOf = (fileSystem: MemoryFileSystem) => ({
  fileSystem,
  clock: new VirtualClock(),
  random: new SeededRandom(3),
  logger: silentLogger,
});

const CASES: readonly (readonly [string, readonly ForeignRecord[], string])[] = [
  ['an unknown type as the last record, which nothing vouches for', [UNKNOWN], 'unknown record type 9'],
  ['an unknown type in the middle', [KNOWN, UNKNOWN, KNOWN], 'unknown record type 9'],
  ['type 0', [{ type: 0, payload: Buffer.from([1]) }], 'unknown record type 0'],
  ['an unknown type without a payload', [{ type: 200, payload: Buffer.alloc(0) }], 'unknown record type 200'],
  [
    'a later version of DATA',
    [{ type: RECORD_TYPE.data, payload: Buffer.from([3, 0, 0, 0, 0]) }],
    'unknown payload version 3 of a record of type data',
  ],
  [
    'a later operation in DATA',
    [{ type: RECORD_TYPE.data, payload: Buffer.from([2, 1, 0, 0, 0, 99, 0, 1, 0, 0x61]) }],
    'unknown operation 99 of a record of type data',
  ],
  [
    'a later block in DATA',
    [{ type: RECORD_TYPE.data, payload: Buffer.from([2, 0, 0, 0, 0, 77, 0, 0, 0, 0, 0]) }],
    'unknown block 77',
  ],
  [
    'a later field of a set',
    [
      {
        type: RECORD_TYPE.data,
        payload: Buffer.from([2, 1, 0, 0, 0, 4, 0, 1, 0, 0x61, ...Array(12).fill(0), 3, 0, 9, 0, 0]),
      },
    ],
    'unknown field 9 of an entry',
  ],
  [
    'a later version of EPOCH',
    [{ type: RECORD_TYPE.epoch, payload: Buffer.alloc(21, 2) }],
    'unknown payload version 2 of a record of type epoch',
  ],
  [
    'a later version of CONFIG',
    [{ type: RECORD_TYPE.config, payload: Buffer.alloc(18, 3) }],
    'unknown payload version 3 of a record of type config',
  ],
];

describe.each(CASES)('a log with %s', (_, records, why) => {
  it('is refused by a start, which names it, says what to do and changes nothing', async () => {
    const disk = await diskEndingWith(...records);
    const before = contents(disk);
    const refusal = (await start(disk)) as Error;
    expect(refusal).toMatchObject({ name: 'WalOpenError', kind: 'newer' });
    expect(refusal.message).toContain(why);
    expect(refusal.message).toContain('Nothing is damaged: a newer version of Walnut wrote this');
    expect(refusal.message).not.toContain('wal repair');
    expect(contents(disk)).toEqual(before);
  });

  it('is refused by a rehearsal, and no repair cuts it', async () => {
    const disk = await diskEndingWith(...records);
    const before = contents(disk);
    const parts = partsOf(disk);
    const { outcome } = await settled(parts.clock, rehearseSettled(parts, DIR));
    expect(outcome).toMatchObject({ kind: 'refused', what: 'newer', place: { file: segmentOf(disk) } });
    const plan = await settled(parts.clock, planRepair(parts, DIR, false));
    expect(plan).toMatchObject({ kind: 'refused', why: expect.stringContaining(why) });
    expect(contents(disk)).toEqual(before);
  });

  it('is copied whole by a backup, which is refused where it would be replayed', async () => {
    const disk = await diskEndingWith(...records);
    const parts = partsOf(disk);
    const repository = new BackupRepository(parts, '/backups');
    const last = lastFrame(disk.content(segmentOf(disk)));
    const until = <T>(promise: Promise<T>): Promise<T> => settled(parts.clock, promise);
    const { manifest } = await until(createBackup(parts, DIR, repository, { isReplayed: false }));
    expect(manifest.to).toMatchObject({ lsn: last.lsn, crc: last.crc });
    await expect(until(createBackup(parts, DIR, repository, { isReplayed: true }))).rejects.toThrow(why);
    await expect(until(verifyBackup(parts, repository, manifest))).rejects.toThrow(why);
  });

  it('is refused by a restore, which leaves no node, and by a drill', async () => {
    const disk = await diskEndingWith(...records);
    const parts = partsOf(disk);
    const until = <T>(promise: Promise<T>): Promise<T> => settled(parts.clock, promise);
    const restoring = withLogImage(parts, DIR, (image) =>
      restoreImage(parts, image, { kind: 'end' }, '/restored'),
    );
    await expect(until(restoring)).rejects.toThrow(why);
    expect(disk.paths('/restored')).toEqual([]);
    const drill = { from: DIR, scratch: '/scratch', cut: 'none', random: parts.random, runs: 1 } as const;
    const { isPassed, firstBad } = await until(runDrill(parts, drill));
    expect({ isPassed, why: firstBad?.why }).toMatchObject({
      isPassed: false,
      why: expect.stringContaining(why),
    });
  });
});

describe('a base snapshot of a later format', () => {
  /** `version`: what its header says; its CRC is right unless `isDamaged`. */
  async function diskWithSnapshot(version: number, isDamaged = false): Promise<MemoryFileSystem> {
    const rig = await Rig.open();
    await rig.set('a', 'value');
    await rig.until(rig.host.checkpoint());
    const disk = rig.kill();
    const path = disk.paths(DIR).find((each) => each.endsWith('.snapshot')) as string;
    const bytes = Buffer.from(disk.content(path));
    bytes.writeUInt16LE(version, 8);
    const end = 16 + bytes.readUInt32LE(12) - 4;
    if (!isDamaged) bytes.writeUInt32LE(crc32(bytes, 0, 0, end), end);
    disk.put(path, bytes);
    return disk;
  }

  it('is refused by name, and no repair gives it up', async () => {
    const disk = await diskWithSnapshot(3);
    const before = contents(disk);
    const refusal = (await start(disk)) as Error;
    expect(refusal).toMatchObject({ name: 'WalOpenError', kind: 'newer' });
    expect(refusal.message).toContain('format version 3: expected 1 or 2');
    expect(refusal.message).toContain('Nothing is damaged');
    const parts = partsOf(disk);
    const plan = await settled(parts.clock, planRepair(parts, DIR, false));
    expect(plan).toMatchObject({ kind: 'refused', why: expect.stringContaining('format version 3') });
    expect(contents(disk)).toEqual(before);
  });

  it('is damage where its checksum does not agree', async () => {
    expect(await start(await diskWithSnapshot(3, true))).toMatchObject({ kind: 'corrupt' });
  });
});

describe('frames of a newer master', () => {
  it.each(CASES)('with %s are refused together, and nothing of them is appended', async (_, records, why) => {
    const rig = await Rig.open();
    await rig.set('a', 'value');
    const { engine } = rig;
    const { lsn } = engine.log.tail;
    let before = (await engine.log.read(lsn, 1 << 20)).at(-1);
    const frames = records.map((record) => {
      if (before === undefined) throw new Error('the log has a record');
      before = frameAfter(before, record);
      return before;
    });
    expect(() => checkFrames(frames)).toThrow(why);
    expect(engine.log.tail.lsn).toBe(lsn);
    await rig.set('a', 'after');
    expect(engine.log.tail.lsn).toBe(lsn + 1);
  });
});
