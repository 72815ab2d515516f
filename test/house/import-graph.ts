/** Which files of the project import which. */
import { posix } from 'node:path';
import { importsOf } from './import-table.ts';
import type { SourceFile } from './source-files.ts';

export type Graph = ReadonlyMap<string, readonly string[]>;

/** Which files of the project each file imports; types count. */
export function graphOf(sources: readonly SourceFile[]): Graph {
  return new Map(
    sources.map((source) => [
      source.path,
      importsOf(source).map(({ specifier }) => target(source, specifier)),
    ]),
  );
}

function target({ path }: SourceFile, specifier: string): string {
  if (specifier.startsWith('#test/')) return specifier.slice(1);
  if (specifier.startsWith('#')) return `internal/${specifier.slice(1)}`;
  return posix.join(posix.dirname(path), specifier);
}
