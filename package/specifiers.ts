/** Imports of the sources as compiled files need them. Pure. */
import { posix } from 'node:path';

const IMPORT = /(\bfrom\s+|\bimport\s+|\bimport\(\s*)(['"])((?:#|\.\.?\/)[^'"\n]+)\.ts\2/g;

/**
 * The source with its imports of files of this project by relative paths to `.js`: the
 * aliases `#room/` are of the repository's manifest, and nobody else resolves `.ts`.
 * `path`: of the source, from the root of the repository.
 */
export function withPlainImports(source: string, path: string): string {
  return source.replace(IMPORT, (_, lead: string, quote: string, specifier: string) => {
    const target = specifier.startsWith('#')
      ? relativeFrom(path, `internal/${specifier.slice(1)}`)
      : specifier;
    return `${lead}${quote}${target}.js${quote}`;
  });
}

/** The same for CommonJS, where a file knows its path and has no `import.meta`. */
export function withoutImportMeta(source: string): string {
  return source.replaceAll('import.meta.url', "require('node:url').pathToFileURL(__filename).href");
}

function relativeFrom(path: string, target: string): string {
  const relative = posix.relative(posix.dirname(path), target);
  return relative.startsWith('.') ? relative : `./${relative}`;
}
