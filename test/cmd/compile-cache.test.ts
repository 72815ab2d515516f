/** When the cache of compiled code is written: at the start, so that nothing is left to write at an exit. */
import { spawnSync } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, it } from 'vitest';
import { ROOT } from '#test/house/source-files.ts';

/** A binary that is killed as soon as it starts its parts: by another process, as Node writes the cache before it kills itself. */
const SCRIPT = `
const { spawnSync } = await import('node:child_process');
const { runBinary } = await import(process.argv[1]);
const flags = { kind: 'run', sets: ['wal.directory=none'] };
const start = async () => spawnSync('kill', ['-KILL', String(process.pid)]);
await runBinary({ kind: 'master', flagNames: [], parseFlags: () => flags, start }, [], {});
`;

it('has been written before a process starts its parts', async () => {
  const cache = await mkdtemp(join(tmpdir(), 'walnut-compiled-'));
  try {
    const url = pathToFileURL(join(ROOT, 'cmd/run/run-binary.ts')).href;
    const { signal } = spawnSync(process.execPath, ['--input-type=module', '-e', SCRIPT, url], {
      env: { ...process.env, NODE_COMPILE_CACHE: cache },
    });
    expect(signal).toBe('SIGKILL');
    expect((await readdir(cache, { recursive: true })).length).toBeGreaterThan(50);
  } finally {
    await rm(cache, { recursive: true });
  }
});
