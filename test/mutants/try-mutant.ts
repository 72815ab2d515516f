/**
 * Plants a bug in a copy of the tree and runs the tests that must notice it there. The bug counts as caught when a
 * test fails: not when a file cannot be loaded, nor when the run hangs. The copy is as it was afterwards.
 */
import { spawn } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Mutant } from './mutant.ts';
import type { Trial } from './trials.ts';

const RUN_MS_MAX = 240_000;

interface Run {
  /** Null: ended after `RUN_MS_MAX`. */
  readonly code: number | null;
  readonly output: string;
}

interface RunOptions {
  readonly workers: number;
  readonly http1?: 'own' | 'node' | undefined;
  readonly http2?: 'own' | 'node' | undefined;
}

export async function tryMutant(copy: string, mutant: Mutant): Promise<Trial> {
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

export function runTests(
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
