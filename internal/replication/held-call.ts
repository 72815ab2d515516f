/**
 * A call that is held until there is something to answer: not before `untilMs`, and at
 * the latest `forMs` after that. One timer at a time, and nothing is queued.
 */
import { WalnutError } from '#model/errors.ts';
import type { Clock, Timer } from '#platform/clock.ts';

export interface HeldCallOptions {
  readonly clock: Clock;
  /** Monotonic time before which nothing is answered. */
  readonly untilMs: number;
  readonly forMs: number;
  /** True if there is something to answer. */
  readonly isDue: () => boolean;
  /** Aborts when the caller has gone. */
  readonly signal: AbortSignal;
}

export class HeldCall {
  /** Resolves when it is time to answer; rejects with the error of `end`, and with `cancelled`. */
  readonly over: Promise<void>;
  readonly #options: HeldCallOptions;
  #settle: ((error?: WalnutError) => void) | undefined;
  #timer: Timer | undefined;
  #isPaced = false;

  constructor(options: HeldCallOptions) {
    this.#options = options;
    const { clock, untilMs, signal } = options;
    this.over = new Promise((resolve, reject) => {
      this.#settle = (error) => (error === undefined ? resolve() : reject(error));
    });
    const waitMs = untilMs - clock.monotonicMs();
    signal.addEventListener('abort', this.#onAbort, { once: true });
    if (signal.aborted) this.#onAbort();
    else if (waitMs > 0) this.#timer = clock.after(waitMs, () => this.#paced());
    else this.#paced();
  }

  #paced(): void {
    this.#isPaced = true;
    const { clock, forMs, isDue } = this.#options;
    if (isDue()) this.end();
    else this.#timer = clock.after(forMs, () => this.end());
  }

  /** Answers now if there is something to answer, and it is not too early. */
  look(): void {
    if (this.#isPaced && this.#options.isDue()) this.end();
  }

  /** Only the first time counts. `error`: the call fails with it. */
  end(error?: WalnutError): void {
    const settle = this.#settle;
    if (settle === undefined) return;
    this.#settle = undefined;
    this.#timer?.cancel();
    this.#options.signal.removeEventListener('abort', this.#onAbort);
    settle(error);
  }

  readonly #onAbort = (): void => this.end(new WalnutError('cancelled', 'the observer has gone'));
}
