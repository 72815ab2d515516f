/** A real process with few descriptors and too many idle clients: its log still begins new segments. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { MASTER } from '#test/doubles/binaries.ts';

let directory = '';
let master: ChildProcess | undefined;
const sockets: Socket[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'walnut-files-'));
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  master?.kill('SIGKILL');
  await rm(directory, { recursive: true, force: true });
});

async function started(): Promise<number> {
  const sets = ['server.port=0', 'server.address=127.0.0.1', `wal.directory=${directory}`, 'log.format=json'];
  const args = [...sets, 'wal.max_file_size=4KB', 'wal.fsync=always'].flatMap((set) => ['--set', set]);
  const limited = ['-c', 'ulimit -n 128 && exec "$@"', 'sh', process.execPath, MASTER, ...args];
  master = spawn('sh', limited, { stdio: ['ignore', 'ignore', 'pipe'] });
  let port = 0;
  const lines = createInterface({ input: master.stderr as NodeJS.ReadableStream });
  for await (const line of lines) {
    const { msg, address } = JSON.parse(line) as { msg: string; address?: string };
    if (msg === 'listening') port = Number(address?.split(':')[1]);
    if (msg === 'recovered') break;
  }
  master.stderr?.resume();
  return port;
}

/** The status codes of `count` writes over one kept connection. */
async function put(port: number, agent: Agent, count: number): Promise<(number | undefined)[]> {
  const codes: (number | undefined)[] = [];
  for (let i = 0; i < count; i++) {
    const write = request({ host: '127.0.0.1', port, agent, method: 'PUT', path: `/v1/keys/k${i}` });
    write.end('v'.repeat(1_000));
    const [answer] = await once(write, 'response');
    answer.resume();
    await once(answer, 'end');
    codes.push(answer.statusCode);
  }
  return codes;
}

it.skipIf(process.platform !== 'linux')(
  'serves who is connected, refuses the rest, and rotates',
  async () => {
    const port = await started();
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    expect(await put(port, agent, 1)).toEqual([201]);
    for (let i = 0; i < 160; i++) {
      const socket = connect(port, '127.0.0.1');
      socket.on('error', () => {});
      socket.write('GET /livez HTTP/1.1\r\nHost: a\r\n\r\n');
      sockets.push(socket);
    }
    const answered = (socket: Socket) =>
      new Promise<void>((resolve) => {
        socket.once('data', () => resolve());
        socket.once('close', () => resolve());
      });
    await Promise.all(sockets.map(answered));
    const codes = await put(port, agent, 40);
    expect(codes.every((code) => code === 201 || code === 204)).toBe(true);
    const segments = (await readdir(directory)).filter((name) => name.endsWith('.wal'));
    expect(segments.length).toBeGreaterThan(5);
    expect(master?.exitCode).toBeNull();
    agent.destroy();
  },
  60_000,
);
