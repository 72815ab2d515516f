/** What an entry in memory costs, by layout: what ADR 0009 chose by. No server, no log. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import Table from 'cli-table3';

export interface StoreBench {
  readonly entries: readonly number[];
  readonly rounds: number;
  readonly isJson: boolean;
}

interface Figures {
  readonly insertNs: number;
  readonly getNs: number;
  readonly touchNs: number;
  readonly overwriteNs: number;
  /** A victim chosen and deleted, and an insert in its place. */
  readonly evictNs: number;
  readonly bytesPerEntry: number;
  /** Of 500 operations in a row, CPU time. */
  readonly worstMs: number;
  /** The longest collection, wall time. */
  readonly pauseMs: number;
}

interface Row extends Figures {
  readonly layout: string;
  readonly entries: number;
}

const CHILD = join(import.meta.dirname, 'store-child.ts');
const LAYOUTS = [
  'maps, lru-cache, buffers',
  'maps, lru-cache, arena',
  'maps, list, arena',
  'index, list, arena',
  'store',
];

export function benchStore({ entries, rounds, isJson }: StoreBench): void {
  const rows: Row[] = [];
  for (const count of entries) {
    const measured = new Map(LAYOUTS.map((layout) => [layout, [] as Figures[]]));
    // In turn, so that what else the machine does meets all of them.
    for (let round = 0; round < rounds; round++) {
      for (const [layout, list] of measured) list.push(run(layout, count));
    }
    for (const [layout, list] of measured) rows.push({ layout, entries: count, ...medians(list) });
    if (!isJson) process.stderr.write(`${count} entries measured\n`);
  }
  process.stdout.write(isJson ? `${JSON.stringify(rows, null, 2)}\n` : `${tableOf(rows)}\n`);
}

function run(layout: string, count: number): Figures {
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

function medians(list: readonly Figures[]): Figures {
  const names = Object.keys(list[0] as Figures) as (keyof Figures)[];
  const middle = Math.floor(list.length / 2);
  const medianOf = (name: keyof Figures): number =>
    list.map((figures) => figures[name]).sort((a, b) => a - b)[middle] as number;
  return Object.fromEntries(names.map((name) => [name, medianOf(name)])) as unknown as Figures;
}

function tableOf(rows: readonly Row[]): string {
  const table = new Table({
    head: [
      'entries',
      'layout',
      'insert',
      'get',
      'touch',
      'overwrite',
      'evict+insert',
      'B/entry',
      '500 ops',
      'GC',
    ],
    style: { head: [], border: [] },
  });
  for (const row of rows) {
    const times = [row.insertNs, row.getNs, row.touchNs, row.overwriteNs, row.evictNs];
    table.push([
      row.entries.toLocaleString('en'),
      row.layout,
      ...times.map((ns) => `${ns.toFixed(0)} ns`),
      row.bytesPerEntry.toFixed(0),
      `${row.worstMs.toFixed(1)} ms`,
      `${row.pauseMs.toFixed(1)} ms`,
    ]);
  }
  return table.toString();
}
