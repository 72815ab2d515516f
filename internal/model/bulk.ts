/**
 * Reads and writes of many keys at a time, as bytes: no key takes a string, an
 * object or a promise. The port is optional: `KeyValuePort` gives the same answers
 * to every call, only more slowly.
 */
import type { Awaitable } from '#model/awaitable.ts';
import type {
  DeleteCommand,
  Freshness,
  IncrementAnswer,
  IncrementCommand,
  SetCommand,
  TouchAnswer,
  TouchCommand,
  WriteAnswer,
} from '#model/commands.ts';
import type { Entry } from '#model/entry.ts';
import type { WalnutError } from '#model/errors.ts';
import type { Soon } from '#model/later.ts';
import type { Position } from '#model/position.ts';
import type { BatchId } from '#model/write-id.ts';

export interface BulkPort {
  /** The state to read from now. Throws `unavailable` if this node cannot answer reads. */
  moment(): ReadMoment;
  /** Carries out `sets` as one batch. Undefined means that nothing was done and the caller must use `KeyValuePort.batch`. */
  sets(sets: PlainSets): Soon<SetsAnswer> | undefined;
  /**
   * Carries out plain Sets and Deletes, with Gets among them, as one batch. `read` is
   * called for each Get in its turn, before this returns: it reads the entries of
   * `moment`, unless the batch itself wrote the key, which `own` then tells. Undefined:
   * see `sets`.
   */
  mixed(
    batch: MixedBatch,
    read: (index: number, own: OwnRead | undefined) => void,
  ): Awaitable<MixedAnswer> | undefined;
  /**
   * A single write that waits for nothing but being visible, without a promise for each step.
   * Undefined: see `sets`.
   */
  setSoon(command: SetCommand): Soon<WriteAnswer> | undefined;
  deleteSoon(command: DeleteCommand): Soon<WriteAnswer> | undefined;
  incrementSoon(command: IncrementCommand): Soon<IncrementAnswer> | undefined;
  touchSoon(command: TouchCommand): Soon<TouchAnswer> | undefined;
}

/** What `EntryReads.find` returns for a key that is missing or expired. */
export const NOT_FOUND = -1;
/** What `EntryReads.findShort` returns for a value that is too long. */
export const TOO_LONG = -2;

/** Most keys that one `EntryReads.prefetch` covers, so that their entries fit into a core's own cache. */
export const PREFETCH_KEYS = 64;

/**
 * The stored entries at one moment, by keys as bytes, so that reads create neither
 * strings nor objects. Valid until control returns to the event loop.
 */
export interface EntryReads {
  /** Looks up a key of UTF-8 and counts a hit or a miss. Returns the entry's number for the other methods, or `NOT_FOUND`. */
  find(bytes: Buffer, keyOffset: number, keyBytes: number): number;
  /** `find` for a caller that leaves values of more than `valueBytesMax` bytes to another: `TOO_LONG` then, and nothing is counted. */
  findShort(bytes: Buffer, keyOffset: number, keyBytes: number, valueBytesMax: number): number;
  /** Prefetches keys `from` to `to - 1`, at most `PREFETCH_KEYS`, before they are looked up. Call it again after that many keys. */
  prefetch(bytes: Buffer, offsets: Uint32Array, lengths: Uint16Array, from: number, to: number): void;
  valueBytesOf(found: number): number;
  /** The length of the value that is stored for a key, expired or not; 0 if there is none. Counts nothing. */
  storedBytes(bytes: Buffer, keyOffset: number, keyBytes: number): number;
  expireAtMsOf(found: number): number;
  /** The epoch of the entry's version. */
  epochOf(found: number): number;
  lsnOf(found: number): number;
  /** The content type; empty: there is none. */
  contentTypeOf(found: number): string;
  /** Copies the value to `target` at `at`. Up to 3 bytes behind it in `target` may change. */
  copyValue(found: number, target: DataView<ArrayBuffer>, at: number): void;
}

/** True if the node serves the key in `bytes[from, to)`. */
export type ServesKey = (bytes: Uint8Array, from: number, to: number) => boolean;

/** The entries at one moment, and how fresh they are. */
export interface ReadMoment extends Freshness {
  readonly entries: EntryReads;
  /** Undefined: the node serves every key. A call with a key that it does not serve goes through `KeyValuePort`, which refuses it. */
  readonly serves?: ServesKey | undefined;
  /** True if the entries include `position`. Throws `discarded_history` if this history never will. */
  includes(position: Position): boolean;
}

/** The values of `PlainSets.expiries`: what `expiryMs` means. */
export const PLAIN_EXPIRY = { default: 0, ttl: 1, at: 2 } as const;

/**
 * Sets with no condition and no other option than an expiry. Each is a column of
 * numbers that locate key and value in `bytes`, so that no strings and objects are
 * needed. Keys and values are within their limits. Valid until the next request is
 * read.
 */
export interface PlainSets {
  readonly bytes: Buffer;
  readonly count: number;
  /** All of them or none; nothing is done if one of them is invalid. */
  readonly isAtomic?: boolean;
  /** The name of all of them together. */
  readonly name?: BatchId | undefined;
  readonly keyOffsets: Uint32Array;
  readonly keyBytes: Uint16Array;
  readonly valueOffsets: Uint32Array;
  readonly valueBytes: Uint32Array;
  /** Values of `PLAIN_EXPIRY`. */
  readonly expiries: Uint8Array;
  readonly expiryMs: Float64Array;
}

/** True if the node serves each of the keys. */
export function areServed(
  { bytes, count, keyOffsets, keyBytes }: Pick<PlainSets, 'bytes' | 'count' | 'keyOffsets' | 'keyBytes'>,
  serves: ServesKey,
): boolean {
  for (let i = 0; i < count; i++) {
    const from = keyOffsets[i] as number;
    if (!serves(bytes, from, from + (keyBytes[i] as number))) return false;
  }
  return true;
}

/** The values of `MixedBatch.kinds`: the tags of the fields of BatchOperation. */
export const PLAIN_KIND = { get: 0x0a, set: 0x12, delete: 0x1a } as const;

/** Operations with no condition and no other option than an expiry, or the position of a Get. */
export interface MixedBatch extends PlainSets {
  /** Values of `PLAIN_KIND`. */
  readonly kinds: Uint8Array;
}

/** What a Get sees of its own batch. */
export interface OwnRead {
  readonly entry: Entry | undefined;
  readonly asOf: Position;
}

export interface MixedAnswer {
  /** The one record of all that was written; undefined if nothing was. */
  readonly answer: WriteAnswer | undefined;
  /** By index: the answers of Deletes that found nothing, and why others were refused. */
  readonly others: ReadonlyMap<number, WriteAnswer | WalnutError>;
}

export interface SetsAnswer {
  /** The one record of all Sets that were applied; undefined if none was. */
  readonly answer: WriteAnswer | undefined;
  /** Why the others were refused, by their index. */
  readonly refused: ReadonlyMap<number, WalnutError>;
}
