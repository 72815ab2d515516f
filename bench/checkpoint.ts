/**
 * What a checkpoint costs those who write meanwhile: a master with many
 * entries, written to at a rate by another process, alternately with one
 * checkpoint after another and with none. The event loop's delay is the node's
 * own word (`/metrics`), the writes' times are the load's, from when each was
 * due, so that none is left out because the one before it was late.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NodeProcess } from '#test/torture/node-process.ts';
import { quantile } from './figures.ts';
import { FILL, run, runLoad } from './replication.ts';
import type { Figure, Pair, SuiteReport } from './report.ts';

export interface CheckpointBench {
  readonly entries: number;
  readonly rounds: number;
  /** Seconds of each measurement. */
  readonly seconds: number;
  /** Writes per second. */
  readonly rate: number;
}

/** The load while checkpoints were made, or none; times in milliseconds. */
interface Window {
  readonly acked: number;
  readonly seconds: number;
  readonly setMs: readonly number[];
  readonly delayP999Ms: number;
  readonly delayMaxMs: number;
  readonly checkpointSeconds: readonly number[];
}

const CONNECTIONS = 8;
/** If a smaller share of the writes was sent, the figures describe a queue and not the node. */
const RATE_FLOOR = 0.9;
/** Checkpoints are made when told, and no segment is kept behind them. */
const SETS = ['snapshot.every=100GB', 'wal.retention=0B', 'log.level=info'];

export async function benchCheckpoint(options: CheckpointBench): Promise<SuiteReport> {
  const directory = mkdtempSync(join(tmpdir(), 'walnut-bench-'));
  let master: NodeProcess | undefined;
  try {
    const path = join(directory, 'master');
    await run([FILL, 'fill', path, String(options.entries), 'snapshot']);
    master = new NodeProcess({ binary: 'master', sets: [`wal.directory=${path}`, ...SETS] });
    if (!(await master.ready())) throw new Error(`it does not start: ${master.output}`);
    const without: Window[] = [];
    const during: Window[] = [];
    for (let round = 0; round < options.rounds; round++) {
      without.push(await measure(master, options, false));
      during.push(await measure(master, options, true));
      process.stderr.write(`round ${round + 1} of ${options.rounds}\n`);
    }
    if ([...without, ...during].some(({ acked, seconds }) => acked / seconds < options.rate * RATE_FLOOR))
      process.stderr.write('The rate was not reached: this machine is too busy, or too slow, for it.\n');
    return reportOf(without, during, options);
  } finally {
    await master?.destroy();
    rmSync(directory, { recursive: true, force: true });
  }
}

async function measure(
  master: NodeProcess,
  { rate, seconds, entries }: CheckpointBench,
  hasCheckpoints: boolean,
): Promise<Window> {
  let isMeasuring = false;
  let checkpoints = Promise.resolve<number[]>([]);
  let delays = readDelays(master);
  const order = { master: master.address, replicas: [], rate, seconds, connections: CONNECTIONS };
  const load = await runLoad({ ...order, depth: 1, keys: entries }, (mark) => {
    isMeasuring = mark === 'measuring';
    // A reading begins a new window, so the first one is thrown away.
    delays = readDelays(master);
    if (isMeasuring && hasCheckpoints) checkpoints = again(master, () => isMeasuring);
  });
  return { ...load, ...(await delays), checkpointSeconds: await checkpoints };
}

/** One checkpoint after another, so that all of the window is under one. */
async function again(master: NodeProcess, isWanted: () => boolean): Promise<number[]> {
  const seconds: number[] = [];
  while (isWanted()) {
    const startMs = performance.now();
    const { status, body } = await master.call('Admin/Checkpoint', {});
    if (status !== 200) throw new Error(`Checkpoint answered ${JSON.stringify(body)}`);
    seconds.push((performance.now() - startMs) / 1_000);
  }
  return seconds;
}

async function readDelays(master: NodeProcess): Promise<{ delayP999Ms: number; delayMaxMs: number }> {
  const text = await (await fetch(`http://${master.address}/metrics`)).text();
  const read = (percentile: string): number => {
    const found = new RegExp(
      `^walnut_event_loop_delay_seconds\\{percentile="${percentile}"\\} (\\S+)$`,
      'm',
    ).exec(text);
    return Number(found?.[1] ?? Number.NaN) * 1_000;
  };
  return { delayP999Ms: read('99.9'), delayMaxMs: read('100') };
}

function reportOf(
  without: readonly Window[],
  during: readonly Window[],
  { entries, rate, seconds }: CheckpointBench,
): SuiteReport {
  const figures: Figure[] = [];
  const add = (what: string, unit: string, of: (window: Window) => number, aim?: string): void => {
    figures.push({ what: `${what}, without`, unit, values: without.map(of) });
    figures.push({ what: `${what}, under checkpoints`, unit, values: during.map(of), aim });
  };
  const at = (share: number) => (window: Window) => quantile(window.setMs, share);
  const each = during.flatMap(({ checkpointSeconds }) => checkpointSeconds);
  figures.push({
    what: `one checkpoint of ${entries.toLocaleString('en')} entries`,
    unit: 's',
    values: each,
  });
  const sent = `${rate.toLocaleString('en')} sent`;
  add('writes answered', '1/s', ({ acked, seconds: took }) => acked / took, sent);
  add('write, due to answered, p50', 'ms', at(0.5));
  add('write, due to answered, p99.9', 'ms', at(0.999));
  add('event-loop delay, p99.9', 'ms', ({ delayP999Ms }) => delayP999Ms, 'at most 50');
  add('event-loop delay, longest', 'ms', ({ delayMaxMs }) => delayMaxMs);
  const pair: Pair = {
    what: 'write under checkpoints, due to answered, p99',
    unit: 'ms',
    versus: 'without',
    better: 'lower',
    values: during.map(at(0.99)),
    others: without.map(at(0.99)),
    aim: 2,
  };
  const how = `${entries.toLocaleString('en')} entries, ${seconds} s at ${sent} in a second, one checkpoint after another`;
  return { suite: 'checkpoint', how, pairs: [pair], figures };
}
