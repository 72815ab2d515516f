/**
 * A real master on 127.0.0.1 and a port of its own, at fsync `always` and
 * optionally under strace, which injects faults into its system calls.
 *
 * `strace -D` makes the master itself the child, so signals and exit codes are
 * its own. One pool thread, because strace counts calls per thread.
 */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NodeProcess, pause } from './node-process.ts';

export interface MasterOptions {
  readonly directory: string;
  /** `section.key=value`. */
  readonly sets?: readonly string[];
  /** Arguments of strace before the command, without `-D`, `-f` and `-o`; the trace goes to `traceFile`. */
  readonly strace?: readonly string[] | undefined;
  readonly traceFile?: string | undefined;
  /** One pool thread, so that a tracer attached later can count calls. */
  readonly hasOneThread?: boolean;
  /** Identities and nonces come from this seed, so that the names of its files are known before. */
  readonly randomSeed?: number | undefined;
  /** A command line to put before the master's, such as a shell that lowers a limit. */
  readonly wrapper?: readonly string[] | undefined;
}

const POLL_MS = 10;
const SAME_RANDOM = join(import.meta.dirname, 'same-random.ts');

export class MasterProcess extends NodeProcess {
  constructor(options: MasterOptions) {
    const { directory, sets = [], strace, traceFile = '/dev/null', wrapper = [], randomSeed } = options;
    const hasOneThread = options.hasOneThread ?? strace !== undefined;
    const tracer =
      strace === undefined ? [] : ['strace', '-D', '-f', '-ttt', '-y', '-o', traceFile, ...strace];
    super({
      binary: 'master',
      sets: ['wal.fsync=always', `wal.directory=${directory}`, ...sets],
      wrapper: [...wrapper, ...tracer],
      env: {
        UV_THREADPOOL_SIZE: hasOneThread ? '1' : '4',
        // The writes of a cache of compiled code would meet the faults that are meant for the log.
        ...(hasOneThread || wrapper.length > 0 ? { NODE_DISABLE_COMPILE_CACHE: '1' } : {}),
        ...(randomSeed === undefined ? {} : sameRandom(randomSeed)),
      },
    });
  }
}

function sameRandom(seed: number): Record<string, string> {
  return { NODE_OPTIONS: `--import=${SAME_RANDOM}`, WALNUT_TORTURE_SEED: String(seed) };
}

/** Runs `work` with a scratch directory that is gone afterwards. */
export async function withScratch<T>(work: (directory: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'walnut-torture-'));
  try {
    return await work(directory);
  } finally {
    await rm(directory, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Runs a command to its end; the exit code, or -1 where it could not be run. */
export function runCommand(
  command: string,
  args: readonly string[],
): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    child.stdout.on('data', (bytes: Buffer) => {
      output += bytes.toString();
    });
    child.stderr.on('data', (bytes: Buffer) => {
      output += bytes.toString();
    });
    child.on('error', () => resolve({ code: -1, output }));
    child.on('close', (code) => resolve({ code: code ?? -1, output }));
  });
}

/** Traces a process that runs already, from now until `detach`. Resolves once it is attached. */
export async function attachStrace(
  pid: number,
  args: readonly string[],
  traceFile: string,
): Promise<{ detach: () => Promise<void> }> {
  const line = ['-f', '-ttt', '-y', '-o', traceFile, ...args, '-p', String(pid)];
  const child = spawn('strace', line, { stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = new Promise<void>((resolve) => {
    child.on('error', () => resolve());
    child.on('close', () => resolve());
  });
  let said = '';
  child.stderr.on('data', (bytes: Buffer) => {
    said += bytes.toString();
  });
  for (let i = 0; i < 1_000 && !said.includes('attached') && child.exitCode === null; i++)
    await pause(POLL_MS);
  if (!said.includes('attached')) throw new Error(`strace cannot attach: ${said}`);
  return {
    detach: async () => {
      if (child.exitCode === null) child.kill('SIGTERM');
      await ended;
    },
  };
}

/** Why system calls cannot be failed here; undefined where they can. */
export async function whyNoStrace(): Promise<string | undefined> {
  if (process.platform !== 'linux') return 'strace is for Linux';
  const { code, output } = await runCommand('strace', ['-f', '-e', 'trace=fdatasync', 'true']);
  return code === 0
    ? undefined
    : `strace does not run here: ${output.trim().split('\n').at(-1) || 'not installed'}`;
}

/** What strace has written so far. */
export function readTrace(path: string): Promise<string> {
  return readFile(path, 'utf8');
}
