/**
 * What callers ask of a node and what it answers, in the model's own words.
 * The server turns the wire into these and back; nothing below it knows protobuf.
 */
import type { Cause, Entry } from '#model/entry.ts';
import type { WalnutError } from '#model/errors.ts';
import type { Position } from '#model/position.ts';

export interface GetCommand {
  readonly key: string;
  /** Answer only from a state that includes this position. */
  readonly atLeast?: Position | undefined;
  /** How long to wait for `atLeast`, milliseconds; 0: not at all. */
  readonly waitMs: number;
  /** Refuse with `unavailable` when staler than this; undefined: any. */
  readonly maxStalenessMs?: number | undefined;
}

export interface Freshness {
  /** The position of the state the answer is from. */
  readonly asOf: Position;
  /** 0 on a master; on a replica the log-clock time since it was last known level. */
  readonly stalenessMs: number;
}

export interface GetAnswer extends Freshness {
  /** Undefined: the key is missing or expired. */
  readonly entry: Entry | undefined;
}

/** `default`: `storage.default_ttl`, else never. `keep` on a missing key is none. */
export type Expiry =
  | { readonly kind: 'default' }
  | { readonly kind: 'ttl'; readonly ttlMs: number }
  /** Wall time, milliseconds since the Unix epoch; 0: never. */
  | { readonly kind: 'at'; readonly expireAtMs: number }
  /** As it stood in the log, by its clock: what a restore brings back. 0: never. */
  | { readonly kind: 'logged'; readonly expireAtMs: number }
  | { readonly kind: 'keep' };

export type Condition =
  | { readonly kind: 'absent' }
  | { readonly kind: 'present' }
  | { readonly kind: 'version'; readonly version: Position };

/** Levels are ordered: `accepted` < `local` (fdatasynced here). */
export type Durability = 'accepted' | 'local';

export interface WriteOptions {
  readonly returnPrevious: boolean;
  /** Undefined: the policy's level. It can only raise that. */
  readonly durability?: Durability | undefined;
  /** Node ids, other than this one, whose fdatasync must cover the record. */
  readonly minAcks: number;
  /** How long to wait for durability and acks; 0: the server's default. Running out is no failure. */
  readonly timeoutMs: number;
  /** Names the write: repeated, it is carried out once. Undefined: every request is a write of its own. */
  readonly requestId?: string | undefined;
}

export interface SetCommand extends WriteOptions {
  readonly key: string;
  readonly value: Uint8Array;
  readonly expiry: Expiry;
  readonly condition?: Condition | undefined;
}

export interface DeleteCommand extends WriteOptions {
  readonly key: string;
  readonly condition?: Condition | undefined;
}

export interface WriteAnswer {
  /** Set: whether it was applied. Delete: whether a key was deleted. */
  readonly applied: boolean;
  /** The record written; where nothing was written, the state the answer is from. */
  readonly position: Position;
  /** The entry before, when asked for and there was one. */
  readonly previous: Entry | undefined;
  /** The entry now, when a condition was not met and there is one. */
  readonly current: Entry | undefined;
  readonly durabilityReached: Durability;
  readonly replicasAcked: number;
}

/** Asks how safe a position is, whoever wrote it. */
export interface AwaitDurableCommand {
  readonly position: Position;
  readonly durability: Durability;
  /** As in `WriteOptions`. */
  readonly minAcks: number;
  readonly timeoutMs: number;
}

export interface DurableAnswer {
  readonly durabilityReached: Durability;
  /** Of this node's replicas; 0 on a replica. */
  readonly replicasAcked: number;
  /** The newest position on this node's disk. */
  readonly durable: Position;
}

export type BatchOperation =
  | { readonly kind: 'get'; readonly command: GetCommand }
  | { readonly kind: 'set'; readonly command: SetCommand }
  | { readonly kind: 'delete'; readonly command: DeleteCommand };

export type BatchResult =
  | { readonly kind: 'get'; readonly answer: GetAnswer }
  | { readonly kind: 'set'; readonly answer: WriteAnswer }
  | { readonly kind: 'delete'; readonly answer: WriteAnswer }
  | { readonly kind: 'error'; readonly error: WalnutError };

export interface ScanCommand {
  /** Empty: every key. */
  readonly prefix: string;
  /** Empty: from the start; else `nextCursor` of the answer before, from the same node. */
  readonly cursor: string;
  /** 0: `SCAN_LIMIT_DEFAULT`. */
  readonly limit: number;
  readonly keysOnly: boolean;
}

export interface ScanAnswer extends Freshness {
  /** With `keysOnly` the values are empty. */
  readonly entries: readonly Entry[];
  /** Empty: the scan is complete. */
  readonly nextCursor: string;
}

export interface UpdatesCommand {
  /** The last position held; `NO_POSITION` for the beginning. */
  readonly after: Position;
  readonly format: 'entries' | 'frames';
  /** 0: the server's default. */
  readonly bytesMax: number;
}

/** One mutation as GetUpdates tells it. */
export interface Update {
  readonly position: Position;
  readonly timestampMs: number;
  readonly op: 'set' | 'delete';
  readonly cause: Cause;
  readonly key: string;
  /** Empty on a delete. */
  readonly value: Uint8Array;
  readonly expireAtMs: number;
}

export interface UpdatesAnswer {
  readonly updates: readonly Update[];
  /** Whole frames, verbatim, one after another; empty with format `entries`. */
  readonly frames: Uint8Array;
  /** The position of the last record in this answer; `after` where there was none. */
  readonly last: Position;
  /** The newest durable position here. */
  readonly latest: Position;
  /** The first record still in the log. */
  readonly earliest: Position;
}
