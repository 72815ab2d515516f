/**
 * Full caches: how fast Sets go that each drive another entry out, and how
 * often a read-through cache finds what it is asked for. redis-server beside,
 * with `allkeys-lru` and as much memory as the same number of entries takes it.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fill, keyOf, VALUE } from '../memory/fill.ts';
import type { Figure, Pair, SuiteReport } from '../report.ts';
import { isInstalled, startRedis, startWalnut, type Target } from '../unary/processes.ts';
import { cutRedis, Pipe } from '../wire/pipe.ts';
import { command, type Kind, openSpeaker, type Speaker } from '../wire/speakers.ts';
import { lruHits, readTrace, zipf } from './accesses.ts';
import { POLICIES } from './policies.ts';

export interface EvictionBench {
  readonly rounds: number;
  readonly seconds: number;
  /** How many entries fit into the cache. */
  readonly entries: number;
  /** A file of gzipped little-endian 32-bit keys; undefined where there is none to read. */
  readonly trace: string | undefined;
}

interface Rate {
  readonly rate: number;
  readonly cpuRate: number;
}

/** Accesses, and how large the cache is that they go to. */
interface Stream {
  readonly name: string;
  readonly accesses: Int32Array;
  readonly entries: number;
}

const BATCH = 100;
const DEPTH = 4;
const ACCESSES = 1_000_000;
const ZIPF = { keys: 1_000_000, skew: 0.99 };
const TRACE_ENTRIES = 5_000;
const SIMULATED = { accesses: 600_000, entries: [500, 1_000, 5_000] } as const;
/** Bytes that Walnut counts for an entry, so that both limits allow the same number of entries. */
const ENTRY_BYTES = 16 + VALUE.length + 80;

export async function benchEviction(options: EvictionBench): Promise<SuiteReport> {
  const { rounds, seconds, entries, trace } = options;
  const kinds: Kind[] = isInstalled('redis-server') ? ['walnut', 'redis'] : ['walnut'];
  if (kinds.length === 1) process.stderr.write('redis-server is not installed: not compared\n');
  const pairs: Pair[] = [];
  const figures: Figure[] = [];
  for (const limit of ['max_entries', 'max_memory'] as const) {
    const measured = await measureRates(kinds, options, limit);
    const add = (unit: string, of: (rate: Rate) => number): void => {
      const what = `sets at ${limit}, full`;
      const [values, others] = [measured.walnut.map(of), measured.redis.map(of)];
      figures.push({ what, unit, values });
      if (others.length > 0) pairs.push({ what, unit, versus: 'redis', better: 'higher', values, others });
    };
    add('1/s', ({ rate }) => rate);
    add('1/CPU s', ({ cpuRate }) => cpuRate);
    process.stderr.write(`${limit} measured\n`);
  }
  for (const stream of streamsOf(entries, trace)) {
    const shares: Record<Kind, number[]> = { walnut: [], redis: [] };
    for (const kind of kinds) shares[kind].push(await measureHits(kind, stream));
    const exact = lruHits(stream.accesses, stream.entries) / stream.accesses.length;
    const what = `hits of ${stream.name}, ${stream.entries.toLocaleString('en')} entries`;
    const pair = { what, unit: 'share', better: 'higher', values: shares.walnut } as const;
    if (shares.redis.length > 0) pairs.push({ ...pair, versus: 'redis', others: shares.redis });
    pairs.push({ ...pair, versus: 'exact LRU', others: [exact] });
    process.stderr.write(`${stream.name} measured\n`);
  }
  if (trace !== undefined) figures.push(...simulatedHits(trace));
  const how = `${rounds} rounds of ${seconds} s of new keys in batches of ${BATCH} (pipelines of as many), ${DEPTH} under way, into caches full with ${entries.toLocaleString('en')} entries of 16 + 100 bytes; then ${ACCESSES.toLocaleString('en')} Gets, and Sets of what was missing`;
  return { suite: 'eviction', how, pairs, figures };
}

/** What policies would find, each by itself: see `policies.ts`. Walnut's `lru` is the exact one. */
function simulatedHits(trace: string): Figure[] {
  const accesses = readTrace(trace, SIMULATED.accesses);
  const figures = SIMULATED.entries.flatMap((entries) =>
    Object.entries(POLICIES).map(([policy, hitsOf]) => ({
      what: `hits of the first ${accesses.length.toLocaleString('en')} accesses, ${entries.toLocaleString('en')} entries, ${policy}`,
      unit: '%',
      values: [(100 * hitsOf(accesses, entries)) / accesses.length],
    })),
  );
  process.stderr.write('policies simulated\n');
  return figures;
}

function streamsOf(entries: number, trace: string | undefined): Stream[] {
  const { keys, skew } = ZIPF;
  const streams = [{ name: `zipf ${skew}`, accesses: zipf(keys, ACCESSES, skew), entries }];
  if (trace === undefined) {
    process.stderr.write('SKIPPED: the recorded trace; WALNUT_TRACES or --trace says where it is\n');
    return streams;
  }
  const accesses = readTrace(trace, ACCESSES);
  return [...streams, { name: 'the trace orm-busy', accesses, entries: TRACE_ENTRIES }];
}

async function measureRates(
  kinds: readonly Kind[],
  { rounds, seconds, entries }: EvictionBench,
  limit: 'max_entries' | 'max_memory',
): Promise<Record<Kind, Rate[]>> {
  const rates: Record<Kind, Rate[]> = { walnut: [], redis: [] };
  const caches = await Promise.all(
    kinds.map(async (kind) => ({ kind, cache: await openCache(kind, entries, limit) })),
  );
  try {
    let from = entries;
    for (let round = -1; round < rounds; round++) {
      for (const { kind, cache } of round % 2 === 0 ? caches : caches.toReversed()) {
        const measured = await setNew(cache, from, seconds);
        from += measured.count;
        // One round warms up.
        if (round >= 0) rates[kind].push(measured);
      }
    }
  } finally {
    await Promise.all(caches.map(({ cache }) => cache.close()));
  }
  return rates;
}

async function setNew(
  { speaker, target }: Cache,
  from: number,
  seconds: number,
): Promise<Rate & { count: number }> {
  const startMs = performance.now();
  const cpu = target.cpuSeconds();
  let count = 0;
  const worker = async (): Promise<void> => {
    while (performance.now() - startMs < seconds * 1_000) {
      const first = from + count;
      count += BATCH;
      await speaker.set(Array.from({ length: BATCH }, (_, i) => ({ key: keyOf(first + i), value: VALUE })));
    }
  };
  await Promise.all(Array.from({ length: DEPTH }, worker));
  const took = (performance.now() - startMs) / 1_000;
  return { count, rate: count / took, cpuRate: count / (target.cpuSeconds() - cpu) };
}

/** The share of accesses that found their key. One request at a time, since order is what LRU is about. */
async function measureHits(kind: Kind, { accesses, entries }: Stream): Promise<number> {
  const cache = await openCache(kind, entries, 'max_entries');
  try {
    let hits = 0;
    for (let at = 0; at < accesses.length; at += BATCH) {
      // If a batch asks for a key twice, the second access counts as found, because the first would have set it.
      const keys = [...accesses.subarray(at, at + BATCH)].map(accessKey);
      const distinct = [...new Set(keys)];
      const found = await cache.speaker.get(distinct);
      const missing = distinct.filter((_, i) => found[i] !== true);
      hits += keys.length - missing.length;
      if (missing.length > 0) await cache.speaker.set(missing.map((key) => ({ key, value: VALUE })));
    }
    return hits / accesses.length;
  } finally {
    await cache.close();
  }
}

/** A key that is not among those that filled the cache. */
function accessKey(number: number): string {
  return `get:${String(number).padStart(12, '0')}`;
}

interface Cache {
  readonly speaker: Speaker;
  readonly target: Target;
  close(): Promise<void>;
}

/** Full with `entries` entries. */
async function openCache(kind: Kind, entries: number, limit: 'max_entries' | 'max_memory'): Promise<Cache> {
  const directory = mkdtempSync(join(tmpdir(), 'walnut-bench-'));
  const path = join(directory, kind);
  mkdirSync(path);
  const most = limit === 'max_entries' ? String(entries) : `${entries * ENTRY_BYTES}B`;
  const target = await (kind === 'walnut'
    ? startWalnut(path, [`storage.${limit}=${most}`, 'wal.retention=0B'])
    : startRedis(path, ['--maxmemory-policy', 'allkeys-lru']));
  const speaker = await openSpeaker(kind, target.port);
  await fill(speaker, entries);
  if (kind === 'redis') await limitRedis(target.port);
  return {
    speaker,
    target,
    close: async () => {
      speaker.close();
      await target.stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** What it takes now, connections included, is its limit. */
async function limitRedis(port: number): Promise<void> {
  const pipe = await Pipe.open(port, cutRedis);
  const info = (await pipe.ask(command(['INFO', 'memory']))).toString();
  const used = /used_memory:(\d+)/.exec(info)?.[1] ?? '';
  await pipe.ask(command(['CONFIG', 'SET', 'maxmemory', used]));
  pipe.close();
}
