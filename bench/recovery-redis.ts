/** redis-server loading the same entries from its AOF and its RDB; nothing where it is not installed. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { StartFigures, Subject } from './recovery-figures.ts';

const READY_MS_MAX = 120_000;
const POLL_MS = 2;

type Source = 'aof' | 'rdb';

export async function prepareRedis(directory: string, count: number): Promise<Subject[]> {
  if (spawnSync('redis-server', ['--version']).status !== 0) {
    process.stderr.write('redis-server is not installed: not compared\n');
    return [];
  }
  const subjects: Subject[] = [];
  for (const source of ['aof', 'rdb'] as const) {
    const path = join(directory, source);
    mkdirSync(path);
    await fill(path, count, source);
    subjects.push({
      source: `redis ${source}`,
      versus: undefined,
      path,
      start: () => startOnce(path, source),
    });
  }
  return subjects;
}

/** The AOF is written as plain commands and the RDB uncompressed, as Walnut's log and snapshot are. */
function launch(path: string, source: Source): ChildProcess {
  const socket = join(path, 'socket');
  const options = ['--port', '0', '--unixsocket', socket, '--dir', path, '--save', '', '--daemonize', 'no'];
  const aof = [
    '--appendonly',
    source === 'aof' ? 'yes' : 'no',
    '--aof-use-rdb-preamble',
    'no',
    '--rdbcompression',
    'no',
  ];
  return spawn('redis-server', [...options, ...aof, '--logfile', join(path, 'log')], { stdio: 'ignore' });
}

function cli(path: string, argv: readonly string[], input = ''): void {
  spawnSync('redis-cli', ['-s', join(path, 'socket'), ...argv], { input });
}

async function untilReady(path: string): Promise<void> {
  const startedMs = performance.now();
  while (!(await answersPing(join(path, 'socket')))) {
    if (performance.now() - startedMs > READY_MS_MAX) throw new Error('redis-server did not come up');
    await sleep(POLL_MS);
  }
}

/** False while it loads, and before it listens. */
function answersPing(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(socketPath, () => socket.write('PING\r\n'));
    const end = (isReady: boolean): void => {
      socket.destroy();
      resolve(isReady);
    };
    socket.once('data', (answer) => end(answer.toString().startsWith('+PONG')));
    socket.once('error', () => end(false));
    socket.once('close', () => resolve(false));
  });
}

async function stop(path: string, server: ChildProcess): Promise<void> {
  const exited = new Promise((resolve) => server.once('exit', resolve));
  cli(path, ['shutdown', 'nosave']);
  await exited;
}

async function fill(path: string, count: number, source: Source): Promise<void> {
  const server = launch(path, source);
  await untilReady(path);
  const value = 'v'.repeat(100);
  for (let at = 0; at < count; at += 50_000) {
    const lines: string[] = [];
    for (let i = at; i < Math.min(at + 50_000, count); i++) {
      lines.push(`*3\r\n$3\r\nSET\r\n$16\r\nkey:${String(i).padStart(12, '0')}\r\n$100\r\n${value}\r\n`);
    }
    cli(path, ['--pipe'], lines.join(''));
  }
  if (source === 'rdb') cli(path, ['save']);
  await stop(path, server);
}

/** `seconds` is the server's own word: what its log says of the loading. */
async function startOnce(path: string, source: Source): Promise<StartFigures> {
  const startedMs = performance.now();
  const server = launch(path, source);
  await untilReady(path);
  const readySeconds = (performance.now() - startedMs) / 1_000;
  const lines = readFileSync(join(path, 'log'), 'utf8').split('\n');
  const loaded = lines.findLast((line) =>
    /DB loaded from (append only file|disk|base file|incr file)/.test(line),
  );
  const seconds = Number(/([\d.]+) seconds/.exec(loaded ?? '')?.[1] ?? Number.NaN);
  const status = readFileSync(`/proc/${server.pid}/status`, 'utf8');
  const peakBytes = Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? Number.NaN) * 1_024;
  // Fields 14 and 15, user and system, in hundredths of a second; the name in brackets has no blank.
  const fields = readFileSync(`/proc/${server.pid}/stat`, 'utf8').split(' ');
  const cpuSeconds = (Number(fields[13]) + Number(fields[14])) / 100;
  await stop(path, server);
  return { seconds, readySeconds, cpuSeconds, peakBytes };
}
