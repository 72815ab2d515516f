/** The byte that reports of damage name: never one behind the damage, whichever tool finds it. */
import { beforeAll, describe, expect, it } from 'vitest';
import { BackupRepository } from '#backup/backup-repository.ts';
import { createBackup } from '#backup/create-backup.ts';
import { runDrill } from '#backup/drill.ts';
import { foldLog } from '#backup/fold-log.ts';
import { ImageDamageError } from '#backup/log-image.ts';
import { withLogImage } from '#backup/survey-log.ts';
import { silentLogger } from '#platform/logger.ts';
import { FORMAT_LEVELS, fileParts, LiveLog } from '#test/backup/live-log.ts';
import { MemoryFileSystem } from '#test/doubles/memory-file-system.ts';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { settled } from '#test/engine/rig.ts';
import { withRecords } from '#test/wal/append-record.ts';
import type { DamagePlace } from '#wal/wal-errors.ts';

const DATA = '/data';
/** A prime, so that the bytes of every field are met in some file. */
const STRIDE = 13;

type Find = (disk: MemoryFileSystem) => Promise<DamagePlace | undefined>;

function partsOn(fileSystem: MemoryFileSystem) {
  return { fileSystem, clock: new VirtualClock(), random: new SeededRandom(3), logger: silentLogger };
}

async function placeOf(clock: VirtualClock, work: Promise<unknown>): Promise<DamagePlace | undefined> {
  try {
    await settled(clock, work);
    return undefined;
  } catch (error) {
    if (!(error instanceof ImageDamageError)) throw error;
    return error.place;
  }
}

const fold: Find = (disk) => {
  const parts = partsOn(disk);
  return placeOf(
    parts.clock,
    withLogImage(parts, DATA, (image) => foldLog(parts, image)),
  );
};

const backUp: Find = (disk) => {
  const parts = partsOn(disk);
  const repository = new BackupRepository(parts, '/backups');
  return placeOf(parts.clock, createBackup(parts, DATA, repository, { isReplayed: false }));
};

const drill: Find = async (disk) => {
  const parts = partsOn(disk);
  await disk.makeDirectory('/scratch');
  const options = { from: DATA, scratch: '/scratch', cut: 'none', random: parts.random, runs: 1 } as const;
  return (await settled(parts.clock, runDrill(parts, options))).firstBad;
};

describe.each(FORMAT_LEVELS)('a report of damage, at format level %i', (formatLevel) => {
  let files: ReadonlyMap<string, Buffer>;
  /** The snapshot, and the segments behind it whose every byte was durable. */
  let checked: string[];

  beforeAll(async () => {
    const fileSystem = new MemoryFileSystem();
    const live = await LiveLog.open(DATA, { parts: { ...fileParts, fileSystem }, formatLevel });
    await live.write(12);
    await live.checkpoint();
    await live.write(40);
    await live.close();
    const paths = fileSystem.paths(DATA).filter((path) => !path.endsWith('LOCK'));
    files = new Map(paths.map((path) => [path, fileSystem.content(path)]));
    const segments = paths.filter((path) => path.endsWith('.wal')).sort();
    const snapshot = paths.find((path) => path.endsWith('.snapshot')) as string;
    checked = [snapshot, ...segments.slice(1, -1)];
  });

  function diskWith(path: string, change: (bytes: Buffer) => Buffer): MemoryFileSystem {
    const disk = new MemoryFileSystem();
    for (const [name, bytes] of files) disk.put(name, name === path ? change(Buffer.from(bytes)) : bytes);
    return disk;
  }

  it.each<[string, Find]>([
    ['fold', fold],
    ['backup', backUp],
    ['drill', drill],
  ])('of a %s names no byte behind a flipped bit', async (_, find) => {
    expect(checked.length).toBeGreaterThan(1);
    for (const path of checked) {
      const { length } = files.get(path) as Buffer;
      for (let byte = 0; byte < length; byte += STRIDE) {
        const disk = diskWith(path, (bytes) => {
          bytes[byte] = (bytes[byte] as number) ^ (1 << (byte % 8));
          return bytes;
        });
        const place = await find(disk);
        expect(place, `${path} byte ${byte}`).toMatchObject({ file: path });
        expect(place?.byte, `${path} byte ${byte}`).toBeLessThanOrEqual(byte);
      }
    }
  });

  it('of a fold names the first byte of a record that it cannot apply', async () => {
    const last = [...files.keys()]
      .filter((path) => path.endsWith('.wal'))
      .sort()
      .at(-1) as string;
    const disk = diskWith(last, (bytes) => withRecords(bytes, { type: 9, payload: Buffer.from([1, 2]) }));
    const place = { file: last, byte: (files.get(last) as Buffer).length };
    expect(await fold(disk)).toMatchObject({
      ...place,
      why: expect.stringContaining('unknown record type 9'),
    });
  });
});
