/** The suites by name, what options each takes, and what it does without them. */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { benchBatch } from './batch/batch-bench.ts';
import { benchCheckpoint } from './checkpoint.ts';
import { benchDeletePrefix } from './delete-prefix.ts';
import { benchDurable } from './durable/durable-bench.ts';
import { benchEmbedded } from './embedded/embedded-bench.ts';
import { benchEviction } from './eviction/eviction-bench.ts';
import { benchFlat } from './flat.ts';
import { benchGateway } from './gateway/gateway-bench.ts';
import { benchLatency } from './latency/latency-bench.ts';
import { benchMemory } from './memory/memory-bench.ts';
import { benchMixed } from './mixed/mixed-bench.ts';
import { benchPace } from './pace/pace-bench.ts';
import { benchRecovery } from './recovery.ts';
import { benchReplication } from './replication.ts';
import type { SuiteReport } from './report.ts';
import { benchStalls } from './stalls/stalls-bench.ts';
import { benchStore } from './store.ts';
import { benchUnary } from './unary/unary-bench.ts';
import { benchWatch } from './watch/watch-bench.ts';

/** Those that were given. */
export interface Options {
  readonly rounds?: number;
  readonly seconds?: number;
  readonly rate?: number;
  readonly records?: number;
  readonly entries?: readonly number[];
  readonly groups?: readonly number[];
  readonly only?: string;
  readonly trace?: string;
  readonly beside?: string;
}

export type OptionName = keyof Options;

interface Option<T> {
  readonly expected: string;
  /** Undefined where the text is not what is expected. */
  read(text: string): T | undefined;
}

export interface Suite {
  readonly takes: readonly OptionName[];
  run(options: Options): Promise<SuiteReport>;
}

function numberFrom(min: number, max: number): Option<number> {
  return {
    expected: `a whole number from ${min} to ${max}`,
    read: (text) => {
      const value = Number(text);
      return text !== '' && Number.isInteger(value) && value >= min && value <= max ? value : undefined;
    },
  };
}

function listOf(one: Option<number>): Option<readonly number[]> {
  return {
    expected: `${one.expected}, or several of them with commas between`,
    read: (text) => {
      const all = text.split(',').map((each) => one.read(each));
      return all.includes(undefined) ? undefined : (all as number[]);
    },
  };
}

export const OPTIONS: { readonly [name in OptionName]-?: Option<NonNullable<Options[name]>> } = {
  rounds: numberFrom(1, 100),
  seconds: numberFrom(1, 600),
  rate: numberFrom(1, 1_000_000),
  records: numberFrom(1_000, 10_000_000),
  entries: listOf(numberFrom(1_000, 100_000_000)),
  groups: listOf(numberFrom(1, 16)),
  only: { expected: 'a part of the names of what is measured', read: (text) => text.trim() || undefined },
  beside: {
    expected: 'the directory of another checkout of Walnut, in which npm ci was run',
    read: (text) => (text !== '' && existsSync(join(text, 'node_modules')) ? resolve(text) : undefined),
  },
  trace: { expected: 'an existing file', read: (text) => (existsSync(text) ? text : undefined) },
};

const ROUNDS = 5;
/** Recorded traces are not part of the repository: `WALNUT_TRACES` names the folder that has them. */
const TRACES = process.env['WALNUT_TRACES'];
const TRACE = TRACES === undefined ? undefined : join(TRACES, 'orm-busy.trace.gz');

export const SUITES: Readonly<Record<string, Suite>> = {
  unary: {
    takes: ['rounds', 'seconds', 'only'],
    run: ({ rounds = ROUNDS, seconds = 2, only = '' }) => benchUnary({ rounds, seconds, only }),
  },
  batch: {
    takes: ['rounds', 'seconds', 'only'],
    run: ({ rounds = ROUNDS, seconds = 2, only = '' }) => benchBatch({ rounds, seconds, only }),
  },
  mixed: {
    takes: ['rounds', 'seconds', 'only'],
    run: ({ rounds = ROUNDS, seconds = 1, only = '' }) => benchMixed({ rounds, seconds, only }),
  },
  durable: {
    takes: ['rounds', 'seconds', 'only'],
    run: ({ rounds = ROUNDS, seconds = 2, only = '' }) => benchDurable({ rounds, seconds, only }),
  },
  gateway: {
    takes: ['rounds', 'seconds', 'groups', 'only'],
    run: ({ rounds = ROUNDS, seconds = 1, groups = [1, 2, 3], only = '' }) =>
      benchGateway({ rounds, seconds, groups, only }),
  },
  watch: {
    takes: ['rounds', 'seconds'],
    run: ({ rounds = ROUNDS, seconds = 2 }) => benchWatch({ rounds, seconds }),
  },
  replication: {
    takes: ['rounds', 'seconds', 'rate', 'records'],
    run: ({ rounds = ROUNDS, seconds = 10, rate = 5_000, records = 1_000_000 }) =>
      benchReplication({ rounds, seconds, rate, records }),
  },
  recovery: {
    takes: ['rounds', 'entries'],
    run: ({ rounds = ROUNDS, entries = [100_000, 500_000, 1_000_000] }) => benchRecovery({ rounds, entries }),
  },
  memory: {
    takes: ['rounds', 'entries'],
    run: ({ rounds = ROUNDS, entries = [1_000_000] }) => benchMemory({ rounds, entries }),
  },
  latency: {
    takes: ['rounds', 'entries', 'seconds', 'rate'],
    run: ({ rounds = ROUNDS, entries: [entries = 4_000_000] = [], seconds = 10, rate = 5_000 }) =>
      benchLatency({ rounds, entries, seconds, rate }),
  },
  pace: {
    takes: ['rounds', 'seconds', 'rate', 'beside'],
    run: ({ rounds = ROUNDS, seconds = 10, rate = 12_000, beside }) =>
      benchPace({ rounds, seconds, rate, beside }),
  },
  eviction: {
    takes: ['rounds', 'entries', 'seconds', 'trace'],
    run: ({ rounds = ROUNDS, entries: [entries = 100_000] = [], seconds = 2, trace = TRACE }) =>
      benchEviction({ rounds, entries, seconds, trace }),
  },
  embedded: {
    takes: ['rounds', 'seconds', 'entries', 'rate'],
    run: ({ rounds = ROUNDS, seconds = 5, entries: [entries = 1_000_000] = [], rate = 20_000 }) =>
      benchEmbedded({ rounds, seconds, entries, rate }),
  },
  deletes: {
    takes: ['rounds', 'entries'],
    run: ({ rounds = ROUNDS, entries: [entries = 1_000_000] = [] }) => benchDeletePrefix({ rounds, entries }),
  },
  flat: {
    takes: ['rounds', 'entries', 'seconds'],
    run: ({ rounds = ROUNDS, entries = [10_000, 10_000_000], seconds = 2 }) =>
      benchFlat({ rounds, entries, seconds }),
  },
  checkpoint: {
    takes: ['rounds', 'entries', 'seconds', 'rate'],
    run: ({ rounds = ROUNDS, entries: [entries = 1_000_000] = [], seconds = 10, rate = 5_000 }) =>
      benchCheckpoint({ rounds, entries, seconds, rate }),
  },
  stalls: {
    takes: ['rounds', 'only'],
    run: ({ rounds = ROUNDS, only = '' }) => benchStalls({ rounds, only }),
  },
  store: {
    takes: ['rounds', 'entries'],
    run: async ({ rounds = ROUNDS, entries = [100_000, 1_000_000, 4_000_000] }) =>
      benchStore({ rounds, entries }),
  },
};
