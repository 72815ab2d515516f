/**
 * What a caller has seen: the newest position of its writes and reads. Reads
 * that carry it never show an older state, on whichever node. Clients of several
 * nodes may share one.
 */
import type { Position } from '#gen/walnut/v1/types_pb.ts';

/** An epoch is term and nonce; the term has the bits above these. */
const NONCE_BITS = 32n;

export class Session {
  #token: Position | undefined;

  /** `token`: of an earlier session. */
  constructor(token?: Position) {
    this.#token = token;
  }

  /** To be kept, or handed to another process; undefined where nothing was seen yet. */
  get token(): Position | undefined {
    return this.#token;
  }

  /** Takes what an answer tells, where it is newer. */
  observe(position: Position | undefined): void {
    if (position === undefined || position.lsn === 0n) return;
    if (this.#token === undefined || isNewer(position, this.#token)) this.#token = position;
  }

  /**
   * Forgets everything: after DATA_LOSS, which says that what was seen belongs to
   * a history that was discarded, so that no node can ever show it again.
   */
  reset(): void {
    this.#token = undefined;
  }
}

function isNewer(one: Position, other: Position): boolean {
  const [term, otherTerm] = [one.epoch >> NONCE_BITS, other.epoch >> NONCE_BITS];
  return term === otherTerm ? one.lsn > other.lsn : term > otherTerm;
}
