/**
 * A `FileSystem` that changes nothing. Tools use it to read a data directory with the
 * code of the node that owns the directory.
 *
 * Opening to write opens to read. Syncs do nothing, because nothing was written. Every
 * other change throws EROFS, and so does `lock`, because a reader must never open the
 * lock file (see `file-lock.ts`).
 */
import type { File, FileSystem, OpenMode } from '#platform/file-system.ts';

const nothing = async (): Promise<void> => {};

/** `onRead` is called with the number of bytes of each read, so that the caller can show progress. */
export function createReadOnlyFileSystem(inner: FileSystem, onRead?: (bytes: number) => void): FileSystem {
  return {
    open: async (path, mode) => {
      if (mode === 'create' || mode === 'replace') throw readOnlyError(`open for ${mode}`, path);
      return wrapFile(await inner.open(path, 'read' satisfies OpenMode), path, onRead);
    },
    stat: (path) => inner.stat(path),
    readDirectory: (path) => inner.readDirectory(path),
    freeBytes: (path) => inner.freeBytes(path),
    openDirectory: async () => ({ sync: nothing, close: nothing }),
    syncDirectory: nothing,
    makeDirectory: (path) => refuse('mkdir', path),
    rename: (from) => refuse('rename', from),
    remove: (path) => refuse('remove', path),
    removeDirectory: (path) => refuse('removeDirectory', path),
    lock: (path) => refuse('lock', path),
  };
}

function wrapFile(file: File, path: string, onRead: ((bytes: number) => void) | undefined): File {
  return {
    read: async (target, position) => {
      const bytes = await file.read(target, position);
      onRead?.(bytes);
      return bytes;
    },
    stat: () => file.stat(),
    close: () => file.close(),
    datasync: nothing,
    sync: nothing,
    write: () => refuse('write', path),
    writeNow: () => {
      throw readOnlyError('write', path);
    },
    truncate: () => refuse('truncate', path),
  };
}

function refuse(call: string, path: string): Promise<never> {
  return Promise.reject(readOnlyError(call, path));
}

function readOnlyError(call: string, path: string): Error {
  return Object.assign(new Error(`EROFS: opened for reading only, ${call} '${path}'`), { code: 'EROFS' });
}
