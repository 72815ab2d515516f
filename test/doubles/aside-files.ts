/** The files in `aside/` of a data directory, as `aside/<n>/<name>`, in the order in which they were moved there. */
import { asideFolders } from '#wal/aside-folders.ts';
import type { WalDirectory } from '#wal/wal-directory.ts';

export async function asideFilesOf({
  fileSystem,
  path,
}: Pick<WalDirectory, 'fileSystem' | 'path'>): Promise<
  { readonly name: string; readonly sizeBytes: number }[]
> {
  return (await asideFolders(fileSystem, path)).flatMap(({ name: folder, files }) =>
    files.map(({ name, sizeBytes }) => ({ name: `${folder}/${name}`, sizeBytes })),
  );
}
