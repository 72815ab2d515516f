/**
 * Positions in the log. An LSN numbers records 1, 2, 3 …; an epoch identifies one
 * history; a position is both. All are plain numbers below 2^53; bigint appears only
 * in the wire room.
 */

declare const lsnBrand: unique symbol;

/** A log sequence number; 0 means "before the first record". */
export type Lsn = number & { readonly [lsnBrand]: 'Lsn' };

/** `term * 2^32 + nonce`: term in the high 21 bits, a random nonce in the low 32. 0 is "none". */
export type Epoch = number;

export interface Position {
  readonly epoch: Epoch;
  readonly lsn: Lsn;
  /** The id of the group of a cluster whose history the epoch is; undefined where it is not told, as in a plain group. */
  readonly group?: string | undefined;
}

/** A place in the log of one group of a cluster. */
export interface GroupPlace {
  /** The group's id. */
  readonly group: string;
  readonly position: Position;
}

/** One row of the epoch table: the history `epoch` begins at `firstLsn` (its EPOCH record). */
export interface EpochStart {
  readonly epoch: Epoch;
  readonly firstLsn: Lsn;
}

const NONCE_SPAN = 2 ** 32;
/** The highest term that an epoch can express (21 bits). */
export const TERM_MAX = 2 ** 21 - 1;

export const NO_LSN = 0 as Lsn;
export const NO_POSITION: Position = { epoch: 0, lsn: NO_LSN };

/** Brands a whole number 0 .. 2^53 - 1; throws RangeError on anything else. */
export function toLsn(value: number): Lsn {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`not an LSN: ${value}`);
  return value as Lsn;
}

export function nextLsn(lsn: Lsn): Lsn {
  return (lsn + 1) as Lsn;
}

/** Throws RangeError if the term does not fit 21 bits or the nonce 32. */
export function makeEpoch(term: number, nonce: number): Epoch {
  if (!Number.isInteger(term) || term < 0 || term > TERM_MAX) throw new RangeError(`not a term: ${term}`);
  if (!Number.isInteger(nonce) || nonce < 0 || nonce >= NONCE_SPAN)
    throw new RangeError(`not a nonce: ${nonce}`);
  return term * NONCE_SPAN + nonce;
}

export function termOf(epoch: Epoch): number {
  return Math.floor(epoch / NONCE_SPAN);
}

/** Formats as `epoch-lsn`, the form in ETags, headers and logs. */
export function formatPosition(position: Position): string {
  return `${position.epoch}-${position.lsn}`;
}

/** Parses `epoch-lsn`; undefined if the text does not have that form. */
export function parsePosition(text: string): Position | undefined {
  const match = /^(\d{1,16})-(\d{1,16})$/.exec(text);
  if (match === null) return undefined;
  const epoch = Number(match[1]);
  const lsn = Number(match[2]);
  if (!Number.isSafeInteger(epoch) || !Number.isSafeInteger(lsn)) return undefined;
  return { epoch, lsn: lsn as Lsn };
}

export function isSamePosition(a: Position, b: Position): boolean {
  return a.epoch === b.epoch && a.lsn === b.lsn;
}

/** True if a log that ends at `a` has more than one that ends at `b`: the higher term, then the higher LSN. */
export function isAhead(a: Position, b: Position): boolean {
  const [termA, termB] = [termOf(a.epoch), termOf(b.epoch)];
  return termA === termB ? a.lsn > b.lsn : termA > termB;
}
