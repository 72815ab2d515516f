/**
 * What watching costs: Sets on a node with 1,000 watchers of disjoint prefixes, each
 * Set of interest to one of them, next to Sets on a node without watchers, by its
 * processor time; and how many changes a second one watcher gets, from the log and
 * as they happen.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create, toBinary } from '@bufbuild/protobuf';
import { BatchRequestSchema, SetRequestSchema } from '#gen/walnut/v1/kv_store_pb.ts';
import { RawClient } from '../raw-client.ts';
import type { SuiteReport } from '../report.ts';
import { startWalnut, type Target } from '../unary/processes.ts';
import { keyOf } from './prefixes.ts';

export interface WatchBench {
  readonly rounds: number;
  readonly seconds: number;
}

const WATCHERS = 1_000;
const VALUE = Buffer.alloc(100, 'v');
/** Sets under way at once. */
const UNDER_WAY = 32;
const CHANGES = 400_000;
const BATCH = 100;
const FROM_LOG = 'changes to one watcher, from the log';
const AS_MADE = 'changes to one watcher, made meanwhile';
const SET = '/walnut.v1.KVStore/Set';

export async function benchWatch({ rounds, seconds }: WatchBench): Promise<SuiteReport> {
  const directory = mkdtempSync(join(tmpdir(), 'walnut-bench-'));
  const ends: (() => Promise<unknown>)[] = [];
  const node = async (name: string): Promise<Target> => {
    const path = join(directory, name);
    mkdirSync(path);
    const target = await startWalnut(path, ['wal.retention=2GB', 'storage.max_entries=0']);
    ends.unshift(() => target.stop());
    return target;
  };
  try {
    const [watched, alone] = [await node('watched'), await node('alone')];
    ends.unshift(await startWatchers(watched.port));
    const sets: Sets[] = [];
    for (let round = -1; round < rounds; round++) {
      const [first, second] = round % 2 === 0 ? [watched, alone] : [alone, watched];
      const measured = [await loadSets(first, seconds), await loadSets(second, seconds)];
      const [mine, other] = first === watched ? measured : measured.toReversed();
      if (round >= 0) sets.push({ watched: mine as Rate, alone: other as Rate });
      process.stderr.write(`sets: round ${round < 0 ? 'to warm up' : round + 1} measured\n`);
    }
    const one = await node('one');
    await loadBatches(one.port, CHANGES);
    const logged: Rate[] = [];
    const live: Rate[] = [];
    for (let round = 0; round < rounds; round++) {
      logged.push(await readChanges(one, 'beginning', async () => {}));
      live.push(await readChanges(one, 'now', () => loadBatches(one.port, CHANGES)));
      process.stderr.write(`changes: round ${round + 1} measured\n`);
    }
    return report(sets, logged, live, seconds);
  } finally {
    for (const end of ends) await end();
    rmSync(directory, { recursive: true, force: true });
  }
}

interface Rate {
  readonly perSecond: number;
  readonly perCpuSecond: number;
}

interface Sets {
  readonly watched: Rate;
  readonly alone: Rate;
}

async function loadSets(target: Target, seconds: number): Promise<Rate> {
  const client = await RawClient.open(`127.0.0.1:${target.port}`);
  const messages = Array.from({ length: WATCHERS }, (_, i) =>
    toBinary(SetRequestSchema, create(SetRequestSchema, { key: keyOf(i, i), value: VALUE })),
  );
  const cpuBefore = target.cpuSeconds();
  const startedMs = performance.now();
  let sent = 0;
  let answered = 0;
  await new Promise<void>((resolve, reject) => {
    const next = (): void => {
      client.call(SET, messages[sent++ % WATCHERS] as Uint8Array, ({ status }) => {
        if (status !== 200) reject(new Error(`a Set was answered ${status}`));
        answered++;
        if (performance.now() - startedMs < seconds * 1_000) next();
        else if (client.underWay === 0) resolve();
      });
    };
    for (let i = 0; i < UNDER_WAY; i++) next();
  });
  client.close();
  const tookS = (performance.now() - startedMs) / 1_000;
  return { perSecond: answered / tookS, perCpuSecond: answered / (target.cpuSeconds() - cpuBefore) };
}

/** Batches of 100 Sets, until `changes` are made. */
async function loadBatches(port: number, changes: number): Promise<void> {
  const client = await RawClient.open(`127.0.0.1:${port}`);
  const operations = Array.from({ length: BATCH }, (_, i) => ({
    operation: { case: 'set' as const, value: { key: keyOf(i, i), value: VALUE } },
  }));
  const message = toBinary(BatchRequestSchema, create(BatchRequestSchema, { operations }));
  let left = changes / BATCH;
  await new Promise<void>((resolve) => {
    const next = (): void => {
      if (left-- > 0) client.call('/walnut.v1.KVStore/Batch', message, next);
      else if (client.underWay === 0) resolve();
    };
    for (let i = 0; i < 4; i++) next();
  });
  client.close();
}

function child(name: string, args: readonly string[]): ChildProcess {
  return spawn(process.execPath, [join(import.meta.dirname, name), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

/** What the child says, once `pattern` is in it. */
function said(process: ChildProcess, pattern: RegExp): Promise<RegExpExecArray> {
  return new Promise((resolve, reject) => {
    let output = '';
    process.stdout?.on('data', (bytes: Buffer) => {
      output += bytes.toString();
      const match = pattern.exec(output);
      if (match !== null) resolve(match);
    });
    process.once('close', (code) => reject(new Error(`${process.spawnfile} ended with ${code}`)));
  });
}

/** Returns how to end them. */
async function startWatchers(port: number): Promise<() => Promise<unknown>> {
  const watchers = child('watchers-child.ts', [String(port), String(WATCHERS)]);
  const ended = new Promise((resolve) => watchers.once('exit', resolve));
  await said(watchers, /watch\n/);
  return () => {
    watchers.kill('SIGTERM');
    return ended;
  };
}

/** Changes a second that one watcher got. */
async function readChanges(target: Target, from: string, make: () => Promise<void>): Promise<Rate> {
  const cpuBefore = target.cpuSeconds();
  const reader = child('reader-child.ts', [String(target.port), String(CHANGES), from]);
  const done = said(reader, /events (\d+) ([\d.]+)/);
  await said(reader, /watches\n/);
  await make();
  const [, events, seconds] = await done;
  const cpuSeconds = target.cpuSeconds() - cpuBefore;
  return { perSecond: Number(events) / Number(seconds), perCpuSecond: Number(events) / cpuSeconds };
}

function report(
  sets: readonly Sets[],
  logged: readonly Rate[],
  live: readonly Rate[],
  seconds: number,
): SuiteReport {
  const pair = (unit: string, field: keyof Rate, aim?: number) => ({
    what: `set with ${WATCHERS} watchers`,
    unit,
    versus: 'no watcher',
    better: 'higher' as const,
    values: sets.map(({ watched }) => watched[field]),
    others: sets.map(({ alone }) => alone[field]),
    aim,
  });
  const aim = '≥ 200,000';
  return {
    suite: 'watch',
    how: `Sets of 100 bytes over one HTTP/1.1 connection, ${UNDER_WAY} at once, ${seconds} s a round; ${CHANGES} changes in batches of ${BATCH}`,
    pairs: [pair('1/CPU s', 'perCpuSecond', 0.8), pair('1/s', 'perSecond')],
    figures: [
      { what: FROM_LOG, unit: '1/s', values: logged.map(({ perSecond }) => perSecond), aim },
      { what: FROM_LOG, unit: '1/CPU s', values: logged.map(({ perCpuSecond }) => perCpuSecond) },
      { what: AS_MADE, unit: '1/s', values: live.map(({ perSecond }) => perSecond), aim },
      { what: AS_MADE, unit: '1/CPU s', values: live.map(({ perCpuSecond }) => perCpuSecond) },
    ],
  };
}
