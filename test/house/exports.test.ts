/** What a file exports is used by another one: what is not, is the file's own affair or nobody's. */
import { describe, expect, it } from 'vitest';
import { listFiles, readText } from './source-files.ts';

/** A value by its declaration. Types are parts of what else is exported, and are left alone. */
const EXPORTED = /^export (?:async )?(?:abstract )?(?:const|let|function\*?|class) ([\w$]+)/gm;

/** `path name` of each exported value that no other file names. */
function unnamedElsewhere(texts: ReadonlyMap<string, string>): string[] {
  const files = new Map<string, number>();
  for (const text of texts.values())
    for (const word of new Set(text.match(/[\w$]+/g))) files.set(word, (files.get(word) ?? 0) + 1);
  return [...texts].flatMap(([path, text]) =>
    [...text.matchAll(EXPORTED)].flatMap(([, name = '']) =>
      files.get(name) === 1 ? [`${path} ${name}`] : [],
    ),
  );
}

describe('exports', () => {
  it('are named by another file', () => {
    const paths = listFiles().filter(
      (path) => /\.[cm]?[jt]s$/.test(path) && !path.startsWith('internal/gen/'),
    );
    expect(unnamedElsewhere(new Map(paths.map((path) => [path, readText(path)])))).toEqual([]);
  });

  it('that nobody names are noticed', () => {
    const texts = new Map([
      ['a.ts', 'export const USED = 1;\nexport async function unused() {}\nexport interface Part {}\n'],
      ['b.ts', "import { USED } from './a.ts';\nexport class Alone {}\nnew Alone();\n"],
    ]);
    expect(unnamedElsewhere(texts)).toEqual(['a.ts unused', 'b.ts Alone']);
  });
});
