/**
 * A metadata store in one SQLite file, for a cluster with one coordinator. The process
 * that has it open owns its lock until it dies, so the lock is the election: nobody
 * else can open it meanwhile.
 *
 * Each transaction is durable before it is answered: a write-ahead log with
 * `synchronous=FULL` is fdatasynced at each commit. (In the default journal mode FULL
 * would not make the deletion of the journal durable, which undoes the last commit.)
 */
import type { DatabaseSync } from 'node:sqlite';
import type { KeyChange } from '#metadata/key-space.ts';
import { type Keeper, LocalStore } from '#metadata/local-store.ts';
import type { MetadataStore, StoredEntry } from '#metadata/metadata-store.ts';
import { WalnutError } from '#model/errors.ts';
import type { Clock } from '#platform/clock.ts';
import { loadSqlite } from '#platform/load-sqlite.ts';
import { messageOf } from '#platform/thrown.ts';

const SQLITE_BUSY = 5;
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS entries (
    key TEXT PRIMARY KEY, value BLOB NOT NULL,
    created INTEGER NOT NULL, changed INTEGER NOT NULL, leased INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS store (one INTEGER PRIMARY KEY CHECK (one = 1), revision INTEGER NOT NULL) STRICT;
  INSERT OR IGNORE INTO store VALUES (1, 1);`;

/**
 * Opens the file, and creates it if it is missing. Rejects with `failed_precondition`
 * if another process has it open, or if it is no such file. Keys that went with a lease
 * are deleted, because the process that owned the lease is dead.
 */
export async function openFileStore(path: string, clock: Clock): Promise<MetadataStore> {
  const { DatabaseSync } = await loadSqlite();
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { timeout: 0 });
    database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
    database.exec(`BEGIN EXCLUSIVE; ${SCHEMA} COMMIT`);
    database.exec(
      'BEGIN; DELETE FROM entries WHERE leased = 1; UPDATE store SET revision = revision + 1; COMMIT',
    );
    const { revision } = database.prepare('SELECT revision FROM store').get() as { revision: number };
    return new LocalStore({
      clock,
      keeper: createKeeper(database),
      entries: readEntries(database),
      revision,
    });
  } catch (error) {
    database?.close();
    throw refusalToOpen(path, error);
  }
}

function refusalToOpen(path: string, error: unknown): WalnutError {
  const isBusy = (error as { errcode?: number }).errcode === SQLITE_BUSY;
  const why = isBusy
    ? `another process has the metadata store ${path} open: it serves one coordinator; for several use etcd`
    : `cannot open the metadata store ${path}: ${messageOf(error)}`;
  return new WalnutError('failed_precondition', why, { cause: error });
}

function readEntries(database: DatabaseSync): StoredEntry[] {
  const rows = database.prepare('SELECT key, value, created, changed FROM entries').all();
  return rows.map((row) => ({
    key: row['key'] as string,
    value: row['value'] as Uint8Array,
    createRevision: row['created'] as number,
    modRevision: row['changed'] as number,
  }));
}

function createKeeper(database: DatabaseSync): Keeper {
  const put = database.prepare('INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?, ?)');
  const remove = database.prepare('DELETE FROM entries WHERE key = ?');
  const count = database.prepare('UPDATE store SET revision = ?');
  const write = ({ key, entry, isLeased }: KeyChange): void => {
    if (entry === undefined) remove.run(key);
    else put.run(key, entry.value, entry.createRevision, entry.modRevision, isLeased ? 1 : 0);
  };
  return {
    keep: (changes, revision) => {
      database.exec('BEGIN IMMEDIATE');
      for (const change of changes) write(change);
      count.run(revision);
      database.exec('COMMIT');
    },
    close: () => database.close(),
  };
}
