/** Every planted bug can be planted: its text stands once in its file, and the tests that must catch it exist. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ROOT } from '#test/house/source-files.ts';
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
