/**
 * Attempts at the master that may take long, by the caller's wish or since shorter ones were
 * late. A master that hangs would keep them to the end of their time, so they are ended as
 * soon as another node leads, and are repeated there.
 */
import { EndedAttempt, type Failure } from '#routing/failure.ts';
import type { Attempt } from '#routing/router.ts';

/** What is known of an attempt that was ended here. */
export const ENDED: Failure = { outcome: 'unknown', remedy: 'ended' };

interface Running {
  readonly address: string;
  readonly aborter: AbortController;
}

export class LongAttempts<L> {
  readonly #running = new Set<Running>();

  /** Rejects like `work`, or by an error that `isEnded` knows. */
  async run<T>(attempt: Attempt<L>, work: (attempt: Attempt<L>) => Promise<T>): Promise<T> {
    const { address, signal } = attempt;
    const aborter = new AbortController();
    const onAbort = (): void => aborter.abort(signal?.reason);
    if (signal?.aborted === true) onAbort();
    else signal?.addEventListener('abort', onAbort, { once: true });
    const running = { address, aborter };
    this.#running.add(running);
    try {
      return await work({ ...attempt, signal: aborter.signal });
    } catch (error) {
      throw isEnded(aborter.signal.reason) ? aborter.signal.reason : error;
    } finally {
      this.#running.delete(running);
      signal?.removeEventListener('abort', onAbort);
    }
  }

  /** Ends the attempts at all other nodes than this one, which leads now. */
  endOthers(leader: string): void {
    for (const { address, aborter } of this.#running)
      if (address !== leader) aborter.abort(new EndedError(address));
  }
}

class EndedError extends EndedAttempt {
  constructor(address: string) {
    super(`${address} did not answer until another node led the group`);
  }
}

export function isEnded(error: unknown): boolean {
  return error instanceof EndedError;
}
