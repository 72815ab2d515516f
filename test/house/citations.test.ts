/**
 * What comments and documents cite is in the repository: files by name, ADRs
 * and the replication rules by number. A citation that leads nowhere costs the
 * reader more than no citation.
 */
import * as fs from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, it } from 'vitest';
import { commentsIn, listFiles, ROOT, readText } from '#test/house/source-files.ts';

const paths = listFiles().filter((path) => !path.startsWith('internal/gen/'));
const names = new Set(paths.map((path) => path.split('/').at(-1)));
const sources = paths.filter((path) => /\.(ts|cjs|proto)$/.test(path));
const documents = paths.filter((path) => path.endsWith('.md'));

/** Names that end like files of this project, globs and placeholders aside. */
function filesNamedIn(text: string): string[] {
  return [...text.matchAll(/[\w./@<>*{}…-]*\w\.(?:ts|md|cjs|proto)\b/g)]
    .map(([name]) => name)
    .filter((name) => !/[<>*{}…@]/.test(name) && !/^\/\/|node_modules/.test(name));
}

function isThere(from: string, name: string): boolean {
  if (!name.includes('/')) return names.has(name);
  const candidates = [name, normalize(join(dirname(from), name))];
  // `engine/digest-window.ts` stands for `internal/engine/digest-window.ts`.
  return [...candidates, join('internal', name)].some((path) => fs.existsSync(join(ROOT, path)));
}

const rulesWritten = [...readText('docs/replication.md').matchAll(/^## (\d+)\. /gm)].map(([, n]) =>
  Number(n),
);
const adrsWritten = fs.readdirSync(join(ROOT, 'docs/adr')).map((name) => Number(name.slice(0, 4)));

function rulesCitedIn(text: string): number[] {
  // Read across the line breaks of comments.
  const flat = text.replace(/\s*\n\s*(\*|\/\/)?\s*/g, ' ');
  return [...flat.matchAll(/replication\.md, rules? ((?:\d+|, | and | to )+)/g)].flatMap(([, list]) =>
    [...(list ?? '').matchAll(/\d+/g)].map(([n]) => Number(n)),
  );
}

describe('citations', () => {
  it('name files that are there, in comments', () => {
    const dead = sources.flatMap((path) =>
      filesNamedIn(commentsIn(readText(path)).join('\n'))
        .filter((name) => !isThere(path, name))
        .map((name) => `${path}: ${name}`),
    );
    expect(dead).toEqual([]);
  });

  it('name rules of docs/replication.md that are written', () => {
    expect(rulesWritten).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    const cited = sources.flatMap((path) => rulesCitedIn(commentsIn(readText(path)).join('\n')));
    expect(cited.length).toBeGreaterThan(0);
    expect(cited.filter((rule) => !rulesWritten.includes(rule))).toEqual([]);
  });

  it('name ADRs that are there', () => {
    const dead = [...sources, ...documents].flatMap((path) =>
      [...readText(path).matchAll(/\bADRs? (\d+)\b/g)]
        .filter(([, n]) => !adrsWritten.includes(Number(n)))
        .map(([text]) => `${path}: ${text}`),
    );
    expect(dead).toEqual([]);
  });

  it('do not lead to documents outside the repository', () => {
    const outside = /\bdesign\.md\b|\(design:|\.\.\/shared/;
    const files = [...sources, ...documents].filter((path) => path !== 'test/house/citations.test.ts');
    expect(files.filter((path) => outside.test(readText(path)))).toEqual([]);
  });

  it.each([
    [['ADR 8'], []],
    [['see `gone.ts` and tidy.test.ts'], ['gone.ts']],
    [['/// no file: a.b, example.tsx'], []],
  ])('are found in %j', (texts, dead) => {
    const found = texts.flatMap(filesNamedIn).filter((name) => !isThere('test/a.ts', name));
    expect(found).toEqual(dead);
  });

  it('are read across lines', () => {
    expect(rulesCitedIn('a (docs/replication.md,\n * rules 1 to 3 and 6).')).toEqual([1, 3, 6]);
  });
});
