/**
 * The newest position that a caller has written or read. A read that carries it as
 * its token never shows an older state, on any node. Clients of several nodes may
 * share one session, and a session can go to another process as a text.
 */
import { create } from '@bufbuild/protobuf';
import { type Position, PositionSchema } from '#gen/walnut/v1/types_pb.ts';
import { invalid } from './failures.ts';

/** The bits of the nonce in an epoch; the term is above them. */
const NONCE_BITS = 32n;
/** Every number of a position is below. */
const NUMBER_END = 2n ** 53n;
/** What the text of a session begins with: its version. Later versions may have more after it. */
const VERSION = 's1';
const TEXT = /^s1(?:\.(\d{1,16})-(\d{1,16}))?$/;

export class Session {
  #token: Position | undefined;
  /** What reads must show: the newest write, and what was brought along. */
  #required: Position | undefined;

  /** `token` continues an earlier session. */
  constructor(token?: Position) {
    this.#token = token;
    this.#required = token;
  }

  /**
   * Continues the session that `toString` gave, maybe in another process. Throws
   * INVALID_ARGUMENT for any other text: it may come from a cookie that somebody made up.
   * A made-up position can make reads fail, and shows nothing that its caller may not read.
   */
  static from(text: string): Session {
    const [whole, epoch, lsn] = TEXT.exec(text) ?? [];
    if (whole === undefined) throw badText(text);
    if (epoch === undefined || lsn === undefined) return new Session();
    const position = create(PositionSchema, { epoch: BigInt(epoch), lsn: BigInt(lsn) });
    if (position.lsn === 0n || position.epoch >= NUMBER_END || position.lsn >= NUMBER_END)
      throw badText(text);
    return new Session(position);
  }

  /** At most 40 characters, which are safe in cookies, headers and URLs. */
  toString(): string {
    return this.#token === undefined ? VERSION : `${VERSION}.${this.#token.epoch}-${this.#token.lsn}`;
  }

  toJSON(): string {
    return this.toString();
  }

  /** The token, to store or to pass to another process; undefined before the first answer. */
  get token(): Position | undefined {
    return this.#token;
  }

  /**
   * The position of the newest write, or of the session that this one continues or has
   * joined. Reads of other keys do not move it, so that answers which are allowed to be
   * somewhat old (`NearCache`) need not include them.
   */
  get required(): Position | undefined {
    return this.#required;
  }

  /** Moves the session to the position of an answer to a read, if that is newer. */
  observe(position: Position | undefined): void {
    this.#token = newer(this.#token, position);
  }

  /** Moves the session to the position of a write, if that is newer. */
  observeWrite(position: Position | undefined): void {
    this.observe(position);
    this.#required = newer(this.#required, position);
  }

  /** Moves the session to where another one is, if that is newer. */
  join(other: Session): void {
    this.observeWrite(other.token);
  }

  /**
   * Discards the position. A client does so itself after DATA_LOSS, which means that the
   * position belongs to a discarded history, so that no node can ever include it again.
   */
  reset(): void {
    this.#token = undefined;
    this.#required = undefined;
  }
}

function badText(text: string): Error {
  const shown = JSON.stringify(text.slice(0, 40));
  return invalid(`${shown} is no session: expected what toString gave, such as s1.4294967297-12`);
}

function newer(known: Position | undefined, position: Position | undefined): Position | undefined {
  if (position === undefined || position.lsn === 0n) return known;
  return known === undefined || isNewer(position, known) ? position : known;
}

/** True if `one` is of a higher term, or later in the same. */
export function isNewer(one: Position, other: Position): boolean {
  const [term, otherTerm] = [one.epoch >> NONCE_BITS, other.epoch >> NONCE_BITS];
  return term === otherTerm ? one.lsn > other.lsn : term > otherTerm;
}
