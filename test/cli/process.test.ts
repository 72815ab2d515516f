/** Tests that need a real process: exit codes, raw stdout, Ctrl-C. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TOOL } from '#test/doubles/binaries.ts';
import { FakeNode } from './fake-node.ts';

let node: FakeNode;
let directory = '';

beforeAll(async () => {
  node = await new FakeNode().start();
  directory = await mkdtemp(join(tmpdir(), 'walnut-process-'));
});
afterAll(async () => {
  await node.stop();
  await rm(directory, { recursive: true });
});

function start(args: readonly string[]) {
  // Node warns where both are set, as by a runner of tests.
  const env = { ...process.env, FORCE_COLOR: undefined, NO_COLOR: undefined, WALNUT_ADDRESS: node.address };
  const child = spawn(process.execPath, [TOOL, ...args], { env, stdio: ['pipe', 'pipe', 'pipe'] });
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout.on('data', (bytes: Buffer) => out.push(bytes));
  child.stderr.on('data', (bytes: Buffer) => err.push(bytes));
  const ended = new Promise<{ code: number | null; out: Buffer; err: string }>((resolve) => {
    child.on('close', (code) =>
      resolve({ code, out: Buffer.concat(out), err: Buffer.concat(err).toString() }),
    );
  });
  return { child, ended };
}

describe('the process', () => {
  it('carries bytes from stdin to stdout, and its exit code', async () => {
    const value = Buffer.from(Array.from({ length: 300_000 }, (_, index) => (index * 7) % 256));
    const set = start(['set', 'k', '-']);
    set.child.stdin.end(value);
    expect(await set.ended).toMatchObject({ code: 0, err: '' });
    const got = await start(['get', 'k']).ended;
    expect(got).toMatchObject({ code: 0, err: '' });
    expect(got.out.equals(value)).toBe(true);
    expect((await start(['get', 'none']).ended).code).toBe(1);
    expect((await start(['get']).ended).code).toBe(2);
  }, 30_000);

  it.skipIf(process.platform !== 'linux')(
    'keeps its exit code where its messages cannot be written',
    async () => {
      const full = openSync('/dev/full', 'w');
      const child = spawn(process.execPath, [TOOL, 'get'], { stdio: ['ignore', 'ignore', full] });
      closeSync(full);
      expect((await once(child, 'close'))[0]).toBe(2);
    },
    30_000,
  );

  it('ends a replay at Ctrl-C with the summary so far', async () => {
    const file = join(directory, 'trace');
    await writeFile(file, Buffer.alloc(4_000_000, 1));
    node.fault = (method) => {
      if (method === 'Get' && node.calls.Get === 500) {
        child.kill('SIGINT');
        child.kill('SIGINT');
      }
      return 'serve';
    };
    const { child, ended } = start(['replay', file, '--json']);
    const { code, out, err } = await ended;
    expect(code).toBe(130);
    expect(JSON.parse(out.toString())).toMatchObject({ isComplete: false, errors: 0 });
    expect(err).toContain('interrupted');
  }, 30_000);
});

/** Runs the tool under `sh`. `"$@"` in the script stands for its arguments. */
async function underShell(script: string, args: readonly string[]) {
  // Node warns where both are set, as by a runner of tests.
  const env = { ...process.env, FORCE_COLOR: undefined, NO_COLOR: undefined, WALNUT_ADDRESS: node.address };
  const child = spawn('sh', ['-c', script, 'sh', process.execPath, TOOL, ...args], { env, cwd: directory });
  let err = '';
  child.stderr.on('data', (bytes: Buffer) => {
    err += bytes.toString();
  });
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return { code, err };
}

describe.skipIf(process.platform !== 'linux')('output that cannot be written', () => {
  it('is told, by an exit code that is no answer, by every command', async () => {
    expect((await start(['set', 'full', 'v']).ended).code).toBe(0);
    for (const args of [
      ['get', 'full'],
      ['get', 'full', '--json'],
      ['get', 'none', '--json'],
      ['set', 'full', 'w'],
      ['scan'],
      ['status'],
      ['digest'],
      ['--help'],
      ['set', '--help'],
      ['--version'],
    ]) {
      const { code, err } = await underShell('exec "$@" >/dev/full', args);
      expect(err, args.join(' ')).toContain('cannot write the output: ENOSPC');
      expect(code, args.join(' ')).toBe(6);
    }
    // The effect of the command remains.
    expect((await start(['get', 'full']).ended).out.toString()).toBe('w');
  }, 60_000);

  it('is told where only a part of it fits', async () => {
    const set = start(['set', 'large', '-']);
    set.child.stdin.end(Buffer.alloc(5_000, 'x'));
    expect((await set.ended).code).toBe(0);
    // 2 blocks of 512 bytes: the system writes only so many bytes and reports no error.
    const { code, err } = await underShell('ulimit -f 2; exec "$@" >cut', ['get', 'large']);
    expect(err).toContain('cannot write the output: EFBIG');
    expect(code).toBe(6);
  }, 30_000);

  it('is nothing to tell where the reader has gone', async () => {
    const { code, err } = await underShell('"$@" | true; exec "$@" 2>&1 | head -c 1 >/dev/null', [
      'get',
      'large',
    ]);
    expect({ code, err }).toEqual({ code: 0, err: '' });
  }, 30_000);

  it('leaves the answer to the exit code where stderr is full', async () => {
    expect((await underShell('exec "$@" 2>/dev/full', ['get', 'none'])).code).toBe(1);
    expect((await underShell('exec "$@" 2>/dev/full', ['get', 'full'])).code).toBe(0);
    expect((await underShell('exec "$@" >/dev/full 2>&1', ['get', 'full'])).code).toBe(6);
  }, 30_000);

  it('has its like in input that cannot be read', async () => {
    const { code, err } = await underShell('exec "$@" <.', ['set', 'k', '-']);
    expect(err).toContain('EISDIR');
    expect(code).toBe(6);
  }, 30_000);
});
