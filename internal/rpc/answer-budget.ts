/**
 * A bound on the bytes of answers that wait for peers to read them, over all
 * connections. Beyond the bound, the connection that has gone the longest without
 * progress ends, and the others go on. The last one left stays: the edge makes no
 * further answers for a connection with more than 1 MiB of them, so it waits with one
 * large answer at most, which could otherwise never be read on a small machine.
 */

/** Each turn's output counts for a moment; below this its buffer is a pooled one, which leaves no garbage. */
const LARGE_BYTES = 65_536;

/** A connection with answers that wait. */
export interface AnswerHolder {
  /** Ends the connection and drops its answers at once: afterwards none of them is in memory. */
  shed(): void;
}

export class AnswerBudget {
  readonly #bytesMax: number;
  readonly #onShed: () => void;
  readonly #onBytes: ((bytes: number) => void) | undefined;
  /** Those without progress for the longest come first. */
  readonly #held = new Map<AnswerHolder, number>();
  #bytes = 0;

  /** `onBytes`: called with the bytes of large answers that begin to wait. */
  constructor(bytesMax: number, onShed: () => void, onBytes?: (bytes: number) => void) {
    this.#bytesMax = bytesMax;
    this.#onShed = onShed;
    this.#onBytes = onBytes;
  }

  get heldBytes(): number {
    return this.#bytes;
  }

  /** Notes how many bytes of answers the connection has now. `hasMoved`: its peer has read some since the last call. */
  note(holder: AnswerHolder, bytes: number, hasMoved: boolean): void {
    const before = this.#held.get(holder);
    if (before === undefined && bytes === 0) return;
    this.#bytes += bytes - (before ?? 0);
    if (bytes === 0 || hasMoved) this.#held.delete(holder);
    if (bytes > 0) this.#held.set(holder, bytes);
    const grownBytes = bytes - (before ?? 0);
    if (grownBytes <= 0) return;
    if (grownBytes >= LARGE_BYTES) this.#onBytes?.(grownBytes);
    if (this.#bytes > this.#bytesMax) this.#relieve();
  }

  #relieve(): void {
    for (const [holder, bytes] of this.#held) {
      if (this.#bytes <= this.#bytesMax || this.#held.size === 1) return;
      // Taken out first, since shedding notes the same connection again.
      this.#held.delete(holder);
      this.#bytes -= bytes;
      this.#onShed();
      holder.shed();
    }
  }
}
