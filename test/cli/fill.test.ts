/** `walnut get --fill-lease` and `walnut set --if-fill-lease` against a real node, and once as processes. */
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TOOL } from '#test/doubles/binaries.ts';
import { runCli } from './memory-io.ts';
import { RunningMaster } from './running-node.ts';

let directory = '';
let master: RunningMaster;
const run = (...args: string[]) => runCli([...args, '--address', master.address]);

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'walnut-fill-'));
  master = await RunningMaster.start(directory);
});
afterAll(async () => {
  await master.stop();
  await rm(directory, { recursive: true });
});

describe('a fill lease by commands', () => {
  it('is told with what to type next, and fills the key once', async () => {
    const { code, out, err } = await run('get', 'k', '--fill-lease', '5s');
    expect([code, out]).toEqual([1, '']);
    const [, token = ''] =
      /within [\d.]+s: walnut set --if-fill-lease ([0-9a-f]{32}) "k" VALUE/.exec(err) ?? [];
    const waiting = await run('get', 'k', '--fill-lease', '5s', '--json');
    expect(JSON.parse(waiting.out)).toMatchObject({ found: false, fillWaitMs: expect.any(Number) });
    expect((await run('get', 'k', '--fill-lease', '5s')).err).toContain('Another caller fills it, for ');
    expect((await run('set', 'k', 'v', '--if-fill-lease', token)).code).toBe(0);
    const again = await run('set', 'k', 'w', '--if-fill-lease', token);
    expect([again.code, again.err]).toEqual([
      1,
      expect.stringContaining('the lease to fill key "k" is over'),
    ]);
    expect(master.contents('k')).toEqual({ k: 'v' });
  });

  it('refreshes what is about to expire', async () => {
    await master.set('due', 'v', Date.now() + 60_000);
    const { code, out } = await run('get', 'due', '--fill-lease', '5s', '--refresh-before', '2m', '--json');
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ value: 'v', fillLease: { expiresInMs: 5_000 } });
  });

  it.each([
    [['get', 'k', '--refresh-before', '1s'], '--fill-lease, which is missing'],
    [['get', 'k', '--fill-lease', '0'], 'at least 1ms'],
    [['get', 'k', '--fill-lease', '61s'], 'at most 60000 ms'],
    [['get', 'k', '--wait', '1s'], '--fill-lease: none is given'],
    [['get', 'k', '--linearizable', '--fill-lease', '5s'], 'exclude each other'],
    [['set', 'k', 'v', '--if-fill-lease', 't', '--if-absent'], 'cannot be used with'],
  ])('%j is refused: %s', async (args, why) => {
    expect(await run(...args)).toMatchObject({ code: 2, err: expect.stringContaining(why) });
  });
});

it('works as a process', async () => {
  const args = [TOOL, 'get', 'process', '--fill-lease', '5s', '--json', '--address', master.address];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'] });
  let out = '';
  child.stdout.on('data', (bytes: Buffer) => {
    out += bytes.toString();
  });
  const code = await new Promise((resolve) => child.once('close', resolve));
  expect(code).toBe(1);
  const { token } = JSON.parse(out).fillLease;
  expect(await run('set', 'process', 'v', '--if-fill-lease', token)).toMatchObject({ code: 0 });
}, 30_000);
