/**
 * Calls that a gateway passes on to groups as bytes: values are neither decoded nor encoded on
 * the way. The port is optional: `KeyValuePort` gives the same answers to every call, only more
 * slowly.
 */
import type { BatchOperation, BatchResult } from '#model/commands.ts';
import type { Position } from '#model/position.ts';
import type { WriteId } from '#model/write-id.ts';

export type RelayMethod = 'get' | 'set' | 'delete' | 'increment' | 'touch' | 'batch';

export interface RelayPort {
  /**
   * `user`: see `CallWish.user`. Undefined: nothing was done, and the caller must use `KeyValuePort`,
   * for the same user.
   */
  one(
    call: RelayedOne,
    signal: AbortSignal | undefined,
    user: string | undefined,
  ): Promise<EncodedAnswer> | undefined;
  /**
   * One element for each group that was asked; rejects where the Batch fails as a whole. Undefined: see
   * `one`. `leftMs`: the time of the caller; shortly before it is over, groups that have not answered are
   * left out by errors, and the others have their results. `signal` is there where `leftMs` is.
   */
  batch(
    batch: RelayedBatch,
    signal: AbortSignal | undefined,
    user: string | undefined,
    leftMs?: number | undefined,
  ): Promise<RelayedPart[]> | undefined;
}

/** True if a position that an operation names is to be sent with it. */
export type KeepsPosition = (position: Position) => boolean;

/** What a request asks for, as it was read: valid until control returns to the event loop. */
interface Relayed {
  /** False: no operation names a position. */
  readonly hasPositions: boolean;
  /** The positions that its operations name: what a read must see, or what the name of a write is not older than. */
  positions(): Iterable<Position>;
}

/** One operation. */
export interface RelayedOne extends Relayed {
  readonly slot: number;
  message(): OneMessage;
}

/** The operations of a Batch that is neither atomic nor named. */
export interface RelayedBatch extends Relayed {
  /** One message with all of them. */
  whole(): BatchMessage;
  /** A message for each owner, with its operations in order. `ownerOf`: of a slot. */
  divide<O>(ownerOf: (slot: number) => O): Map<O, BatchMessage>;
}

/** A message for one group. It stays valid, and its value is not copied before `encode`. */
export interface RelayedMessage {
  readonly method: RelayMethod;
  readonly operations: number;
  readonly isRead: boolean;
  /** How many names it needs: one for each write that has none, or one for all where nothing else is in the message. */
  readonly unnamed: number;
  /** How long its reads may wait, milliseconds. */
  readonly waitMs: number;
  /** About the bytes of keys and values. */
  readonly bytes: number;
  /** The first key. */
  key(): string;
  /** `ids`: as many as `unnamed`. */
  encode(ids: readonly WriteId[], keeps: KeepsPosition): Uint8Array;
}

export interface OneMessage extends RelayedMessage {
  /** The answer of the group with this id. Throws `invalid_argument` for bytes that are none. */
  read(answer: Uint8Array, group: string): EncodedAnswer;
}

export interface BatchMessage extends RelayedMessage {
  /** What its operations are, by the tags of the contract; there may be more of them. */
  readonly kinds: Uint8Array;
  /** The places of its operations in the Batch; undefined: it has all of them. */
  readonly places: readonly number[] | undefined;
  /** True if `unnamed` is one name for all of its operations. */
  readonly hasOneName: boolean;
  /** The answer of the group with this id. Throws `invalid_argument` for bytes that are none. */
  read(answer: Uint8Array, group: string): RelayedResults;
  /** The same operations as commands. */
  commands(): BatchOperation[];
}

/** The results of a message: as bytes where each operation was carried out, else decoded. */
export type RelayedResults = EncodedAnswer | DecodedResults;

export interface EncodedAnswer {
  readonly kind: 'encoded';
  /** What the node answered, with the group in its positions, behind `headroom` unwritten bytes. */
  readonly bytes: Uint8Array;
  readonly headroom: number;
  /** Where each result of a Batch ends in `bytes`. */
  readonly ends: readonly number[];
  /** The newest position. */
  readonly position: Position | undefined;
}

/** Their positions name the group. */
export interface DecodedResults {
  readonly kind: 'decoded';
  readonly results: BatchResult[];
}

/** What became of a part of a Batch. */
export interface RelayedPart {
  readonly message: BatchMessage;
  readonly results: RelayedResults;
}
