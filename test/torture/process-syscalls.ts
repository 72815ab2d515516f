/**
 * A fault at each system call by which a scripted run touches its data
 * directory: the process killed exactly there, or the call failing with EIO.
 * Whatever was acknowledged must be there afterwards; after a failure that is
 * fatal nothing more may be.
 */
import { dirname } from 'node:path';
import { pathsIn, runScript, type Scene, type ScriptRun, type Wreck } from './process-script.ts';
import { fail } from './reference-model.ts';

/** The calls through which Walnut changes a disk, or keeps a part of it open. */
const CHANGING = ['openat', 'close', 'mkdir', 'pwrite64', 'fdatasync', 'fsync', 'rename', 'unlink'];
/** Those by which it looks. Their failure must never pass for an empty or a shorter file. */
const READING = ['pread64', 'getdents64', 'newfstatat', 'statx', 'statfs'];
/** SQLite's, on the file LOCK, from the main thread. */
const LOCKING = ['openat', 'close', 'fcntl'];
const HARMLESS = ['stat', 'lstat', 'fstat', 'pread64', 'getcwd', 'readlink', 'access'];

const LOCK_FILES = ['LOCK', 'LOCK-journal', 'LOCK-wal'];
const EXIT_OTHER = 1;
const EXIT_DIRECTORY = 3;
const EXIT_STORAGE = 4;
const EXIT_MS_MAX = 1_000;

/** A class of calls whose every instance gets a fault. */
export interface FaultClass {
  readonly scene: Scene;
  readonly wreck?: Wreck | undefined;
  readonly call: string;
  /** Below the data directory; empty for the directory itself, `..` for its parent, where its name is. */
  readonly paths?: readonly string[] | undefined;
  /**
   * The calls of the thread that makes most of them. strace counts each thread's calls by
   * themselves: of two threads' calls of one number, the first gets the fault.
   */
  readonly count: number;
}

export interface Survey {
  readonly kills: readonly FaultClass[];
  readonly failures: readonly FaultClass[];
}

/** What the healthy run of a scene calls. Throws where it makes a call that none of the lists above has. */
export async function survey(scene: Scene, wreck?: Wreck): Promise<Survey> {
  const run = await runScript({ scene, wreck, strace: ['-e', 'trace=file,desc'] });
  if (run.exit.code !== 0) fail(`the healthy ${scene} ends with ${run.exit.code}: ${run.output}`);
  if (scene === 'life' && run.acked < 100) fail(`the healthy run acknowledges only ${run.acked} writes`);
  const paths = new Set<string>();
  const counts = new Map<string, number>();
  const countsOfThreads = new Map<string, number>();
  for (const line of run.trace.split('\n')) {
    const [, thread, call] = /^\s*(\d+)\s+\d+\.\d+\s+(\w+)\(/.exec(line) ?? [];
    const own = pathsIn(line).flatMap((path) => belowOf(run.directory, path));
    if (call === undefined || own.length === 0) continue;
    const isLock = own.every((path) => LOCK_FILES.includes(path));
    const known = isLock ? [...LOCKING, ...HARMLESS] : [...CHANGING, ...READING, ...HARMLESS];
    if (!known.includes(call)) fail(`nothing fails ${call} here yet: ${line}`);
    if (!isLock) for (const path of own) paths.add(path);
    const key = isLock ? `LOCK ${call}` : call;
    const count = (countsOfThreads.get(`${thread} ${key}`) ?? 0) + 1;
    countsOfThreads.set(`${thread} ${key}`, count);
    counts.set(key, Math.max(count, counts.get(key) ?? 0));
  }
  const classOf = (call: string): FaultClass => {
    return { scene, wreck, call, paths: [...paths], count: counts.get(call) ?? 0 };
  };
  const lockClassOf = (call: string): FaultClass => {
    return { scene, wreck, call, paths: ['LOCK'], count: counts.get(`LOCK ${call}`) ?? 0 };
  };
  const locks = LOCKING.map(lockClassOf);
  const isMade = ({ count }: FaultClass) => count > 0;
  return {
    kills: [...CHANGING.map(classOf), ...locks].filter(isMade),
    failures: [...CHANGING.map(classOf), ...READING.map(classOf), ...locks].filter(isMade),
  };
}

function belowOf(directory: string, path: string): string[] {
  if (path === directory) return [''];
  if (path === dirname(directory)) return ['..'];
  return path.startsWith(`${directory}/`) ? [path.slice(directory.length + 1)] : [];
}

/** Dies at the `when`th call of its class. Returns false where the run did not come that far. */
export async function killAt({ call, ...where }: FaultClass, when: number): Promise<boolean> {
  const strace = ['-e', `trace=${call}`, '-e', `inject=${call}:signal=KILL:when=${when}`];
  const run = await runScript({ ...where, strace });
  if (run.exit.signal !== 'SIGKILL' && run.exit.code !== 0) {
    fail(`killed at ${call} ${when} it ends with ${run.exit.code}: ${run.output}`);
  }
  return run.exit.signal === 'SIGKILL';
}

export interface FailedCall {
  /** What it was about, and when: `segment running`; empty where the run did not come that far. */
  readonly kind: string;
  readonly exitCode: number | null;
  /** From the failure to the end of the process. */
  readonly exitMs: number;
}

/** The `when`th call of its class fails with EIO. Throws where that does not end as `judge` says. */
export async function failAt({ call, ...where }: FaultClass, when: number): Promise<FailedCall> {
  const strace = ['-e', `trace=${call}`, '-e', `inject=${call}:error=EIO:when=${when}`];
  return judge(`EIO at ${call} ${when}`, await runScript({ ...where, strace }));
}

/**
 * A batch for which there is no space is cut off again; that ftruncate fails,
 * or is where the process dies. `writes`: the life's calls of pwrite64. False
 * where the `when`th one to a segment is of no batch, so that nothing is cut off.
 */
export async function failCut(
  writes: FaultClass,
  what: 'signal=KILL' | 'error=EIO',
  when: number,
): Promise<boolean> {
  const full = ['-e', `inject=pwrite64:error=ENOSPC:when=${when}`];
  const cut = ['-e', `inject=ftruncate:${what}:when=1`];
  const paths = writes.paths?.filter((path) => path.endsWith('.wal'));
  const strace = ['-e', 'trace=pwrite64,ftruncate', ...full, ...cut];
  const run = await runScript({ scene: writes.scene, wreck: writes.wreck, paths, strace });
  const named = `${what} at the ftruncate after ENOSPC at pwrite64 ${when} of a segment`;
  if (!/ ftruncate\(/.test(run.trace)) return false;
  if (what === 'error=EIO') {
    const { exitCode } = judge(named, run);
    if (exitCode !== EXIT_STORAGE) fail(`${named}: it ends with ${exitCode}: ${run.output}`);
  } else if (run.exit.signal !== 'SIGKILL') {
    fail(`${named}: it ends with ${run.exit.code}: ${run.output}`);
  }
  return true;
}

type Phase = 'starting' | 'running' | 'stopping';

/** A start that cannot use its directory says so; one that runs goes on only where nothing that counts has failed. */
const ALLOWED: Readonly<Record<Phase, readonly (number | null)[]>> = {
  starting: [EXIT_DIRECTORY, EXIT_STORAGE],
  running: [0, EXIT_STORAGE],
  stopping: [0, EXIT_OTHER, EXIT_STORAGE],
};
/** What must end a node that runs: a write of the log, and the replacement of MANIFEST. */
const FATAL: Readonly<Record<string, readonly string[]>> = {
  segment: ['pwrite64', 'fdatasync', 'ftruncate'],
  'temporary MANIFEST': ['openat', 'pwrite64', 'fdatasync', 'close', 'rename'],
};

function judge(what: string, run: ScriptRun): FailedCall {
  const hit = run.hits.at(-1);
  const { code } = run.exit;
  if (hit === undefined) return { kind: '', exitCode: code, exitMs: 0 };
  const phase: Phase = !run.wasReady ? 'starting' : run.wasHitBeforeStop ? 'running' : 'stopping';
  const exitMs = run.exit.atMs - hit.atMs;
  const file = fileKindOf(run.directory, hit.path);
  const told = `${what} (${file}, ${phase})`;
  if (!ALLOWED[phase].includes(code)) fail(`${told}: it ends with ${code}: ${run.output}`);
  if (phase === 'running' && FATAL[file]?.includes(hit.call) && code !== EXIT_STORAGE)
    fail(`${told}: it goes on, and ends with ${code}: ${run.output}`);
  if (code === EXIT_STORAGE && run.ackedAfterHit > 0)
    fail(`${told}: ${run.ackedAfterHit} acknowledged afterwards`);
  if (code === EXIT_STORAGE && exitMs > EXIT_MS_MAX) fail(`${told}: it ends ${exitMs} ms later`);
  return { kind: `${file} ${phase}`, exitCode: code, exitMs };
}

function fileKindOf(directory: string, path: string): string {
  const [name] = belowOf(directory, path);
  if (name === undefined) return path;
  if (name === '' || name === '..') return name === '' ? 'directory' : 'parent';
  const temporary = name.endsWith('.tmp') ? 'temporary ' : '';
  if (/\.wal(\.|$)/.test(name)) return `${temporary}segment`;
  if (/\.snapshot(\.|$)/.test(name)) return `${temporary}snapshot`;
  return temporary + name.replace(/\.tmp$/, '');
}
