/** Judges the places in which a restore may make its directories. */
import { dirname, resolve } from 'node:path';
import { BackupRequestError } from '#backup/log-image.ts';
import type { FileSystem } from '#platform/file-system.ts';
import { LOCK_NAME, MANIFEST_NAME } from '#wal/file-names.ts';

/**
 * Throws `BackupRequestError` where `to` is the repository or within it, or within the data directory of a node:
 * what is restored there would be taken for a part of either, or be deleted with it.
 */
export async function checkRestorePlace(
  fileSystem: FileSystem,
  to: string,
  repository: string,
): Promise<void> {
  const advice = 'Restore into a directory of its own';
  const above = [resolve(to)];
  for (let path = resolve(to); path !== dirname(path); path = dirname(path)) above.push(dirname(path));
  if (above.includes(resolve(repository)))
    throw new BackupRequestError(`${to} is within the repository ${repository}. ${advice}`);
  for (const path of above.slice(1)) {
    // Other programs have files of one of these names.
    const isNode = await hasAll(fileSystem, path, [MANIFEST_NAME, LOCK_NAME]);
    if (isNode)
      throw new BackupRequestError(`${to} is within ${path}, the data directory of a node. ${advice}`);
  }
}

async function hasAll(fileSystem: FileSystem, path: string, names: readonly string[]): Promise<boolean> {
  for (const name of names) {
    const stat = await fileSystem.stat(`${path}/${name}`).catch(() => undefined);
    if (stat?.isRegular !== true) return false;
  }
  return true;
}
