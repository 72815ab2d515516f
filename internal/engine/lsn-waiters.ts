/**
 * Callers that wait until a rising LSN reaches theirs: for visibility,
 * durability or acks. Waiting is bounded by the caller's timeout and signal;
 * the number of waiters by the number of calls in flight.
 */
import type { Lsn } from '#model/position.ts';
import type { Clock } from '#platform/clock.ts';

interface Waiter {
  readonly lsn: Lsn;
  readonly finish: (isReached: boolean) => void;
}

export class LsnWaiters {
  readonly #clock: Clock;
  readonly #waiters = new Set<Waiter>();
  #lowestLsn = Number.POSITIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Resolves true when `advance` reaches `lsn`, false after `timeoutMs`, an abort or `release`. */
  wait(lsn: Lsn, timeoutMs: number, signal?: AbortSignal): Promise<boolean> {
    if (signal?.aborted === true || timeoutMs <= 0) return Promise.resolve(false);
    return new Promise((resolve) => {
      const finish = (isReached: boolean): void => {
        this.#waiters.delete(waiter);
        timer.cancel();
        signal?.removeEventListener('abort', abort);
        resolve(isReached);
      };
      const abort = (): void => finish(false);
      const waiter: Waiter = { lsn, finish };
      const timer = this.#clock.after(timeoutMs, abort);
      signal?.addEventListener('abort', abort, { once: true });
      this.#waiters.add(waiter);
      this.#lowestLsn = Math.min(this.#lowestLsn, lsn);
    });
  }

  get size(): number {
    return this.#waiters.size;
  }

  advance(lsn: Lsn): void {
    if (lsn < this.#lowestLsn) return;
    let lowest = Number.POSITIVE_INFINITY;
    for (const waiter of this.#waiters) {
      if (waiter.lsn <= lsn) waiter.finish(true);
      else lowest = Math.min(lowest, waiter.lsn);
    }
    this.#lowestLsn = lowest;
  }

  /** Ends all waits as not reached. Later waits last until their timeout, so that callers that try again do not spin. */
  release(): void {
    for (const waiter of this.#waiters) waiter.finish(false);
    this.#lowestLsn = Number.POSITIVE_INFINITY;
  }
}
