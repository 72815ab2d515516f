/**
 * A signal for work of which a part is worth an answer: it aborts shortly before the time of its
 * caller is over, while the answer still arrives.
 */
import { WalnutError } from '#model/errors.ts';
import type { Clock } from '#platform/clock.ts';

/** A part of the time, and so long at least and at most, milliseconds. */
const MARGIN_PART = 0.05;
const MARGIN_MS_MIN = 10;
const MARGIN_MS_MAX = 50;

/** Aborts with `signal`, and before `leftMs` are over by a reason that `isDeadlineNear` knows. `signal` has to abort when the call is over. */
export function earlySignal(signal: AbortSignal, leftMs: number | undefined, clock: Clock): AbortSignal {
  if (leftMs === undefined || signal.aborted) return signal;
  const early = new AbortController();
  const timer = clock.after(Math.max(0, leftMs - marginOf(leftMs)), () =>
    early.abort(new WalnutError('deadline_exceeded', 'the time of the caller is nearly over')),
  );
  const end = (): void => {
    timer.cancel();
    early.abort(signal.reason);
  };
  signal.addEventListener('abort', end, { once: true });
  return early.signal;
}

/** True if `earlySignal` ended the work, which can still be answered. */
export function isDeadlineNear(signal: AbortSignal | undefined): boolean {
  const reason: unknown = signal?.aborted === true ? signal.reason : undefined;
  return reason instanceof WalnutError && reason.code === 'deadline_exceeded';
}

/** How long before the end there is to be an answer; half of what is left where that is little. */
export function marginOf(leftMs: number): number {
  const marginMs = Math.min(MARGIN_MS_MAX, Math.max(MARGIN_MS_MIN, leftMs * MARGIN_PART));
  return Math.min(leftMs / 2, marginMs);
}
