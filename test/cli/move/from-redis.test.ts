/**
 * A move from a real redis-server, compared key by key with what redis says of each:
 * WALNUT_MOVE_KEYS keys, 1,000 by default. Skipped where redis-server is not installed.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import { runCli } from '../memory-io.ts';
import { RunningMaster } from '../running-node.ts';

const KEYS = Number(process.env['WALNUT_MOVE_KEYS'] ?? 1_000);
const DEADLINE_MS = 1_000_000;

/** What a value is by its number: short and long text, numbers of each width, what compresses, and bytes. */
function bytesOf(i: number): Buffer {
  const kinds = [
    Buffer.from(`value ${i}`),
    Buffer.from(String((-1) ** i * i ** (i % 4))),
    Buffer.from(`{"repeated":"${'pattern '.repeat(i % 300)}"}`),
    Buffer.from(Array.from({ length: i % 200 }, (_, at) => (i * 31 + at * 17) & 0xff)),
  ];
  return kinds[i % kinds.length] as Buffer;
}

function command(...parts: readonly (string | Buffer)[]): Buffer {
  const lines = parts.flatMap((part) => [`$${Buffer.byteLength(part)}\r\n`, part, '\r\n']);
  return Buffer.concat([`*${parts.length}\r\n`, ...lines].map((part) => Buffer.from(part as string)));
}

/** Sends commands, and returns the text of all answers, which ends with that of PING. */
async function ask(socket: Socket, ...commands: readonly Buffer[]): Promise<string> {
  const answers: Buffer[] = [];
  const onData = (chunk: Buffer): void => void answers.push(chunk);
  socket.on('data', onData);
  socket.write(Buffer.concat([...commands, command('PING')]));
  while (!answers.at(-1)?.subarray(-7).equals(Buffer.from('+PONG\r\n'))) await once(socket, 'data');
  socket.off('data', onData);
  return Buffer.concat(answers).toString('latin1');
}

/** Values and deadlines by key, as redis tells them. */
async function askAll(socket: Socket, names: readonly string[]): Promise<Record<string, string>> {
  const told: Record<string, string> = {};
  for (const name of names) {
    const answer = await ask(socket, command('GET', name), command('PEXPIRETIME', name));
    const [, length = '0'] = /^\$(\d+)\r\n/.exec(answer) ?? [];
    const from = answer.indexOf('\r\n') + 2;
    const value = answer.slice(from, from + Number(length));
    const [, deadline = ''] = /:(-?\d+)\r\n\+PONG/.exec(answer) ?? [];
    told[name] = `${Buffer.from(value, 'latin1').toString('base64')} ${Math.max(0, Number(deadline))}`;
  }
  return told;
}

it('brings every string with its deadline, and names the rest', { timeout: 300_000 }, async ({ skip }) => {
  if (spawnSync('redis-server', ['--version']).status !== 0) skip('SKIPPED: no redis-server here');
  const directory = mkdtempSync(join(tmpdir(), 'walnut-from-redis-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const path = join(directory, 'socket');
  const redis = spawn('redis-server', [
    '--port',
    '0',
    '--unixsocket',
    path,
    '--dir',
    directory,
    '--save',
    '',
  ]);
  onTestFinished(() => void redis.kill('SIGKILL'));
  await vi.waitUntil(() => existsSync(path), { timeout: 20_000 });
  const socket = connect(path);
  onTestFinished(() => void socket.destroy());
  const names = Array.from({ length: KEYS }, (_, i) => `key:${i}:ü`);
  const sets = names.flatMap((name, i) => {
    const set = command('SET', name, bytesOf(i));
    return i % 3 === 0 ? [set, command('PEXPIRE', name, String(DEADLINE_MS + i))] : [set];
  });
  const others = [
    command('RPUSH', 'a list', 'x'),
    command('SADD', 'a set', '1', '2'),
    command('ZADD', 'a sorted set', '1.5', 'x'),
    command('HSET', 'a hash', 'f', 'v'),
    command('XADD', 'a stream', '*', 'f', 'v'),
  ];
  expect(await ask(socket, ...sets, ...others, command('SAVE'))).not.toContain('-ERR');

  const master = await RunningMaster.start(join(directory, 'data'));
  onTestFinished(() => master.stop());
  const run = (...args: string[]) => runCli([...args, '--address', master.address]);
  const { code, out } = await run('import', join(directory, 'dump.rdb'), '--json');
  expect(JSON.parse(out)).toMatchObject({ done: KEYS + 5, written: KEYS, expired: 0 });
  const { left } = JSON.parse(out) as { left: { why: string; first: string[] }[] };
  expect(left.map(({ why, first }) => `${why}: ${first}`).sort()).toEqual(
    ['hash', 'list', 'set', 'sorted set', 'stream'].map((type) => `${type}: "a ${type}"`),
  );
  expect(code).toBe(1);
  const moved: Record<string, string> = {};
  for (const line of (await run('export')).out.trimEnd().split('\n')) {
    const { key, value, valueBase64, expireAtMs = 0 } = JSON.parse(line) as Record<string, string>;
    moved[key as string] = `${valueBase64 ?? Buffer.from(value ?? '').toString('base64')} ${expireAtMs}`;
  }
  expect(moved).toEqual(await askAll(socket, names));
});
