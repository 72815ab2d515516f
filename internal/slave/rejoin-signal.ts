/**
 * Wakes the follower's loop early: a push, an operator or a check asks it to
 * register again. A request while nobody waits is dropped: the loop checks the
 * state before each wait.
 */
import type { Clock } from '#platform/clock.ts';

export class RejoinSignal {
  readonly #clock: Clock;
  #wake: (() => void) | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  request(): void {
    this.#wake?.();
  }

  /** Resolves with true when someone requests to register again, with false after `ms`. */
  async wait(ms: number): Promise<boolean> {
    const wait = new AbortController();
    let isRequested = false;
    this.#wake = () => {
      isRequested = true;
      wait.abort();
    };
    await this.#clock.sleep(ms, wait.signal);
    this.#wake = undefined;
    return isRequested;
  }
}
