/**
 * Iterations of a client: watches and scans. One ends at once where its caller ends it, also while it
 * waits for what comes next, which an `async` generator does not. Signals need only have what
 * `AbortSignal` has; what is iterated gets one of this platform.
 */

/** An iteration is over: with an error, or because it gave all or was ended. */
export type OnEnd = (failed?: { error: unknown }) => void;

export interface IterationOptions<T> {
  /** Called with the first `next`. Ends without an error when the signal aborts, or throws anything. */
  readonly open: (ends: AbortSignal) => AsyncIterable<T>;
  /** Each ends the iteration. */
  readonly signals: readonly (AbortSignal | undefined)[];
  /** Called with the first `next`; what it gives is called once, at the end. */
  readonly begin?: () => OnEnd;
}

export class Iteration<T> implements AsyncGenerator<T, void, undefined> {
  readonly #options: IterationOptions<T>;
  readonly #over = new AbortController();
  #source: AsyncIterator<T> | undefined;
  #onEnd: OnEnd | undefined;
  /** Its caller has ended it, so that what is thrown then is no error of it. */
  #isReturned = false;

  constructor(options: IterationOptions<T>) {
    this.#options = options;
  }

  async next(): Promise<IteratorResult<T, void>> {
    if (this.#isReturned) return DONE;
    try {
      this.#source ??= this.#begin();
      const result = await this.#source.next();
      if (result.done !== true) return this.#isReturned ? DONE : result;
      this.#end();
      return DONE;
    } catch (error) {
      const isEnded = this.#isReturned;
      this.#end(isEnded ? undefined : { error });
      if (isEnded) return DONE;
      throw error;
    }
  }

  async return(): Promise<IteratorResult<T, void>> {
    this.#isReturned = true;
    this.#over.abort();
    this.#end();
    // It ends by itself now; its caller need not wait for that.
    this.#source?.return?.().catch(() => undefined);
    return DONE;
  }

  async throw(error: unknown): Promise<IteratorResult<T, void>> {
    await this.return();
    throw error;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  #begin(): AsyncIterator<T> {
    this.#onEnd = this.#options.begin?.();
    for (const signal of this.#options.signals) {
      if (signal?.aborted === true) this.#over.abort();
      else signal?.addEventListener('abort', this.#onAbort, { once: true });
    }
    return this.#options.open(this.#over.signal)[Symbol.asyncIterator]();
  }

  #end(failed?: { error: unknown }): void {
    for (const signal of this.#options.signals) signal?.removeEventListener('abort', this.#onAbort);
    const onEnd = this.#onEnd;
    this.#onEnd = undefined;
    onEnd?.(failed);
  }

  readonly #onAbort = (): void => this.#over.abort();
}

const DONE = { done: true, value: undefined } as const;
