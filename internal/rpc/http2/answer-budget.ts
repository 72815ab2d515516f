/**
 * A bound on the bytes of answers that wait for peers to read them, over all
 * connections. Whoever reads nothing holds its answers: past the bound the
 * connection that has gone the longest without progress ends, and the others go on.
 */

/** A connection with answers that wait. */
export interface AnswerHolder {
  /** Ends it, and drops what waits at once: it then holds nothing. */
  shed(): void;
}

export class AnswerBudget {
  readonly #bytesMax: number;
  readonly #onShed: () => void;
  /** Those without progress for the longest come first. */
  readonly #held = new Map<AnswerHolder, number>();
  #bytes = 0;

  constructor(bytesMax: number, onShed: () => void) {
    this.#bytesMax = bytesMax;
    this.#onShed = onShed;
  }

  get heldBytes(): number {
    return this.#bytes;
  }

  /** The connection holds so many bytes now; `hasMoved`: its peer took some since it was last told. */
  note(holder: AnswerHolder, bytes: number, hasMoved: boolean): void {
    const before = this.#held.get(holder);
    if (before === undefined && bytes === 0) return;
    this.#bytes += bytes - (before ?? 0);
    if (bytes === 0 || hasMoved) this.#held.delete(holder);
    if (bytes > 0) this.#held.set(holder, bytes);
    if (bytes > (before ?? 0) && this.#bytes > this.#bytesMax) this.#relieve();
  }

  #relieve(): void {
    for (const [holder, bytes] of this.#held) {
      if (this.#bytes <= this.#bytesMax) return;
      // Taken out first: shedding tells of itself again.
      this.#held.delete(holder);
      this.#bytes -= bytes;
      this.#onShed();
      holder.shed();
    }
  }
}
