/** `walnut increment` against a real node, and once as a process. */
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
const run = (args: string[]) => runCli(['increment', ...args, '--address', master.address]);

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'walnut-increment-'));
  master = await RunningMaster.start(directory);
});
afterAll(async () => {
  await master.stop();
  await rm(directory, { recursive: true });
});

describe('increment', () => {
  it('prints the sum', async () => {
    expect(await run(['n'])).toMatchObject({ code: 0, out: '1\n', err: '' });
    expect(await run(['n', '--by', '-3'])).toMatchObject({ code: 0, out: '-2\n' });
    expect(await run(['m', '--initial', '10', '--by', '0'])).toMatchObject({ code: 0, out: '10\n' });
    expect(await run(['n', '12'])).toMatchObject({ code: 0, out: '10\n', err: '' });
    expect(await run(['n', '--by', '-12'])).toMatchObject({ code: 0, out: '-2\n' });
    expect(await run(['n', '5', '--by', '1'])).toMatchObject({
      code: 2,
      err: expect.stringContaining('twice'),
    });
    expect(await run(['n', 'many'])).toMatchObject({ code: 2, err: expect.stringContaining('whole number') });
    expect(master.contents()).toMatchObject({ n: '-2', m: '10' });
  });

  it('tells all of the answer as JSON, the sum as text', async () => {
    const { code, out } = await run(['j', '--by', '9223372036854775807', '--ttl', '1h', '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toEqual({
      key: 'j',
      applied: true,
      value: '9223372036854775807',
      expireAtMs: expect.any(Number),
      position: expect.stringMatching(/^\d+-\d+$/),
      durabilityReached: 'accepted',
      replicasAcked: 0,
    });
  });

  it('exits 1 where a condition was not met', async () => {
    await master.set('here', '1');
    expect(await run(['here', '--if-absent'])).toMatchObject({
      code: 1,
      out: '',
      err: expect.stringMatching(/nothing added: key "here" has version \d+-\d+/),
    });
    expect(await run(['none', '--if-present', '--json'])).toMatchObject({
      code: 1,
      err: expect.stringContaining('key \\"none\\" is missing'),
    });
    expect((await run(['here', '--if-version', '7-1'])).code).toBe(1);
    expect(master.contents('here')).toEqual({ here: '1' });
  });

  it('exits 1 where the write stands but is not as safe as asked', async () => {
    const { code, out, err } = await run(['acks', '--min-acks', '1', '--timeout', '1ms']);
    expect({ code, out }).toEqual({ code: 1, out: '1\n' });
    expect(err).toContain('only 0 of 1 replicas');
  });

  it('exits 5 where the value is no number, and where the sum is too large', async () => {
    await master.set('text', 'many');
    expect(await run(['text'])).toMatchObject({ code: 5, err: expect.stringContaining('"many"') });
    await master.set('max', '9223372036854775807');
    const tooLarge = await run(['max']);
    expect(tooLarge).toMatchObject({ code: 5, err: expect.stringContaining('exceeds') });
    // Advice of other rpcs with this code does not fit here.
    expect(tooLarge.err).not.toMatch(/the log|walnut status/i);
  });

  it('refuses what is no number of 64 bits, and two expiries', async () => {
    for (const args of [
      ['n', '--by', '1.5'],
      ['n', '--by', '9223372036854775808'],
      ['n', '--by', '+1'],
      ['n', '--initial', 'x'],
      ['n', '--ttl', '1s', '--expire-at', 'never'],
      ['n', '--if-absent', '--if-present'],
      [],
    ])
      expect((await run(args)).code, args.join(' ')).toBe(2);
  });

  it('is carried out once for each request id', async () => {
    expect((await run(['once', '--request-id', 'r'])).out).toBe('1\n');
    expect((await run(['once', '--request-id', 'r'])).out).toBe('1\n');
    const again = JSON.parse((await run(['once', '--request-id', 'r', '--json'])).out);
    expect(again).toMatchObject({ value: '1', repeated: true });
    expect((await run(['once'])).out).toBe('2\n');
  });

  it('works as a process', async () => {
    const env = { ...process.env, FORCE_COLOR: undefined, NO_COLOR: undefined };
    const args = [TOOL, 'increment', 'process', '--by', '5', '--address', master.address];
    const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
    let out = '';
    child.stdout.on('data', (bytes: Buffer) => {
      out += bytes.toString();
    });
    const code = await new Promise((resolve) => child.once('close', resolve));
    expect({ code, out }).toEqual({ code: 0, out: '5\n' });
  }, 30_000);
});
