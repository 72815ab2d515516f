/**
 * A fault at each system call of the scripted run: the process killed exactly
 * there, or the call failing with EIO. Whatever was acknowledged must be there
 * afterwards; after a failed fdatasync of the log nothing more may be.
 */

import { countCalls, DISK_CALLS, runScript } from './process-script.ts';
import { fail } from './reference-model.ts';

const EXIT_STORAGE = 4;
const EXIT_MS_MAX = 1_000;

/** How often the healthy run makes each call. */
export async function countDiskCalls(): Promise<Map<string, number>> {
  const run = await runScript(['-e', `trace=${DISK_CALLS.join(',')}`]);
  if (run.exit.code !== 0) fail(`the healthy run ends with ${run.exit.code}: ${run.output}`);
  if (run.acked < 100) fail(`the healthy run acknowledges only ${run.acked} writes`);
  return new Map(DISK_CALLS.map((call) => [call, countCalls(run.trace, call)]));
}

/** How often the healthy run closes a file once it is up: before, it mostly closes source files. */
export async function countCloses(): Promise<number> {
  return countCalls((await runScript(['-e', 'trace=close'], true)).trace, 'close');
}

/** Dies at the `when`th `call`. Returns false where the run did not come that far. */
export async function killAt(call: string, when: number): Promise<boolean> {
  const run = await runScript(['-e', `trace=${call}`, '-e', `inject=${call}:signal=KILL:when=${when}`]);
  if (run.exit.signal !== 'SIGKILL' && run.exit.code !== 0) {
    fail(`killed at ${call} ${when} it ends with ${run.exit.code}: ${run.output}`);
  }
  return run.exit.signal === 'SIGKILL';
}

export interface FailedCall {
  /** The file or directory it was about; empty where the run did not come that far. */
  readonly path: string;
  readonly exitCode: number | null;
  /** From the failure to the end of the process. */
  readonly exitMs: number;
}

/**
 * The `when`th `call` fails with EIO. A failed fdatasync of a segment must be
 * fatal: no acknowledgement after it, exit code 4 within a second. Anything
 * else may be survived, or end with 4 (3 or 1 while starting), and loses nothing.
 */
export async function failAt(call: string, when: number): Promise<FailedCall> {
  const inject = `inject=${call}:error=EIO:when=${when}`;
  const run = await runScript(['-e', `trace=${call}`, '-e', inject], call === 'close');
  const [hit] = run.hits;
  const { code } = run.exit;
  if (hit === undefined) return { path: '', exitCode: code, exitMs: 0 };
  const exitMs = run.exit.atMs - hit.atMs;
  const what = `EIO at ${call} ${when} (${hit.path})`;
  const allowed = run.wasReady ? [0, 1, EXIT_STORAGE] : [1, 3, EXIT_STORAGE];
  if (code === null || !allowed.includes(code)) fail(`${what}: it ends with ${code}: ${run.output}`);
  if (code === EXIT_STORAGE && run.ackedAfterHit > 0)
    fail(`${what}: ${run.ackedAfterHit} acknowledged afterwards`);
  if (call === 'fdatasync' && hit.path.endsWith('.wal') && run.wasReady) {
    // The clean mark of an orderly stop is the last fdatasync: then there is nobody left to tell.
    if (code !== EXIT_STORAGE && code !== 1) fail(`${what}: it goes on, and ends with ${code}`);
    if (run.ackedAfterHit > 0) fail(`${what}: ${run.ackedAfterHit} acknowledged afterwards`);
    if (exitMs > EXIT_MS_MAX) fail(`${what}: it ends ${exitMs} ms later`);
  }
  return { path: hit.path, exitCode: code, exitMs };
}
