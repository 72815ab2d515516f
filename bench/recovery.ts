/** How long a start takes, and how much memory, from the log alone and from a snapshot; redis-server beside it. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Table from 'cli-table3';
import { directoryBytes, type RecoveryRow, type StartFigures, toRow } from './recovery-figures.ts';
import { measureRedis } from './recovery-redis.ts';

export interface RecoveryBench {
  readonly entries: readonly number[];
  readonly rounds: number;
  readonly isJson: boolean;
}

const CHILD = join(import.meta.dirname, 'recovery-child.ts');

export async function benchRecovery({ entries, rounds, isJson }: RecoveryBench): Promise<void> {
  const rows: RecoveryRow[] = [];
  for (const count of entries) {
    const directory = mkdtempSync(join(tmpdir(), 'walnut-bench-'));
    try {
      for (const source of ['log', 'snapshot'] as const) {
        const path = join(directory, source);
        run(['fill', path, String(count), source]);
        const starts = Array.from({ length: rounds }, () => JSON.parse(run(['start', path])) as StartFigures);
        rows.push(toRow(count, `walnut ${source}`, directoryBytes(path), starts));
      }
      rows.push(...(await measureRedis(directory, count, rounds)));
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
    if (!isJson) process.stderr.write(`${count} entries measured\n`);
  }
  process.stdout.write(isJson ? `${JSON.stringify(rows, null, 2)}\n` : `${tableOf(rows)}\n`);
}

function run(argv: readonly string[]): string {
  const child = spawnSync(process.execPath, [...process.execArgv, CHILD, ...argv], {
    encoding: 'utf8',
    timeout: 600_000,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (child.status !== 0)
    throw new Error(`${argv[0]} failed: ${child.error?.message ?? `exit ${child.status}`}`);
  return child.stdout;
}

function tableOf(rows: readonly RecoveryRow[]): string {
  const table = new Table({
    head: ['entries', 'from', 'files', 'seconds', 'entries/s', 'MB/s', 'peak MB'],
    style: { head: [], border: [] },
  });
  for (const row of rows) {
    table.push([
      row.entries.toLocaleString('en'),
      row.source,
      `${(row.fileBytes / 1e6).toFixed(1)} MB`,
      row.seconds.toFixed(2),
      row.entriesPerSecond.toLocaleString('en'),
      (row.bytesPerSecond / 1e6).toFixed(1),
      (row.peakBytes / 1e6).toFixed(0),
    ]);
  }
  return table.toString();
}
