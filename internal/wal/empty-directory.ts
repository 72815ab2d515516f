/**
 * What "empty" means for a data directory, for a start and for a restore alike:
 * no file in it holds data of a node. Whatever else lies there is somebody
 * else's and stays: `lost+found` of a volume's root, LOCK, `aside/`, notes.
 */
import type { FileSystem } from '#platform/file-system.ts';
import { MANIFEST_NAME, parseSegmentName, parseSnapshotName } from '#wal/file-names.ts';
import { hasFrameSomewhere } from '#wal/later-items.ts';

export interface NodeData {
  /** A file that holds data of a node; undefined where the directory counts as empty. */
  readonly holder: string | undefined;
  /** Segments without a record, as a crash leaves them that were just created: in the way of a new log. */
  readonly leftovers: readonly string[];
}

/** The directory must be there. */
export async function findNodeData(fileSystem: FileSystem, path: string): Promise<NodeData> {
  const leftovers: string[] = [];
  for (const name of (await fileSystem.readDirectory(path)).sort()) {
    if (name === MANIFEST_NAME || parseSnapshotName(name) !== undefined) return { holder: name, leftovers };
    if (parseSegmentName(name) === undefined) continue;
    if (await hasRecords(fileSystem, `${path}/${name}`)) return { holder: name, leftovers };
    leftovers.push(name);
  }
  return { holder: undefined, leftovers };
}

async function hasRecords(fileSystem: FileSystem, path: string): Promise<boolean> {
  const file = await fileSystem.open(path, 'read');
  try {
    return await hasFrameSomewhere(file, (await file.stat()).sizeBytes);
  } finally {
    await file.close();
  }
}
