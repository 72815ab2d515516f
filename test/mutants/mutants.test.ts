/**
 * Every planted bug can be planted: its text stands once in its file, what it leaves can be loaded, and the tests
 * that must catch it exist.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseSync } from 'rolldown/utils';
import { expect, it } from 'vitest';
import { ROOT } from '#test/house/source-files.ts';
import type { Mutant } from './mutant.ts';
import { MUTANTS } from './mutants.ts';

it('has a name of its own for each', () => {
  const names = MUTANTS.map(({ name }) => name);
  expect(names.filter((name, i) => names.indexOf(name) !== i)).toEqual([]);
});

it.each(MUTANTS)('can plant: $name', ({ file, text, replacement, tests }) => {
  expect(readFileSync(join(ROOT, file), 'utf8').split(text)).toHaveLength(2);
  expect(replacement).not.toBe(text);
  expect(tests.filter((test) => !existsSync(join(ROOT, test)))).toEqual([]);
});

/** What keeps a file with the bug from being loaded: the run would fail without a test that noticed the bug. */
function whyNotLoaded({ file, text, replacement }: Mutant): string[] {
  const planted = readFileSync(join(ROOT, file), 'utf8').split(text).join(replacement);
  return parseSync(file, planted, { showSemanticErrors: true }).errors.map(({ message }) => message);
}

it('leaves files that can be loaded', () => {
  const unloadable = MUTANTS.filter(({ file }) => /\.[cm]?[jt]s$/.test(file))
    .map((mutant) => [mutant.name, ...whyNotLoaded(mutant)])
    .filter(({ length }) => length > 1);
  expect(unloadable).toEqual([]);
});
