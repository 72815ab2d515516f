/**
 * An exclusive lock on a file, which the kernel frees when its owner dies, also by
 * SIGKILL. Node has no flock, but SQLite takes POSIX record locks (Windows locks on
 * Windows), so the lock is an exclusive SQLite transaction that is never committed. A
 * file with a process id would not work: ids repeat across containers.
 *
 * POSIX frees a process's locks on a file when *any* of its descriptors for that file
 * closes. So the owning process must not open the lock file in any other way, and
 * this module opens it only to create it (O_EXCL).
 */
import { closeSync, openSync } from 'node:fs';
import type { DirectoryLock } from '#platform/file-system.ts';
import { loadSqlite } from '#platform/load-sqlite.ts';

const SQLITE_BUSY = 5;

/** Keeps a reference to every lock: a garbage-collected database would free its lock. */
const held = new Set<object>();

/**
 * Locks the file at `path` and creates it (0600) if it is missing. Resolves with
 * undefined if a live process, also this one, owns the lock. Throws if the file
 * cannot be opened or is no lock file.
 */
export async function tryLockFile(path: string): Promise<DirectoryLock | undefined> {
  createFile(path);
  const { DatabaseSync } = await loadSqlite();
  const database = new DatabaseSync(path, { timeout: 0 });
  try {
    // A journal on disk would need space, but a node must start on a full disk to serve reads.
    database.exec('PRAGMA journal_mode = MEMORY; PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
    // On a read-only file SQLite takes only a shared lock, and reports no error before a write.
    // This write detects that. It stays in memory, because it is never committed.
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

/** Creates the file synchronously: a close after another caller in this process took the lock would free it. */
function createFile(path: string): void {
  try {
    closeSync(openSync(path, 'wx', 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}
