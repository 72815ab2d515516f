/** `walnut explain` against a real node, and once as a process. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TOOL } from '#test/doubles/binaries.ts';
import { deleteCommand, setCommand, touchCommand } from '#test/doubles/test-group.ts';
import { runCli } from './memory-io.ts';
import { RunningMaster } from './running-node.ts';

let master: RunningMaster;
let directory = '';
const run = (args: string[]) => runCli(['explain', ...args, '--address', master.address]);

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'walnut-explain-'));
  master = await RunningMaster.start(directory);
  await master.node.set(setCommand('a', 'one'));
  await master.node.set(setCommand('a', 'two'));
  await master.node.set(setCommand('gone', 'x'));
  await master.node.delete(deleteCommand('gone'));
});
afterEach(async () => {
  await master.stop();
  rmSync(directory, { recursive: true, force: true });
});

describe('walnut explain', () => {
  it('says what is there, and what became of what is not', async () => {
    const present = await run(['a']);
    expect(present.code).toBe(0);
    expect(present.out).toMatch(/^present: 3 bytes, written by record/);
    expect(present.out).toContain('2 sets, 0 deletes');
    const gone = await run(['gone']);
    expect(gone.code).toBe(1);
    const json = await run(['gone', '--json']);
    expect(JSON.parse(json.err)).toEqual({ error: { exitCode: 1, message: 'key "gone" is missing' } });
    expect(gone.out).toMatch(/^missing: deleted by a client at/);
    expect(gone.out).toMatch(/delete +client/);
  });

  it('tells JSON, with as many changes as were asked for', async () => {
    const { code, out } = await run(['a', '--changes', '1', '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      ...{ key: 'a', found: true, bytes: 3, sets: 2, deletes: 0, complete: true, waitingChanges: 0 },
      changes: [{ op: 'set', cause: 'client', expireAtMs: 0 }],
    });
  });

  it('tells the deadline that a touch has set', async () => {
    await master.node.touch(touchCommand('a', 4_102_444_800_000));
    expect((await run(['a'])).out).toMatch(/touch +client +[\d-]+ +2100-01-01T00:00:00.000Z/);
  });

  it('says what is wrong with its arguments', async () => {
    expect(await run(['a', '--changes', '101'])).toMatchObject({ code: 2 });
    expect(await run([''])).toMatchObject({ code: 2 });
  });

  it('is a process with an exit code', () => {
    const help = spawnSync(process.execPath, [TOOL, 'explain', '--help'], { encoding: 'utf8' });
    expect(help.stdout).toContain('walnut explain greeting');
    const missing = spawnSync(process.execPath, [TOOL, 'explain', 'x', '--address', '127.0.0.1:1']);
    expect(missing.status).toBe(5);
  }, 30_000);
});
