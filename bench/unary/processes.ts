/** The servers under measurement, each a process on a port that the system gave. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');
const launcher = createRequire(import.meta.url)('../../bin/launch.cjs') as {
  v8Flags(entry: string, args: readonly string[]): string[];
  childEnvironment(node: string, entry: string): NodeJS.ProcessEnv;
};
/** How the launcher starts a node: Node's flags and the environment, without a second process in between. */
export function asShipped(entry: string, args: readonly string[]) {
  // With this variable a node stops if it has no channel to its parent.
  const { WALNUT_PARENT_PID: _, ...env } = launcher.childEnvironment(process.execPath, entry);
  return { nodeFlags: launcher.v8Flags(entry, args), env };
}

const START_MS_MAX = 30_000;
const STOP_MS_MAX = 10_000;
const LISTENS = /"address":"127\.0\.0\.1:(\d+)"[\s\S]*"recovered"/;

export interface Target {
  readonly port: number;
  readonly pid: number;
  /** Seconds of processor time since it started, where the system tells. */
  cpuSeconds(): number;
  stop(): Promise<void>;
}

export function isInstalled(command: string): boolean {
  return spawnSync(command, ['--version'], { stdio: 'ignore' }).error === undefined;
}

/** `more`: settings as `section.key=value`. */
export function startWalnut(directory: string, more: readonly string[] = []): Promise<Target> {
  const own = ['server.port=0', 'server.address=127.0.0.1', `wal.directory=${directory}`, 'log.format=json'];
  const sets = [...own, ...more];
  const entry = 'cmd/master.ts';
  const args = sets.flatMap((set) => ['--set', set]);
  const { nodeFlags, env } = asShipped(entry, args);
  const argv = [...nodeFlags, join(ROOT, entry), ...args];
  const child = spawn(process.execPath, argv, { stdio: ['ignore', 'ignore', 'pipe'], env });
  return started(child, LISTENS);
}

/** A master of another checkout, with its dependencies in place, started as its own launcher does. */
export function startOther(checkout: string, directory: string): Promise<Target> {
  const sets = ['server.port=0', 'server.address=127.0.0.1', `wal.directory=${directory}`, 'log.format=json'];
  const args = sets.flatMap((set) => ['--set', set]);
  const argv = [join(checkout, 'bin/launch.cjs'), 'cmd/master.ts', ...args];
  const child = spawn(process.execPath, argv, { stdio: ['ignore', 'ignore', 'pipe'], cwd: checkout });
  return started(child, LISTENS);
}

export function startYardstick(argv: readonly string[]): Promise<Target> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'yardstick-child.ts'), ...argv], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  return started(child, /port (\d+)/);
}

/** `more`: options of its command line. */
export async function startRedis(directory: string, more: readonly string[] = []): Promise<Target> {
  const port = await freePort();
  const options = ['--port', String(port), '--bind', '127.0.0.1', '--dir', directory, '--save', ''];
  const child = spawn('redis-server', [...options, ...more], { stdio: ['ignore', 'pipe', 'inherit'] });
  return started(child, /Ready to accept connections/, port);
}

export async function startEtcd(directory: string): Promise<Target> {
  const [client, peer] = [await freePort(), await freePort()].map((port) => `http://127.0.0.1:${port}`);
  const urls = ['--listen-client-urls', client, '--advertise-client-urls', client];
  const peers = ['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer];
  const cluster = ['--initial-cluster', `default=${peer}`, '--data-dir', join(directory, 'etcd')];
  const argv = [...urls, ...peers, ...cluster] as string[];
  const child = spawn('etcd', argv, { stdio: ['ignore', 'ignore', 'pipe'] });
  return started(child, /ready to serve client requests/, Number(new URL(client as string).port));
}

/** Finds a free port for programs that cannot choose one themselves. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export function targetOf(child: ChildProcess, port: number): Target {
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  return {
    port,
    pid: child.pid ?? 0,
    cpuSeconds: () => cpuSecondsOf(child.pid ?? 0),
    stop: () => {
      child.kill('SIGTERM');
      const last = setTimeout(() => child.kill('SIGKILL'), STOP_MS_MAX);
      return exited.finally(() => clearTimeout(last));
    },
  };
}

/** Waits for `ready` in its output; its first group is the port, where it has one. */
export function started(child: ChildProcess, ready: RegExp, knownPort?: number): Promise<Target> {
  return new Promise((resolve, reject) => {
    let output = '';
    const fail = (why: string): void => reject(new Error(`${child.spawnfile} ${why}: ${output.slice(-500)}`));
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      fail('is not ready in time');
    }, START_MS_MAX);
    const onData = (bytes: Buffer): void => {
      output += bytes.toString();
      const match = ready.exec(output);
      if (match === null) return;
      clearTimeout(timer);
      output = '';
      resolve(targetOf(child, knownPort ?? Number(match[1])));
    };
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', onData);
    child.once('error', (error) => fail(error.message));
    child.once('exit', (code) => fail(`ended with ${code}`));
  });
}

/** Bytes of memory that the process has now; by /proc. */
export function residentBytes({ pid }: Target): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? Number.NaN) * 1_024;
}

const TICKS_PER_SECOND = 100;

function cpuSecondsOf(pid: number): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  } catch {
    return Number.NaN;
  }
}
