/**
 * The scripted runs into whose system calls faults are injected: a *life* from
 * an empty directory (writes, rotation, checkpoints with compaction, an orderly
 * stop), and a *recovery* of what a killed master left with a torn tail. One
 * request at a time, under strace, so that it is known what was hit, when, and
 * whether anything was acknowledged afterwards.
 */
import { appendFile, cp, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { MasterProcess, readTrace, withScratch } from './master-process.ts';
import { type Exit, pause } from './node-process.ts';
import { ProcessJournal, writeBatch, writeOne } from './process-journal.ts';
import { fail } from './reference-model.ts';

export type Scene = 'life' | 'recovery';

const SETS = ['wal.max_file_size=8KB', 'wal.retention=0B', 'snapshot.every=100MB'];
/** Longer than the 100 ms of silence after which a mark is written. */
const IDLE_MS = 150;
const STOP_MS_MAX = 20_000;
const GARBAGE_BYTES = 50;

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
  /** Writes acknowledged later than the last hit. */
  readonly ackedAfterHit: number;
  readonly acked: number;
  readonly wasReady: boolean;
  /** True if the fault came before the orderly stop was asked for. */
  readonly wasHitBeforeStop: boolean;
  readonly output: string;
  readonly trace: string;
  /** The data directory, to which paths in the trace are compared. */
  readonly directory: string;
}

/** What a killed master leaves: its directory with a torn tail, and what it had acknowledged. */
export interface Wreck {
  readonly directory: string;
  readonly journal: ProcessJournal;
}

export interface Traced {
  readonly scene: Scene;
  /** Needed by the recovery. */
  readonly wreck?: Wreck | undefined;
  /** What is traced and injected. */
  readonly strace: readonly string[];
  /** Only calls on these paths below the data directory are traced and counted; all where it is missing. */
  readonly paths?: readonly string[] | undefined;
}

/**
 * Runs a script under strace, then starts a healthy master on what is left and
 * checks every acknowledged write.
 */
export function runScript({ scene, wreck, strace, paths }: Traced): Promise<ScriptRun> {
  return withScratch(async (scratch) => {
    const directory = join(scratch, 'data');
    const traceFile = join(scratch, 'trace');
    if (scene === 'recovery') {
      if (wreck === undefined) throw new Error('there is nothing to recover');
      await cp(wreck.directory, directory, { recursive: true });
    }
    const journal = wreck !== undefined && scene === 'recovery' ? wreck.journal.copy() : new ProcessJournal();
    const only = (paths ?? []).flatMap((path) => ['-P', join(directory, path)]);
    const ackedAtMs: number[] = [];
    const master = new MasterProcess({
      directory,
      sets: SETS,
      strace: [...strace, ...only],
      traceFile,
      randomSeed: 1,
    });
    let wasReady = false;
    let stopMs = Number.POSITIVE_INFINITY;
    try {
      wasReady = await master.ready();
      if (wasReady) await play(master, journal, scene, () => ackedAtMs.push(Date.now()));
      stopMs = Date.now();
      master.kill('SIGTERM');
      await Promise.race([master.exited, pause(STOP_MS_MAX)]);
    } finally {
      await master.destroy();
    }
    const exit = await master.exited;
    // The tracer outlives the traced by a moment, and the last lines come then.
    const trace = await settledTrace(traceFile);
    const hits = parseHits(trace);
    await verifyAfter(directory, journal);
    const hitMs = hits.at(-1)?.atMs ?? Number.POSITIVE_INFINITY;
    const ackedAfterHit = ackedAtMs.filter((atMs) => atMs > hitMs).length;
    const { acked } = journal;
    const wasHitBeforeStop = hitMs < stopMs;
    const { output } = master;
    return { exit, hits, ackedAfterHit, acked, wasReady, wasHitBeforeStop, output, trace, directory };
  });
}

/** A master killed between two checkpoints, with garbage behind its last record, and a file half moved away. */
export async function makeWreck(directory: string): Promise<Wreck> {
  const journal = new ProcessJournal();
  const master = new MasterProcess({ directory, sets: SETS, randomSeed: 2 });
  try {
    if (!(await master.ready())) fail(`it does not start: ${master.output}`);
    await play(master, journal, 'life', () => undefined);
    for (let i = 0; i < 3; i++) {
      await master.call('Admin/RotateWal', {});
      await writeOne(master, journal, journal.plan(`w${i}`, false));
    }
  } finally {
    await master.destroy();
  }
  const segments = (await readdir(directory)).filter((name) => name.endsWith('.wal')).sort();
  await appendFile(join(directory, segments.at(-1) ?? ''), Buffer.alloc(GARBAGE_BYTES, 0xa5));
  return { directory, journal };
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

async function play(
  master: MasterProcess,
  journal: ProcessJournal,
  scene: Scene,
  onAck: () => void,
): Promise<void> {
  const write = async (key: string, isDelete = false): Promise<void> => {
    if (await writeOne(master, journal, journal.plan(key, isDelete))) onAck();
  };
  const batch = async (): Promise<void> => {
    const writes = Array.from({ length: 40 }, (_, i) => journal.plan(`b${i}`, i % 7 === 0));
    if (await writeBatch(master, journal, writes)) onAck();
  };
  const admin = (method: string) => master.call(`Admin/${method}`, {}).catch(() => undefined);
  if (scene === 'recovery') {
    for (let i = 0; i < 3; i++) await write(`r${i}`);
    return;
  }
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
  const begun = new Map<string, string>();
  for (const line of trace.split('\n')) {
    const match = /^\s*(\d+)\s+(\d+\.\d+)\s+(?:<\.\.\. )?(\w+)/.exec(line);
    if (match === null) continue;
    const [, thread = '', at = '', call = ''] = match;
    if (line.includes('<unfinished')) begun.set(thread, line);
    if (!line.includes('(INJECTED)')) continue;
    const paths = pathsIn(line.includes('resumed>') ? (begun.get(thread) ?? '') : line);
    hits.push({ call, path: paths[0] ?? '', atMs: Number(at) * 1_000 });
  }
  return hits;
}

/** The absolute paths that a line of a trace names, by descriptor or as text. */
export function pathsIn(line: string): string[] {
  const found = line.matchAll(/\w<(\/[^>]*)>|"(\/[^"]*)"/g);
  // Text comes first: the descriptor beside a path is only the directory that it does not start from.
  return [...found]
    .map((match) => match[2] ?? match[1] ?? '')
    .sort((a, b) => Number(isCwd(a)) - Number(isCwd(b)));
}

const isCwd = (path: string): boolean => path === process.cwd();
