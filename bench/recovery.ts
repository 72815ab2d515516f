/** How long a start takes, and how much memory, from the log alone and from a snapshot; redis-server beside it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { figuresOf, measureInTurn, pairsOf, type StartFigures, type Subject } from './recovery-figures.ts';
import { prepareRedis } from './recovery-redis.ts';
import type { Figure, Pair, SuiteReport } from './report.ts';

export interface RecoveryBench {
  readonly entries: readonly number[];
  readonly rounds: number;
}

const CHILD = join(import.meta.dirname, 'recovery-child.ts');
/** The cache of compiled code with which `bin/launch.cjs` starts nodes; a `fill` fills it before anything is measured. */
const COMPILED = join(import.meta.dirname, '..', 'node_modules', '.cache', 'walnut');
const TIMEOUT_MS = 600_000;

const HOW = `a 16-byte key and a 100-byte value, one record each; every system starts once a round, in turn.
  entries/s   Walnut: from Node.start to ready, everything included but loading the program: lock,
              fsync of what is read, checks, state, digest, repair of the end. redis-server: what its
              log says of the loading alone; log over plain AOF, snapshot over uncompressed RDB
  to ready    from the start of the process; redis-server until it answers PING; Node's compile cache is
              filled, as it is from a node's second start on
  CPU         what all threads of the process computed until then`;

export async function benchRecovery({ entries, rounds }: RecoveryBench): Promise<SuiteReport> {
  const pairs: Pair[] = [];
  const figures: Figure[] = [];
  for (const count of entries) {
    const directory = mkdtempSync(join(tmpdir(), 'walnut-bench-'));
    try {
      const subjects = [
        ...(await prepareWalnut(directory, count)),
        ...(await prepareRedis(directory, count)),
      ];
      const measured = await measureInTurn(subjects, rounds);
      pairs.push(...pairsOf(count, measured));
      figures.push(...figuresOf(count, measured));
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
    process.stderr.write(`${count} entries measured\n`);
  }
  return { suite: 'recovery', how: HOW, pairs, figures };
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
    env: { ...process.env, NODE_COMPILE_CACHE: COMPILED },
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
