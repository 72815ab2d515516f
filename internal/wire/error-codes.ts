/**
 * Maps between Walnut's error codes and those of Connect and gRPC. It contains data
 * only, so that importing it does not load Connect.
 */
import type { Code } from '@connectrpc/connect';
import type { ErrorCode } from '#model/errors.ts';

/** Names of headers and metadata, which are the same for rpcs and the keys routes. */
export const LEADER_HINT_HEADER = 'x-leader-hint';
/** The slot of the key that another group owns. */
export const SHARD_ID_HEADER = 'x-shard-id';
/** `host:port` of the master of that group, where it is known. */
export const NEW_NODE_HINT_HEADER = 'x-new-node-hint';
/** The epoch of the shard map by which a node refuses, or of the newest one that a caller knows. */
export const MAP_EPOCH_HEADER = 'x-map-epoch';
/** The id of the cluster that a caller means: a node of another one refuses the call. */
export const CLUSTER_HEADER = 'x-walnut-cluster';
export const EARLIEST_POSITION_HEADER = 'x-earliest-position';
export const RETRY_AFTER_HEADER = 'retry-after';

/** Connect's codes by their names in JSON, with their gRPC numbers. */
export const WIRE_CODES = {
  canceled: 1,
  unknown: 2,
  invalid_argument: 3,
  deadline_exceeded: 4,
  not_found: 5,
  already_exists: 6,
  permission_denied: 7,
  resource_exhausted: 8,
  failed_precondition: 9,
  aborted: 10,
  out_of_range: 11,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  data_loss: 15,
  unauthenticated: 16,
} as const satisfies Readonly<Record<string, Code>>;

export type WireCode = keyof typeof WIRE_CODES;

export interface SentCode {
  readonly code: WireCode;
  /** HTTP status on the keys routes; rpcs follow the Connect protocol's own table. */
  readonly httpStatus: number;
}

/**
 * The code that callers get. `storage_failed` is INTERNAL, not UNAVAILABLE: after a
 * failed disk write it is unknown whether the record will exist after a restart, and
 * clients retry UNAVAILABLE by themselves.
 */
export const SENT_CODES: Readonly<Record<ErrorCode, SentCode>> = {
  invalid_argument: { code: 'invalid_argument', httpStatus: 400 },
  not_master: { code: 'failed_precondition', httpStatus: 421 },
  shard_moved: { code: 'failed_precondition', httpStatus: 421 },
  unavailable: { code: 'unavailable', httpStatus: 503 },
  discarded_history: { code: 'data_loss', httpStatus: 410 },
  out_of_range: { code: 'out_of_range', httpStatus: 416 },
  resource_exhausted: { code: 'resource_exhausted', httpStatus: 507 },
  rate_limited: { code: 'resource_exhausted', httpStatus: 429 },
  aborted: { code: 'aborted', httpStatus: 409 },
  failed_precondition: { code: 'failed_precondition', httpStatus: 409 },
  already_exists: { code: 'already_exists', httpStatus: 409 },
  not_found: { code: 'not_found', httpStatus: 404 },
  unauthenticated: { code: 'unauthenticated', httpStatus: 401 },
  permission_denied: { code: 'permission_denied', httpStatus: 403 },
  cancelled: { code: 'canceled', httpStatus: 499 },
  deadline_exceeded: { code: 'deadline_exceeded', httpStatus: 504 },
  storage_failed: { code: 'internal', httpStatus: 500 },
  internal: { code: 'internal', httpStatus: 500 },
};

/** The meaning of a code that another node sent. Details distinguish `not_master` and `shard_moved` from other preconditions. */
export const RECEIVED_CODES: Readonly<Record<WireCode, ErrorCode>> = {
  canceled: 'cancelled',
  unknown: 'internal',
  invalid_argument: 'invalid_argument',
  deadline_exceeded: 'cancelled',
  not_found: 'not_found',
  already_exists: 'already_exists',
  permission_denied: 'permission_denied',
  resource_exhausted: 'resource_exhausted',
  failed_precondition: 'failed_precondition',
  aborted: 'aborted',
  out_of_range: 'out_of_range',
  // The node's version does not have the rpc, so a retry would not help.
  unimplemented: 'failed_precondition',
  internal: 'internal',
  unavailable: 'unavailable',
  data_loss: 'discarded_history',
  unauthenticated: 'unauthenticated',
};
