/**
 * Reads and writes from bytes to bytes: many keys at a time, without a string, an
 * object or a promise for each. It is optional: whoever has it gets the same answers
 * sooner, and `KeyValuePort` serves everything without it.
 */
import type { Awaitable } from '#model/awaitable.ts';
import type { Freshness, WriteAnswer } from '#model/commands.ts';
import type { WalnutError } from '#model/errors.ts';
import type { Position } from '#model/position.ts';

export interface BulkPort {
  /** Throws `unavailable` where there is nothing to read. */
  moment(): ReadMoment;
  /** As a batch of them. Undefined, with nothing done: they must be made by `KeyValuePort.batch` after all. */
  sets(sets: PlainSets): Awaitable<SetsAnswer> | undefined;
}

/** What `EntryReads.find` gives for a key that is missing or expired. */
export const NOT_FOUND = -1;

/** Keys that one `EntryReads.prefetch` brings near: what they bring fits into a core's own cache. */
export const PREFETCH_KEYS = 64;

/**
 * The stored entries of one moment, by their keys as bytes, so that reading many
 * makes neither strings nor objects. Good until control goes back to the event loop.
 */
export interface EntryReads {
  /** As a Get does, counted as a hit or a miss: the number to ask the rest by, or `NOT_FOUND`. The key is UTF-8. */
  find(bytes: Buffer, keyOffset: number, keyBytes: number): number;
  /** Before keys from `from` on, to before `to`, are asked for: brings some of them near. Every `PREFETCH_KEYS`th is the next to ask this from. */
  prefetch(bytes: Buffer, offsets: Uint32Array, lengths: Uint16Array, from: number, to: number): void;
  valueBytesOf(found: number): number;
  expireAtMsOf(found: number): number;
  /** Of its version. */
  epochOf(found: number): number;
  lsnOf(found: number): number;
  /** Copies the value to `target`, whose bytes up to 3 behind it may change, where there are any. */
  copyValue(found: number, target: DataView<ArrayBuffer>, at: number): void;
}

/** How fresh the entries of one moment are. */
export interface ReadMoment extends Freshness {
  readonly entries: EntryReads;
  /** Whether they include a position; throws `discarded_history` where none ever will. */
  includes(position: Position): boolean;
}

/** The values of `PlainSets.expiries`: what `expiryMs` means. */
export const PLAIN_EXPIRY = { default: 0, ttl: 1, at: 2 } as const;

/**
 * Sets that ask for nothing but being visible, each as numbers that say where
 * it stands in `bytes`, so that many are made without strings and objects.
 * Keys and values are within their limits. Good until the next is read.
 */
export interface PlainSets {
  readonly bytes: Buffer;
  readonly count: number;
  readonly keyOffsets: Uint32Array;
  readonly keyBytes: Uint16Array;
  readonly valueOffsets: Uint32Array;
  readonly valueBytes: Uint32Array;
  /** Of `PLAIN_EXPIRY`. */
  readonly expiries: Uint8Array;
  readonly expiryMs: Float64Array;
}

export interface SetsAnswer {
  /** Of all that were made: they are one record. Undefined: none was. */
  readonly answer: WriteAnswer | undefined;
  /** Why others were not, by their numbers. */
  readonly refused: ReadonlyMap<number, WalnutError>;
}
