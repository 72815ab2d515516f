/**
 * Every error that a caller can meet, as a closed union of codes. Only
 * `wire/error-codes.ts` knows what Connect calls them.
 */
import type { Position } from '#model/position.ts';

export type ErrorCode =
  /** The request is wrong whatever the state: the message names what was expected. */
  | 'invalid_argument'
  /** A write reached a replica: `leaderHint` says where to go. */
  | 'not_master'
  /** Right request, wrong moment: loading, draining, too stale, position not reached. */
  | 'unavailable'
  /** The position belongs to a history that was discarded. */
  | 'discarded_history'
  /** The log no longer (or not yet) holds the position: `earliest` is given. */
  | 'out_of_range'
  /** A limit of entries, bytes, disk or message size; nothing was applied. */
  | 'resource_exhausted'
  /** An administrative call that does not fit the node's state. */
  | 'failed_precondition'
  /** A second live holder of a node id, or a name that is taken. */
  | 'already_exists'
  | 'not_found'
  | 'unauthenticated'
  /** Known or not, this caller may not do this, or not under this name. */
  | 'permission_denied'
  /** The caller's deadline passed or it went away. */
  | 'cancelled'
  /** The disk failed; the node is stopping. */
  | 'storage_failed'
  /** A bug; the log of the node that met it says more. */
  | 'internal';

export interface ExceededLimit {
  /** A key of the configuration, or a field of the request. */
  readonly name: string;
  /** In bytes or pieces. */
  readonly max: number;
  readonly size: number;
}

export interface ErrorDetails {
  /** `host:port` of the master, where known. */
  readonly leaderHint?: string | undefined;
  /** The first record still in the log. */
  readonly earliest?: Position | undefined;
  readonly latest?: Position | undefined;
  readonly limit?: ExceededLimit | undefined;
  /** Nothing of the request was done. Undefined: perhaps something was. */
  readonly nothingDone?: true | undefined;
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
  return new WalnutError('invalid_argument', message, details);
}

/** The same error, of a request of which nothing was done. */
export function asRefusal(error: unknown): unknown {
  if (!(error instanceof WalnutError)) return error;
  return new WalnutError(error.code, error.message, { ...error.details, nothingDone: true });
}

/** Throws `cancelled` where the caller went away or its deadline passed; the server knows which. */
export function checkCaller(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw new WalnutError('cancelled', 'the caller gave up waiting');
}

export function unavailable(message: string, leaderHint?: string): WalnutError {
  return new WalnutError('unavailable', message, { leaderHint });
}
