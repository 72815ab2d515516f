/**
 * Decides whether a data directory counts as empty, for a start and for a restore:
 * no file in it contains data of a node. Other files stay where they are, such as
 * `lost+found` in the root of a volume, LOCK, `aside/` or notes.
 */
import type { FileSystem } from '#platform/file-system.ts';
import { MANIFEST_NAME, parseSegmentName, parseSnapshotName } from '#wal/file-names.ts';
import { hasFrameSomewhere } from '#wal/later-items.ts';

export interface NodeData {
  /** The first file that contains data of a node; undefined: the directory counts as empty. */
  readonly holder: string | undefined;
  /** Segments without a record, which a crash left; a new log could not use their names. */
  readonly leftovers: readonly string[];
}

/** The directory must exist. */
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
