/**
 * The newest position that a caller has written or read. A read that carries it as
 * its token never shows an older state, on any node. Clients of several nodes may
 * share one session.
 */
import type { Position } from '#gen/walnut/v1/types_pb.ts';

/** The bits of the nonce in an epoch; the term is above them. */
const NONCE_BITS = 32n;

export class Session {
  #token: Position | undefined;

  /** `token` continues an earlier session. */
  constructor(token?: Position) {
    this.#token = token;
  }

  /** The token, to store or to pass to another process; undefined before the first answer. */
  get token(): Position | undefined {
    return this.#token;
  }

  /** Moves the session to the position of an answer, if that is newer. */
  observe(position: Position | undefined): void {
    if (position === undefined || position.lsn === 0n) return;
    if (this.#token === undefined || isNewer(position, this.#token)) this.#token = position;
  }

  /**
   * Discards the position. Call it after DATA_LOSS, which means that the position
   * belongs to a discarded history, so that no node can ever include it again.
   */
  reset(): void {
    this.#token = undefined;
  }
}

function isNewer(one: Position, other: Position): boolean {
  const [term, otherTerm] = [one.epoch >> NONCE_BITS, other.epoch >> NONCE_BITS];
  return term === otherTerm ? one.lsn > other.lsn : term > otherTerm;
}
