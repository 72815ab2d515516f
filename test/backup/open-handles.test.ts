/** No failing call on the disk leaves a file, a directory or a lock open: backups, restores, drills, repairs. */
import { beforeAll, describe, expect, it } from 'vitest';
import { imageOfBackup } from '#backup/backup-manifest.ts';
import { BackupRepository } from '#backup/backup-repository.ts';
import { createBackup } from '#backup/create-backup.ts';
import { applyRepair, planRepair } from '#backup/repair/repair-directory.ts';
import { restoreImage } from '#backup/restore-backup.ts';
import { verifyBackup } from '#backup/verify-backup.ts';
import { silentLogger } from '#platform/logger.ts';
import { fileParts, LiveLog } from '#test/backup/live-log.ts';
import { MemoryFileSystem } from '#test/doubles/memory-file-system.ts';
import { leftOpenByFailures, type ProbedFileSystem } from '#test/doubles/probed-file-system.ts';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { settled } from '#test/engine/rig.ts';
import { openDirectory } from '#wal/wal-directory.ts';

const DATA = '/data';

/** The directory that a node left, with a snapshot and several segments. */
let files: ReadonlyMap<string, Buffer>;
beforeAll(async () => {
  const fileSystem = new MemoryFileSystem();
  const live = await LiveLog.open(DATA, { parts: { ...fileParts, fileSystem }, formatLevel: 1 });
  await live.write(12);
  await live.checkpoint();
  await live.write(40);
  await live.close();
  files = new Map(fileSystem.paths(DATA).map((path) => [path, fileSystem.content(path)]));
});

function diskWith(change: (path: string, bytes: Buffer) => Buffer = (_, bytes) => bytes): MemoryFileSystem {
  const disk = new MemoryFileSystem();
  for (const [path, bytes] of files) {
    if (!path.endsWith('LOCK')) disk.put(path, change(path, Buffer.from(bytes)));
  }
  return disk;
}

function partsOn(fileSystem: ProbedFileSystem) {
  return { fileSystem, clock: new VirtualClock(), random: new SeededRandom(3), logger: silentLogger };
}

async function backUpAndRestore(fileSystem: ProbedFileSystem): Promise<void> {
  const parts = partsOn(fileSystem);
  const repository = new BackupRepository(parts, '/backups');
  const run = async (): Promise<void> => {
    const { manifest } = await createBackup(parts, DATA, repository, { isReplayed: true });
    await verifyBackup(parts, repository, manifest);
    const image = imageOfBackup(manifest, (sha256) => repository.objectPath(sha256));
    await restoreImage(parts, image, { kind: 'end' }, '/restored');
  };
  await settled(parts.clock, run());
}

async function repair(fileSystem: ProbedFileSystem): Promise<void> {
  const parts = partsOn(fileSystem);
  const run = async (): Promise<void> => {
    const directory = await openDirectory({ ...parts, path: DATA });
    try {
      const plan = await planRepair(parts, DATA, true);
      if (plan.kind !== 'cut') throw new Error('nothing is damaged');
      await applyRepair(directory, plan, parts);
    } finally {
      await directory.close();
    }
  };
  await settled(parts.clock, run());
}

/** Flips a bit in the first segment that a start reads: it is not the last one, so the damage is corruption. */
function damaged(): MemoryFileSystem {
  const segments = [...files.keys()].filter((path) => path.endsWith('.wal')).sort();
  return diskWith((path, bytes) => {
    if (path === segments[1]) bytes[200] = (bytes[200] ?? 0) ^ 1;
    return bytes;
  });
}

describe('a call on the disk that fails', () => {
  it.each(['EIO', 'EMFILE', 'ENOSPC'])(
    'leaves nothing open in a backup and its restore: %s',
    async (code) => {
      expect(await leftOpenByFailures(() => diskWith(), backUpAndRestore, code)).toEqual([]);
    },
  );

  it.each(['EIO', 'EMFILE', 'ENOSPC'])('leaves nothing open in a repair: %s', async (code) => {
    expect(await leftOpenByFailures(damaged, repair, code)).toEqual([]);
  });
});
