/**
 * A bound on the bytes of request bodies that are in memory at once, over all
 * connections: without it, many large bodies sent slowly would grow the process
 * without limit, and nobody has to authenticate for that.
 *
 * A body that was admitted can be received to its end: otherwise bodies that are
 * each half received would refuse each other, and none would be whole. So a body
 * of known length is admitted as a whole or not at all. Among those of
 * unknown length the oldest may always grow. So the bytes in memory are at most the
 * budget, or the one body that is larger than it, and one body more.
 */
import { WalnutError } from '#model/errors.ts';

/** Both ways throw `resource_exhausted` where there is no room, and give everything back. */
export interface BodyReservation {
  /** Takes room for a body of known length, before it is read. */
  admit(bytes: number): void;
  /** Takes room for further bytes of a body whose length is not known. */
  grow(bytes: number): void;
  /** Gives everything back; calling it twice does nothing. */
  release(): void;
}

export interface BodyBudget {
  reserve(): BodyReservation;
  heldBytes(): number;
}

/** The room is held for as long as a body takes: a moment, or until a slow sender is done. */
const RETRY_AFTER_S = 1;

/** `onBytes`: told the bytes that were admitted. */
export function createBodyBudget(bytesMax: number, onBytes?: (bytes: number) => void): BodyBudget {
  const ledger: Ledger = { bytesMax, onBytes, held: 0, growing: new Set() };
  return { heldBytes: () => ledger.held, reserve: () => new Reservation(ledger) };
}

interface Ledger {
  readonly bytesMax: number;
  readonly onBytes: ((bytes: number) => void) | undefined;
  held: number;
  /** Those that grew, in the order in which they began to, until they are released. */
  readonly growing: Set<Reservation>;
}

class Reservation implements BodyReservation {
  readonly #ledger: Ledger;
  #counted = 0;
  #isReleased = false;

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }

  admit(bytes: number): void {
    this.#take(bytes, false);
  }

  grow(bytes: number): void {
    const { growing } = this.#ledger;
    const [oldest = this] = growing;
    this.#take(bytes, oldest === this && this.#counted > 0);
    if (this.#counted > 0) growing.add(this);
  }

  /** A callback by itself. */
  readonly release = (): void => {
    this.#isReleased = true;
    this.#ledger.held -= this.#counted;
    this.#counted = 0;
    this.#ledger.growing.delete(this);
  };

  #take(bytes: number, isEntitled: boolean): void {
    const ledger = this.#ledger;
    // What came after the release would never be given back, so it counts as nothing.
    if (this.#isReleased || bytes === 0) return;
    // One alone may be larger than the budget: refused, it could never be sent.
    const isAlone = ledger.held === this.#counted;
    if (ledger.held + bytes > ledger.bytesMax && !isAlone && !isEntitled) {
      const refusal = shortage(ledger);
      this.release();
      throw refusal;
    }
    ledger.held += bytes;
    this.#counted += bytes;
    ledger.onBytes?.(bytes);
  }
}

function shortage({ held, bytesMax }: Ledger): WalnutError {
  return new WalnutError(
    'resource_exhausted',
    `request bodies of ${held} bytes are being received already, at most ${bytesMax} at once: try again`,
    { retryAfterS: RETRY_AFTER_S, nothingDone: true },
  );
}
