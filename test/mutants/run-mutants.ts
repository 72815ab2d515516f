/**
 * `npm run test:mutants`: plants each bug of `mutants.ts` in a copy of the tree
 * and runs the tests that must notice it there. The tree itself is never
 * touched; several bugs are tried at once, each in a copy of its own. A bug counts as caught when a test fails: not when a file cannot be
 * loaded, nor when the run hangs. The named tests must pass without any bug.
 * Exit code 0 when all are caught, 1 when one is not, 2 for wrong arguments.
 */
import { spawn } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { findSwallowed } from '#platform/npm-options.ts';
import { ROOT } from '#test/house/source-files.ts';
import { renderTable } from '../../cmd/walnut/output/table.ts';
import { PLAIN } from '../../cmd/walnut/output/terminal.ts';
import type { Mutant } from './mutant.ts';
import { MUTANTS } from './mutants.ts';

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
const RUN_MS_MAX = 240_000;
const USAGE = `usage: npm run test:mutants -- [--only TEXT] [--parallel N] [--skip-baseline]

  --only TEXT      bugs whose name contains TEXT
  --parallel N     bugs tried at once, each in its own copy; default: the processor cores
  --skip-baseline  do not first run the named tests without a bug: npm test just passed`;

interface Order {
  readonly chosen: readonly Mutant[];
  readonly parallel: number;
  readonly skipsBaseline: boolean;
}

type Verdict = 'caught' | 'NOT CAUGHT' | 'no test ran' | 'hung' | 'text not found once';

interface Run {
  readonly code: number | null;
  readonly output: string;
}

async function main(argv: readonly string[]): Promise<number> {
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
        only: { type: 'string', default: '' },
        parallel: { type: 'string', default: String(availableParallelism()) },
        'skip-baseline': { type: 'boolean', default: false },
      },
    });
    const parallel = Number(values.parallel);
    if (!Number.isInteger(parallel) || parallel < 1 || parallel > 64)
      return `--parallel: expected a whole number from 1 to 64, got ${values.parallel}`;
    const chosen = MUTANTS.filter((mutant) => mutant.name.includes(values.only));
    if (chosen.length === 0) return `--only: no planted bug has "${values.only}" in its name`;
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
  const verdicts = new Map<Mutant, Verdict>();
  const waiting = [...chosen];
  const worker = async (copy: string): Promise<void> => {
    for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
      const { verdict, output } = await tryMutant(copy, mutant);
      verdicts.set(mutant, verdict);
      if (verdict !== 'caught') process.stdout.write(`${output.split('\n').slice(-30).join('\n')}\n`);
      process.stdout.write(`${verdict}: ${mutant.name} (${verdicts.size} of ${chosen.length})\n`);
    }
  };
  await Promise.all(copies.map(worker));
  return report(chosen, verdicts);
}

function report(chosen: readonly Mutant[], verdicts: ReadonlyMap<Mutant, Verdict>): number {
  const rows = chosen.map((mutant) => [
    verdicts.get(mutant) ?? '',
    mutant.name,
    mutant.file,
    mutant.tests.join(' '),
  ]);
  const table = renderTable(PLAIN, ['verdict', 'planted bug', 'file', 'tests'], rows);
  const caught = [...verdicts.values()].filter((verdict) => verdict === 'caught').length;
  const failed = chosen.length - caught;
  process.stdout.write(`${table}${caught} passed, ${failed} failed\n`);
  return failed === 0 ? 0 : 1;
}

async function tryMutant(copy: string, mutant: Mutant): Promise<{ verdict: Verdict; output: string }> {
  const path = join(copy, mutant.file);
  const original = await readFile(path, 'utf8');
  const parts = original.split(mutant.text);
  if (parts.length !== 2)
    return { verdict: 'text not found once', output: `found ${parts.length - 1} times` };
  await writeFile(path, parts.join(mutant.replacement));
  try {
    const { http1, http2 } = mutant;
    const { code, output } = await runTests(copy, mutant.tests, { workers: 1, http1, http2 });
    if (code === null) return { verdict: 'hung', output };
    if (/^\s*Tests .*\b[1-9]\d* failed/m.test(output)) return { verdict: 'caught', output };
    return { verdict: code === 0 ? 'NOT CAUGHT' : 'no test ran', output };
  } finally {
    await writeFile(path, original);
  }
}

interface RunOptions {
  readonly workers: number;
  readonly http1?: 'own' | 'node' | undefined;
  readonly http2?: 'own' | 'node' | undefined;
}

/** Code null: ended after `RUN_MS_MAX`. */
function runTests(
  copy: string,
  tests: readonly string[],
  { workers, http1 = 'own', http2 = 'own' }: RunOptions,
): Promise<Run> {
  return new Promise((resolve, reject) => {
    const args = [
      join(copy, 'node_modules/vitest/vitest.mjs'),
      'run',
      '--bail=1',
      `--maxWorkers=${workers}`,
      // A bug may be found by a test that waits for ever.
      '--testTimeout=30000',
      ...tests,
    ];
    const choice = { WALNUT_TEST_HTTP1: http1, WALNUT_TEST_HTTP2: http2 };
    // The copy's own, so that what was compiled of it goes when it does.
    const compiled = { NODE_COMPILE_CACHE: join(copy, '.compiled') };
    const env = { ...process.env, NO_COLOR: '1', FORCE_COLOR: '', ...choice, ...compiled };
    const child = spawn(process.execPath, args, { cwd: copy, env, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    const note = (bytes: Buffer): void => {
      output += bytes.toString();
    };
    child.stdout.on('data', note);
    child.stderr.on('data', note);
    const timer = setTimeout(() => child.kill('SIGKILL'), RUN_MS_MAX);
    child.on('error', reject);
    child.on('close', (code) => {
      clearTimeout(timer);
      resolve({ code, output });
    });
  });
}

process.exitCode = await main(process.argv.slice(2));
