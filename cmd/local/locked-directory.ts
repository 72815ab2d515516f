/** Finds data directories that another process uses. */
import type { FileSystem } from '#platform/file-system.ts';
import { LOCK_NAME } from '#wal/file-names.ts';

/** Returns the first spec whose `directory` a live process owns. Creates nothing. */
export async function findLocked<One extends { readonly directory: string }>(
  fileSystem: FileSystem,
  specs: readonly One[],
): Promise<One | undefined> {
  for (const spec of specs) {
    const path = `${spec.directory}/${LOCK_NAME}`;
    if ((await fileSystem.stat(path)) === undefined) continue;
    const lock = await fileSystem.lock(path);
    if (lock === undefined) return spec;
    await lock.release();
  }
  return undefined;
}
