/**
 * The interface to the disk: the few calls that Walnut uses, each with the guarantees
 * it relies on. The memory file system of the tests gives no guarantee beyond these.
 *
 * Errors are Node's system errors: an `Error` with a `code` such as `ENOSPC`.
 */

/** How a file is opened. `create` fails with EEXIST, `read` and `write` with ENOENT. */
export type OpenMode = 'read' | 'write' | 'create' | 'replace';

export interface FileStat {
  readonly sizeBytes: number;
  readonly isDirectory: boolean;
  /** False for directories, pipes, devices and sockets. */
  readonly isRegular: boolean;
  /** Last modification, wall time in milliseconds. */
  readonly modifiedMs: number;
  /** The permission bits, such as 0o600. */
  readonly mode: number;
  /** The user id of the owner. */
  readonly ownerId: number;
}

export interface File {
  /**
   * Reads into `target` from byte `position` of the file. Resolves with the number of
   * bytes read, which is less than requested only at the end of the file.
   */
  read(target: Uint8Array, position: number): Promise<number>;
  /**
   * Writes `source` at byte `position`. Resolves with the number of bytes written, at
   * least 1; the caller must write the rest. Nothing is durable yet.
   */
  write(source: Uint8Array, position: number): Promise<number>;
  /** `write` that blocks the calling thread, for a few bytes. Throws the errors with which `write` rejects. */
  writeNow(source: Uint8Array, position: number): number;
  /** Makes everything written before the call durable, and the file's size. A failure is final. */
  datasync(): Promise<void>;
  /** `datasync` for all metadata, too. */
  sync(): Promise<void>;
  truncate(sizeBytes: number): Promise<void>;
  stat(): Promise<FileStat>;
  close(): Promise<void>;
}

/** A directory kept open: syncing its names needs no further file descriptor. */
export interface OpenedDirectory {
  /** Makes creations, renames and removals in the directory durable. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** An exclusive lock on a directory, which the kernel frees when its owner dies. */
export interface DirectoryLock {
  release(): Promise<void>;
}

export interface FileSystem {
  /** `read`: existing, read only; `write`: existing, read and write; `create`: new, read and write; `replace`: truncated or new, read and write. New files have mode 0600. */
  open(path: string, mode: OpenMode): Promise<File>;
  /** Undefined if the path does not exist. */
  stat(path: string): Promise<FileStat | undefined>;
  /** The names in a directory, in no order. */
  readDirectory(path: string): Promise<string[]>;
  /** Creates the directory and its parents with mode 0700, if they do not exist. */
  makeDirectory(path: string): Promise<void>;
  /** Renames atomically and replaces a file at `to`. Durable only after a sync of the directory. */
  rename(from: string, to: string): Promise<void>;
  /** Removes the name. Durable only after a sync of the directory. Rejects with ENOENT if there is no such file. */
  remove(path: string): Promise<void>;
  /** Rejects with ENOTEMPTY unless the directory is empty. Durable only after a sync of its parent. */
  removeDirectory(path: string): Promise<void>;
  /** Opens a directory whose names are to be synced. */
  openDirectory(path: string): Promise<OpenedDirectory>;
  /** `openDirectory`, `sync` and `close` in one, for a single sync. Fails if no descriptor is left. */
  syncDirectory(path: string): Promise<void>;
  /** Bytes that an unprivileged process may still write to the file system of `path`. */
  freeBytes(path: string): Promise<number>;
  /** Locks the file at `path`; undefined if a live process, also this one, owns the lock. */
  lock(path: string): Promise<DirectoryLock | undefined>;
  /** The id of the process that has the file at `path` locked; undefined where that is not known. */
  lockOwner?(path: string): Promise<number | undefined>;
}
