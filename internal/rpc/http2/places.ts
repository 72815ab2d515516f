/**
 * So many requests at once, over all connections. When all places are taken, a
 * connection that has few may still have some more of as many again: one that
 * takes all it can get does not keep the others out.
 */

/** Requests of a connection that is still let in then. */
const FEW = 4;

export class Places {
  readonly #max: number;
  #taken = 0;

  constructor(max: number) {
    this.#max = max;
  }

  get taken(): number {
    return this.#taken;
  }

  /** `own`: how many the connection has. */
  tryEnter(own: number): boolean {
    const max = own < FEW ? 2 * this.#max : this.#max;
    if (this.#taken >= max) return false;
    this.#taken++;
    return true;
  }

  leave(): void {
    this.#taken--;
  }
}
