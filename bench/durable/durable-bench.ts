/**
 * What durability costs a Set of 100 bytes over HTTP/1.1: at `interval` next to
 * a Get, at `always` with many callers next to `interval`, and with one caller
 * next to a process that does nothing but write and fdatasync; redis-server with
 * the same promises beside, where it is installed.
 */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { singleOf, type Verb } from '../batch/batch-calls.ts';
import type { SuiteReport } from '../report.ts';
import { askOnce } from '../unary/ask-once.ts';
import { createLoad, loadNames, redisLoad } from '../unary/load.ts';
import { isInstalled, startRedis, startWalnut, type Target } from '../unary/processes.ts';
import { type Measured, toSuiteReport } from '../unary/report.ts';
import { type Contender, measureInTurn } from '../unary/rounds.ts';

export interface DurableBench {
  readonly rounds: number;
  readonly seconds: number;
  /** Measurements whose name has this text. */
  readonly only: string;
}

const run = promisify(execFile);
const MANY = 64;
/** One record of such a Set on the disk: prefix, frame, and payload. */
const RECORD_BYTES = 193;
/** About what redis-server does: redis-benchmark takes no time. */
const REDIS_RATE = { interval: 50_000, many: 10_000, one: 1_000 };

interface Case {
  readonly id: string;
  readonly aims: Readonly<Record<string, number>>;
  /** The first is Walnut itself. */
  readonly contenders: readonly Contender[];
}

export async function benchDurable({ rounds, seconds, only }: DurableBench): Promise<SuiteReport> {
  const directory = mkdtempSync(join(tmpdir(), 'walnut-bench-'));
  const servers = new Servers(directory);
  try {
    const measured: Measured[] = [];
    for (const { id, aims, contenders } of (await casesOf(servers)).filter((one) => one.id.includes(only))) {
      measured.push({ call: { id, aims }, rounds: await measureInTurn(contenders, { rounds, seconds }) });
      process.stderr.write(`${id} measured\n`);
    }
    const load = `${loadNames()}; redis: appendfsync everysec and always`;
    return toSuiteReport({ suite: 'durable', unit: 'request', measured, load, rounds, seconds });
  } finally {
    await servers.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

async function casesOf(servers: Servers): Promise<Case[]> {
  const interval = await servers.walnut('interval');
  const always = await servers.walnut('always');
  const redis = { everysec: await servers.redis('everysec'), always: await servers.redis('always') };
  const few = [servers.calls('walnut', interval, 'set', 32), servers.calls('get', interval, 'get', 32)];
  const many = [
    servers.calls('walnut', always, 'set', MANY),
    servers.calls('interval', interval, 'set', MANY),
  ];
  const one = [servers.calls('walnut', always, 'set', 1), servers.disk()];
  return [
    {
      id: 'set at interval, 32 callers',
      aims: { get: 0.85 },
      contenders: [...few, ...redisSets(redis.everysec, 32, REDIS_RATE.interval)],
    },
    {
      id: `set at always, ${MANY} callers`,
      aims: { interval: 0.9 },
      contenders: [...many, ...redisSets(redis.always, MANY, REDIS_RATE.many)],
    },
    {
      id: 'set at always, one caller',
      aims: { 'write and fdatasync': 0.8 },
      contenders: [...one, ...redisSets(redis.always, 1, REDIS_RATE.one)],
    },
  ];
}

function redisSets(target: Target | undefined, connections: number, ratePerSecond: number): Contender[] {
  if (target === undefined) return [];
  const order = { command: 'set', connections, ratePerSecond } as const;
  return [{ name: 'redis', target, load: (seconds) => redisLoad(target.port, { ...order, seconds }) }];
}

class Servers {
  readonly #directory: string;
  readonly #load: ReturnType<typeof createLoad>;
  readonly #started: Target[] = [];

  constructor(directory: string) {
    this.#directory = directory;
    this.#load = createLoad(directory);
  }

  async walnut(fsync: 'interval' | 'always'): Promise<Target> {
    const target = await this.#start(`walnut-${fsync}`, (path) => startWalnut(path, [`wal.fsync=${fsync}`]));
    await askOnce(target.port, singleOf('set'));
    return target;
  }

  redis(appendfsync: 'everysec' | 'always'): Promise<Target | undefined> {
    if (!isInstalled('redis-server')) return Promise.resolve(undefined);
    const more = ['--appendonly', 'yes', '--appendfsync', appendfsync];
    return this.#start(`redis-${appendfsync}`, (path) => startRedis(path, more));
  }

  calls(name: string, target: Target, verb: Verb, connections: number): Contender {
    const call = { ...singleOf(verb), connections };
    return { name, target, load: (seconds) => this.#load(target.port, call, seconds) };
  }

  /** Not a server: the disk, and what it allows. */
  disk(): Contender {
    const target = { port: 0, pid: 0, cpuSeconds: () => Number.NaN, stop: async () => {} };
    const file = join(this.#directory, 'alone');
    const load = async (seconds: number) => {
      const argv = [join(import.meta.dirname, 'sync-child.ts'), file, String(seconds), String(RECORD_BYTES)];
      const { stdout } = await run(process.execPath, argv);
      return { requests: Number(stdout), seconds };
    };
    return { name: 'write and fdatasync', target, load };
  }

  async #start(name: string, how: (path: string) => Promise<Target>): Promise<Target> {
    const path = join(this.#directory, name);
    mkdirSync(path, { recursive: true });
    const target = await how(path);
    this.#started.push(target);
    return target;
  }

  async stop(): Promise<void> {
    await Promise.all(this.#started.map((target) => target.stop()));
  }
}
