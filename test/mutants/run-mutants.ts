/**
 * `npm run test:mutants`: tries each bug of `mutants.ts`, which the named tests must notice. The tree itself is
 * never touched; several bugs are tried at once, each in a copy of its own. The named tests must pass without any
 * bug. Exit code 0 when all are caught, 1 when one is not, 2 for wrong arguments.
 */
import { cp, mkdtemp, rm, symlink } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { findSwallowed } from '#platform/npm-options.ts';
import { ROOT } from '#test/house/source-files.ts';
import type { Mutant } from './mutant.ts';
import { MUTANTS } from './mutants.ts';
import { isCaught, renderReport, tryAll } from './trials.ts';
import { runTests, tryMutant } from './try-mutant.ts';

const COPIED = [
  'internal',
  'client',
  'cmd',
  'package',
  'embedded',
  'test',
  'bin',
  'configs',
  'deploy',
  'docs',
  'package.json',
  'tsconfig.json',
  'vitest.config.ts',
];
const USAGE = `usage: npm run test:mutants -- [--only TEXT] [--parallel N] [--skip-baseline]

Tries planted bugs. Up to five that were not caught are tried once more, and named FLAKY if they are caught then.

  --only TEXT      bugs whose name contains TEXT
  --parallel N     bugs tried at once, each in its own copy; default: the processor cores
  --skip-baseline  do not first run the named tests without a bug: npm test just passed
  -h, --help       this text`;

interface Order {
  readonly chosen: readonly Mutant[];
  readonly parallel: number;
  readonly skipsBaseline: boolean;
}

async function main(argv: readonly string[]): Promise<number> {
  if (argv.some((argument) => argument === '--help' || argument === '-h')) {
    process.stdout.write(`${USAGE}\n`);
    return 0;
  }
  const swallowed = findSwallowed(process.env, 'test:mutants', ['only', 'parallel', 'skip-baseline']);
  const order = swallowed === undefined ? readOrder(argv) : `${swallowed.message}\n${swallowed.advice}`;
  if (typeof order === 'string') {
    process.stderr.write(`test:mutants: ${order}\n${USAGE}\n`);
    return 2;
  }
  const directory = await mkdtemp(join(tmpdir(), 'walnut-mutants-'));
  try {
    const copies: string[] = [];
    for (let n = 0; n < order.parallel; n++) copies.push(await copyTree(join(directory, String(n))));
    return await runAll(copies, order);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** What is asked for, or why that cannot be read. */
function readOrder(argv: readonly string[]): Order | string {
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: {
        only: { type: 'string' },
        parallel: { type: 'string', default: String(availableParallelism()) },
        'skip-baseline': { type: 'boolean', default: false },
      },
    });
    const parallel = Number(values.parallel);
    if (!Number.isInteger(parallel) || parallel < 1 || parallel > 64)
      return `--parallel: expected a whole number from 1 to 64, got ${values.parallel}`;
    const { only } = values;
    if (only?.trim() === '') return '--only: expected a part of the names of planted bugs, got nothing';
    const chosen = MUTANTS.filter(({ name }) => only === undefined || name.includes(only));
    if (chosen.length === 0) return `--only: no planted bug has "${only}" in its name`;
    return { chosen, parallel: Math.min(parallel, chosen.length), skipsBaseline: values['skip-baseline'] };
  } catch (error) {
    return (error as Error).message;
  }
}

async function copyTree(copy: string): Promise<string> {
  for (const each of COPIED) await cp(join(ROOT, each), join(copy, each), { recursive: true });
  await symlink(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
  return copy;
}

async function runAll(copies: readonly string[], { chosen, skipsBaseline }: Order): Promise<number> {
  const tests = [...new Set(chosen.flatMap((mutant) => mutant.tests))];
  if (!skipsBaseline) {
    const baseline = await runTests(copies[0] as string, tests, { workers: availableParallelism() });
    if (baseline.code !== 0) {
      process.stdout.write(
        `${baseline.output}\nthe tests fail without any planted bug\n0 passed, 1 failed\n`,
      );
      return 1;
    }
  }
  const tries = copies.map((copy) => (mutant: Mutant) => tryMutant(copy, mutant));
  const results = await tryAll(chosen, tries, (line) => process.stdout.write(`${line}\n`));
  process.stdout.write(renderReport(results));
  return results.every(isCaught) ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
