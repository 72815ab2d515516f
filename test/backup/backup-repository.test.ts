/** Backups are kept in repositories only, and a repository deletes nothing but its own unfinished files. */
import { beforeEach, describe, expect, it } from 'vitest';
import { BackupRepository } from '#backup/backup-repository.ts';
import { BackupRequestError } from '#backup/log-image.ts';
import { fileParts } from '#test/backup/live-log.ts';
import { MemoryFileSystem } from '#test/doubles/memory-file-system.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';

const NOTHING = Buffer.alloc(0);
const OWN = '0123456789abcdef0123456789abcdef';

let disk: MemoryFileSystem;
let clock: VirtualClock;
let repository: BackupRepository;

beforeEach(() => {
  disk = new MemoryFileSystem();
  clock = new VirtualClock();
  repository = new BackupRepository({ ...fileParts, fileSystem: disk, clock }, '/backups');
});

describe('the directory tmp/ of a repository', () => {
  it('loses unfinished files of backups after a day, and keeps everything else however old it is', async () => {
    await repository.prepare();
    const kept = ['notes.txt', `${OWN}.txt`, OWN.slice(1), OWN.toUpperCase(), `${OWN}/inside`].map(
      (name) => `/backups/tmp/${name}`,
    );
    for (const path of [...kept, `/backups/tmp/${OWN.replace('0', 'f')}`]) disk.put(path, NOTHING);
    await repository.prepare();
    expect(disk.paths('/backups/tmp')).toEqual([...kept].sort());
  });

  it('keeps an unfinished file of today: another process may be writing it', async () => {
    await repository.prepare();
    disk.put(`/backups/tmp/${OWN}`, NOTHING);
    const young = new VirtualClock({ wallMs: 24 * 3_600_000 });
    await new BackupRepository({ ...fileParts, fileSystem: disk, clock: young }, '/backups').prepare();
    expect(disk.paths('/backups/tmp')).toEqual([`/backups/tmp/${OWN}`]);
  });
});

describe('a repository', () => {
  it.each([
    ['new', []],
    ['empty', ['/backups/']],
    ['the root of a volume', ['/backups/lost+found/x']],
    ['one without tmp/', ['/backups/objects/ab/x']],
    ['one of which only a manifest is there', ['/backups/20270131T120000.000Z-9f86d081.backup.json']],
  ])('is made in a place that is %s', async (_, paths) => {
    for (const path of paths) {
      if (path.endsWith('/')) await disk.makeDirectory(path.slice(0, -1));
      else disk.put(path, NOTHING);
    }
    await repository.prepare();
    expect((await disk.stat('/backups/objects'))?.isDirectory).toBe(true);
  });

  it.each([
    [
      'a directory of something else',
      '/backups/tmp/session',
      'has contents, such as tmp, and is no repository',
    ],
    ['a data directory', '/backups/MANIFEST', 'such as MANIFEST, and is no repository'],
    [
      'a file',
      '/backups',
      '/backups is not a directory. Expected a repository of backups, an empty directory',
    ],
  ])('is refused in %s, which stays as it was', async (_, path, message) => {
    disk.put(path, NOTHING);
    const before = disk.paths('/');
    await expect(repository.prepare()).rejects.toThrow(message);
    await expect(repository.prepare()).rejects.toBeInstanceOf(BackupRequestError);
    expect(disk.paths('/')).toEqual(before);
    expect((await disk.stat('/backups/objects'))?.isDirectory).not.toBe(true);
  });
});
