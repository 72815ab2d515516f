/**
 * The production `FileSystem`, over `node:fs/promises`.
 *
 * Every read and write is positional, so concurrent calls share no cursor. No
 * descriptor is left to the garbage collector. Failures are Node's system errors,
 * unchanged. Files are created with mode 0600 and directories with 0700, minus the
 * umask. Windows cannot sync directories; there syncing one does nothing.
 */
import { constants, type Stats, writeSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { tryLockFile } from '#platform/file-lock.ts';
import type { File, FileStat, FileSystem, OpenedDirectory, OpenMode } from '#platform/file-system.ts';
import { lockOwner } from '#platform/lock-owner.ts';
import { shortageOf } from '#platform/shortage.ts';

const FILE_MODE = 0o600;
const DIRECTORY_MODE = 0o700;
const PATIENCE_MS = 50;
const PATIENCE_ATTEMPTS = 100;
const { O_RDONLY, O_RDWR, O_CREAT, O_EXCL, O_TRUNC } = constants;
/** Opening a named pipe would otherwise wait for a writer, and keep a thread for ever. Windows has no such flag. */
const O_NONBLOCK = constants.O_NONBLOCK ?? 0;

const FLAGS: Readonly<Record<OpenMode, number>> = {
  read: O_RDONLY | O_NONBLOCK,
  write: O_RDWR,
  create: O_RDWR | O_CREAT | O_EXCL,
  replace: O_RDWR | O_CREAT | O_TRUNC,
};

export function createNodeFileSystem(): FileSystem {
  return {
    open: async (path, mode) => wrapHandle(await fs.open(path, FLAGS[mode], FILE_MODE)),
    stat: statPath,
    readDirectory: (path) => fs.readdir(path),
    makeDirectory,
    rename: (from, to) => fs.rename(from, to),
    remove: (path) => fs.unlink(path),
    removeDirectory: (path) => fs.rmdir(path),
    openDirectory,
    syncDirectory,
    freeBytes,
    lock: tryLockFile,
    lockOwner,
  };
}

function wrapHandle(handle: fs.FileHandle): File {
  return {
    read: async (target, position) => readFully(handle, target, position),
    write: async (source, position) => {
      if (source.length === 0) return 0;
      return (await handle.write(source, 0, source.length, position)).bytesWritten;
    },
    writeNow: (source, position) =>
      source.length === 0 ? 0 : writeSync(handle.fd, source, 0, source.length, position),
    datasync: () => handle.datasync(),
    sync: () => handle.sync(),
    truncate: (sizeBytes) => handle.truncate(sizeBytes),
    stat: async () => toFileStat(await handle.stat()),
    close: () => handle.close(),
  };
}

/** Repeats short reads until the end of the file: the kernel may return few bytes after a signal or above 2 GiB. */
async function readFully(handle: fs.FileHandle, target: Uint8Array, position: number): Promise<number> {
  let filled = 0;
  while (filled < target.length) {
    const { bytesRead } = await handle.read(target, filled, target.length - filled, position + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return filled;
}

async function statPath(path: string): Promise<FileStat | undefined> {
  try {
    return toFileStat(await fs.stat(path));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw error;
  }
}

function toFileStat(stats: Stats): FileStat {
  return {
    sizeBytes: stats.size,
    isDirectory: stats.isDirectory(),
    isRegular: stats.isFile(),
    modifiedMs: Math.floor(stats.mtimeMs),
    mode: stats.mode & 0o7777,
    ownerId: stats.uid,
  };
}

/**
 * Also makes the names of new directories durable, because the caller does not know which
 * are new. Node's recursive mkdir never ends on a file system such as /proc, which refuses
 * new names with ENOENT: Node takes that for a missing parent, again and again.
 */
async function makeDirectory(path: string): Promise<void> {
  const wanted = [resolve(path)];
  for (;;) {
    const [first = ''] = wanted;
    const parent = dirname(first);
    if (parent === first || (await statPath(parent)) !== undefined) break;
    wanted.unshift(parent);
  }
  for (const directory of wanted) {
    if (await tryMakeDirectory(directory)) await syncDirectory(dirname(directory));
  }
}

/** False if the directory is there already. */
async function tryMakeDirectory(path: string): Promise<boolean> {
  try {
    await fs.mkdir(path, { mode: DIRECTORY_MODE });
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST' && (await statPath(path))?.isDirectory === true) return false;
    if (code !== 'ENOENT') throw error;
    const why = `ENOENT: the file system of ${dirname(path)} takes no new directory, mkdir '${path}'`;
    throw Object.assign(new Error(why, { cause: error }), { code, syscall: 'mkdir', path });
  }
}

async function openDirectory(path: string): Promise<OpenedDirectory> {
  if (process.platform === 'win32') return UNSYNCED;
  const handle = await openPatiently(path);
  return { sync: () => handle.sync(), close: () => handle.close() };
}

const UNSYNCED: OpenedDirectory = { sync: async () => {}, close: async () => {} };

async function syncDirectory(path: string): Promise<void> {
  const directory = await openDirectory(path);
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/**
 * Opens a directory to sync it. For `syncDirectory` the name may have changed already, so
 * if descriptors are short, this waits for up to five seconds.
 */
async function openPatiently(path: string): Promise<fs.FileHandle> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await fs.open(path, O_RDONLY);
    } catch (error) {
      if (shortageOf(error) !== 'files' || attempt === PATIENCE_ATTEMPTS) throw error;
      await delay(PATIENCE_MS);
    }
  }
}

async function freeBytes(path: string): Promise<number> {
  const { bavail, bsize } = await fs.statfs(path);
  return bavail * bsize;
}
