/**
 * Drives the callers of a load until its end, an interruption, or a failure that every other
 * call would meet too. Other failures are counted, and the load goes on.
 */
import { setMaxListeners } from 'node:events';
import { CallError } from '../call/call-error.ts';
import { isHopeless } from '../call/persist.ts';
import type { BenchCall } from './bench-calls.ts';
import { type BenchLink, GRACE_MS } from './bench-links.ts';
import type { LoadFigures } from './load-figures.ts';
import type { Pace } from './pace.ts';
import { Turns } from './turns.ts';

export interface Load {
  readonly pace: Pace;
  readonly beginMs: number;
  readonly endMs: number;
  readonly overtimeMs: number;
  readonly ratePerS: number | undefined;
  /** The links of each caller. */
  readonly callers: readonly { readonly reads: BenchLink; readonly writes: BenchLink }[];
  next(): BenchCall;
  readonly figures: LoadFigures;
  /** Called after each call that ended. */
  onEnd(): void;
  readonly interrupted: AbortSignal;
}

/** Without a rate, a caller whose call failed pauses so long, so that a node that is down is not called in a circle. */
const PAUSE_MS = 100;

/** Resolves with the number of calls that were due and not made. Rejects with the failure that ended the load. */
export async function driveLoad(load: Load): Promise<number> {
  const stop = new AbortController();
  // Every waiting caller adds a listener.
  setMaxListeners(0, stop.signal);
  const isOver = new AbortController();
  const onInterruption = (): void => stop.abort();
  load.interrupted.addEventListener('abort', onInterruption);
  if (load.interrupted.aborted) stop.abort();
  stop.signal.addEventListener('abort', () => void closeAfterGrace(load, isOver.signal));
  const turns = new Turns({ ...load, stopped: stop.signal }, (ms) => load.figures.late.record(ms));
  try {
    const ends = await Promise.allSettled(
      load.callers.map((_, index) => runCaller(load, turns, index, stop)),
    );
    const failed = ends.find((end) => end.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    return turns.unsent;
  } finally {
    isOver.abort();
    load.interrupted.removeEventListener('abort', onInterruption);
  }
}

async function closeAfterGrace({ pace, callers }: Load, isOver: AbortSignal): Promise<void> {
  await pace.until(pace.nowMs() + GRACE_MS, isOver);
  for (const { reads, writes } of callers) {
    reads.close();
    writes.close();
  }
}

async function runCaller(load: Load, turns: Turns, index: number, stop: AbortController): Promise<void> {
  const { reads, writes } = load.callers[index] as Load['callers'][number];
  for (let fromMs = await turns.next(); fromMs !== undefined; fromMs = await turns.next()) {
    const call = load.next();
    const link = call.kind === 'get' ? reads : writes;
    try {
      const answer = await link.call(call.method, call.request);
      load.figures.answered(call.kind, call.operations, fromMs, load.pace.nowMs(), call.judge(answer));
    } catch (error) {
      await onFailure(error, load, call, stop);
    }
    load.onEnd();
  }
}

/** Rethrows what ends the load. */
async function onFailure(
  error: unknown,
  { pace, ratePerS, figures }: Load,
  { operations }: BenchCall,
  stop: AbortController,
): Promise<void> {
  // The grace is over: what was under way is given up, which is no failure of the node.
  if (stop.signal.aborted) return;
  if (!(error instanceof CallError) || isHopeless(error)) {
    stop.abort();
    throw error;
  }
  const nowMs = pace.nowMs();
  figures.failed(operations, nowMs, error);
  if (ratePerS === undefined) await pace.until(nowMs + PAUSE_MS, stop.signal);
}
