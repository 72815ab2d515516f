/**
 * Runs before the tests. Before all of them it builds the binaries. Where no code of nodes, coordinators and
 * tool has been compiled yet, each is started once and ends by itself, which writes Node's cache of compiled
 * code. Processes that tests kill write none, and each would spend half a second of a processor on its
 * TypeScript again.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '..');
/** Where `bin/launch.cjs` keeps it, too. */
export const COMPILED = process.env['NODE_COMPILE_CACHE'] ?? join(ROOT, 'node_modules', '.cache', 'walnut');
/** A run of some files would build for longer than its tests save. */
const isWhole = process.argv.slice(2).every((argument) => argument === 'run' || argument.startsWith('-'));
const choice = process.env['WALNUT_TEST_BINARIES'] || (isWhole ? 'built' : 'sources');
/** Where the binaries are built; empty where sources are started. Not in `node_modules`, where Node takes no TypeScript. */
export const BUILT = choice === 'built' ? join(ROOT, '.vitest', 'binaries') : '';
const ENTRIES = ['master', 'node', 'coordinator', 'walnut'];

export default async function fillCompileCache(): Promise<void> {
  const isFilled = existsSync(COMPILED);
  if (BUILT !== '') {
    const { buildBinaries } = await import('./build-binaries.ts');
    await buildBinaries(ROOT, BUILT);
    await startOnce(BUILT);
  }
  if (!isFilled) await startOnce(ROOT);
}

async function startOnce(checkout: string): Promise<void> {
  const env = { ...process.env, NODE_COMPILE_CACHE: COMPILED };
  const started = ENTRIES.map((entry) =>
    spawn(process.execPath, [join(checkout, 'cmd', `${entry}.ts`), '--help'], { env, stdio: 'ignore' }),
  );
  await Promise.all(started.map((child) => once(child, 'exit')));
}
