/**
 * Tells those who read through a cache how long they need not wait for it. The cache is silent from the
 * moment at which the oldest call without an answer was made until any call is answered; one that
 * failed as UNAVAILABLE or DEADLINE_EXCEEDED was not. What one caller waited for no other waits for
 * again: a caller goes on without the cache once that is silent for as long as the caller bears,
 * also where another one found it out. One call at a time asks meanwhile, beside its caller, and the first answer
 * ends it all. There are no timers of its own: without calls nothing is asked.
 */
import { Code } from '@connectrpc/connect';
import type { Clock, Timer } from '#platform/clock.ts';
import type { Random } from '#platform/random.ts';
import { tellOutage } from './diagnostics.ts';
import { CallError, isUnreadable } from './failures.ts';
import type { Plan } from './load-plan.ts';

const RANDOM_END = 2 ** 32;

/** How long a caller bears a silent cache: two options of `getOrSet`. */
export type Patience = Pick<Plan, 'loadAfterMs' | 'probeEveryMs'>;

export class Breaker {
  readonly #clock: Clock;
  readonly #random: Random;
  /** Calls without an answer. */
  #underWay = 0;
  #silentSinceMs: number | undefined;
  /** A call failed without an answer, and none was answered since it was made. */
  #failedAtMs: number | undefined;
  /** From half to all of the pause until the next probe: this part, so that processes do not ask together. */
  #pausePart = 1;
  #answeredAtMs = Number.NEGATIVE_INFINITY;
  /** A caller went on without the cache since the last answer. */
  #isPassed = false;

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  /** True if the caller need not ask. */
  isOpen({ loadAfterMs, probeEveryMs }: Patience): boolean {
    if (loadAfterMs === Number.POSITIVE_INFINITY || probeEveryMs === 0) return false;
    // Calls of one moment do not make the cache silent for each other.
    return this.#failedAtMs !== undefined || this.#silentMs() >= Math.max(loadAfterMs, 1);
  }

  /** The result of a call that waits for nothing but the cache. */
  async ask<T>(call: () => Promise<T>): Promise<T> {
    const askedAtMs = this.#clock.monotonicMs();
    this.#silentSinceMs ??= askedAtMs;
    this.#underWay++;
    try {
      const answer = await call();
      this.#onAnswer();
      return answer;
    } catch (error) {
      if (isUnreadable(error)) this.#onFailure(askedAtMs);
      else if (isAnswer(error)) this.#onAnswer();
      else this.#onGivenUp();
      throw error;
    } finally {
      this.#underWay--;
    }
  }

  /** Like `ask`, but undefined once the cache is silent for too long: then `onSilence` is called, and the call goes on. */
  askUpTo<T>(call: () => Promise<T>, patience: Patience, onSilence: () => void): Promise<T | undefined> {
    const sinceMs = this.#clock.monotonicMs();
    const asked = this.ask(call);
    if (patience.loadAfterMs === Number.POSITIVE_INFINITY) return asked;
    return new Promise((resolve, reject) => {
      const arm = (): Timer => this.#clock.after(Math.max(0, this.#leftMs(patience, sinceMs)), look);
      const look = (): void => {
        if (this.#leftMs(patience, sinceMs) > 0) {
          timer = arm();
          return;
        }
        onSilence();
        resolve(undefined);
      };
      let timer = arm();
      asked.then(resolve, reject).finally(() => timer.cancel());
    });
  }

  /** Like `ask`, where no call is under way and the pause since the last failure is over; else does nothing. */
  async probe(call: () => Promise<unknown>, { probeEveryMs }: Patience): Promise<void> {
    const pausedMs = this.#clock.monotonicMs() - (this.#failedAtMs ?? Number.NEGATIVE_INFINITY);
    if (this.#underWay === 0 && pausedMs >= probeEveryMs * this.#pausePart) await this.ask(call);
  }

  /** A value is loaded without the cache. */
  onPassed(): void {
    const silentMs = this.#silentMs();
    if (!this.#isPassed) tellOutage({ phase: 'begin', silentMs });
    this.#isPassed = true;
    tellOutage({ phase: 'load', silentMs });
  }

  /** How long a caller that has waited since `sinceMs` still bears it. */
  #leftMs({ loadAfterMs, probeEveryMs }: Patience, sinceMs: number): number {
    const isShared = probeEveryMs > 0;
    if (isShared && this.#failedAtMs !== undefined) return 0;
    const beganMs = isShared ? Math.min(sinceMs, this.#silentSinceMs ?? sinceMs) : sinceMs;
    return loadAfterMs - (this.#clock.monotonicMs() - beganMs);
  }

  #silentMs(): number {
    return this.#silentSinceMs === undefined ? 0 : this.#clock.monotonicMs() - this.#silentSinceMs;
  }

  #onAnswer(): void {
    if (this.#isPassed) tellOutage({ phase: 'end', silentMs: this.#silentMs() });
    this.#isPassed = false;
    this.#failedAtMs = undefined;
    this.#answeredAtMs = this.#clock.monotonicMs();
    this.#silentSinceMs = this.#underWay > 1 ? this.#answeredAtMs : undefined;
  }

  /** A failure of what was asked before the last answer says nothing of the cache. */
  #onFailure(askedAtMs: number): void {
    if (askedAtMs < this.#answeredAtMs) {
      this.#onGivenUp();
      return;
    }
    this.#failedAtMs = this.#clock.monotonicMs();
    this.#pausePart = 1 - this.#random.uint32() / RANDOM_END / 2;
  }

  /** Silence that nobody waits through is none. */
  #onGivenUp(): void {
    if (this.#underWay === 1 && this.#failedAtMs === undefined) this.#silentSinceMs = undefined;
  }
}

/** A node refused the call; what was not sent, or given up, was no answer. */
function isAnswer(error: unknown): boolean {
  return error instanceof CallError && error.attempts > 0 && error.code !== Code.Canceled;
}
