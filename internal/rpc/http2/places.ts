/**
 * Limits the requests in progress over all connections to `max`. A connection with fewer
 * than four may exceed `max`, up to twice `max` in total, so that a greedy connection does
 * not lock out the others.
 */

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

  /** Takes a place and returns true, if there is one. `own`: the requests that the connection has in progress. */
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
