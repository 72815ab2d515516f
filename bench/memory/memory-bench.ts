/**
 * Memory at rest: the same entries over the wire into Walnut and redis-server,
 * then nine tenths of them deleted. What the kernel says each process has,
 * once that stands still; both with everything that they need to run.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Figure, Pair, SuiteReport } from '../report.ts';
import { isInstalled, residentBytes, startRedis, startWalnut, type Target } from '../unary/processes.ts';
import { type Kind, openSpeaker } from '../wire/speakers.ts';
import { deleteMost, fill, keptOf } from './fill.ts';

export interface MemoryBench {
  readonly rounds: number;
  readonly entries: readonly number[];
}

/** Bytes. */
interface Measured {
  readonly empty: number;
  readonly filled: number;
  readonly shrunk: number;
  /** What the server itself counts for the entries: Status, or `used_memory`. */
  readonly counted: number;
}

const SETTLE_MS = 1_000;
const SETTLE_MS_MAX = 20_000;
/** Moves less than this are none. */
const STILL_BYTES = 256 * 1_024;

export async function benchMemory({ rounds, entries }: MemoryBench): Promise<SuiteReport> {
  const kinds: Kind[] = isInstalled('redis-server') ? ['walnut', 'redis'] : ['walnut'];
  if (kinds.length === 1) process.stderr.write('redis-server is not installed: not compared\n');
  const pairs: Pair[] = [];
  const figures: Figure[] = [];
  for (const count of entries) {
    const all: Record<Kind, Measured[]> = { walnut: [], redis: [] };
    for (let round = 0; round < rounds; round++) {
      for (const kind of round % 2 === 0 ? kinds : kinds.toReversed())
        all[kind].push(await measure(kind, count));
      process.stderr.write(`${count} entries, round ${round + 1} of ${rounds}\n`);
    }
    if (all.redis.length > 0) pairs.push(...pairsOf(count, all.walnut, all.redis));
    for (const kind of kinds) figures.push(...figuresOf(count, kind, all[kind]));
  }
  const how =
    'resident memory at rest with entries of a 16-byte key and a 100-byte value, by batches over the wire; then with nine tenths of them deleted, in no order; both servers in new processes each round';
  return { suite: 'memory', how, pairs, figures };
}

async function measure(kind: Kind, entries: number): Promise<Measured> {
  const directory = mkdtempSync(join(tmpdir(), 'walnut-bench-'));
  let target: Target | undefined;
  try {
    mkdirSync(join(directory, kind));
    target = await (kind === 'walnut' ? startWalnut : startRedis)(join(directory, kind));
    const empty = await settled(target);
    const speaker = await openSpeaker(kind, target.port);
    await fill(speaker, entries);
    const filled = await settled(target);
    const counted = await speaker.countedBytes();
    await deleteMost(speaker, entries);
    const shrunk = await settled(target);
    speaker.close();
    return { empty, filled, shrunk, counted };
  } finally {
    await target?.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Resident bytes once they stand still. */
async function settled(target: Target): Promise<number> {
  let before = residentBytes(target);
  for (let waitedMs = 0; waitedMs < SETTLE_MS_MAX; waitedMs += SETTLE_MS) {
    await sleep(SETTLE_MS);
    const now = residentBytes(target);
    if (Math.abs(now - before) < STILL_BYTES) return now;
    before = now;
  }
  return before;
}

function pairsOf(entries: number, walnut: readonly Measured[], redis: readonly Measured[]): Pair[] {
  const pair = (what: string, of: (measured: Measured) => number, aim?: number): Pair => ({
    what,
    unit: 'MB',
    versus: 'redis',
    better: 'lower',
    values: walnut.map((each) => of(each) / 1e6),
    others: redis.map((each) => of(each) / 1e6),
    aim,
  });
  const count = entries.toLocaleString('en');
  return [
    pair(`${count} entries`, ({ filled }) => filled, 1.25),
    pair(`${count} entries, without the empty process`, ({ filled, empty }) => filled - empty),
    pair(`${keptOf(entries).toLocaleString('en')} of ${count} left`, ({ shrunk }) => shrunk),
  ];
}

function figuresOf(entries: number, kind: Kind, measured: readonly Measured[]): Figure[] {
  const count = entries.toLocaleString('en');
  const figure = (what: string, unit: string, of: (each: Measured) => number): Figure => ({
    what: `${kind}, ${what}`,
    unit,
    values: measured.map(of),
  });
  return [
    figure('empty', 'MB', ({ empty }) => empty / 1e6),
    figure(`${count}: an entry`, 'B', ({ filled, empty }) => (filled - empty) / entries),
    figure(
      `${count}: its own count over what it grew by`,
      'ratio',
      ({ counted, filled, empty }) => counted / (filled - empty),
    ),
    figure(
      `${count}: given back of what nine tenths took`,
      '%',
      ({ filled, empty, shrunk }) =>
        (100 * (filled - shrunk)) / ((filled - empty) * (1 - keptOf(entries) / entries)),
    ),
  ];
}
