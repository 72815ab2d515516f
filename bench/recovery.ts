/** How long a start takes, and how much memory, from the log alone and from a snapshot; redis-server beside it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Table from 'cli-table3';
import { measureInTurn, type RecoveryRow, type StartFigures, type Subject } from './recovery-figures.ts';
import { prepareRedis } from './recovery-redis.ts';

export interface RecoveryBench {
  readonly entries: readonly number[];
  readonly rounds: number;
  readonly isJson: boolean;
}

const CHILD = join(import.meta.dirname, 'recovery-child.ts');
const TIMEOUT_MS = 600_000;

const CAPTION = `Entries of a 16-byte key and a 100-byte value, one record each. Medians of rounds in which
each system starts once, in turn; in brackets the fastest and the slowest.
  seconds     Walnut: from Node.start to ready, everything included but loading the program:
              lock, fsync of what is read, checks, state, digest, repair of the end.
              redis-server: what its log says of the loading alone ("DB loaded from ...").
  to ready    from the start of the process; redis-server until it answers PING
  cpu         what all threads of the process computed until then
  ratio       entries a second over those of redis-server with the counterpart:
              log over AOF, snapshot over RDB (plain AOF, uncompressed RDB)
`;

export async function benchRecovery({ entries, rounds, isJson }: RecoveryBench): Promise<void> {
  const rows: RecoveryRow[] = [];
  for (const count of entries) {
    const directory = mkdtempSync(join(tmpdir(), 'walnut-bench-'));
    try {
      const subjects = [
        ...(await prepareWalnut(directory, count)),
        ...(await prepareRedis(directory, count)),
      ];
      rows.push(...(await measureInTurn(count, subjects, rounds)));
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
    if (!isJson) process.stderr.write(`${count} entries measured\n`);
  }
  process.stdout.write(isJson ? `${JSON.stringify(rows, null, 2)}\n` : `${CAPTION}\n${tableOf(rows)}\n`);
}

async function prepareWalnut(directory: string, count: number): Promise<Subject[]> {
  const subjects: Subject[] = [];
  for (const [source, versus] of [
    ['log', 'redis aof'],
    ['snapshot', 'redis rdb'],
  ] as const) {
    const path = join(directory, source);
    await run(['fill', path, String(count), source]);
    subjects.push({ source: `walnut ${source}`, versus, path, start: () => startOnce(path) });
  }
  return subjects;
}

/** The child says what it measured as soon as it is ready, and then stops in order. */
async function startOnce(path: string): Promise<StartFigures> {
  const startedMs = performance.now();
  const { output, firstMs } = await run(['start', path]);
  return { ...JSON.parse(output), readySeconds: (firstMs - startedMs) / 1_000 };
}

/** What the child printed, and when its first output came. */
async function run(argv: readonly string[]): Promise<{ output: string; firstMs: number }> {
  const child = spawn(process.execPath, [...process.execArgv, CHILD, ...argv], {
    timeout: TIMEOUT_MS,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  let firstMs = Number.NaN;
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    if (output === '') firstMs = performance.now();
    output += text;
  });
  const [code, signal] = await once(child, 'close');
  if (code !== 0) throw new Error(`${argv[0]} failed: ${signal ?? `exit ${code}`}`);
  return { output, firstMs };
}

function tableOf(rows: readonly RecoveryRow[]): string {
  const table = new Table({
    head: ['entries', 'from', 'files', 'seconds', 'to ready', 'cpu', 'entries/s', 'MB/s', 'peak MB', 'ratio'],
    style: { head: [], border: [] },
  });
  for (const row of rows) {
    table.push([
      row.entries.toLocaleString('en'),
      row.source,
      `${(row.fileBytes / 1e6).toFixed(1)} MB`,
      `${row.seconds.toFixed(2)} (${row.secondsMin.toFixed(2)} to ${row.secondsMax.toFixed(2)})`,
      row.readySeconds.toFixed(2),
      row.cpuSeconds.toFixed(2),
      row.entriesPerSecond.toLocaleString('en'),
      (row.bytesPerSecond / 1e6).toFixed(1),
      (row.peakBytes / 1e6).toFixed(0),
      row.ratio?.toFixed(2) ?? '',
    ]);
  }
  return table.toString();
}
