/** Reading and amending MANIFEST of a directory that is initialised. */
import { assert } from '#platform/assert.ts';
import type { Manifest } from '#wal/manifest.ts';
import type { WalDirectory } from '#wal/wal-directory.ts';

export function manifestOf(directory: WalDirectory): Manifest {
  const { manifest } = directory;
  assert(manifest !== undefined, 'the directory is initialised');
  return manifest;
}

/** Replaces the named fields, atomically and durably; concurrent amendments of other fields are kept. */
export function amendManifest(directory: WalDirectory, fields: Partial<Manifest>): Promise<void> {
  return directory.update((current) => {
    assert(current !== undefined, 'the directory is initialised');
    return { ...current, ...fields };
  });
}

/** The path of a file in the directory. */
export function pathIn(directory: WalDirectory, name: string): string {
  return `${directory.path}/${name}`;
}
