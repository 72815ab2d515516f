/**
 * Closes what a composition root has opened, in reverse order. Every closer runs,
 * even if others failed; their errors are thrown together at the end. A second call
 * of `close` returns the promise of the first.
 */

type Closer = () => void | Promise<void>;

export class CloserStack {
  readonly #closers: { readonly name: string; readonly close: Closer }[] = [];
  #closing: Promise<void> | undefined;

  /** Adds a closer for `name`. Throws if closing has begun, because nothing would call it. */
  push(name: string, close: Closer): void {
    if (this.#closing !== undefined) throw new Error(`cannot open ${name}: already closing`);
    this.#closers.push({ name, close });
  }

  /** Runs all closers. Rejects with an `AggregateError` if some failed; each error names its closer. */
  close(): Promise<void> {
    this.#closing ??= this.#closeAll();
    return this.#closing;
  }

  async #closeAll(): Promise<void> {
    const errors: Error[] = [];
    for (const { name, close } of this.#closers.splice(0).reverse()) {
      try {
        await close();
      } catch (error) {
        errors.push(new Error(`cannot close ${name}: ${String(error)}`, { cause: error }));
      }
    }
    if (errors.length > 0) {
      throw new AggregateError(errors, errors.map((error) => error.message).join('; '));
    }
  }
}
