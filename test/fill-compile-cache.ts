/**
 * Runs before the tests: where no code of nodes, coordinators and tool has been compiled yet, each is
 * started once and ends by itself, which writes Node's cache of compiled code. Processes that tests kill
 * write none, and each would spend half a second of a processor on its TypeScript again.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '..');
/** Where `bin/launch.cjs` keeps it, too. */
export const COMPILED = process.env['NODE_COMPILE_CACHE'] ?? join(ROOT, 'node_modules', '.cache', 'walnut');
const ENTRIES = ['master', 'node', 'coordinator', 'walnut'];

export default async function fillCompileCache(): Promise<void> {
  if (existsSync(COMPILED)) return;
  const env = { ...process.env, NODE_COMPILE_CACHE: COMPILED };
  const started = ENTRIES.map((entry) =>
    spawn(process.execPath, [join(ROOT, 'cmd', `${entry}.ts`), '--help'], { env, stdio: 'ignore' }),
  );
  await Promise.all(started.map((child) => once(child, 'exit')));
}
