/** `walnut batch` against a real node, and once as a process. */
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TOOL } from '#test/doubles/binaries.ts';
import { parseOperation } from '../../cmd/walnut/keys/batch-operations.ts';
import { type RunOptions, runCli } from './memory-io.ts';
import { RunningMaster } from './running-node.ts';

const POSITION = /\d+-\d+/;
let directory = '';
let master: RunningMaster;
const run = (args: string[], options?: RunOptions) =>
  runCli(['batch', ...args, '--address', master.address], options);

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'walnut-batch-'));
  master = await RunningMaster.start(directory);
});
afterAll(async () => {
  await master.stop();
  await rm(directory, { recursive: true });
});

describe('an operation in words', () => {
  it.each([
    ['get k', { case: 'get', value: { key: 'k' } }],
    ['set k a  b ', { case: 'set', value: { key: 'k', value: Buffer.from('a  b ') } }],
    ['set k ', { case: 'set', value: { key: 'k', value: Buffer.from('') } }],
    ['del k', { case: 'delete', value: { key: 'k' } }],
    ['increment k', { case: 'increment', value: { key: 'k', delta: 1n } }],
    ['increment k -7', { case: 'increment', value: { key: 'k', delta: -7n } }],
    ['touch k 30s', { case: 'touch', value: { expiry: { case: 'ttlMs', value: 30_000n } } }],
    ['touch k never', { case: 'touch', value: { expiry: { case: 'expireAtMs', value: 0n } } }],
    [
      '{"set":{"key":"k","value":"dg==","ifAbsent":true}}',
      { case: 'set', value: { condition: { case: 'ifAbsent' } } },
    ],
  ])('%j is read', (text, expected) => {
    expect(parseOperation(text)).toMatchObject(expected);
  });

  it.each(['', 'get', 'get a b', 'put k v', 'set k', 'increment k x', 'touch k', 'touch k 0s', '{}'])(
    '%j is refused with what was expected',
    (text) => {
      expect(() => parseOperation(text)).toThrow('expected get KEY, set KEY VALUE');
    },
  );

  it('with a field that there is none of is refused by its name', () => {
    expect(() => parseOperation('{"set":{"key":"k","ttl":"5s"}}')).toThrow(/"ttl".*docs\/api.md/);
  });
});

describe('batch', () => {
  it('prints what each operation came to, in order', async () => {
    const { code, out, err } = await run(['set a one', 'get a', 'del none', 'increment n 5', 'get none']);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out.replaceAll(new RegExp(POSITION, 'g'), 'P')).toBe(
      'set "a": written P\nget "a": "one"\ndelete "none": missing\nincrement "n": 5\nget "none": missing\n',
    );
  });

  it('tells an operation that was refused, and exits 1', async () => {
    await master.set('text', 'many');
    const { code, out, err } = await run(['increment text', 'set b 1']);
    expect([code, err]).toEqual([1, expect.stringContaining('1 of 2 operations were not carried out')]);
    expect(out).toMatch(/^increment "text": "failed_precondition: .*"\nset "b": written/);
  });

  it('reads lines of stdin, in words or JSON, and answers in JSON', async () => {
    const stdin = Buffer.from('set s 1\n{"get":{"key":"s"}}\n\n');
    const { code, out } = await run(['--json'], { stdin });
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      results: [
        { op: 'set', key: 's', applied: true, position: expect.stringMatching(POSITION) },
        { op: 'get', key: 's', found: true, value: '1' },
      ],
    });
    // Nobody asked for it: 0 would be a time.
    expect(out).not.toContain('modifiedMs');
  });

  it('with --atomic makes all or nothing', async () => {
    const move = ['increment from -5', 'increment to 5', '--atomic', '--request-id', 'r', '--json'];
    expect(JSON.parse((await run(move)).out)).toMatchObject({
      committed: true,
      results: [{ value: '-5' }, { value: '5' }],
    });
    await run(move);
    expect(master.contents('to')).toEqual({ to: '5' });
    const unmet = ['set c 1', '{"set":{"key":"to","ifAbsent":true}}', '--atomic'];
    expect(await run(unmet)).toMatchObject({
      code: 1,
      out: 'set "c": not carried out\nset "to": condition not met\n',
      err: expect.stringContaining('nothing was written'),
    });
    expect(master.contents('c')).toEqual({});
    expect((await run(['set c 1', '--atomic', '--min-acks', '1', '--timeout', '1ms'])).err).toContain(
      'only 0 of 1',
    );
  });

  it.each([
    [[], '', 'no operation is given'],
    [['get k', 'set'], '', 'operation 2, "set": expected get KEY'],
    [[], 'get k\nset k\n', 'line 2, "set k": expected get KEY'],
    [['get k', '--durability', 'local'], '', '--durability is for --atomic'],
    [[], 'get k\n'.repeat(1_001), 'split -l 1000'],
  ])('%j with stdin %j is refused: %s', async (args, stdin, why) => {
    const { code, err } = await run(args, { stdin: Buffer.from(stdin) });
    expect([code, err]).toEqual([2, expect.stringContaining(why)]);
  });

  it('works as a process', async () => {
    const args = [TOOL, 'batch', '--address', master.address];
    const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    let out = '';
    child.stdout.on('data', (bytes: Buffer) => {
      out += bytes.toString();
    });
    child.stdin.end('set process v\nget process\n');
    const code = await new Promise((resolve) => child.once('close', resolve));
    expect([code, out]).toEqual([
      0,
      expect.stringMatching(/^set "process": written \d+-\d+\nget "process": "v"\n$/),
    ]);
  }, 30_000);
});
