/**
 * `npm run test:mutants`: plants each bug of `mutants.ts` in a copy of the tree
 * and runs the tests that must notice it there. The tree itself is never
 * touched. A bug counts as caught when a test fails: not when a file cannot be
 * loaded, nor when the run hangs. The named tests must pass without any bug.
 * Exit code 0 when all are caught, 1 when one is not, 2 for wrong arguments.
 */
import { spawn } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Table from 'cli-table3';
import { ROOT } from '#test/house/source-files.ts';
import { MUTANTS, type Mutant } from './mutants.ts';

const COPIED = [
  'internal',
  'cmd',
  'test',
  'bin',
  'configs',
  'package.json',
  'tsconfig.json',
  'vitest.config.ts',
];
const RUN_MS_MAX = 240_000;
const USAGE = 'usage: npm run test:mutants -- [--only TEXT]   (mutants whose name contains TEXT)';

type Verdict = 'caught' | 'NOT CAUGHT' | 'no test ran' | 'hung' | 'text not found once';

interface Run {
  readonly code: number | null;
  readonly output: string;
}

async function main(argv: readonly string[]): Promise<number> {
  const [name, text, ...rest] = argv;
  if (argv.length > 0 && (name !== '--only' || text === undefined || rest.length > 0)) {
    process.stderr.write(`${USAGE}\n`);
    return 2;
  }
  const chosen = MUTANTS.filter((mutant) => mutant.name.includes(text ?? ''));
  const copy = await mkdtemp(join(tmpdir(), 'walnut-mutants-'));
  try {
    for (const each of COPIED) await cp(join(ROOT, each), join(copy, each), { recursive: true });
    await symlink(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
    return await runAll(copy, chosen);
  } finally {
    await rm(copy, { recursive: true, force: true });
  }
}

async function runAll(copy: string, chosen: readonly Mutant[]): Promise<number> {
  const tests = [...new Set(chosen.flatMap((mutant) => mutant.tests))];
  const baseline = await runTests(copy, tests);
  if (baseline.code !== 0) {
    process.stdout.write(`${baseline.output}\nthe tests fail without any planted bug\n0 passed, 1 failed\n`);
    return 1;
  }
  const table = new Table({
    head: ['planted bug', 'file', 'tests', 'verdict'],
    style: { head: [], border: [] },
  });
  let caught = 0;
  for (const mutant of chosen) {
    const { verdict, output } = await tryMutant(copy, mutant);
    if (verdict === 'caught') caught++;
    else process.stdout.write(`${output.split('\n').slice(-30).join('\n')}\n`);
    process.stdout.write(`${verdict}: ${mutant.name}\n`);
    table.push([mutant.name, mutant.file, mutant.tests.join('\n'), verdict]);
  }
  const failed = chosen.length - caught;
  process.stdout.write(`${table.toString()}\n${caught} passed, ${failed} failed\n`);
  return failed === 0 && caught > 0 ? 0 : 1;
}

async function tryMutant(copy: string, mutant: Mutant): Promise<{ verdict: Verdict; output: string }> {
  const path = join(copy, mutant.file);
  const original = await readFile(path, 'utf8');
  const parts = original.split(mutant.text);
  if (parts.length !== 2)
    return { verdict: 'text not found once', output: `found ${parts.length - 1} times` };
  await writeFile(path, parts.join(mutant.replacement));
  try {
    const { code, output } = await runTests(copy, mutant.tests);
    if (code === null) return { verdict: 'hung', output };
    if (/^\s*Tests .*\b[1-9]\d* failed/m.test(output)) return { verdict: 'caught', output };
    return { verdict: code === 0 ? 'NOT CAUGHT' : 'no test ran', output };
  } finally {
    await writeFile(path, original);
  }
}

/** Code null: ended after `RUN_MS_MAX`. */
function runTests(copy: string, tests: readonly string[]): Promise<Run> {
  return new Promise((resolve, reject) => {
    const args = [join(copy, 'node_modules/vitest/vitest.mjs'), 'run', '--bail=1', ...tests];
    const env = { ...process.env, NO_COLOR: '1', FORCE_COLOR: '' };
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
