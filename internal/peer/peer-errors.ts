/**
 * What a failed call to another node means here.
 *
 * Only refusals that the peer meant keep their code. Every failure on the way or in the
 * peer (no connection, an internal error, an invalid answer) is `unavailable`: the caller
 * tries again later.
 */
import { ConnectError } from '@connectrpc/connect';
import { type ErrorCode, WalnutError } from '#model/errors.ts';
import { toError } from '#wire/error-reader.ts';
import { cutReason } from '#wire/numbers.ts';

/** Why a call ends before its answer: here, not over there. */
export function closedError(address: string): WalnutError {
  return new WalnutError('unavailable', `the link to ${address} is closed`);
}

export function cancelledError(address: string): WalnutError {
  return new WalnutError('cancelled', `the call to ${address} was given up`);
}

export function lateError(address: string, timeoutMs: number): WalnutError {
  return new WalnutError('unavailable', `${address} did not answer within ${Math.round(timeoutMs)} ms`);
}

/** `address`: the peer's, for the message. */
export function toPeerError(error: unknown, address: string): WalnutError {
  if (error instanceof WalnutError) {
    // Thrown by our own codec: the answer arrived and was not understood.
    const message = `${address} answered with invalid data: ${error.message}`;
    return new WalnutError('unavailable', message, { cause: error });
  }
  const { code, message, details } = toError(ConnectError.from(error));
  // Not `nothingDone`: this node may have done its part before it called.
  const { leaderHint, earliest } = details;
  return new WalnutError(verdict(code), `${address}: ${cutReason(message)}`, {
    leaderHint,
    earliest,
    cause: error,
  });
}

function verdict(code: ErrorCode): ErrorCode {
  // A name that the peer does not know itself by: its operator can change that.
  if (code === 'permission_denied') return 'unavailable';
  return code === 'internal' || code === 'cancelled' ? 'unavailable' : code;
}
