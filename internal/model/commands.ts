/**
 * Commands to a node and its answers, as plain types. The server translates between
 * these and protobuf messages, which no room below it knows.
 */
import type { Cause, Entry, Mutation } from '#model/entry.ts';
import type { WalnutError } from '#model/errors.ts';
import type { Position } from '#model/position.ts';
import type { WriteId } from '#model/write-id.ts';

export interface GetCommand {
  readonly key: string;
  /** Answer only from a state that includes this position. */
  readonly atLeast?: Position | undefined;
  /** How long to wait for `atLeast`, and for the lease of another to end, milliseconds; 0: not at all. */
  readonly waitMs: number;
  /** Refuse with `unavailable` if the staleness is above this; undefined accepts any. */
  readonly maxStalenessMs?: number | undefined;
  /** True if the answer says when the entry was modified. */
  readonly withModified?: boolean | undefined;
  /** True if the answer must be as of one copy: only the master of a group in a cluster can give it. */
  readonly isLinearizable?: boolean | undefined;
  /** Undefined: the caller does not fill what is missing. */
  readonly fill?: FillWish | undefined;
}

/** Asks for the right to fill a key that is missing. */
export interface FillWish {
  /** How long the lease is to last, milliseconds. */
  readonly leaseMs: number;
  /** An entry that expires within so many milliseconds is to be refreshed, too; 0: none is. */
  readonly refreshBeforeMs: number;
}

/** `lease`: the caller is to fill the key; `wait`: another has the lease, for `waitMs` milliseconds at most. */
export type FillAnswer =
  | { readonly kind: 'lease'; readonly token: string; readonly expiresInMs: number }
  | { readonly kind: 'wait'; readonly waitMs: number };

export interface Freshness {
  /** The position of the state that was read. */
  readonly asOf: Position;
  /** 0 on a master; on a replica the time since it was last known to be caught up. */
  readonly stalenessMs: number;
}

export interface GetAnswer extends Freshness {
  /** Undefined: the key is missing or expired. */
  readonly entry: Entry | undefined;
  /** Undefined: no lease was asked for, or there is nothing to fill. */
  readonly fill?: FillAnswer | undefined;
}

/** `default` means `storage.default_ttl`, or never if that is unset. `keep` on a missing key means never. */
export type Expiry =
  | { readonly kind: 'default' }
  | { readonly kind: 'ttl'; readonly ttlMs: number }
  /** Wall time, milliseconds since the Unix epoch; 0: never. */
  | { readonly kind: 'at'; readonly expireAtMs: number }
  /** A deadline by the log clock, taken from the log by a restore. 0: never. */
  | { readonly kind: 'logged'; readonly expireAtMs: number }
  | { readonly kind: 'keep' };

export type Condition =
  | { readonly kind: 'absent' }
  | { readonly kind: 'present' }
  | { readonly kind: 'version'; readonly version: Position }
  /** The fill lease of the key is still valid, and has this token. */
  | { readonly kind: 'fill_lease'; readonly token: string };

/** Levels are ordered: `accepted` < `local` (fdatasynced here). */
export type Durability = 'accepted' | 'local' | 'quorum';

/** What the answer of a write waits for. */
export interface ReceiptOptions {
  /** Can only raise the level of the fsync policy, which applies if undefined. */
  readonly durability?: Durability | undefined;
  /** How many other nodes must have made the record durable. */
  readonly minAcks: number;
  /** How long to wait for durability and acks; 0: the server's default. A timeout is not an error. */
  readonly timeoutMs: number;
}

export interface WriteOptions extends ReceiptOptions {
  readonly returnPrevious: boolean;
  /** Names the write, so that it is carried out once. Undefined: every request is a new write. */
  readonly id?: WriteId | undefined;
}

export interface SetCommand extends WriteOptions {
  readonly key: string;
  readonly value: Uint8Array;
  readonly expiry: Expiry;
  readonly condition?: Condition | undefined;
  /** See `Entry`. */
  readonly contentType?: string | undefined;
}

export interface DeleteCommand extends WriteOptions {
  readonly key: string;
  readonly condition?: Condition | undefined;
}

/** Adds `delta` to a number. A missing key counts as `initial`, and only then `expiry` applies. */
export interface IncrementCommand extends WriteOptions {
  readonly key: string;
  /** Signed, at most 64 bits, as is `initial`. */
  readonly delta: bigint;
  readonly initial: bigint;
  readonly expiry: Expiry;
  readonly condition?: Condition | undefined;
}

/** Gives an entry that is there another deadline. */
export interface TouchCommand extends ReceiptOptions {
  readonly key: string;
  readonly expiry: Expiry;
  /** True if the answer has the entry. */
  readonly returnValue: boolean;
  /** See `WriteOptions`. */
  readonly id?: WriteId | undefined;
}

export interface WriteAnswer {
  /** For a Set, true if it was applied; for a Delete, true if a key was deleted. */
  readonly applied: boolean;
  /** The record written; if none was, the position of the state that was read. */
  readonly position: Position;
  /** The entry before the write, if requested and there was one. */
  readonly previous: Entry | undefined;
  /** The present entry, if a condition was not met and there is one. */
  readonly current: Entry | undefined;
  readonly durabilityReached: Durability;
  readonly replicasAcked: number;
  /** The write was carried out before, under the same name. What only that answer had may be missing. */
  readonly isRepeat?: true | undefined;
  /** The caller may not read the key: what the answer would tell about what is stored is left out. */
  readonly isLeftOut?: true | undefined;
}

export interface IncrementAnswer extends WriteAnswer {
  /** The sum; 0 if nothing was written. */
  readonly value: bigint;
  /** The deadline of the entry in wall time; `NEVER` if it has none, or if nothing was written. */
  readonly expireAtMs: number;
}

export interface TouchAnswer extends WriteAnswer {
  /** The entry with its new deadline, if it was requested and is there. */
  readonly entry: Entry | undefined;
  /** The new deadline in wall time; `NEVER` if it has none, or if there is no entry. */
  readonly expireAtMs: number;
}

/** Asks how durable a position is, no matter who wrote it. */
export interface AwaitDurableCommand extends ReceiptOptions {
  readonly position: Position;
  readonly durability: Durability;
}

export interface DurableAnswer {
  readonly durabilityReached: Durability;
  /** How many of this node's replicas have acked the position; 0 on a replica. */
  readonly replicasAcked: number;
  /** This node's newest durable position. */
  readonly durable: Position;
}

export type BatchOperation =
  | { readonly kind: 'get'; readonly command: GetCommand }
  | { readonly kind: 'set'; readonly command: SetCommand }
  | { readonly kind: 'delete'; readonly command: DeleteCommand }
  | { readonly kind: 'increment'; readonly command: IncrementCommand }
  | { readonly kind: 'touch'; readonly command: TouchCommand };

export type WriteOperation = Exclude<BatchOperation, { readonly kind: 'get' }>;

export type BatchResult =
  | { readonly kind: 'get'; readonly answer: GetAnswer }
  | { readonly kind: 'set'; readonly answer: WriteAnswer }
  | { readonly kind: 'delete'; readonly answer: WriteAnswer }
  | { readonly kind: 'increment'; readonly answer: IncrementAnswer }
  | { readonly kind: 'touch'; readonly answer: TouchAnswer }
  | { readonly kind: 'error'; readonly error: WalnutError };

/** All operations or none. They have no receipts and names of their own. */
export interface AtomicBatchCommand extends ReceiptOptions {
  readonly operations: readonly BatchOperation[];
  /** See `WriteOptions`. */
  readonly id?: WriteId | undefined;
  /** Most bytes of values in the answer; a batch that would answer more is refused. */
  readonly answerBytesMax: number;
  /** False for a key whose values the caller is not shown, so that they do not count. Undefined: all are shown. */
  readonly isShown?: ((key: string) => boolean) | undefined;
}

export interface AtomicBatchAnswer {
  /** False if a condition was not met, and nothing was written. */
  readonly isCommitted: boolean;
  /** The record written; if none was, the position of the state that was read. */
  readonly position: Position;
  /** One per operation. If nothing was committed, only operations whose condition was not met have one. */
  readonly results: readonly (BatchResult | undefined)[];
  readonly durabilityReached: Durability;
  readonly replicasAcked: number;
  /** See `WriteAnswer`; of results that are not known any more, none is given. */
  readonly isRepeat?: true | undefined;
}

export interface ScanCommand {
  /** Empty: every key. */
  readonly prefix: string;
  /** Only keys with one of these prefixes, each of which begins with `prefix`; none: no keys. Undefined: all with `prefix`. */
  readonly among?: readonly string[] | undefined;
  /** Empty for the start, else the `nextCursor` of the previous answer of the same node. */
  readonly cursor: string;
  /** 0: `SCAN_LIMIT_DEFAULT`. */
  readonly limit: number;
  readonly keysOnly: boolean;
  /** Answer a count instead of entries; a limit of 0 is then as many as one call may examine. */
  readonly countOnly?: boolean | undefined;
  /** See `GetCommand`. */
  readonly withModified?: boolean | undefined;
}

export interface ScanAnswer extends Freshness {
  /** With `keysOnly` the values are empty. */
  readonly entries: readonly Entry[];
  /** Empty: the scan is complete. */
  readonly nextCursor: string;
  /** With `countOnly`: how many entries the page has. */
  readonly count?: number | undefined;
  /** The positions of all states that the page is from, where there are several. */
  readonly asOfAll?: readonly Position[] | undefined;
}

/** Deletes entries of a prefix, a bounded number per call. */
export interface DeletePrefixCommand extends ReceiptOptions {
  /** Empty: every key. */
  readonly prefix: string;
  /** See `ScanCommand`. */
  readonly cursor: string;
  /** 0: `DELETE_PREFIX_LIMIT_DEFAULT`. */
  readonly limit: number;
}

export interface DeletePrefixAnswer {
  readonly deleted: number;
  /** Empty: the whole store was looked at. */
  readonly nextCursor: string;
  /** The record of the last delete; if nothing was deleted, the position of the state that was read. */
  readonly position: Position;
  readonly durabilityReached: Durability;
  readonly replicasAcked: number;
}

export interface UpdatesCommand {
  /** The last position that the caller has; `NO_POSITION` for the beginning. */
  readonly after: Position;
  /** Begin with the first record at or after this wall time instead, in milliseconds. */
  readonly sinceMs?: number | undefined;
  readonly format: 'entries' | 'frames';
  /** 0: the server's default. */
  readonly bytesMax: number;
}

/** One mutation in a GetUpdates answer. */
export interface Update {
  readonly position: Position;
  readonly timestampMs: number;
  readonly op: Mutation['op'];
  readonly cause: Cause;
  readonly key: string;
  /** Empty on a delete and a touch. */
  readonly value: Uint8Array;
  readonly expireAtMs: number;
  readonly contentType?: string | undefined;
}

export interface UpdatesAnswer {
  readonly updates: readonly Update[];
  /** Whole frames, verbatim and concatenated; empty with format `entries`. */
  readonly frames: Uint8Array;
  /** The position of the last record in this answer; `after` if there is none. */
  readonly last: Position;
  /** This node's newest durable position. */
  readonly latest: Position;
  /** The first record still in the log. */
  readonly earliest: Position;
}
