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
 *
 * One caller, who may send slowly or never end, cannot keep the others from writing: all
 * bodies of a caller together have at most eight times the room that is left. So one caller has
 * at most eight ninths of the budget, two have eight seventeenths each, and something is always
 * left for the next. Two bodies are not held to that: the only one there is, which could never be
 * sent otherwise, and a first one of a caller that is small, which is to find room beside others.
 */
import { WalnutError } from '#model/errors.ts';
import { type BodyCaller, ownerOf } from '#rpc/body-caller.ts';

/** Which room was full: that of all bodies, or that of the bodies of one caller. */
export type NoRoom = 'all' | 'caller';

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
  reserve(caller: BodyCaller): BodyReservation;
  heldBytes(): number;
}

/** The room is held for as long as a body takes: a moment, or until a slow sender is done. */
const RETRY_AFTER_S = 1;

/** All bodies of a caller may have so many times the room that is left. */
const SHARE = 8;
/** A body is small up to this part of the budget: as much as one caller leaves to the others. */
const SMALL_PART = 1 / (SHARE + 1);

export interface BodyBudgetEvents {
  /** So many bytes were admitted. */
  readonly onBytes?: ((bytes: number) => void) | undefined;
  /** A body was refused. */
  readonly onRefused?: ((noRoom: NoRoom) => void) | undefined;
}

export function createBodyBudget(bytesMax: number, events: BodyBudgetEvents = {}): BodyBudget {
  const ledger: Ledger = { bytesMax, events, held: 0, shares: new Map(), growing: new Set() };
  return { heldBytes: () => ledger.held, reserve: (caller) => new Reservation(ledger, caller) };
}

/** The bytes of all bodies of one caller. */
interface Share {
  readonly owner: string;
  held: number;
}

interface Ledger {
  readonly bytesMax: number;
  readonly events: BodyBudgetEvents;
  held: number;
  /** Callers without a body under way are not in it. */
  readonly shares: Map<string, Share>;
  /** Bodies that grew, in the order in which they began to grow, until they are released. */
  readonly growing: Set<Reservation>;
}

class Reservation implements BodyReservation {
  readonly #ledger: Ledger;
  readonly #caller: BodyCaller;
  #share: Share | undefined;
  #counted = 0;
  #isReleased = false;

  constructor(ledger: Ledger, caller: BodyCaller) {
    this.#ledger = ledger;
    this.#caller = caller;
  }

  admit(bytes: number): void {
    this.#take(bytes, false);
  }

  grow(bytes: number): void {
    const { growing } = this.#ledger;
    const [oldest] = growing;
    // Where nobody grew before, one that was admitted is the first: it expands.
    const isOldest = oldest === undefined || oldest === this;
    this.#take(bytes, isOldest && this.#counted > 0);
    if (this.#counted > 0) growing.add(this);
  }

  /** A callback by itself. */
  readonly release = (): void => {
    this.#isReleased = true;
    const { shares, growing } = this.#ledger;
    this.#ledger.held -= this.#counted;
    if (this.#share !== undefined) {
      this.#share.held -= this.#counted;
      if (this.#share.held === 0) shares.delete(this.#share.owner);
    }
    this.#counted = 0;
    growing.delete(this);
  };

  #take(bytes: number, isEntitled: boolean): void {
    const ledger = this.#ledger;
    // What came after the release would never be given back, so it counts as nothing.
    if (this.#isReleased || bytes === 0) return;
    const share = this.#share ?? shareOf(ledger, this.#caller);
    const noRoom = isEntitled ? undefined : this.#lacks(bytes, share);
    if (noRoom !== undefined) {
      const refusal = shortage(ledger, noRoom, share, bytes);
      this.release();
      ledger.events.onRefused?.(noRoom);
      throw refusal;
    }
    this.#share = share;
    ledger.shares.set(share.owner, share);
    share.held += bytes;
    ledger.held += bytes;
    this.#counted += bytes;
    ledger.events.onBytes?.(bytes);
  }

  #lacks(bytes: number, share: Share): NoRoom | undefined {
    const { held, bytesMax } = this.#ledger;
    const isOnly = held === this.#counted;
    // It may even be larger than the budget.
    if (isOnly) return undefined;
    const left = bytesMax - held - bytes;
    if (left < 0) return 'all';
    const ofCaller = share.held + bytes;
    const isSmallFirst = share.held === this.#counted && ofCaller <= SMALL_PART * bytesMax;
    return isSmallFirst || ofCaller <= SHARE * left ? undefined : 'caller';
  }
}

function shareOf({ shares }: Ledger, caller: BodyCaller): Share {
  const owner = ownerOf(caller);
  return shares.get(owner) ?? { owner, held: 0 };
}

function shortage({ held, bytesMax }: Ledger, noRoom: NoRoom, share: Share, bytes: number): WalnutError {
  const message =
    noRoom === 'all'
      ? `request bodies of ${held} bytes are being received already, at most ${bytesMax} at once: try again`
      : `request bodies of this caller with ${share.held} bytes are being received already, and ${bytes} more ` +
        `would leave too little of ${bytesMax} for others: send fewer at once, or try again`;
  return new WalnutError('resource_exhausted', message, { retryAfterS: RETRY_AFTER_S, nothingDone: true });
}
