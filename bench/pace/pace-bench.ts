/**
 * How long Gets and Sets over HTTP/1.1 take at a rate that leaves the server half idle:
 * Walnut, bare Node that answers fixed bytes, and another checkout of Walnut, such as the
 * last release, in turn. Times count from when each request was due, so that a pause of a
 * server counts for all that had to wait for it.
 */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { LatencyFigures, LatencyOrder } from '../latency/latency-load.ts';
import { fill } from '../memory/fill.ts';
import type { Figure, Pair, SuiteReport } from '../report.ts';
import { askOnce } from '../unary/ask-once.ts';
import { CALLS, type MeasuredCall } from '../unary/calls.ts';
import { startOther, startWalnut, startYardstick, type Target } from '../unary/processes.ts';
import { openSpeaker } from '../wire/speakers.ts';

export interface PaceBench {
  readonly rounds: number;
  /** The length of each measurement. */
  readonly seconds: number;
  /** Requests in a second. */
  readonly rate: number;
  /** The other checkout; undefined: none. */
  readonly beside: string | undefined;
}

const run = promisify(execFile);
const LOAD = join(import.meta.dirname, '../latency/latency-load.ts');
const ENTRIES = 10_000;
const CONNECTIONS = 32;
const SET_PERCENT = 20;

export async function benchPace(options: PaceBench): Promise<SuiteReport> {
  const directory = mkdtempSync(join(tmpdir(), 'walnut-bench-'));
  const targets = new Map<string, Target>();
  try {
    targets.set('walnut', await filled(startWalnut(roomFor(directory, 'walnut'))));
    targets.set('bare', await startBare(targets.get('walnut') as Target));
    const { beside } = options;
    if (beside !== undefined)
      targets.set('beside', await filled(startOther(beside, roomFor(directory, 'beside'))));
    const measured = new Map([...targets.keys()].map((name) => [name, [] as LatencyFigures[]]));
    for (let round = 0; round < options.rounds; round++) {
      const order = round % 2 === 0 ? [...targets] : [...targets].toReversed();
      for (const [name, target] of order) measured.get(name)?.push(await measure(target, options));
      process.stderr.write(`round ${round + 1} of ${options.rounds}\n`);
    }
    return reportOf(measured, options);
  } finally {
    await Promise.all([...targets.values()].map((target) => target.stop()));
    rmSync(directory, { recursive: true, force: true });
  }
}

function roomFor(directory: string, name: string): string {
  const path = join(directory, name);
  mkdirSync(path);
  return path;
}

async function filled(starting: Promise<Target>): Promise<Target> {
  const target = await starting;
  const speaker = await openSpeaker('walnut', target.port);
  await fill(speaker, ENTRIES);
  speaker.close();
  return target;
}

/** Answers every request with the bytes of a Get. */
async function startBare({ port }: Target): Promise<Target> {
  const callOf = (id: string): MeasuredCall => CALLS.find((call) => call.id === id) as MeasuredCall;
  await askOnce(port, callOf('set h1 proto'));
  const { type, body } = await askOnce(port, callOf('get h1 proto'));
  return startYardstick(['bare', '1', type, body.toString('base64')]);
}

async function measure({ port }: Target, { rate, seconds }: PaceBench): Promise<LatencyFigures> {
  const order: LatencyOrder = {
    kind: 'walnut',
    port,
    rate,
    seconds,
    entries: ENTRIES,
    connections: CONNECTIONS,
    setPercent: SET_PERCENT,
    // A pause of a millisecond would be ten times what an answer takes.
    tickMs: 0,
  };
  const { stdout } = await run(process.execPath, [LOAD, JSON.stringify(order)]);
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as LatencyFigures;
}

function reportOf(measured: ReadonlyMap<string, LatencyFigures[]>, options: PaceBench): SuiteReport {
  const { rate, seconds, beside } = options;
  const own = measured.get('walnut') ?? [];
  const pairs: Pair[] = [];
  const add = (what: string, of: (figures: LatencyFigures) => number): void => {
    for (const [versus, others] of measured) {
      if (versus === 'walnut') continue;
      pairs.push({ what, unit: 'ms', versus, better: 'lower', values: own.map(of), others: others.map(of) });
    }
  };
  add('get p50', ({ get }) => get.p50);
  add('get p99', ({ get }) => get.p99);
  add('get p99.9', ({ get }) => get.p999);
  add('set p50', ({ set }) => set.p50);
  add('set p99', ({ set }) => set.p99);
  add('set p99.9', ({ set }) => set.p999);
  const figures: Figure[] = [
    { what: 'answered of those sent', unit: '%', values: own.map(shareAnswered), aim: '100' },
    { what: 'of which the generator was late, p99', unit: 'ms', values: own.map(({ late }) => late.p99) },
  ];
  const other = beside === undefined ? '' : `; beside: ${beside}`;
  const how = `${rate.toLocaleString('en')} requests in a second for ${seconds} s from a process of its own, ${CONNECTIONS} connections, ${SET_PERCENT} % Sets, times from when each was due${other}`;
  return { suite: 'pace', how, pairs, figures };
}

function shareAnswered({ answered, sent }: LatencyFigures): number {
  return (100 * answered) / sent;
}
