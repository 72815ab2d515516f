/**
 * What is answered of a Batch when the time of its caller is nearly over: each operation that has no
 * answer yet has an error, which says what is known of its effect.
 */
import type { BatchOperation, BatchResult } from '#model/commands.ts';
import { asRefusal, OUTCOME_UNKNOWN, WalnutError, withoutOutcome } from '#model/errors.ts';
import type { Clock, Timer } from '#platform/clock.ts';
import { isDeadlineNear } from '#platform/early-signal.ts';

/** Calls that end by the signal have so long to say what became of them. */
const GRACE_MS = 3;
const ONCE = { once: true } as const;

/** True once `work` is done; false where the time of the caller is nearly over before that. Rejects like `work`. */
export function inTime(
  work: Promise<unknown>,
  signal: AbortSignal | undefined,
  clock: Clock,
): Promise<boolean> {
  if (signal === undefined) return work.then(() => true);
  return new Promise((resolve, reject) => {
    let limit: Timer | undefined;
    const onAbort = (): void => {
      if (isDeadlineNear(signal)) limit = clock.after(GRACE_MS, () => resolve(false));
    };
    const end = (): void => {
      limit?.cancel();
      signal.removeEventListener('abort', onAbort);
    };
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, ONCE);
    work.then(
      () => {
        end();
        resolve(true);
      },
      (error: unknown) => {
        end();
        reject(error);
      },
    );
  });
}

/** Waits for what other callers wait for, too. Rejects where this one goes away, or its time is nearly over, with nothing done. */
export async function whileWanted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  return new Promise((resolve, reject) => {
    const end = (): void => {
      const error = new WalnutError('cancelled', 'the caller gave up waiting', { nothingDone: true });
      reject(inCallersTime(error, signal));
    };
    if (signal.aborted) end();
    else signal.addEventListener('abort', end, ONCE);
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', end));
  });
}

/** The error of a call that its caller's time ended; any other error as it is. */
export function inCallersTime(error: unknown, signal: AbortSignal | undefined): unknown {
  if (!isDeadlineNear(signal) || !(error instanceof WalnutError)) return error;
  if (error.code !== 'cancelled' && error.code !== 'unavailable') return error;
  // That the call was ended here says nothing of why.
  const why = error.code === 'cancelled' ? '' : `: ${withoutOutcome(error.message)}`;
  return lateError(error.details.nothingDone === true, why);
}

/** The results of operations of a part that failed as a whole: a Get has no effect that could be unknown. */
export function errorsOf(operations: readonly BatchOperation[], error: WalnutError): BatchResult[] {
  return operations.map(({ kind }) => ({
    kind: 'error',
    error: kind === 'get' ? (asRefusal(error) as WalnutError) : error,
  }));
}

export function lateError(nothingDone: boolean, why = ''): WalnutError {
  const known = nothingDone ? '' : OUTCOME_UNKNOWN;
  const message = `the group did not answer in the time of the caller${why}${known}`;
  return new WalnutError('deadline_exceeded', message, nothingDone ? { nothingDone } : {});
}
