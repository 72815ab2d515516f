/**
 * The scripted run into whose system calls faults are injected: writes,
 * rotation, checkpoints with compaction, an orderly stop, one request at a
 * time. Traced by strace, so that it is known what was hit, when, and whether
 * anything was acknowledged afterwards.
 */
import { join } from 'node:path';
import { attachStrace, MasterProcess, readTrace, withScratch } from './master-process.ts';
import { type Exit, pause } from './node-process.ts';
import { ProcessJournal, writeBatch, writeOne } from './process-journal.ts';

/** The calls through which Walnut changes a disk. */
export const DISK_CALLS = [
  'fdatasync',
  'fsync',
  'pwrite64',
  'rename',
  'unlink',
  'ftruncate',
  'mkdir',
] as const;

const SETS = ['wal.max_file_size=8KB', 'wal.retention=0B', 'snapshot.every=100MB'];
/** Longer than the 100 ms of silence after which a mark is written. */
const IDLE_MS = 150;

/** A system call that strace failed or killed, as its trace tells it. */
export interface Hit {
  readonly call: string;
  /** The path of the file or directory, where the trace names one. */
  readonly path: string;
  readonly atMs: number;
}

export interface ScriptRun {
  readonly exit: Exit;
  readonly hits: readonly Hit[];
  /** Writes acknowledged later than the first hit. */
  readonly ackedAfterHit: number;
  readonly acked: number;
  readonly wasReady: boolean;
  readonly output: string;
  readonly trace: string;
}

/**
 * Runs the script under `strace` with these arguments, then starts a healthy
 * master on what is left and checks every acknowledged write. `attachesLate`:
 * the start itself is not traced, nor are its calls counted.
 */
export function runScript(strace: readonly string[], attachesLate = false): Promise<ScriptRun> {
  return withScratch(async (scratch) => {
    const directory = join(scratch, 'data');
    const traceFile = join(scratch, 'trace');
    const journal = new ProcessJournal();
    const ackedAtMs: number[] = [];
    const traced = attachesLate ? { hasOneThread: true } : { strace, traceFile };
    const master = new MasterProcess({ directory, sets: SETS, ...traced });
    let wasReady = false;
    try {
      wasReady = await master.ready();
      if (attachesLate && wasReady) await attachStrace(master.pid, strace, traceFile);
      if (wasReady) await play(master, journal, () => ackedAtMs.push(Date.now()));
      master.kill('SIGTERM');
      await Promise.race([master.exited, pause(20_000)]);
    } finally {
      await master.destroy();
    }
    const exit = await master.exited;
    // The tracer outlives the traced by a moment, and the last lines come then.
    const trace = await settledTrace(traceFile);
    const hits = parseHits(trace);
    await verifyAfter(directory, journal);
    const firstHitMs = hits[0]?.atMs ?? Number.POSITIVE_INFINITY;
    const ackedAfterHit = ackedAtMs.filter((atMs) => atMs > firstHitMs).length;
    return { exit, hits, ackedAfterHit, acked: journal.acked, wasReady, output: master.output, trace };
  });
}

async function verifyAfter(directory: string, journal: ProcessJournal): Promise<void> {
  const healthy = new MasterProcess({ directory, sets: SETS });
  try {
    if (!(await healthy.ready())) throw new Error(`the next start fails: ${healthy.output}`);
    await journal.verify(healthy);
    const write = journal.plan('after', false);
    if (!(await writeOne(healthy, journal, write))) throw new Error('the next start takes no writes');
  } finally {
    await healthy.destroy();
  }
}

async function play(master: MasterProcess, journal: ProcessJournal, onAck: () => void): Promise<void> {
  const write = async (key: string, isDelete = false): Promise<void> => {
    if (await writeOne(master, journal, journal.plan(key, isDelete))) onAck();
  };
  const batch = async (): Promise<void> => {
    const writes = Array.from({ length: 40 }, (_, i) => journal.plan(`b${i}`, i % 7 === 0));
    if (await writeBatch(master, journal, writes)) onAck();
  };
  const admin = (method: string) => master.call(`Admin/${method}`, {}).catch(() => undefined);
  for (let round = 0; round < 2 && master.exit === undefined; round++) {
    for (let i = 0; i < 3; i++) await write(`k${i}`);
    await pause(IDLE_MS);
    await admin('RotateWal');
    await batch();
    await batch();
    await write('k1', true);
    await admin('Checkpoint');
    await batch();
    await admin('RotateWal');
    await write('k2');
    await admin('Checkpoint');
    await write('k3');
  }
}

async function settledTrace(path: string): Promise<string> {
  let trace = '';
  for (let i = 0; i < 200; i++) {
    const now = await readTrace(path).catch(() => '');
    if (now !== '' && now === trace && /\+\+\+ (exited|killed)/.test(now)) return now;
    trace = now;
    await pause(10);
  }
  return trace;
}

/** `123 1700000000.123456 fdatasync(25</x/y.wal>) = -1 EIO (…) (INJECTED)` and its kind. */
function parseHits(trace: string): Hit[] {
  const hits: Hit[] = [];
  for (const line of trace.split('\n')) {
    if (!line.includes('(INJECTED)')) continue;
    const match = /^\s*\d+\s+(\d+\.\d+)\s+(?:<\.\.\. )?(\w+)/.exec(line);
    if (match === null) continue;
    const path = /<(\/[^>]*)>|"(\/[^"]*)"/.exec(line);
    hits.push({ call: match[2] ?? '', path: path?.[1] ?? path?.[2] ?? '', atMs: Number(match[1]) * 1_000 });
  }
  return hits;
}

/** How often each thread makes a call, the most of all threads: as far as `when=` can reach. */
export function countCalls(trace: string, call: string): number {
  const perThread = new Map<string, number>();
  for (const line of trace.split('\n')) {
    const match = /^\s*(\d+)\s+\d+\.\d+\s+(\w+)\(/.exec(line);
    if (match?.[2] !== call) continue;
    const thread = match[1] ?? '';
    perThread.set(thread, (perThread.get(thread) ?? 0) + 1);
  }
  return Math.max(0, ...perThread.values());
}
