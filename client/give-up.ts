/** Calls that their callers give up before anything of them is sent. */
import { givenUp } from './failures.ts';

/** `isSent`: from then on the call itself says what became of it. */
export interface Sending {
  isSent: boolean;
}

/** The result, unless the signal aborts before it is sent: then it rejects at once, of a call that did nothing. */
export function orGivenUp<T>(
  result: Promise<T>,
  signal: AbortSignal | undefined,
  sending: Readonly<Sending> = { isSent: false },
): Promise<T> {
  if (signal === undefined) return result;
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      if (!sending.isSent) reject(givenUp('not_done'));
    };
    result.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
}
