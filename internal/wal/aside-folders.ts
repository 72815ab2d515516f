/**
 * What is in `aside/`: the numbered folders into which a node moved files that are no part of its
 * log any more. Other names in `aside/` are not the node's, and nobody follows them. It changes
 * nothing, and rejects with the errors of the disk.
 */
import type { FileStat, FileSystem } from '#platform/file-system.ts';
import { ASIDE_NAME } from '#wal/file-names.ts';

export interface AsideFolder {
  /** Later folders have higher numbers. */
  readonly number: number;
  /** Relative to the data directory, such as `aside/3`. */
  readonly name: string;
  readonly modifiedMs: number;
  /** The regular files, by name. */
  readonly files: readonly AsideFile[];
  /** True if something else is in it: a node puts only files there. */
  readonly hasOthers: boolean;
}

export interface AsideFile {
  readonly name: string;
  readonly sizeBytes: number;
  readonly modifiedMs: number;
}

/** `directory`: the data directory. The oldest folder comes first. */
export async function asideFolders(fileSystem: FileSystem, directory: string): Promise<AsideFolder[]> {
  const aside = `${directory}/${ASIDE_NAME}`;
  if ((await fileSystem.stat(aside))?.isDirectory !== true) return [];
  const names = (await fileSystem.readDirectory(aside)).filter((name) => /^[1-9]\d{0,14}$/.test(name));
  const folders: AsideFolder[] = [];
  for (const number of names.map(Number).sort((a, b) => a - b)) {
    const name = `${ASIDE_NAME}/${number}`;
    const stat = await fileSystem.stat(`${directory}/${name}`);
    if (stat?.isDirectory === true) folders.push(await folderOf(fileSystem, directory, name, number, stat));
  }
  return folders;
}

async function folderOf(
  fileSystem: FileSystem,
  directory: string,
  name: string,
  number: number,
  { modifiedMs }: FileStat,
): Promise<AsideFolder> {
  const names = (await fileSystem.readDirectory(`${directory}/${name}`)).sort();
  const files: AsideFile[] = [];
  for (const file of names) {
    const stat = await fileSystem.stat(`${directory}/${name}/${file}`);
    if (stat?.isRegular === true)
      files.push({ name: file, sizeBytes: stat.sizeBytes, modifiedMs: stat.modifiedMs });
  }
  return { number, name, modifiedMs, files, hasOthers: files.length < names.length };
}
