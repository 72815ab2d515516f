/** What an entry in memory costs, by layout: what ADR 0009 chose by. No server, no log. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import type { Figure, Pair, SuiteReport } from './report.ts';

export interface StoreBench {
  readonly entries: readonly number[];
  readonly rounds: number;
}

export interface Figures {
  readonly insertNs: number;
  readonly getNs: number;
  readonly touchNs: number;
  readonly overwriteNs: number;
  /** A victim chosen and deleted, and an insert in its place. */
  readonly evictNs: number;
  readonly bytesPerEntry: number;
  /** The longest time of 500 operations in a row, CPU time. */
  readonly worstMs: number;
  /** The longest collection, wall time. */
  readonly pauseMs: number;
}

const NAMES: readonly (readonly [keyof Figures, what: string, unit: string])[] = [
  ['insertNs', 'insert', 'ns'],
  ['getNs', 'get', 'ns'],
  ['touchNs', 'touch', 'ns'],
  ['overwriteNs', 'overwrite', 'ns'],
  ['evictNs', 'evict and insert', 'ns'],
  ['bytesPerEntry', 'memory of an entry', 'B'],
  ['worstMs', 'longest 500 operations', 'ms'],
  ['pauseMs', 'longest collection', 'ms'],
];
const HOW =
  'entries in memory, no server and no log; nanoseconds of processor time for one operation; the layouts are those that ADR 0009 chose from';
const CHILD = join(import.meta.dirname, 'store-child.ts');
const LAYOUTS = [
  'maps, lru-cache, buffers',
  'maps, lru-cache, arena',
  'maps, list, arena',
  'index, list, arena',
  'store',
];

export function benchStore({ entries, rounds }: StoreBench): SuiteReport {
  const pairs: Pair[] = [];
  const figures: Figure[] = [];
  for (const count of entries) {
    const measured = new Map(LAYOUTS.map((layout) => [layout, [] as Figures[]]));
    // In turn, so that what else the machine does meets all of them.
    for (let round = 0; round < rounds; round++) {
      for (const [layout, list] of measured) list.push(runStoreChild(layout, count));
    }
    pairs.push(...pairsOf(count, measured));
    figures.push(...figuresOf(count, measured));
    process.stderr.write(`${count} entries measured\n`);
  }
  return { suite: 'store', how: HOW, pairs, figures };
}

/** One layout with so many entries, in a process of its own. */
export function runStoreChild(layout: string, count: number): Figures {
  const argv = [...process.execArgv, '--expose-gc', CHILD, layout, String(count)];
  const child = spawnSync(process.execPath, argv, {
    encoding: 'utf8',
    timeout: 600_000,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (child.status !== 0)
    throw new Error(`${layout} failed: ${child.error?.message ?? `exit ${child.status}`}`);
  return JSON.parse(child.stdout) as Figures;
}

/** The store next to what it was before, in the same run. */
function pairsOf(count: number, measured: ReadonlyMap<string, readonly Figures[]>): Pair[] {
  const [versus = ''] = LAYOUTS;
  const [values = [], others = []] = [measured.get('store'), measured.get(versus)];
  return NAMES.map(([name, what, unit]) => ({
    what: `${count.toLocaleString('en')} ${what}`,
    unit,
    versus,
    better: 'lower',
    values: values.map((figures) => figures[name]),
    others: others.map((figures) => figures[name]),
  }));
}

function figuresOf(count: number, measured: ReadonlyMap<string, readonly Figures[]>): Figure[] {
  return [...measured].flatMap(([layout, list]) =>
    NAMES.map(([name, what, unit]) => ({
      what: `${count.toLocaleString('en')} ${what}: ${layout}`,
      unit,
      values: list.map((figures) => figures[name]),
    })),
  );
}
