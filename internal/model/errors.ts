/**
 * Every error that a caller can get, as a closed union of codes. Only
 * `wire/error-codes.ts` maps them to Connect codes.
 */
import type { GroupPlace, Position } from '#model/position.ts';
import type { Seen } from '#model/seen.ts';
import type { ShardOwner } from '#model/shard-owner.ts';

export type ErrorCode =
  /** The request is wrong in every state; the message names what was expected. */
  | 'invalid_argument'
  /** A write reached a replica; `leaderHint` is the master's address. */
  | 'not_master'
  /** The slot of a key belongs to another group, which `shard` names; nothing was done. */
  | 'shard_moved'
  /** The node cannot serve the request now: it is loading, draining, too stale, or has not reached the position. */
  | 'unavailable'
  /** The position belongs to a history that was discarded. */
  | 'discarded_history'
  /** The log no longer, or not yet, contains the position; `earliest` is given. Or a sum does not fit 64 bits. */
  | 'out_of_range'
  /** A limit of entries, bytes, disk or message size was reached; nothing was applied. */
  | 'resource_exhausted'
  /** The caller asks too often for what costs much; nothing was done, and `retryAfterS` is given. */
  | 'rate_limited'
  /** A named write is not known, and may have been carried out and forgotten. */
  | 'aborted'
  /** The call does not fit the state: an administrative one the node's, an Increment the value of the key. */
  | 'failed_precondition'
  /** Another live node has the node id, or a name is taken. */
  | 'already_exists'
  | 'not_found'
  | 'unauthenticated'
  /** The caller may not do this, or not under this name. */
  | 'permission_denied'
  /** The caller's deadline passed or it went away. */
  | 'cancelled'
  /** The caller's deadline is near: what is known by then is told while it still arrives. */
  | 'deadline_exceeded'
  /** The disk failed; the node is stopping. */
  | 'storage_failed'
  /** A bug; the node's log has the details. */
  | 'internal';

export interface ExceededLimit {
  /** A key of the configuration, or a field of the request. */
  readonly name: string;
  /** In bytes, or a count, as `name` says. */
  readonly max: number;
  readonly size: number;
}

export interface ErrorDetails {
  /** `host:port` of the master, if known. */
  readonly leaderHint?: string | undefined;
  /** With `shard_moved`. */
  readonly shard?: ShardOwner | undefined;
  /** The first record still in the log. */
  readonly earliest?: Position | undefined;
  readonly latest?: Position | undefined;
  readonly limit?: ExceededLimit | undefined;
  /** A watch that ended goes on after this position, without missing a change. */
  readonly resumeAfter?: Position | undefined;
  /** The same of a watch of a cluster: the place in each group. */
  readonly resumePlaces?: readonly GroupPlace[] | undefined;
  /** True if no part of the request was applied; undefined if some part may have been. */
  readonly nothingDone?: true | undefined;
  /**
   * With `unavailable` and `resource_exhausted`: true if the node serves other requests, and has not yet
   * what this one asks for, such as room on its disk for a write.
   */
  readonly isNotYet?: true | undefined;
  /** True if the answer says how a caller makes itself known (WWW-Authenticate). */
  readonly isChallenge?: true | undefined;
  /** The message for a caller that may not read the key; undefined if the message tells nothing of what is stored. */
  readonly withoutValue?: string | undefined;
  /** With `discarded_history`: the group of a cluster of which a session has seen what is lost. */
  readonly lostGroup?: string | undefined;
  /** What a session has seen, without what is lost: see `lostGroup`. */
  readonly seen?: Seen | undefined;
  /** The same request may find room after so many seconds, without anybody doing anything. */
  readonly retryAfterS?: number | undefined;
  readonly cause?: unknown;
}

export class WalnutError extends Error {
  override readonly name = 'WalnutError';
  readonly code: ErrorCode;
  readonly details: ErrorDetails;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.details = details;
  }
}

export function invalidArgument(message: string, details?: ErrorDetails): WalnutError {
  return new WalnutError('invalid_argument', message, { nothingDone: true, ...details });
}

/** Ends the message of an error after which nobody knows what was done. */
export const OUTCOME_UNKNOWN = '; its outcome is unknown';

/** The message without what it says of an unknown outcome. */
export function withoutOutcome(message: string): string {
  return message.endsWith(OUTCOME_UNKNOWN) ? message.slice(0, -OUTCOME_UNKNOWN.length) : message;
}

/** Returns the same error with `nothingDone` set, unless what was done before is not known. */
export function asRefusal(error: unknown): unknown {
  if (!(error instanceof WalnutError) || error.code === 'aborted') return error;
  return new WalnutError(error.code, withoutOutcome(error.message), { ...error.details, nothingDone: true });
}

/** Returns the same error without `nothingDone`, for a call of which a part was done before. */
export function afterPart(error: unknown): unknown {
  if (!(error instanceof WalnutError)) return error;
  return new WalnutError(error.code, error.message, { ...error.details, nothingDone: undefined });
}

/** The same error, said of one operation of a batch. */
export function ofOperation(index: number, error: unknown): unknown {
  if (!(error instanceof WalnutError)) return error;
  const { message, details } = error;
  const { withoutValue } = details;
  const where = `operations[${index}]: `;
  return new WalnutError(error.code, `${where}${message}`, {
    ...details,
    ...(withoutValue === undefined ? {} : { withoutValue: `${where}${withoutValue}` }),
  });
}

/** The same error with nothing of what is stored in its message. */
export function errorWithoutValue(error: WalnutError): WalnutError {
  const { withoutValue, ...details } = error.details;
  return withoutValue === undefined ? error : new WalnutError(error.code, withoutValue, details);
}

/** Throws `cancelled` if the caller went away or its deadline passed; the server knows which. */
export function checkCaller(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw new WalnutError('cancelled', 'the caller gave up waiting');
}

export function unavailable(message: string, leaderHint?: string): WalnutError {
  return new WalnutError('unavailable', message, { leaderHint });
}

/** Refuses a request that asks for what the node does not have yet, while it serves others. */
export function notYet(message: string, leaderHint?: string): WalnutError {
  return new WalnutError('unavailable', message, { leaderHint, isNotYet: true });
}
