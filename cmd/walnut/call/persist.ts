/**
 * Calls of long jobs, which outlast a node that restarts: what fails with UNAVAILABLE, a
 * lost connection, or an overload that says when to come back is repeated with growing
 * pauses for a bounded time. Only for calls that
 * may be made twice.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { CliError } from '../cli-error.ts';
import { CallError } from './call-error.ts';

const PAUSE_MS_FIRST = 10;
const PAUSE_MS_MAX = 1_000;
const MS_PER_S = 1_000;

export interface RetryPolicy {
  /** The time from the first failure of a call to the last try. */
  readonly patienceMs: number;
  /** Aborts the pause between tries. */
  readonly interrupted: AbortSignal;
}

/** True if the same call may succeed a little later, at whatever node it failed. */
export function isRetryable(failure: unknown): boolean {
  const error = callErrorOf(failure);
  if (error?.code === 'resource_exhausted') return error.retryAfterS !== undefined;
  return error?.code === 'lost' || error?.code === 'unavailable';
}

/** Codes of failures that every call of the same kind would meet. */
const HOPELESS = new Set([
  'failed_precondition',
  'unimplemented',
  'unauthenticated',
  'permission_denied',
  'unknown',
]);

/** True if further calls of the same kind would fail in the same way. */
export function isHopeless({ code }: CallError): boolean {
  return HOPELESS.has(code);
}

/** The failure of a call to a master that a replica named has that call's error as its cause. */
export function callErrorOf(failure: unknown): CallError | undefined {
  const error = failure instanceof CliError ? failure.cause : failure;
  return error instanceof CallError ? error : undefined;
}

/** How long to wait after a failure: what the node asks for, where that is longer, but at most `leftMs`. */
export function pauseAfter(failure: unknown, pauseMs: number, leftMs: number): number {
  const askedMs = MS_PER_S * (callErrorOf(failure)?.retryAfterS ?? 0);
  return Math.min(Math.max(pauseMs, askedMs), leftMs);
}

/** Rejects with the last failure. `onRetry` is called before each further attempt. */
export async function persist<T>(
  attempt: () => Promise<T>,
  { patienceMs, interrupted }: RetryPolicy,
  onRetry: () => void = () => undefined,
): Promise<T> {
  let deadlineMs: number | undefined;
  for (let pauseMs = PAUSE_MS_FIRST; ; pauseMs = Math.min(2 * pauseMs, PAUSE_MS_MAX)) {
    try {
      return await attempt();
    } catch (error) {
      deadlineMs ??= performance.now() + patienceMs;
      const leftMs = deadlineMs - performance.now();
      if (!isRetryable(error) || leftMs <= 0) throw error;
      // Half of the pause is random, so that many workers do not return at the same time.
      const jitteredMs = pauseMs * (0.5 + Math.random() / 2);
      await delay(pauseAfter(error, jitteredMs, leftMs), undefined, { signal: interrupted }).catch(() => {});
      if (interrupted.aborted) throw error;
      onRetry();
    }
  }
}
