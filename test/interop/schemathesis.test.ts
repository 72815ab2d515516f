/**
 * schemathesis against a running master: requests made from `/openapi.json`, valid and invalid,
 * and answers compared with it. Operations that change what a node does are left out, and so
 * are streams, which do not end, and those of which the answer to a made-up position is
 * DATA_LOSS, which Connect gives the status 500.
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { RunningMaster } from '#test/cli/running-node.ts';

const CONFIG = join(import.meta.dirname, 'schemathesis.toml');
const LEFT_OUT = '^/v1/watch|^/page/live|Replication|Admin/(Promote|Failover|Digest)|AwaitDurable';
const EXAMPLES = process.env['WALNUT_SCHEMATHESIS_EXAMPLES'] ?? '5';
/** The command: on the PATH, or as SCHEMATHESIS says. */
const TOOL = process.env['SCHEMATHESIS'] ?? 'schemathesis';

it('schemathesis finds nothing', { timeout: 300_000 }, async ({ skip }) => {
  if (!process.env['WALNUT_INTEROP']) skip('SKIPPED: it takes half a minute; run: npm run test:interop');
  if (spawnSync(TOOL, ['--version']).status !== 0) skip('SKIPPED: no schemathesis here (PyPI)');
  const directory = mkdtempSync(join(tmpdir(), 'walnut-schemathesis-'));
  const master = await RunningMaster.start(join(directory, 'data'));
  try {
    const url = `http://${master.address}/openapi.json`;
    const options = ['--phases', 'coverage,fuzzing', '-n', EXAMPLES, '--seed', '7', '--no-color'];
    const argv = ['--config-file', CONFIG, 'run', url, '--exclude-path-regex', LEFT_OUT, ...options];
    // It writes what it has seen into its working directory.
    const child = spawn(TOOL, argv, { cwd: directory, stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    const code = await new Promise((resolve) => child.once('close', resolve));
    expect(code, output).toBe(0);
  } finally {
    await master.stop();
    rmSync(directory, { recursive: true, force: true });
  }
});
