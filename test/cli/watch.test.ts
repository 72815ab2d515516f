/** `walnut watch` against a real node, and once as a process. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { formatPosition } from '#model/position.ts';
import { TOOL } from '#test/doubles/binaries.ts';
import { deleteCommand, setCommand, touchCommand } from '#test/doubles/test-group.ts';
import { type RunOptions, runCli } from './memory-io.ts';
import { RunningMaster } from './running-node.ts';

let master: RunningMaster;
let directory = '';
const run = (args: string[], options?: RunOptions) =>
  runCli(['watch', ...args, '--address', master.address], options);

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'walnut-watch-'));
  master = await RunningMaster.start(directory);
  await master.node.set(setCommand('user:a', 'one'));
  await master.node.set(setCommand('user:b', '\u001b[31mred\ttab'));
  await master.node.delete(deleteCommand('user:a'));
});
afterEach(async () => {
  await master.stop();
  rmSync(directory, { recursive: true, force: true });
});

describe('walnut watch', () => {
  it('tells a line for each change, without what a terminal would obey', async () => {
    const { code, out, err } = await run(['--after', '0-0', '--count', '3']);
    expect(code).toBe(0);
    const lines = out
      .trimEnd()
      .split('\n')
      .map((line) => line.split('\t'));
    const { position } = master.node.status();
    expect(lines).toEqual([
      ['set', 'client', 'user:a', '"one"', `${position.epoch}-${position.lsn - 2}`, 'never'],
      ['set', 'client', 'user:b', '"\\u001b[31mred\\ttab"', `${position.epoch}-${position.lsn - 1}`, 'never'],
      ['delete', 'client', 'user:a', '-', formatPosition(position), '-'],
    ]);
    expect(err).toMatch(/^Go on with: --resume [\w-]+\n$/);
  });

  it('tells the deadline that a touch has set', async () => {
    await master.node.touch(touchCommand('user:b', 4_102_444_800_000));
    const line = await run(['--after', '0-0', '--count', '1', '--ops', 'touch']);
    expect(line).toMatchObject({ code: 0 });
    const cells = line.out.trimEnd().split('\t');
    expect([cells[0], cells[5]]).toEqual(['touch', '2100-01-01T00:00:00.000Z']);
    const json = await run(['--after', '0-0', '--count', '1', '--ops', 'touch', '--json']);
    expect(json.out).toMatch(/"op":"touch".*"expireAtMs":4102444800000/);
  });

  it('asks to hear as often as it is told', async () => {
    const asked: unknown[] = [];
    const { watch } = master.node;
    master.node.watch = (command, ...more) => {
      asked.push(command.progressEveryMs);
      return watch.call(master.node, command, ...more);
    };
    for (const args of [[], ['--progress', '2s']]) await run([...args, '--after', '0-0', '--count', '1']);
    expect(asked).toEqual([0, 2_000]);
    for (const wrong of ['99ms', '11m', '1'])
      expect(await run(['--progress', wrong])).toMatchObject({ code: 2 });
  });

  it('tells what was logged since a time, or for so long', async () => {
    const hour = await run(['--since', '1h', '--count', '3', '--keys-only']);
    expect(hour.out.match(/user:./g)).toEqual(['user:a', 'user:b', 'user:a']);
    const old = await run(['--since', '2001-01-31T12:00:00Z', '--count', '3', '--json']);
    expect(old.out.match(/"op":"\w+"/g)).toEqual(['"op":"set"', '"op":"set"', '"op":"delete"']);
    expect(await run(['--since', 'yesterday'])).toMatchObject({
      code: 2,
      err: expect.stringContaining('milliseconds since 1970'),
    });
    expect(await run(['--since', '1h', '--initial'])).toMatchObject({ code: 2 });
  });

  it('tells JSON objects, and the resume that goes on', async () => {
    const first = await run(['user:', '--after', '0-0', '--count', '1', '--json']);
    const objects = first.out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(objects.find(({ key }) => key === 'user:a')).toMatchObject({
      op: 'set',
      cause: 'client',
      value: 'one',
      bytes: 3,
    });
    const resume = objects.findLast((one) => one.resume !== undefined).resume;
    const writing = (async () => {
      await new Promise((resolve) => setTimeout(resolve, 50));
      await master.node.set(setCommand('user:c', 'three'));
    })();
    const second = await run(['--resume', resume, '--count', '1', '--json', '--previous', '--ops', 'set']);
    await writing;
    const keys = second.out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
      .flatMap(({ key }) => key ?? []);
    expect(keys).toEqual(['user:c']);
  });

  it('tells first what is there', async () => {
    const { out } = await run(['--initial', '--count', '1', '--json']);
    const objects = out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(objects[0]).toMatchObject({ key: 'user:b', initial: true });
  });

  it('says what is wrong, and what to type', async () => {
    expect(await run(['user:', '--key', 'a'])).toMatchObject({
      code: 2,
      err: expect.stringContaining('exclude each other'),
    });
    expect(await run(['--ops', 'touched'])).toMatchObject({
      code: 2,
      err: expect.stringContaining('set, delete'),
    });
    expect(await run(['--previous'])).toMatchObject({
      code: 2,
      err: expect.stringContaining('needs --json'),
    });
    expect(await run(['--resume', 'nonsense'])).toMatchObject({
      code: 2,
      err: expect.stringContaining('resume is malformed'),
    });
    const gone = await runCli(['watch', '--address', '127.0.0.1:1']);
    expect(gone).toMatchObject({ code: 5, err: expect.stringContaining('Is it running?') });
  });

  it('ends with 130 at Ctrl-C, and says where to go on', async () => {
    const aborter = new AbortController();
    const after = formatPosition(master.node.status().position);
    // Messages without changes write nothing.
    const onWrite = (chunk: string | Uint8Array): void => {
      if (chunk.length > 0) aborter.abort();
    };
    const running = run(['--after', after], { interrupted: aborter.signal, onWrite });
    await master.node.set(setCommand('user:d', 'x'));
    const { code, err, out } = await running;
    expect([code, out.split('\t')[2]]).toEqual([130, 'user:d']);
    expect(err).toContain('--resume');
  });

  it('is a process that a pipe can end', async () => {
    const child = spawn(process.execPath, [TOOL, 'watch', '--after', '0-0', '--address', master.address], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const line = await new Promise<string>((resolve) =>
      child.stdout.once('data', (bytes: Buffer) => resolve(String(bytes))),
    );
    expect(line).toContain('user:a');
    child.kill('SIGINT');
    const code = await new Promise((resolve) => child.once('close', resolve));
    expect(code).toBe(130);
  }, 30_000);
});
