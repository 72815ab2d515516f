/**
 * The only file that knows both Walnut's error codes and the wire's.
 *
 * `storage_failed` becomes INTERNAL, not UNAVAILABLE: after a failed disk write
 * nobody knows whether the record will be there after a restart, and clients
 * retry UNAVAILABLE by themselves. Whatever is not a `WalnutError` is a bug: the
 * caller gets a correlation id, the log gets the rest.
 */
import { Code, ConnectError } from '@connectrpc/connect';
import { type ErrorCode, WalnutError } from '#model/errors.ts';
import { formatPosition } from '#model/position.ts';
import type { Clock } from '#platform/clock.ts';
import { LinePace } from '#platform/line-pace.ts';
import type { Logger } from '#platform/logger.ts';
import { toErrorDetails } from '#wire/error-details.ts';

/** Metadata and header names, the same for rpcs and the keys routes. */
export const LEADER_HINT_HEADER = 'x-leader-hint';
export const EARLIEST_POSITION_HEADER = 'x-earliest-position';

interface WireError {
  readonly connect: Code;
  /** The Connect code in lower case. */
  readonly name: string;
  /** Status of the keys routes; rpcs follow the Connect protocol's own table. */
  readonly httpStatus: number;
}

const WIRE: Readonly<Record<ErrorCode, WireError>> = {
  invalid_argument: { connect: Code.InvalidArgument, name: 'invalid_argument', httpStatus: 400 },
  not_master: { connect: Code.FailedPrecondition, name: 'failed_precondition', httpStatus: 421 },
  unavailable: { connect: Code.Unavailable, name: 'unavailable', httpStatus: 503 },
  discarded_history: { connect: Code.DataLoss, name: 'data_loss', httpStatus: 410 },
  out_of_range: { connect: Code.OutOfRange, name: 'out_of_range', httpStatus: 416 },
  resource_exhausted: { connect: Code.ResourceExhausted, name: 'resource_exhausted', httpStatus: 507 },
  failed_precondition: { connect: Code.FailedPrecondition, name: 'failed_precondition', httpStatus: 409 },
  already_exists: { connect: Code.AlreadyExists, name: 'already_exists', httpStatus: 409 },
  not_found: { connect: Code.NotFound, name: 'not_found', httpStatus: 404 },
  unauthenticated: { connect: Code.Unauthenticated, name: 'unauthenticated', httpStatus: 401 },
  cancelled: { connect: Code.Canceled, name: 'canceled', httpStatus: 499 },
  storage_failed: { connect: Code.Internal, name: 'internal', httpStatus: 500 },
};

const NAMES: Readonly<Record<Code, string>> = {
  [Code.Canceled]: 'canceled',
  [Code.Unknown]: 'unknown',
  [Code.InvalidArgument]: 'invalid_argument',
  [Code.DeadlineExceeded]: 'deadline_exceeded',
  [Code.NotFound]: 'not_found',
  [Code.AlreadyExists]: 'already_exists',
  [Code.PermissionDenied]: 'permission_denied',
  [Code.ResourceExhausted]: 'resource_exhausted',
  [Code.FailedPrecondition]: 'failed_precondition',
  [Code.Aborted]: 'aborted',
  [Code.OutOfRange]: 'out_of_range',
  [Code.Unimplemented]: 'unimplemented',
  [Code.Internal]: 'internal',
  [Code.Unavailable]: 'unavailable',
  [Code.DataLoss]: 'data_loss',
  [Code.Unauthenticated]: 'unauthenticated',
};

/** The Connect code in lower case, such as `invalid_argument`. */
export function codeName(code: Code): string {
  return NAMES[code];
}

/** What a caller without Connect is told. */
export interface HttpError {
  readonly httpStatus: number;
  readonly code: string;
  readonly message: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Turns whatever a port threw into what callers are told. */
export interface ErrorMapper {
  /** `signal`: the call's, which knows whether it was the deadline that ended it. */
  toConnectError(error: unknown, signal?: AbortSignal): ConnectError;
  toHttpError(error: unknown): HttpError;
}

/** `incarnation`: any text that differs between runs, so that correlation ids do. */
export function createErrorMapper(logger: Logger, clock: Clock, incarnation: string): ErrorMapper {
  const [bugPace, nonsensePace] = [new LinePace(clock), new LinePace(clock)];
  let bugs = 0;
  let correlationId = '';
  /** Anything but a WalnutError: logged in full, answered with the id of the newest line only. */
  const concealed = (error: unknown): WalnutError => {
    const paced = bugPace.take();
    if (paced !== undefined) {
      correlationId = `${incarnation}-${++bugs}`;
      logger.error({ err: error, correlationId, ...paced }, 'a request failed unexpectedly');
    }
    return new WalnutError('storage_failed', `internal error; the server's log has it as ${correlationId}`);
  };
  const toWalnutError = (error: unknown): WalnutError => {
    if (!(error instanceof WalnutError)) return concealed(error);
    // A wrong request is its sender's to see, but another node that sends damaged bytes is an operator's.
    const isNonsense = error.code === 'invalid_argument' && error.details.cause !== undefined;
    const paced = isNonsense ? nonsensePace.take() : undefined;
    if (paced !== undefined)
      logger.warn({ why: error.message, ...paced }, 'another node sent what makes no sense');
    return error;
  };

  return {
    toConnectError: (error, signal) => {
      if (error instanceof ConnectError) return error;
      if (signal?.aborted === true && isAbort(error)) return cancelledError(error, signal);
      const known = toWalnutError(error);
      const { connect } = WIRE[known.code];
      return new ConnectError(known.message, connect, metadataOf(known), toErrorDetails(known));
    },
    toHttpError: (error) => {
      const known = toWalnutError(error);
      const { name, httpStatus } = WIRE[known.code];
      return { httpStatus, code: name, message: known.message, headers: metadataOf(known) };
    },
  };
}

function isAbort(error: unknown): boolean {
  if (error instanceof WalnutError) return error.code === 'cancelled';
  return error instanceof Error && error.name === 'AbortError';
}

function cancelledError(error: unknown, signal: AbortSignal): ConnectError {
  const { reason } = signal;
  if (reason instanceof ConnectError && reason.code === Code.DeadlineExceeded) {
    return new ConnectError('the deadline passed while the call waited', Code.DeadlineExceeded);
  }
  return new ConnectError(error instanceof Error ? error.message : 'cancelled', Code.Canceled);
}

function metadataOf({ details }: WalnutError): Record<string, string> {
  const headers: Record<string, string> = {};
  if (details.leaderHint !== undefined) headers[LEADER_HINT_HEADER] = details.leaderHint;
  if (details.earliest !== undefined) headers[EARLIEST_POSITION_HEADER] = formatPosition(details.earliest);
  return headers;
}
