/**
 * A master without any configuration in a real cgroup of 192 MiB, under parallel Sets of
 * 100 kB: it is not killed, and logs its memory plan at the start. It needs permission to
 * create a cgroup (root, Linux), else it is skipped.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, expect, it } from 'vitest';

const LAUNCHER = new URL('../../bin/launch.cjs', import.meta.url).pathname;
const LIMIT_BYTES = 192 * 1_024 * 1_024;
const SETS = 600;
const PARALLEL = 32;
const VALUE = Buffer.alloc(100_000, 1);

const cgroup = makeCgroup();
if (cgroup === undefined) console.warn('SKIPPED: no cgroup with a memory limit can be made here');
const cleanups: (() => unknown)[] = [];
afterAll(async () => {
  for (const cleanup of cleanups.reverse()) await cleanup();
  if (cgroup === undefined) return;
  for (let i = 0; i < 100 && readFileSync(join(cgroup, 'cgroup.procs'), 'utf8') !== ''; i++) await sleep(50);
  rmdirSync(cgroup);
});

/** A cgroup of version 1 or 2; undefined if neither can be created. */
function makeCgroup(): string | undefined {
  const name = `walnut-test-${process.pid}`;
  for (const [root, file] of [
    ['/sys/fs/cgroup/memory', 'memory.limit_in_bytes'],
    ['/sys/fs/cgroup', 'memory.max'],
  ] as const) {
    const path = join(root, name);
    try {
      mkdirSync(path);
    } catch {
      continue;
    }
    if (existsSync(join(path, file))) {
      writeFileSync(join(path, file), String(LIMIT_BYTES));
      return path;
    }
    rmdirSync(path);
  }
  return undefined;
}

interface Line {
  readonly msg: string;
  readonly address?: string;
  readonly level: string;
}

/** Resolves when the node serves. */
async function startMaster(directory: string, lines: Line[]): Promise<ChildProcess> {
  const set = ['server.port=0', `wal.directory=${directory}`, 'log.format=json'].flatMap((key) => [
    '--set',
    key,
  ]);
  const enter = `echo $$ > ${cgroup}/cgroup.procs && exec "$0" "$@"`;
  const child = spawn('sh', ['-c', enter, process.execPath, LAUNCHER, 'cmd/master.ts', ...set], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const output = createInterface({ input: child.stderr as NodeJS.ReadableStream });
  return new Promise((resolve, reject) => {
    child.on('exit', (code, signal) => reject(new Error(`it ended: ${code ?? signal}`)));
    output.on('line', (line) => {
      // Node may also write warnings to stderr.
      if (!line.startsWith('{')) return;
      lines.push(JSON.parse(line) as Line);
      if (lines.at(-1)?.msg === 'recovered') resolve(child);
    });
  });
}

function put(agent: Agent, address: string, key: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const call = request(`http://${address}/v1/keys/${key}`, { method: 'PUT', agent }, (answer) => {
      answer.resume().on('end', () => resolve(answer.statusCode ?? 0));
    });
    call.on('error', reject);
    call.end(VALUE);
  });
}

it.skipIf(cgroup === undefined)(
  'lives in 192 MiB without any configuration',
  async () => {
    const directory = await mkdtemp(join(tmpdir(), 'walnut-small-'));
    cleanups.push(() => rm(directory, { recursive: true, force: true }));
    const lines: Line[] = [];
    const child = await startMaster(directory, lines);
    cleanups.push(() => child.kill('SIGKILL'));
    const plan = lines.find(({ msg }) => msg === 'memory');
    expect(plan).toMatchObject({ limitBytes: LIMIT_BYTES, maxMemory: expect.any(Number) });
    expect(lines.filter(({ level }) => level !== 'info')).toEqual([]);
    const address = lines.find(({ msg }) => msg === 'listening')?.address ?? '';
    const agent = new Agent({ keepAlive: true, maxSockets: PARALLEL });
    let next = 0;
    const statuses = new Set<number>();
    const work = async (): Promise<void> => {
      while (next < SETS) statuses.add(await put(agent, address, next++));
    };
    await Promise.all(Array.from({ length: PARALLEL }, work));
    agent.destroy();
    expect([...statuses]).toEqual([201]);
    expect(child.exitCode).toBeNull();
  },
  120_000,
);
