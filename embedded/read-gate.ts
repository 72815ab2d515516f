/** Refuses reads of an embedded node or replica that was closed or has failed. */
import { unavailable, WalnutError } from '#model/errors.ts';

export class ReadGate {
  readonly #what: 'node' | 'replica';
  #failure: Error | undefined;
  #isClosed = false;

  constructor(what: 'node' | 'replica') {
    this.#what = what;
  }

  /** The disk or the memory of this machine failed. Returns true the first time. */
  fail(error: Error): boolean {
    const isFirst = this.#failure === undefined;
    this.#failure ??= error;
    return isFirst;
  }

  close(): void {
    this.#isClosed = true;
  }

  /** Throws `storage_failed` after a failure, and `unavailable` after `close`. */
  check(): void {
    if (this.#failure !== undefined) {
      const message = `this ${this.#what} has failed: ${this.#failure.message}`;
      throw new WalnutError('storage_failed', message, { cause: this.#failure });
    }
    if (this.#isClosed) throw unavailable(`this ${this.#what} is closed`);
  }
}
