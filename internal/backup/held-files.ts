/**
 * Keeps files of a log open while it is read. A node removes segments and snapshots
 * that it no longer needs; a file that is open can be read on to its end, so a backup
 * does not have to be faster than the checkpoints of the node.
 */
import type { ImageReaderParts } from '#backup/log-image.ts';
import type { File, FileSystem } from '#platform/file-system.ts';

/** At most this many files are kept open, so that no usual limit of descriptors is reached. */
const HELD_MAX = 128;

/**
 * Opens the first 128 of `paths` at once, runs `work` with a file system that reads these
 * files through the descriptors, whatever became of their names, and closes them. All other
 * calls go to the file system of `parts`. Rejects with the error of a file that cannot be opened.
 */
export async function withHeldFiles<T, Parts extends ImageReaderParts>(
  parts: Parts,
  paths: readonly string[],
  work: (parts: Parts) => Promise<T>,
): Promise<T> {
  const { fileSystem } = parts;
  const held = new Map<string, File>();
  const open = async (path: string): Promise<void> => {
    held.set(path, await fileSystem.open(path, 'read'));
  };
  try {
    const opened = await Promise.allSettled(paths.slice(0, HELD_MAX).map(open));
    const failed = opened.find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    return await work({ ...parts, fileSystem: readingThrough(fileSystem, held) });
  } finally {
    for (const file of held.values()) await file.close();
  }
}

function readingThrough(inner: FileSystem, held: ReadonlyMap<string, File>): FileSystem {
  return {
    open: async (path, mode) => {
      const file = mode === 'read' ? held.get(path) : undefined;
      return file === undefined ? inner.open(path, mode) : stayingOpen(file);
    },
    stat: (path) => inner.stat(path),
    readDirectory: (path) => inner.readDirectory(path),
    makeDirectory: (path) => inner.makeDirectory(path),
    rename: (from, to) => inner.rename(from, to),
    remove: (path) => inner.remove(path),
    removeDirectory: (path) => inner.removeDirectory(path),
    openDirectory: (path) => inner.openDirectory(path),
    syncDirectory: (path) => inner.syncDirectory(path),
    freeBytes: (path) => inner.freeBytes(path),
    lock: (path) => inner.lock(path),
  };
}

/** The file, with a `close` that leaves it open for the next reader. */
function stayingOpen(file: File): File {
  return {
    read: (target, position) => file.read(target, position),
    write: (source, position) => file.write(source, position),
    writeNow: (source, position) => file.writeNow(source, position),
    datasync: () => file.datasync(),
    sync: () => file.sync(),
    truncate: (sizeBytes) => file.truncate(sizeBytes),
    stat: () => file.stat(),
    close: async () => {},
  };
}
