/** Entries as the store holds them, and the mutations that change them. */
import type { Position } from '#model/position.ts';

/** `expireAtMs` of an entry that never expires. */
export const NEVER = 0;

/** What is known of one stored key. `value` belongs to the store: never write into it. */
export interface Entry {
  readonly key: string;
  readonly value: Uint8Array;
  /** Log-clock deadline in milliseconds since the Unix epoch; `NEVER` (0) for none. */
  readonly expireAtMs: number;
  /** The position of the record that wrote it. */
  readonly version: Position;
}

/** Why an entry was written or removed. */
export type Cause = 'client' | 'expired' | 'evicted' | 'restored';

/** A set as an absolute result: never an operation or a condition. */
export interface SetMutation {
  readonly op: 'set';
  readonly key: string;
  readonly value: Uint8Array;
  readonly expireAtMs: number;
  readonly cause: Cause;
}

export interface DeleteMutation {
  readonly op: 'delete';
  readonly key: string;
  readonly cause: Cause;
}

export type Mutation = SetMutation | DeleteMutation;

/** Where key and value stand in bytes that are copied from: `valueBytes` from `valueOffset` on, and the key likewise. */
export interface EncodedPair {
  readonly bytes: Buffer;
  /** Well-formed UTF-8, not empty. */
  readonly keyOffset: number;
  readonly keyBytes: number;
  readonly valueOffset: number;
  readonly valueBytes: number;
  readonly expireAtMs: number;
}

/** A mutation as it stands in a record; a delete has no value and no deadline. */
export interface EncodedMutation extends EncodedPair {
  readonly op: Mutation['op'];
  readonly cause: Cause;
}

/** Limits and policy that the log carries (CONFIG record), so they hold after promotion. */
export interface StoreLimits {
  readonly entriesMax: number;
  readonly bytesMax: number;
  readonly policy: EvictionPolicy;
}

/** `lru`: the least recently touched entry makes room; `none`: writes are refused when full. */
export type EvictionPolicy = 'lru' | 'none';

/** Digest of a stored state: equal for equal states. */
export interface DigestAnswer {
  readonly position: Position;
  readonly entries: number;
  /** 32 lower-case hex digits. */
  readonly digest: string;
}

/**
 * A deadline by one clock as it is by another that is `byMs` ahead. `NEVER`
 * stays what it is, and no other becomes it.
 */
export function movedDeadline(expireAtMs: number, byMs: number): number {
  if (byMs === 0 || expireAtMs === NEVER) return expireAtMs;
  return Math.min(Math.max(NEVER + 1, expireAtMs + byMs), Number.MAX_SAFE_INTEGER);
}

/** A Get hits while the log clock is before the deadline. */
export function isExpired(expireAtMs: number, nowMs: number): boolean {
  return expireAtMs !== NEVER && nowMs >= expireAtMs;
}
