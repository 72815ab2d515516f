/**
 * Files that belong to the program itself: beside its code, or within the single executable that
 * the code was built into (`package/build-executable.ts`). Paths begin at the root of the project.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

export interface OwnFiles {
  /** The names of the files in a directory; none where there is no such directory. */
  list(directory: string): string[];
  /** Throws where the file is missing: an incomplete installation. */
  read(path: string): Uint8Array;
  /** The same for a file of an installed package: `uplot/dist/uPlot.min.css`. */
  readOfPackage(path: string): Uint8Array;
}

/** Stands before the files of packages within an executable. */
export const PACKAGES_PREFIX = 'node_modules/';

/** What Node offers to code within an executable. */
export interface Embedded {
  getAssetKeys(): string[];
  getRawAsset(path: string): ArrayBuffer;
}

/** `root`: of the project, where the code is not within an executable. */
export function ownFiles(root: URL, embedded = embeddedFiles()): OwnFiles {
  return embedded === undefined ? filesBeside(root) : filesWithin(embedded);
}

export function filesBeside(root: URL): OwnFiles {
  const packages = createRequire(root);
  return {
    list: (directory) => {
      const place = new URL(`${directory}/`, root);
      return existsSync(place) ? readdirSync(place) : [];
    },
    read: (path) => readFileSync(new URL(path, root)),
    readOfPackage: (path) => readFileSync(packages.resolve(path)),
  };
}

function filesWithin(embedded: Embedded): OwnFiles {
  const read = (path: string): Uint8Array => new Uint8Array(embedded.getRawAsset(path));
  return {
    list: (directory) =>
      embedded
        .getAssetKeys()
        .filter((path) => path.startsWith(`${directory}/`))
        .map((path) => path.slice(directory.length + 1)),
    read,
    readOfPackage: (path) => read(PACKAGES_PREFIX + path),
  };
}

/** Undefined outside of an executable, and in runtimes that know none. */
function embeddedFiles(): Embedded | undefined {
  const sea = process.getBuiltinModule?.('node:sea') as (Embedded & { isSea(): boolean }) | undefined;
  return sea?.isSea() === true ? sea : undefined;
}
