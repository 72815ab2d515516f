/**
 * An exclusive lock on a file that the kernel frees when its owner dies,
 * SIGKILL included. Node has no flock; SQLite takes POSIX record locks (or
 * Windows' own), so an exclusive transaction that is never written to serves.
 * A file holding a process id would not do: ids repeat across containers.
 *
 * POSIX drops a process's locks on a file when *any* of its descriptors for
 * that file closes. So nothing in the owning process may open the lock file
 * by other means, and this module creates it by O_EXCL only.
 */
import { closeSync, openSync } from 'node:fs';
import type { DirectoryLock } from '#platform/file-system.ts';

const SQLITE_BUSY = 5;

/** Keeps locks alive that a caller forgets: a collected database would free the lock. */
const held = new Set<object>();
let sqlite: Promise<typeof import('node:sqlite')> | undefined;

/**
 * Takes the lock file at `path`, creating it (0600) where missing; undefined
 * where another live process, or this one, holds it. Throws where the file
 * cannot be opened or is something else than a lock file.
 */
export async function tryLockFile(path: string): Promise<DirectoryLock | undefined> {
  createFile(path);
  sqlite ??= importQuietly();
  const { DatabaseSync } = await sqlite;
  const database = new DatabaseSync(path, { timeout: 0 });
  try {
    // A journal on disk would need space, and a start on a full disk must still serve reads.
    database.exec('PRAGMA journal_mode = MEMORY; PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
    // A file that may only be read gives a shared lock, which keeps nobody out, and no error before a write.
    // This one never leaves the memory: nothing is committed.
    database.exec('PRAGMA user_version = 1');
  } catch (error) {
    database.close();
    if ((error as { errcode?: number }).errcode === SQLITE_BUSY) return undefined;
    throw new Error(`cannot lock ${path}: ${(error as Error).message}`, { cause: error });
  }
  held.add(database);
  return {
    release: async () => {
      if (!held.delete(database)) return;
      database.close();
    },
  };
}

/** In one turn: a close after another caller of this process took the lock would drop it. */
function createFile(path: string): void {
  try {
    closeSync(openSync(path, 'wx', 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

/** Node 22 and 24 announce `node:sqlite` as experimental on first import: not an operator's concern. */
async function importQuietly(): Promise<typeof import('node:sqlite')> {
  const emitWarning = process.emitWarning;
  process.emitWarning = ((warning: string | Error, ...rest: unknown[]) => {
    if (String(warning).includes('SQLite')) return;
    (emitWarning as (...all: unknown[]) => void).call(process, warning, ...rest);
  }) as typeof process.emitWarning;
  try {
    return await import('node:sqlite');
  } finally {
    process.emitWarning = emitWarning;
  }
}
