import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type BackupManifest, imageOfBackup } from '#backup/backup-manifest.ts';
import { BackupRepository } from '#backup/backup-repository.ts';
import { createBackup } from '#backup/create-backup.ts';
import { foldLog } from '#backup/fold-log.ts';
import { BackupRequestError, type ImageBase, ImageDamageError, type LogImage } from '#backup/log-image.ts';
import { restoreImage } from '#backup/restore-backup.ts';
import { withLogImage } from '#backup/survey-log.ts';
import { verifyBackup } from '#backup/verify-backup.ts';
import { openEngine } from '#engine/open-engine.ts';
import type { File, FileSystem } from '#platform/file-system.ts';
import {
  FORMAT_LEVELS,
  type FormatLevel,
  fileParts,
  LiveLog,
  modelOf,
  sorted,
} from '#test/backup/live-log.ts';
import { payloadOf } from '#test/engine/payload-of.ts';
import { openDirectory } from '#wal/wal-directory.ts';

let root: string;
let data: string;
let repository: BackupRepository;
let live: LiveLog;

async function begin(formatLevel: FormatLevel): Promise<void> {
  root = await mkdtemp(join(tmpdir(), 'walnut-backup-'));
  data = join(root, 'data');
  repository = new BackupRepository(fileParts, join(root, 'backups'));
  live = await LiveLog.open(data, { seed: 11, formatLevel });
}

afterEach(async () => {
  await live.close();
  await rm(root, { recursive: true });
});

const create = (isReplayed = false) => createBackup(fileParts, data, repository, { isReplayed });
const verify = (manifest: BackupManifest) => verifyBackup(fileParts, repository, manifest);
const imageOf = (manifest: BackupManifest): LogImage =>
  imageOfBackup(manifest, (sha256) => repository.objectPath(sha256));

describe.each(FORMAT_LEVELS)('a backup of a running node, at format level %i', (formatLevel) => {
  beforeEach(() => begin(formatLevel));

  it('contains the state of its last record, before and after a checkpoint', async () => {
    await live.write(60);
    const first = await create(true);
    expect(first.manifest).toMatchObject({ from: { lsn: 0 }, to: { lsn: 61 } });
    expect(first.manifest.state?.digest).toBe(live.digests[61]);
    await live.checkpoint();
    await live.write(40);
    const second = await create();
    expect(second.manifest).toMatchObject({ from: { lsn: 61 }, to: { lsn: 101 }, state: null });
    expect(await verify(second.manifest)).toMatchObject({ records: 40, digest: live.digests[101] });
    expect(await verify(first.manifest)).toMatchObject({ records: 61, digest: live.digests[61] });
    expect((await repository.list()).map(({ id }) => id)).toEqual([first.manifest.id, second.manifest.id]);
  });

  it('contains what became of named writes, in its digest too', async () => {
    await live.write(3);
    await live.engine.formats.take();
    const payload = payloadOf([]);
    const results = [{ applied: false, isUnmet: true }];
    payload.name({ name: { kind: 'request', requestId: 'r' }, checksum: 7, results });
    await new Promise<void>((resolve) => live.engine.submit(payload, () => resolve()));
    const digest = live.engine.store.stateDigest();
    const { manifest } = await create(true);
    expect(manifest.state?.digest).toBe(digest);
    expect(await verify(manifest)).toMatchObject({ digest });
    await live.checkpoint();
    const { manifest: again } = await create(true);
    expect(await verify(again)).toMatchObject({ records: 0, digest });
  });

  it('is whole while writes and checkpoints go on', async () => {
    let isOver = false;
    const writing = (async () => {
      while (!isOver) {
        await live.write(15);
        if (live.random.chance(0.3)) await live.checkpoint();
      }
    })();
    const backups = [];
    try {
      for (let i = 0; i < 12; i++) backups.push(await create());
    } finally {
      // No write is left behind where a backup fails.
      isOver = true;
      await writing;
    }
    for (const { manifest } of backups) {
      expect((await verify(manifest)).digest).toBe(live.digests[manifest.to.lsn]);
    }
    expect(backups.at(-1)?.manifest.to.lsn).toBeGreaterThan(backups[0]?.manifest.to.lsn ?? 0);
  });

  it('writes nothing there and never opens LOCK, which would drop the owner’s lock', async () => {
    await live.write(40);
    const calls: string[] = [];
    const watched = Object.fromEntries(
      Object.entries(fileParts.fileSystem).map(([name, call]) => [
        name,
        (path: string, ...rest: unknown[]) => {
          const isReading = /^(stat|readDirectory)$/.test(name) || (name === 'open' && rest[0] === 'read');
          if (path.startsWith(data) && (!isReading || path.endsWith('LOCK'))) calls.push(`${name} ${path}`);
          return (call as (...args: unknown[]) => unknown)(path, ...rest);
        },
      ]),
    ) as unknown as typeof fileParts.fileSystem;
    const parts = { ...fileParts, fileSystem: watched };
    const { manifest } = await createBackup(parts, data, repository, { isReplayed: true });
    expect(manifest.to.lsn).toBe(41);
    expect(calls).toEqual([]);
  });

  it('copies only what is new', async () => {
    await live.write(150);
    const first = await create();
    expect(first).toMatchObject({ reusedFiles: 0 });
    const again = await create();
    expect(again).toMatchObject({ copiedBytes: 0, copiedFiles: 0, reusedBytes: first.copiedBytes });
    const objects = await objectNames();
    await live.write(1);
    const third = await create();
    expect(third.copiedFiles).toBe(1);
    expect(third.reusedFiles).toBe(first.copiedFiles - 1);
    expect((await objectNames()).length).toBe(objects.length + 1);
  });

  it('replaces a damaged object that it would have shared', async () => {
    await live.write(150);
    const { manifest } = await create();
    const { sha256 } = manifest.files[0] as BackupManifest['files'][number];
    await flip(repository.objectPath(sha256), 200);
    await expect(verify(manifest)).rejects.toThrow('SHA-256 differs');
    expect(await create()).toMatchObject({ copiedFiles: 1 });
    expect((await verify(manifest)).digest).toBe(live.digests[151]);
  });

  it('leaves nothing half written on a full disk, and goes on where there is room', async () => {
    await live.write(150);
    const { fileSystem } = fileParts;
    let budgetBytes = 5_000;
    const small: FileSystem = {
      ...fileSystem,
      open: async (path, mode) => {
        const file = await fileSystem.open(path, mode);
        const write: File['write'] = async (source, position) => {
          budgetBytes -= source.length;
          if (budgetBytes < 0) throw Object.assign(new Error('ENOSPC: no space left'), { code: 'ENOSPC' });
          return file.write(source, position);
        };
        return { ...file, write };
      },
    };
    const full = new BackupRepository({ ...fileParts, fileSystem: small }, repository.path);
    await expect(createBackup(fileParts, data, full, { isReplayed: false })).rejects.toThrow('ENOSPC');
    expect(await readdir(join(repository.path, 'tmp'))).toEqual([]);
    expect(await repository.list()).toEqual([]);
    expect((await create(true)).manifest.to.lsn).toBe(live.digests.length - 1);
  });

  it('reads on in files that checkpoints took away meanwhile', async () => {
    await live.write(50);
    await live.checkpoint();
    await live.write(100);
    let attempts = 0;
    const folded = await withLogImage(fileParts, data, async (image, held) => {
      attempts++;
      await live.checkpoint();
      await live.write(50);
      await live.checkpoint();
      const { base, segments } = image;
      for (const { path } of [base as ImageBase, ...segments])
        await expect(stat(path)).rejects.toThrow('ENOENT');
      return foldLog(held, image);
    });
    expect(attempts).toBe(1);
    expect(folded.store.stateDigest()).toBe(live.digests[151]);
  });

  it('begins anew where a checkpoint took its files away', async () => {
    await live.write(100);
    let attempts = 0;
    const base = await withLogImage(fileParts, data, async ({ base, segments }) => {
      attempts++;
      if (attempts === 1) await live.checkpoint();
      for (const file of segments) await readFile(file.path);
      return base;
    });
    expect(attempts).toBe(2);
    expect(base?.point.lsn).toBe(101);
  });
});

describe.each(FORMAT_LEVELS)('a backup of a stopped node, at format level %i', (formatLevel) => {
  beforeEach(() => begin(formatLevel));

  it('leaves out a torn end, and refuses damage that had been durable', async () => {
    await live.write(30);
    await live.close();
    const segments = (await readdir(data)).filter((name) => name.endsWith('.wal')).sort();
    const last = join(data, segments.at(-1) as string);
    await writeFile(last, Buffer.concat([await readFile(last), Buffer.from('garbage'.repeat(9))]));
    const torn = await create(true);
    expect(torn.manifest.state?.digest).toBe(live.digests[31]);
    await flip(last, 150);
    await expect(create()).rejects.toThrow(ImageDamageError);
    await flip(last, 150);
    await flip(join(data, segments[0] as string), 500);
    await expect(create()).rejects.toThrow(`${segments[0]}: byte`);
  });

  it('refuses a snapshot with a flipped bit anywhere, without replaying it', async () => {
    await live.write(30);
    await live.checkpoint();
    const path = join(data, live.host.manifest.snapshot);
    const { size } = await stat(path);
    for (const offset of [0, 40, 300, size >> 1, size - 40, size - 1]) {
      await flip(path, offset);
      await expect(create(), `byte ${offset}`).rejects.toMatchObject({ place: { file: path } });
      await flip(path, offset);
    }
    await create();
  });

  it('refuses what contains no log', async () => {
    await expect(createBackup(fileParts, root, repository, { isReplayed: false })).rejects.toThrow(
      BackupRequestError,
    );
    await expect(repository.list()).rejects.toThrow(BackupRequestError);
  });
});

describe.each(FORMAT_LEVELS)('verification, at format level %i', (formatLevel) => {
  beforeEach(() => begin(formatLevel));

  it('finds damage of any object, anywhere, and of the manifest', async () => {
    await live.write(30);
    await live.checkpoint();
    await live.write(80);
    const { manifest } = await create(true);
    expect(manifest.files.map(({ kind }) => kind)).toContain('snapshot');
    const random = live.random;
    for (const { sha256, bytes } of manifest.files) {
      const path = repository.objectPath(sha256);
      for (const offset of [0, bytes - 1, random.below(bytes), random.below(bytes)]) {
        await flip(path, offset);
        await expect(verify(manifest), `${path} byte ${offset}`).rejects.toThrow(ImageDamageError);
        await flip(path, offset);
      }
      const whole = await readFile(path);
      await writeFile(path, whole.subarray(0, -1));
      await expect(verify(manifest)).rejects.toThrow(ImageDamageError);
      await rm(path);
      await expect(verify(manifest)).rejects.toThrow('missing');
      await writeFile(path, whole);
    }
    expect((await verify(manifest)).digest).toBe(live.digests[111]);
    const path = join(repository.path, `${manifest.id}.backup.json`);
    const { size } = await stat(path);
    for (let offset = 0; offset < size; offset += 7) {
      await flip(path, offset);
      await expect(repository.find(manifest.id), `byte ${offset}`).rejects.toThrow(ImageDamageError);
      await flip(path, offset);
    }
    expect(await repository.find('latest')).toEqual(manifest);
  });

  it('does not believe a manifest whose digest is another one', async () => {
    await live.write(5);
    const { manifest } = await create(true);
    const state = { entries: 1, digest: '0'.repeat(32) };
    await expect(verify({ ...manifest, state })).rejects.toThrow('when it was made');
    const to = { ...manifest.to, crc: manifest.to.crc ^ 1 };
    await expect(verify({ ...manifest, to })).rejects.toThrow('instead of');
  });
});

describe.each(FORMAT_LEVELS)('a restore, at format level %i', (formatLevel) => {
  beforeEach(() => begin(formatLevel));

  it('gives, at every LSN, the state the model had', async () => {
    await live.write(40);
    await live.checkpoint();
    await live.write(60);
    const { manifest } = await create();
    for (let lsn = 41; lsn <= 101; lsn++) {
      const target = { kind: 'lsn', lsn } as const;
      const { store, position } = await foldLog(fileParts, imageOf(manifest), { target });
      expect(position.lsn).toBe(lsn);
      expect(modelOf(store)).toEqual(sorted(live.models[lsn] ?? new Map()));
      const to = join(root, `at-${lsn}`);
      const restored = await restoreImage(fileParts, imageOf(manifest), target, to);
      expect(restored).toMatchObject({ position: { lsn }, digest: live.digests[lsn], leftOut: 101 - lsn });
    }
  });

  it('is a node of its own that recovers by itself, with no clean mark', async () => {
    await live.write(70);
    const { manifest } = await create();
    const incarnations = new Set<number | undefined>();
    for (const lsn of [0, 1, 37, 71]) {
      const to = join(root, `own-${lsn}`);
      const { nodeId } = await restoreImage(fileParts, imageOf(manifest), { kind: 'lsn', lsn }, to);
      expect(nodeId).not.toBe(manifest.nodeId);
      const directory = await openDirectory({ ...fileParts, path: to });
      incarnations.add(directory.manifest?.incarnation);
      expect(directory.manifest).toMatchObject({
        nodeId,
        logId: manifest.logId,
        // The epoch record at LSN 1 is of version 1; an earlier release could read the log up to there.
        format: formatLevel > 0 && lsn > 1 ? 2 : 1,
        replicas: { added: [], removed: [] },
        quarantine: null,
      });
      const { engine, wasClean } = await openEngine(directory, live.host.options, () => {});
      expect([engine.applied.lsn, engine.store.stateDigest(), wasClean]).toEqual([
        lsn,
        live.digests[lsn],
        false,
      ]);
      expect(modelOf(engine.store)).toEqual(sorted(live.models[lsn] ?? new Map()));
      await engine.log.close();
      await directory.close();
    }
    expect(incarnations.size).toBe(4);
  });

  it('goes by the log’s clock to a moment', async () => {
    await live.write(20);
    await live.engine.logClock.observe(live.engine.logClock.nowMs() + 50);
    await live.write(20);
    const { manifest } = await create();
    const timeMs = live.timestamps[15] ?? 0;
    const lsn = live.timestamps.findLastIndex((timestampMs) => timestampMs <= timeMs);
    const restored = await restoreImage(
      fileParts,
      imageOf(manifest),
      { kind: 'time', timeMs },
      join(root, 't'),
    );
    expect(restored).toMatchObject({ position: { lsn }, digest: live.digests[lsn], timestampMs: timeMs });
  });

  it('goes into the root of a volume: what is no data of a node is left alone', async () => {
    await live.write(10);
    const { manifest } = await create();
    const volume = join(root, 'volume');
    await mkdir(join(volume, 'lost+found'), { recursive: true });
    await mkdir(join(volume, 'aside', '1'), { recursive: true });
    await writeFile(join(volume, 'note'), 'mine');
    await writeFile(join(volume, 'LOCK'), '');
    // A node that was killed while it made its first segment leaves this; a start takes it, too.
    const stub = '0000000099-00000000000000000001.wal';
    await writeFile(join(volume, stub), '');
    const { position } = await restoreImage(fileParts, imageOf(manifest), { kind: 'end' }, volume);
    expect(position.lsn).toBe(11);
    const names = await readdir(volume);
    expect(names).toEqual(expect.arrayContaining(['MANIFEST', 'aside', 'lost+found', 'note']));
    expect(names).not.toContain(stub);
    expect(await readFile(join(volume, 'note'), 'utf8')).toBe('mine');
    const directory = await openDirectory({ ...fileParts, path: volume });
    const { engine } = await openEngine(directory, live.host.options, () => {});
    expect(engine.applied.lsn).toBe(11);
    engine.release();
    await engine.log.close();
    await directory.close();
  });

  it.each([
    ['MANIFEST', 'x'],
    ['00000000000000000017-0000004294967303.snapshot', ''],
  ])('refuses a directory that contains %s', async (name, content) => {
    await live.write(3);
    const { manifest } = await create();
    const full = join(root, 'full');
    await mkdir(full);
    await writeFile(join(full, name), content);
    const restoring = restoreImage(fileParts, imageOf(manifest), { kind: 'end' }, full);
    await expect(restoring).rejects.toThrow(`${full} is not empty: ${name} contains data of a node`);
    expect(await readdir(full)).toEqual([name]);
  });

  it('refuses a directory in use, and positions that are not in it', async () => {
    await live.write(10);
    await live.checkpoint();
    await live.write(10);
    const { manifest } = await create();
    const image = imageOf(manifest);
    const full = join(root, 'full');
    await mkdir(full);
    await writeFile(join(full, 'note'), 'mine');
    await writeFile(join(full, 'MANIFEST'), 'of another node');
    const restore = (target: Parameters<typeof restoreImage>[2], to: string) =>
      restoreImage(fileParts, image, target, join(root, to));
    await expect(restore({ kind: 'end' }, 'full')).rejects.toThrow('not empty');
    await expect(restore({ kind: 'end' }, 'full/note')).rejects.toThrow('not a directory');
    await expect(restore({ kind: 'lsn', lsn: 10 }, 'a')).rejects.toThrow('from 11 to 21');
    await expect(restore({ kind: 'lsn', lsn: 22 }, 'a')).rejects.toThrow(BackupRequestError);
    await expect(restore({ kind: 'time', timeMs: 1_000 }, 'a')).rejects.toThrow('before its beginning');
    const later = { kind: 'time', timeMs: Date.now() + 3_600_000 } as const;
    await expect(restore(later, 'a')).rejects.toThrow('after its end');
    await expect(stat(join(root, 'a'))).rejects.toThrow('ENOENT');
  });

  it('is refused where its recovery comes to another state', async () => {
    await live.write(40);
    const { manifest } = await create();
    const to = join(root, 'shorter');
    const { fileSystem } = fileParts;
    // The copy of the last segment loses its last bytes, as if the disk had lied.
    const last = manifest.files.at(-1) as BackupManifest['files'][number];
    const lying = {
      ...fileSystem,
      open: async (path: string, mode: Parameters<typeof fileSystem.open>[1]) => {
        const file = await fileSystem.open(path, mode);
        const isTarget = path === join(to, last.name) && mode === 'replace';
        const datasync = async (): Promise<void> => file.truncate(last.bytes - 5);
        return isTarget ? { ...file, datasync } : file;
      },
    };
    const restored = restoreImage(
      { ...fileParts, fileSystem: lying },
      imageOf(manifest),
      { kind: 'end' },
      to,
    );
    await expect(restored).rejects.toThrow('recovery came to LSN 40');
    await expect(openDirectory({ ...fileParts, path: to })).rejects.toMatchObject({ kind: 'corrupt' });
  });

  it('leaves nothing that a start would take for a node where it fails', async () => {
    await live.write(40);
    const { manifest } = await create();
    const image = imageOf(manifest);
    const failing = {
      ...fileParts,
      fileSystem: {
        ...fileParts.fileSystem,
        rename: (from: string, to: string) =>
          to.endsWith('MANIFEST')
            ? Promise.reject(new Error('pulled'))
            : fileParts.fileSystem.rename(from, to),
      },
    };
    const to = join(root, 'half');
    await expect(restoreImage(failing, image, { kind: 'end' }, to)).rejects.toThrow('pulled');
    await expect(openDirectory({ ...fileParts, path: to })).rejects.toMatchObject({ kind: 'corrupt' });
  });
});

async function objectNames(): Promise<string[]> {
  const folders = await readdir(join(repository.path, 'objects'));
  const names = await Promise.all(folders.map((name) => readdir(join(repository.path, 'objects', name))));
  return names.flat();
}

async function flip(path: string, offset: number): Promise<void> {
  const bytes = await readFile(path);
  bytes[offset] = (bytes[offset] ?? 0) ^ 0x10;
  await writeFile(path, bytes);
}
