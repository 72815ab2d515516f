/** redis-server loading the same entries from its AOF and its RDB; nothing where it is not installed. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { directoryBytes, type RecoveryRow, type StartFigures, toRow } from './recovery-figures.ts';

const READY_MS_MAX = 120_000;
const POLL_MS = 20;

export async function measureRedis(directory: string, count: number, rounds: number): Promise<RecoveryRow[]> {
  if (spawnSync('redis-server', ['--version']).status !== 0) {
    process.stderr.write('redis-server is not installed: not compared\n');
    return [];
  }
  const rows: RecoveryRow[] = [];
  for (const source of ['aof', 'rdb'] as const) {
    const path = join(directory, source);
    mkdirSync(path);
    await fill(path, count, source);
    const starts: StartFigures[] = [];
    for (let round = 0; round < rounds; round++) starts.push(await startOnce(path, source));
    rows.push(toRow(count, `redis ${source}`, directoryBytes(path), starts));
  }
  return rows;
}

/** The AOF is written as plain commands and the RDB uncompressed, as Walnut's log and snapshot are. */
function launch(path: string, source: 'aof' | 'rdb'): ChildProcess {
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

function cli(path: string, argv: readonly string[], input?: string): string {
  const options = {
    encoding: 'utf8',
    maxBuffer: 1 << 30,
    ...(input === undefined ? {} : { input }),
  } as const;
  return spawnSync('redis-cli', ['-s', join(path, 'socket'), ...argv], options).stdout ?? '';
}

async function untilReady(path: string): Promise<void> {
  const startedMs = performance.now();
  while (cli(path, ['ping']).trim() !== 'PONG') {
    if (performance.now() - startedMs > READY_MS_MAX) throw new Error('redis-server did not come up');
    await sleep(POLL_MS);
  }
}

async function stop(path: string, server: ChildProcess): Promise<void> {
  const exited = new Promise((resolve) => server.once('exit', resolve));
  cli(path, ['shutdown', 'nosave']);
  await exited;
}

async function fill(path: string, count: number, source: 'aof' | 'rdb'): Promise<void> {
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

/** The server's own word for the loading time: what its log says, without start-up and polling. */
async function startOnce(path: string, source: 'aof' | 'rdb'): Promise<StartFigures> {
  const server = launch(path, source);
  await untilReady(path);
  const lines = readFileSync(join(path, 'log'), 'utf8').split('\n');
  const loaded = lines.findLast((line) =>
    /DB loaded from (append only file|disk|base file|incr file)/.test(line),
  );
  const seconds = Number(/([\d.]+) seconds/.exec(loaded ?? '')?.[1] ?? Number.NaN);
  const status = readFileSync(`/proc/${server.pid}/status`, 'utf8');
  const peakBytes = Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? Number.NaN) * 1_024;
  await stop(path, server);
  return { seconds, peakBytes };
}
