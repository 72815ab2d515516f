/**
 * What a composition root has opened, closed in reverse order. Every closer
 * runs, whatever the ones before it did; their errors are thrown together at
 * the end. Closing twice is closing once.
 */

type Closer = () => void | Promise<void>;

export class CloserStack {
  readonly #closers: { readonly name: string; readonly close: Closer }[] = [];
  #closing: Promise<void> | undefined;

  /** Remembers how to close `name`. Throws where closing has begun: nobody would call it. */
  push(name: string, close: Closer): void {
    if (this.#closing !== undefined) throw new Error(`cannot open ${name}: already closing`);
    this.#closers.push({ name, close });
  }

  /** Rejects with an `AggregateError` of what failed, each error naming its closer. */
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
