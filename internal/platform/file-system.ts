/**
 * The disk seam: the narrow part of a file system that Walnut relies on, with
 * what it relies on stated per call. The memory file system of the tests
 * breaks every promise not made here.
 *
 * Errors are Node's system errors: an `Error` with a `code` such as `ENOSPC`.
 */

/** How a file is opened. `create` fails with EEXIST; the others with ENOENT. */
export type OpenMode = 'read' | 'write' | 'create' | 'replace';

export interface FileStat {
  readonly sizeBytes: number;
  readonly isDirectory: boolean;
  /** Last modification, wall milliseconds. */
  readonly modifiedMs: number;
}

export interface File {
  /**
   * Reads into `target` from byte `position` of the file. Resolves with the
   * number of bytes read: short only at the end of the file, 0 beyond it.
   */
  read(target: Uint8Array, position: number): Promise<number>;
  /**
   * Writes `source` at byte `position`. May be short: resolves with the bytes
   * written (at least 1), and the caller continues. Nothing is durable yet.
   */
  write(source: Uint8Array, position: number): Promise<number>;
  /** As `write`, made on the calling thread, which waits for it: for a few bytes. Throws what `write` rejects with. */
  writeNow(source: Uint8Array, position: number): number;
  /** Makes what was written before the call durable, and the file's size. A failure is final. */
  datasync(): Promise<void>;
  /** Like `datasync`, with all metadata. */
  sync(): Promise<void>;
  truncate(sizeBytes: number): Promise<void>;
  stat(): Promise<FileStat>;
  close(): Promise<void>;
}

/** An exclusive hold on a directory that the kernel frees when its owner dies. */
export interface DirectoryLock {
  release(): Promise<void>;
}

export interface FileSystem {
  /** `read`: existing, read only; `write`: existing, read and write; `create`: new, read and write; `replace`: emptied or new. New files have mode 0600. */
  open(path: string, mode: OpenMode): Promise<File>;
  /** Undefined where nothing is there. */
  stat(path: string): Promise<FileStat | undefined>;
  /** The names in a directory, in no order. */
  readDirectory(path: string): Promise<string[]>;
  /** Creates the directory and its parents, mode 0700; one that is there already is fine. */
  makeDirectory(path: string): Promise<void>;
  /** Atomic for observers; durable only after `syncDirectory`. Replaces a file at `to`. */
  rename(from: string, to: string): Promise<void>;
  /** Deletes a file. */
  remove(path: string): Promise<void>;
  /** Deletes a directory, which must be empty. */
  removeDirectory(path: string): Promise<void>;
  /** Makes creations, renames and removals in the directory durable. */
  syncDirectory(path: string): Promise<void>;
  /** Bytes an unprivileged writer may still use on the file system of `path`. */
  freeBytes(path: string): Promise<number>;
  /** Takes the lock file at `path`; undefined where another live process (or this one) holds it. */
  lock(path: string): Promise<DirectoryLock | undefined>;
}
