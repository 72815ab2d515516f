/**
 * How long requests take while there is a lot in memory and a checkpoint is
 * made: Walnut and redis-server in turn, with the same entries, the same mix at
 * the same rate, and a checkpoint (there BGSAVE) in the middle of each.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { readDelayMs } from '../loop-delay.ts';
import { fill } from '../memory/fill.ts';
import type { Figure, Pair, SuiteReport } from '../report.ts';
import { isInstalled, startRedis, startWalnut, type Target } from '../unary/processes.ts';
import { cutRedis, Pipe } from '../wire/pipe.ts';
import { command, type Kind, openSpeaker } from '../wire/speakers.ts';
import type { LatencyFigures, LatencyOrder } from './latency-load.ts';

export interface LatencyBench {
  readonly rounds: number;
  readonly entries: number;
  /** The length of each measurement. */
  readonly seconds: number;
  readonly rate: number;
}

interface Measured extends LatencyFigures {
  /** The event loop's delay in milliseconds, from Walnut's metrics. */
  readonly delayMs: number;
  readonly checkpointSeconds: number;
}

const LOAD = join(import.meta.dirname, 'latency-load.ts');
const CONNECTIONS = 32;
const SET_PERCENT = 20;
/** Checkpoints are made when told. */
const SETS = ['snapshot.every=100GB', 'wal.retention=0B'];

export async function benchLatency(options: LatencyBench): Promise<SuiteReport> {
  const directory = mkdtempSync(join(tmpdir(), 'walnut-bench-'));
  const targets = new Map<Kind, Target>();
  try {
    for (const kind of ['walnut', 'redis'] as const) {
      if (kind === 'redis' && !isInstalled('redis-server')) {
        process.stderr.write('redis-server is not installed: not compared\n');
        continue;
      }
      mkdirSync(join(directory, kind));
      const path = join(directory, kind);
      const target = await (kind === 'walnut' ? startWalnut(path, SETS) : startRedis(path));
      targets.set(kind, target);
      const speaker = await openSpeaker(kind, target.port);
      await fill(speaker, options.entries);
      speaker.close();
      process.stderr.write(`${kind} has ${options.entries} entries\n`);
    }
    const measured: Record<Kind, Measured[]> = { walnut: [], redis: [] };
    for (let round = 0; round < options.rounds; round++) {
      for (const [kind, target] of targets) measured[kind].push(await measure(kind, target, options));
      process.stderr.write(`round ${round + 1} of ${options.rounds}\n`);
    }
    return reportOf(measured, options);
  } finally {
    await Promise.all([...targets.values()].map((target) => target.stop()));
    rmSync(directory, { recursive: true, force: true });
  }
}

async function measure(
  kind: Kind,
  { port }: Target,
  { rate, seconds, entries }: LatencyBench,
): Promise<Measured> {
  const order: LatencyOrder = {
    kind,
    port,
    rate,
    seconds,
    entries,
    connections: CONNECTIONS,
    setPercent: SET_PERCENT,
    tickMs: 1,
  };
  const child = spawn(process.execPath, [LOAD, JSON.stringify(order)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  let checkpoint = Promise.resolve(Number.NaN);
  let last = '';
  for await (const line of createInterface({ input: child.stdout })) {
    last = line;
    if (line !== 'measuring') continue;
    // A reading begins a new window.
    if (kind === 'walnut') await readDelayMs(port);
    checkpoint = sleep(seconds * 300).then(() => makeCheckpoint(kind, port));
  }
  const code = await exited;
  if (code !== 0) throw new Error(`the load failed with ${code}`);
  const delayMs = kind === 'walnut' ? await readDelayMs(port) : Number.NaN;
  return { ...(JSON.parse(last) as LatencyFigures), delayMs, checkpointSeconds: await checkpoint };
}

/** Seconds that it took. */
async function makeCheckpoint(kind: Kind, port: number): Promise<number> {
  const startMs = performance.now();
  if (kind === 'walnut') {
    const headers = { 'content-type': 'application/json' };
    const url = `http://127.0.0.1:${port}/walnut.v1.Admin/Checkpoint`;
    const answer = await fetch(url, { method: 'POST', headers, body: '{}' });
    if (!answer.ok) throw new Error(`Checkpoint answered ${await answer.text()}`);
    await answer.text();
  } else {
    const pipe = await Pipe.open(port, cutRedis);
    await pipe.ask(command(['BGSAVE']));
    while (/rdb_bgsave_in_progress:1/.test((await pipe.ask(command(['INFO', 'persistence']))).toString()))
      await sleep(50);
    pipe.close();
  }
  return (performance.now() - startMs) / 1_000;
}

function reportOf({ walnut, redis }: Record<Kind, Measured[]>, options: LatencyBench): SuiteReport {
  const { rate, seconds, entries } = options;
  const pairs: Pair[] = [];
  const figures: Figure[] = [];
  const add = (name: string, of: (measured: Measured) => number, aim?: string): void => {
    const what = `${name}, ${entries.toLocaleString('en')} entries`;
    figures.push({ what, unit: 'ms', values: walnut.map(of), aim });
    if (redis.length === 0) return;
    pairs.push({
      what,
      unit: 'ms',
      versus: 'redis',
      better: 'lower',
      values: walnut.map(of),
      others: redis.map(of),
    });
  };
  add('get p50', ({ get }) => get.p50);
  add('get p99', ({ get }) => get.p99);
  add('get p99.9', ({ get }) => get.p999, 'at most 20');
  add('get, longest', ({ get }) => get.max);
  add('set p99.9', ({ set }) => set.p999);
  const own = (what: string, unit: string, of: (measured: Measured) => number, aim?: string): void => {
    figures.push({ what, unit, values: walnut.map(of), aim });
  };
  own('event-loop delay, p99.9', 'ms', ({ delayMs }) => delayMs, 'at most 50');
  own('checkpoint', 's', ({ checkpointSeconds }) => checkpointSeconds);
  own('answered of those sent', '%', ({ answered, sent }) => (100 * answered) / sent, '100');
  own('of which the generator was late, p99.9', 'ms', ({ late }) => late.p999);
  const how = `${entries.toLocaleString('en')} entries, ${rate.toLocaleString('en')} requests in a second for ${seconds} s from a process of its own, ${SET_PERCENT} % Sets, times from when each was due; a checkpoint (BGSAVE) in the middle`;
  return { suite: 'latency', how, pairs, figures };
}
