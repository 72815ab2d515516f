/** `walnut touch` against a real node, and once as a process. */
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
const run = (args: string[]) => runCli(['touch', ...args, '--address', master.address]);

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'walnut-touch-'));
  master = await RunningMaster.start(directory);
});
afterAll(async () => {
  await master.stop();
  await rm(directory, { recursive: true });
});

describe('touch', () => {
  it('prints the new deadline and leaves the value', async () => {
    await master.set('k', 'v');
    expect(await run(['k', '--expire-at', '2100-01-01T00:00:00Z'])).toMatchObject({
      code: 0,
      out: '2100-01-01T00:00:00.000Z\n',
      err: '',
    });
    expect(await run(['k', '--expire-at', 'never'])).toMatchObject({ code: 0, out: 'never\n' });
    expect(master.contents('k')).toEqual({ k: 'v' });
  });

  it('prints a deadline that no date has in milliseconds', async () => {
    await master.set('far', 'v');
    expect(await run(['far', '--expire-at', '9000000000000000'])).toMatchObject({
      code: 0,
      out: '9000000000000000 ms\n',
      err: '',
    });
  });

  it('tells all of the answer as JSON', async () => {
    await master.set('j', 'v');
    const { code, out } = await run(['j', '--ttl', '1h', '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toEqual({
      key: 'j',
      touched: true,
      expireAtMs: expect.any(Number),
      position: expect.stringMatching(/^\d+-\d+$/),
      durabilityReached: 'accepted',
      replicasAcked: 0,
    });
  });

  it('shows the entry where that is asked for', async () => {
    await master.set('r', 'v');
    const { out } = await run(['r', '--expire-at', 'never', '--return-value']);
    expect(out).toMatch(/^never\nvalue \d+-\d+ "v"\n$/);
    const json = await run(['r', '--expire-at', 'never', '--return-value', '--json']);
    expect(JSON.parse(json.out)).toMatchObject({ entry: { key: 'r', value: 'v' } });
  });

  it('exits 1 where the key is missing', async () => {
    expect(await run(['none', '--ttl', '1h'])).toMatchObject({
      code: 1,
      out: '',
      err: expect.stringContaining('key "none" is missing'),
    });
    const json = await run(['none', '--ttl', '1h', '--json']);
    expect(JSON.parse(json.out)).toMatchObject({ key: 'none', touched: false });
  });

  it('exits 2 where no deadline is given, or two', async () => {
    expect(await run(['k'])).toMatchObject({ code: 2, err: expect.stringContaining('expected --ttl') });
    expect((await run(['k', '--ttl', '1h', '--expire-at', 'never'])).code).toBe(2);
    expect((await run(['k', '--ttl', '0s'])).code).toBe(2);
  });

  it('works as a process', async () => {
    await master.set('process', 'v');
    const env = { ...process.env, FORCE_COLOR: undefined, NO_COLOR: undefined };
    const args = [TOOL, 'touch', 'process', '--expire-at', 'never', '--address', master.address];
    const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
    let out = '';
    child.stdout.on('data', (bytes: Buffer) => {
      out += bytes.toString();
    });
    const code = await new Promise((resolve) => child.once('close', resolve));
    expect({ code, out }).toEqual({ code: 0, out: 'never\n' });
  }, 30_000);
});
