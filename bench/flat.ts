/**
 * Measures whether an operation costs the same whatever is stored: nodes with few and
 * with many entries are asked for random keys in turn. The figure is the processor time of
 * the servers; the store alone, without a server, is measured beside it.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create, toBinary } from '@bufbuild/protobuf';
import { BatchRequestSchema } from '#gen/walnut/v1/kv_store_pb.ts';
import { fill, keyOf } from './memory/fill.ts';
import type { Pair, SuiteReport } from './report.ts';
import { runStoreChild } from './store.ts';
import { startWalnut, type Target } from './unary/processes.ts';
import { runClosedLoop } from './wire/closed-loop.ts';
import { openSpeaker, post } from './wire/speakers.ts';
import { createNumbers, unaryRequests } from './wire/unary-requests.ts';

export interface FlatBench {
  readonly rounds: number;
  readonly seconds: number;
  /** The first is what the others are compared with. */
  readonly entries: readonly number[];
}

const BATCH = 100;
/** A quarter more for each operation is a rate of four fifths. */
const AIM = 0.8;
const requests = unaryRequests('walnut');

/** What is asked for, and how many operations each request is. */
const LOADS: readonly (readonly [
  what: string,
  operations: number,
  next: (number: () => number) => Buffer,
])[] = [
  ['get', 1, (number) => requests.get(number())],
  ['set', 1, (number) => requests.set(number())],
  ['batch of 100 gets', BATCH, batchOfGets],
];

/** Operations in a second of the server's processor time, by round. */
type Series = Map<string, number[]>;

export async function benchFlat({ rounds, seconds, entries }: FlatBench): Promise<SuiteReport> {
  const directory = mkdtempSync(join(tmpdir(), 'walnut-bench-'));
  const nodes: { readonly count: number; readonly target: Target; readonly series: Series }[] = [];
  try {
    for (const count of entries) {
      const path = join(directory, String(nodes.length));
      mkdirSync(path);
      const target = await startWalnut(path, ['wal.fsync=never', 'wal.retention=0B', 'snapshot.every=1GB']);
      nodes.push({ count, target, series: new Map() });
      const speaker = await openSpeaker('walnut', target.port);
      await fill(speaker, count);
      speaker.close();
      process.stderr.write(`a node has ${count} entries\n`);
    }
    for (let round = -1; round < rounds; round++) {
      for (const { count, target, series } of round % 2 === 0 ? nodes : nodes.toReversed()) {
        for (const [what, operations, next] of LOADS) {
          const rate = await measure(target, count, seconds, next);
          // One round warms up.
          if (round >= 0) series.set(what, [...(series.get(what) ?? []), rate * operations]);
        }
      }
      process.stderr.write(`round ${round + 1} of ${rounds}\n`);
    }
  } finally {
    await Promise.all(nodes.map(({ target }) => target.stop()));
    rmSync(directory, { recursive: true, force: true });
  }
  for (const { count, series } of nodes) {
    const all = Array.from({ length: rounds }, () => 1e9 / runStoreChild('store', count).getNs);
    series.set('get of the store alone', all);
  }
  return reportOf(nodes, seconds);
}

async function measure(
  target: Target,
  count: number,
  seconds: number,
  next: (number: () => number) => Buffer,
): Promise<number> {
  const numbers = createNumbers(count);
  const before = target.cpuSeconds();
  const order = { port: target.port, cut: requests.cut, connections: 32, depth: 1, seconds };
  const { requests: answered } = await runClosedLoop({
    ...order,
    next: () => next(numbers),
    check: requests.check,
  });
  return answered / (target.cpuSeconds() - before);
}

function batchOfGets(number: () => number): Buffer {
  const operations = Array.from({ length: BATCH }, () => ({
    operation: { case: 'get' as const, value: { key: keyOf(number()) } },
  }));
  const body = toBinary(BatchRequestSchema, create(BatchRequestSchema, { operations } as never));
  return post('/walnut.v1.KVStore/Batch', 'application/proto', body);
}

function reportOf(
  [base, ...others]: readonly { readonly count: number; readonly series: Series }[],
  seconds: number,
): SuiteReport {
  const pairs: Pair[] = others.flatMap(({ count, series }) =>
    [...series].map(([what, values]) => ({
      what: `${what} with ${count.toLocaleString('en')} entries`,
      unit: '1/CPU s',
      versus: `${base?.count.toLocaleString('en')} entries`,
      better: 'higher',
      values,
      others: base?.series.get(what) ?? [],
      aim: AIM,
    })),
  );
  const how = `nodes of different size asked for random keys in turn, 32 connections, ${seconds} s each; operations in a second of the server's processor time, so that 0.8 is a quarter more for each`;
  return { suite: 'flat', how, pairs, figures: [] };
}
