/** Entries of the store, and the mutations that change them. */
import type { Position } from '#model/position.ts';

/** `expireAtMs` of an entry that never expires. */
export const NEVER = 0;

/** One stored entry. `value` belongs to the store: never write into it. */
export interface Entry {
  readonly key: string;
  readonly value: Uint8Array;
  /** Log-clock deadline in milliseconds since the Unix epoch; `NEVER` (0) for none. */
  readonly expireAtMs: number;
  /** The position of the record that wrote it. */
  readonly version: Position;
  /** 1 to 255 characters of printable ASCII; undefined: none was given. */
  readonly contentType?: string | undefined;
  /** When the record that wrote it was made: wall time, whole seconds as milliseconds. Undefined: nobody asked. */
  readonly modifiedMs?: number | undefined;
  /** How long the value is where `value` is empty because only keys were asked for. */
  readonly valueBytes?: number | undefined;
}

/** Why an entry was written or removed. */
export type Cause = 'client' | 'expired' | 'evicted' | 'restored';

/** A set as its absolute result, never as an operation or a condition. */
export interface SetMutation {
  readonly op: 'set';
  readonly key: string;
  readonly value: Uint8Array;
  readonly expireAtMs: number;
  readonly cause: Cause;
  /** See `Entry`. */
  readonly contentType?: string | undefined;
}

export interface DeleteMutation {
  readonly op: 'delete';
  readonly key: string;
  readonly cause: Cause;
}

/** Another deadline for an entry, which keeps its value and version. Nothing if the key is missing. */
export interface TouchMutation {
  readonly op: 'touch';
  readonly key: string;
  readonly expireAtMs: number;
  readonly cause: Cause;
}

export type Mutation = SetMutation | DeleteMutation | TouchMutation;

const NO_VALUE = new Uint8Array(0);

/** The value and the deadline that a mutation states; empty and `NEVER` where it states none. */
export function stated(mutation: Mutation): Pick<SetMutation, 'value' | 'expireAtMs' | 'contentType'> {
  if (mutation.op === 'delete') return { value: NO_VALUE, expireAtMs: NEVER };
  if (mutation.op === 'touch') return { value: NO_VALUE, expireAtMs: mutation.expireAtMs };
  const { value, expireAtMs, contentType } = mutation;
  return contentType === undefined ? { value, expireAtMs } : { value, expireAtMs, contentType };
}

/** Limits and policy from the log (CONFIG record), so that they stay in force after a promotion. */
export interface StoreLimits {
  readonly entriesMax: number;
  readonly bytesMax: number;
  readonly policy: EvictionPolicy;
  /** Which entries may be evicted; undefined: all. */
  readonly scope?: EvictionScope | undefined;
  /** In a cluster: the time to live of sets that give none, milliseconds, above 0; undefined: they never expire. */
  readonly defaultTtlMs?: number | undefined;
}

export function isSameLimits(a: StoreLimits, b: StoreLimits): boolean {
  return (
    a.entriesMax === b.entriesMax &&
    a.bytesMax === b.bytesMax &&
    a.policy === b.policy &&
    (a.scope ?? 'all') === (b.scope ?? 'all') &&
    a.defaultTtlMs === b.defaultTtlMs
  );
}

/**
 * `lru`: the least recently accessed entry makes room; `ttl`: the one that expires
 * first; `none`: writes are refused when full.
 */
export type EvictionPolicy = 'lru' | 'ttl' | 'none';

/** `with_ttl`: only entries with a deadline. */
export type EvictionScope = 'all' | 'with_ttl';

/** The digest of the state at `position`: equal states have equal digests. */
export interface DigestAnswer {
  readonly position: Position;
  readonly entries: number;
  /** 32 lower-case hex digits. */
  readonly digest: string;
}

/**
 * Converts a deadline to a clock that is `byMs` ahead. `NEVER` stays `NEVER`, and no
 * other deadline becomes `NEVER`.
 */
export function movedDeadline(expireAtMs: number, byMs: number): number {
  if (byMs === 0 || expireAtMs === NEVER) return expireAtMs;
  return Math.min(Math.max(NEVER + 1, expireAtMs + byMs), Number.MAX_SAFE_INTEGER);
}

/** True if an entry that has not expired will within `withinMs`; 0: false. */
export function isDue(expireAtMs: number, nowMs: number, withinMs: number): boolean {
  return withinMs > 0 && expireAtMs !== NEVER && expireAtMs - nowMs <= withinMs;
}

/** True from the deadline on, by the log clock; before it a Get hits. */
export function isExpired(expireAtMs: number, nowMs: number): boolean {
  return expireAtMs !== NEVER && nowMs >= expireAtMs;
}
