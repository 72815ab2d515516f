/**
 * One check for everybody who asked before it began. A caller never gets the result of
 * a check that had begun when it asked, because that one may not have seen what the
 * caller wants to know.
 */
export class SharedCheck<T> {
  readonly #check: () => Promise<T>;
  #running: Promise<T> | undefined;
  /** The check after the one that runs. */
  #next: Promise<T> | undefined;

  constructor(check: () => Promise<T>) {
    this.#check = check;
  }

  /** The result of a check that begins after this call. Rejects if that check does. */
  ask(): Promise<T> {
    if (this.#running === undefined) return this.#begin();
    this.#next ??= this.#running.then(
      () => this.#begin(),
      () => this.#begin(),
    );
    return this.#next;
  }

  #begin(): Promise<T> {
    this.#next = undefined;
    const running = this.#check().finally(() => {
      if (this.#running === running) this.#running = undefined;
    });
    this.#running = running;
    return running;
  }
}
