/**
 * What another node's refusal means here: Connect errors as `WalnutError`, the
 * reverse of `server/error-mapping.ts`.
 *
 * Only refusals that the peer meant keep their code. Whatever broke on the way or
 * over there (no connection, an internal error, an answer that makes no sense) is
 * `unavailable`: the caller tries again later.
 */
import { Code, ConnectError } from '@connectrpc/connect';
import { type ErrorCode, WalnutError } from '#model/errors.ts';
import { type Position, parsePosition } from '#model/position.ts';

const LEADER_HINT = 'x-leader-hint';
const EARLIEST_POSITION = 'x-earliest-position';

const CODES: Readonly<Partial<Record<Code, ErrorCode>>> = {
  [Code.InvalidArgument]: 'invalid_argument',
  [Code.FailedPrecondition]: 'failed_precondition',
  [Code.DataLoss]: 'discarded_history',
  [Code.OutOfRange]: 'out_of_range',
  [Code.ResourceExhausted]: 'resource_exhausted',
  [Code.AlreadyExists]: 'already_exists',
  [Code.NotFound]: 'not_found',
  [Code.Unauthenticated]: 'unauthenticated',
  // A peer of a version that lacks the rpc: trying again would not help.
  [Code.Unimplemented]: 'failed_precondition',
};

/** Why a call ends before its answer: here, not over there. */
export function closedError(address: string): WalnutError {
  return new WalnutError('unavailable', `the link to ${address} is closed`);
}

export function cancelledError(address: string): WalnutError {
  return new WalnutError('cancelled', `the call to ${address} was given up`);
}

export function lateError(address: string, timeoutMs: number): WalnutError {
  return new WalnutError('unavailable', `${address} did not answer within ${timeoutMs} ms`);
}

/** `address`: the peer's, for the message. */
export function toPeerError(error: unknown, address: string): WalnutError {
  if (error instanceof WalnutError) {
    // Thrown by our own codec: the answer arrived and was not understood.
    const message = `${address} answered something that makes no sense: ${error.message}`;
    return new WalnutError('unavailable', message, { cause: error });
  }
  const failure = ConnectError.from(error);
  const leaderHint = failure.metadata.get(LEADER_HINT) ?? undefined;
  return new WalnutError(codeOf(failure, leaderHint), `${address}: ${failure.rawMessage}`, {
    leaderHint,
    earliest: readEarliest(failure),
    cause: error,
  });
}

function codeOf(failure: ConnectError, leaderHint: string | undefined): ErrorCode {
  if (failure.code === Code.FailedPrecondition && leaderHint !== undefined) return 'not_master';
  return CODES[failure.code] ?? 'unavailable';
}

function readEarliest(failure: ConnectError): Position | undefined {
  const text = failure.metadata.get(EARLIEST_POSITION);
  return text === null ? undefined : parsePosition(text);
}
