/**
 * Time for a load: what time it is, and waiting for one. Timers of Node are up to 1 ms late,
 * which is more than a call takes, so the last moments of a wait are spent looking at the
 * clock, a turn of the event loop after the other.
 */
import { setTimeout as delay } from 'node:timers/promises';

export interface Pace {
  /** Monotonic milliseconds with fractions. */
  nowMs(): number;
  /** Resolves at the given time, or soon after `signal` aborts. */
  until(timeMs: number, signal: AbortSignal): Promise<void>;
}

/** A timer may be so late. */
const TIMER_LATE_MS = 2;

export class RealPace implements Pace {
  /** The turn that all who look at the clock wait for. */
  #turn: Promise<void> | undefined;
  #watchedMs = 0;
  #worked = 0;

  nowMs(): number {
    return performance.now();
  }

  /** To be called at each answer: it marks the turns of the event loop in which something was done. */
  worked(): void {
    this.#worked++;
  }

  /** How long nothing was done but looking at the clock, in milliseconds. */
  get watchedMs(): number {
    return this.#watchedMs;
  }

  async until(timeMs: number, signal: AbortSignal): Promise<void> {
    const restMs = Math.floor(timeMs - this.nowMs() - TIMER_LATE_MS);
    if (restMs >= 1) await delay(restMs, undefined, { signal }).catch(() => undefined);
    while (this.nowMs() < timeMs && !signal.aborted) await this.#nextTurn();
  }

  #nextTurn(): Promise<void> {
    if (this.#turn !== undefined) return this.#turn;
    const startMs = this.nowMs();
    const workedBefore = this.#worked;
    this.#turn = new Promise((resolve) => {
      setImmediate(() => {
        this.#turn = undefined;
        if (this.#worked === workedBefore) this.#watchedMs += this.nowMs() - startMs;
        resolve();
      });
    });
    return this.#turn;
  }
}
