/** `walnut delete-prefix` and `walnut scan --count` against a real node, and once as a process. */
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { TOOL } from '#test/doubles/binaries.ts';
import { type RunOptions, runCli } from './memory-io.ts';
import { RunningMaster } from './running-node.ts';

let directory = '';
let master: RunningMaster;
const run = (args: string[], options?: RunOptions) => runCli([...args, '--address', master.address], options);

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'walnut-delete-prefix-'));
  master = await RunningMaster.start(directory);
});
afterAll(async () => {
  await master.stop();
  await rm(directory, { recursive: true });
});
beforeEach(async () => {
  for (const key of ['a:1', 'a:2', 'b:1']) await master.set(key, 'v');
});

describe('delete-prefix', () => {
  it('deletes what has the prefix, and says how many', async () => {
    expect(await run(['delete-prefix', 'a:'])).toMatchObject({
      code: 0,
      out: 'deleted 2 entries\n',
      err: '',
    });
    expect(Object.keys(master.contents())).toEqual(['b:1']);
    const { code, out } = await run(['delete-prefix', 'a:', '--json']);
    expect([code, JSON.parse(out)]).toEqual([
      0,
      {
        deleted: 0,
        isComplete: true,
        position: expect.stringMatching(/^\d+-\d+$/),
        durabilityReached: 'accepted',
        replicasAcked: 0,
      },
    ]);
  });

  it('takes many calls for many entries, with progress', async () => {
    const many = Array.from({ length: 25_000 }, (_, i) => master.node.set({ ...SET, key: `m:${i}` }));
    await Promise.all(many);
    expect(await run(['scan', 'm:', '--count'])).toMatchObject({ code: 0, out: '25000\n' });
    expect(await run(['delete-prefix', 'm:'])).toMatchObject({ code: 0, out: 'deleted 25,000 entries\n' });
    expect(Object.keys(master.contents())).toEqual(['a:1', 'a:2', 'b:1']);
  });

  it('asks before it deletes every entry', async () => {
    const refused = await run(['delete-prefix', '--all'], { stdin: Buffer.from('y\n') });
    expect(refused).toMatchObject({ code: 2, out: '', err: expect.stringContaining('Type yes to go on') });
    expect((await run(['delete-prefix', '--all'])).code).toBe(2);
    const inJson = await run(['delete-prefix', '--all', '--json'], { stdin: Buffer.from('no\n') });
    const [question, error] = inJson.err.split('\n');
    expect(question).toContain('Type yes to go on');
    expect(JSON.parse(error as string)).toMatchObject({ error: { message: 'nothing was deleted' } });
    expect(Object.keys(master.contents())).toHaveLength(3);
    const told = await run(['delete-prefix', '--all'], { stdin: Buffer.from('yes\n') });
    expect(told).toMatchObject({ code: 0, out: 'deleted 3 entries\n' });
    await master.set('x', 'v');
    const sure = await run(['delete-prefix', '--all', '--yes']);
    expect(sure).toMatchObject({ code: 0, out: 'deleted 1 entry\n', err: '' });
  });

  it('refuses to guess what to delete', async () => {
    for (const args of [[], [''], ['a:', '--all'], ['a:', '--min-acks', '65']])
      expect((await run(['delete-prefix', ...args])).code, args.join(' ')).toBe(2);
    expect((await run(['scan', '--count', '--all'])).code).toBe(2);
    expect(Object.keys(master.contents())).toHaveLength(3);
  });

  it('exits 1 where the deletes stand but are not as safe as asked, 130 where it was interrupted', async () => {
    const acks = await run(['delete-prefix', 'a:', '--min-acks', '1', '--timeout', '1ms']);
    expect(acks).toMatchObject({ code: 1, err: expect.stringContaining('only 0 of 1 replicas') });
    const interrupted = await run(['delete-prefix', 'b:'], { interrupted: AbortSignal.abort() });
    expect(interrupted.code).toBe(130);
  });

  it('says how many it had deleted where the node is gone', async () => {
    const { code, err } = await runCli(['delete-prefix', 'a:', '--address', '127.0.0.1:1']);
    expect(code).toBe(5);
    expect(err).toContain('after 0 entries deleted');
  });

  it('works as a process, which reads the answer to its question', async () => {
    const env = { ...process.env, FORCE_COLOR: undefined, NO_COLOR: undefined };
    const args = [TOOL, 'delete-prefix', '--all', '--address', master.address];
    const child = spawn(process.execPath, args, { env, stdio: ['pipe', 'pipe', 'pipe'] });
    let out = '';
    child.stdout.on('data', (bytes: Buffer) => {
      out += bytes.toString();
    });
    // Stdin stays open, as a terminal does.
    child.stderr.once('data', () => child.stdin.write('yes\n'));
    const code = await new Promise((resolve) => child.once('close', resolve));
    expect({ code, out }).toEqual({ code: 0, out: 'deleted 3 entries\n' });
  }, 30_000);
});

const SET = {
  value: Buffer.from('v'),
  expiry: { kind: 'default' },
  returnPrevious: false,
  minAcks: 0,
  timeoutMs: 0,
} as const;
