/**
 * The bounds of one outbound call: it ends with its answer, at its time limit,
 * when its caller gives up, or when the link closes, whichever comes first.
 */
import type { WalnutError } from '#model/errors.ts';
import { cancelledError, closedError, lateError, toPeerError } from '#peer/peer-errors.ts';
import type { Clock, Timer } from '#platform/clock.ts';
import type { CallOptions } from '#replication/peer-link.ts';

export interface CallGuard {
  /** Aborts when the call must end. */
  readonly signal: AbortSignal;
  /** Stops the time limit: something arrived. */
  pause(): void;
  /** The time limit begins anew. */
  resume(): void;
  /** What the caller is told of a failure; it depends on why the call ended. */
  explain(error: unknown): WalnutError;
  /** Frees the timer and the listeners; the call is over. */
  release(): void;
}

export interface CallGuardOptions extends CallOptions {
  readonly clock: Clock;
  readonly address: string;
  readonly closedSignal: AbortSignal;
}

export function createCallGuard(options: CallGuardOptions): CallGuard {
  const { clock, address, closedSignal, timeoutMs, signal } = options;
  const controller = new AbortController();
  let ended: WalnutError | undefined;
  let timer: Timer | undefined;
  const end = (error: WalnutError): void => {
    ended ??= error;
    controller.abort();
  };
  const onCancel = (): void => end(cancelledError(address));
  const onClosed = (): void => end(closedError(address));
  const arm = (): void => {
    timer?.cancel();
    timer = clock.after(timeoutMs, () => end(lateError(address, timeoutMs)));
  };
  signal?.addEventListener('abort', onCancel, { once: true });
  closedSignal.addEventListener('abort', onClosed, { once: true });
  if (closedSignal.aborted) onClosed();
  else if (signal?.aborted === true) onCancel();
  else arm();
  return {
    signal: controller.signal,
    pause: () => timer?.cancel(),
    resume: arm,
    explain: (error) => ended ?? toPeerError(error, address),
    release: () => {
      timer?.cancel();
      signal?.removeEventListener('abort', onCancel);
      closedSignal.removeEventListener('abort', onClosed);
    },
  };
}
