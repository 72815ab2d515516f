/** The power goes at every single call that a backup or a restore makes on the disk. */
import { describe, expect, it } from 'vitest';
import { imageOfBackup } from '#backup/backup-manifest.ts';
import { BackupRepository } from '#backup/backup-repository.ts';
import { createBackup } from '#backup/create-backup.ts';
import { checkTail } from '#backup/live-segment.ts';
import { type ImageSegment, LogMovedError } from '#backup/log-image.ts';
import { restoreImage } from '#backup/restore-backup.ts';
import { type ShadowParts, writeImage } from '#backup/shadow.ts';
import { withLogImage } from '#backup/survey-log.ts';
import { verifyBackup } from '#backup/verify-backup.ts';
import { openEngine } from '#engine/open-engine.ts';
import type { FileSystem } from '#platform/file-system.ts';
import { fileParts, LiveLog } from '#test/backup/live-log.ts';
import { MemoryFileSystem } from '#test/doubles/memory-file-system.ts';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { encodeManifest, type Manifest, tryDecodeManifest } from '#wal/manifest.ts';
import { openDirectory } from '#wal/wal-directory.ts';
import { WalOpenError } from '#wal/wal-errors.ts';
import { readWholeFile, writeFully } from '#wal/whole-files.ts';

const DATA = '/data';
const BACKUPS = '/backups';

const partsOn = (fileSystem: MemoryFileSystem): ShadowParts => ({
  ...fileParts,
  fileSystem,
  random: new SeededRandom(3),
});

/** A stopped node with one backup of it, then more records and a checkpoint. */
async function build() {
  const fileSystem = new MemoryFileSystem({ seed: 4 });
  const parts = partsOn(fileSystem);
  const live = await LiveLog.open(DATA, {
    seed: 8,
    maxFileBytes: 2_048,
    parts: { ...fileParts, fileSystem },
  });
  await live.write(15);
  const first = await createBackup(parts, DATA, new BackupRepository(parts, BACKUPS), { isReplayed: true });
  await live.checkpoint();
  await live.write(25);
  await live.close();
  return { disk: fileSystem, live, first: first.manifest };
}

describe('a power cut at every call', () => {
  it('of a backup leaves whole backups only, and the next one succeeds', async () => {
    let cuts = 0;
    for (let call = 1; ; call++) {
      const { disk, live, first } = await build();
      const crashing = disk.kill();
      crashing.crashAtCall = call;
      const parts = partsOn(crashing);
      const made = await createBackup(parts, DATA, new BackupRepository(parts, BACKUPS), {
        isReplayed: false,
      }).catch(() => undefined);
      if (!crashing.isCrashed) break;
      cuts++;
      const after = partsOn(crashing.crash(call));
      const repository = new BackupRepository(after, BACKUPS);
      const listed = await repository.list();
      expect(listed[0]?.id).toBe(first.id);
      if (made !== undefined) expect(listed.map(({ id }) => id)).toContain(made.manifest.id);
      for (const { manifest, id } of listed) {
        if (manifest === undefined) throw new Error(`call ${call}: ${id} is listed and not whole`);
        const { digest } = await verifyBackup(after, repository, manifest);
        expect(digest).toBe(live.digests[manifest.to.lsn]);
      }
      const again = await createBackup(after, DATA, repository, { isReplayed: true });
      expect(again.manifest.state?.digest).toBe(live.digests[41]);
    }
    expect(cuts).toBeGreaterThan(10);
  });

  it('of a restore leaves the whole node, or nothing that starts as one', async () => {
    let cuts = 0;
    const outcomes = { whole: 0, refused: 0, empty: 0 };
    for (let call = 1; ; call++) {
      const { disk, live, first } = await build();
      const crashing = disk.kill();
      crashing.crashAtCall = call;
      const parts = partsOn(crashing);
      const repository = new BackupRepository(parts, BACKUPS);
      const image = imageOfBackup(first, (sha256) => repository.objectPath(sha256));
      const target = { kind: 'lsn', lsn: 9 } as const;
      const isDone = await restoreImage(parts, image, target, '/new').then(
        () => true,
        () => false,
      );
      if (!crashing.isCrashed) break;
      cuts++;
      const outcome = await startOn(partsOn(crashing.crash(call)), live.digests[9] ?? '');
      outcomes[outcome]++;
      if (isDone) expect(outcome).toBe('whole');
    }
    expect(cuts).toBeGreaterThan(10);
    expect(outcomes.whole).toBeGreaterThan(0);
    expect(outcomes.refused).toBeGreaterThan(0);
  });
});

/** What a start finds in `/new`; fails the test where that is a node with another state. */
async function startOn(parts: ShadowParts, digest: string): Promise<'whole' | 'refused' | 'empty'> {
  try {
    const directory = await openDirectory({ ...parts, path: '/new' });
    if (directory.manifest === undefined) return 'empty';
    const { engine, wasClean } = await openEngine(
      directory,
      {
        ...parts,
        fsync: 'always',
        syncIntervalMs: 1_000,
        requestedSyncGapMs: 0,
        maxFileBytes: 2_048,
        retentionBytes: 0,
        snapshotEveryBytes: Number.MAX_SAFE_INTEGER,
      },
      () => {},
    );
    expect([engine.applied.lsn, engine.store.stateDigest(), wasClean]).toEqual([9, digest, false]);
    return 'whole';
  } catch (error) {
    if (error instanceof WalOpenError) return 'refused';
    throw error;
  }
}

/** The state before the last batch was durable: MANIFEST says nothing of where the log ended. */
async function forgetEnd(fileSystem: FileSystem): Promise<void> {
  const path = `${DATA}/MANIFEST`;
  const manifest = tryDecodeManifest(await readWholeFile(fileSystem, path)) as Manifest;
  const file = await fileSystem.open(path, 'replace');
  await writeFully(file, encodeManifest({ ...manifest, reaches: undefined }), 0);
  await file.close();
}

describe('a log whose end is cut off while it is copied', () => {
  it('is surveyed and copied anew', async () => {
    const { disk } = await build();
    const parts = partsOn(disk.kill());
    const { fileSystem } = parts;
    await forgetEnd(fileSystem);
    const ends: number[] = [];
    await fileSystem.makeDirectory('/copy');
    await withLogImage(parts, DATA, async (image) => {
      ends.push(image.last.lsn);
      const last = image.segments.at(-1) as ImageSegment;
      if (ends.length === 1) {
        // A full disk does the same: the batch that found no room goes again.
        const file = await fileSystem.open(last.path, 'write');
        await file.truncate(last.bytes - 9);
        await file.close();
      }
      await writeImage(parts, image, '/copy');
      await checkTail(parts, { ...last, path: `/copy/${last.name}` }, image.last);
    });
    expect(ends).toEqual([41, 40]);
  });

  it('is not taken for the one that was surveyed', async () => {
    const { disk } = await build();
    const parts = partsOn(disk.kill());
    await withLogImage(parts, DATA, async ({ segments, last }) => {
      const tail = segments.at(-1) as ImageSegment;
      await checkTail(parts, tail, last);
      const check = checkTail(parts, tail, { ...last, crc: last.crc ^ 1 });
      await expect(check).rejects.toThrow(LogMovedError);
    });
  });
});
