/**
 * What a port threw, as what the caller is told. Whatever is not a `WalnutError`
 * is a bug: the caller gets a correlation id, the log gets the rest. The codes are
 * in `wire/error-codes.ts`.
 */
import { Code, ConnectError } from '@connectrpc/connect';
import { WalnutError } from '#model/errors.ts';
import type { Clock } from '#platform/clock.ts';
import { LinePace } from '#platform/line-pace.ts';
import type { Logger } from '#platform/logger.ts';
import { fromError, fromErrorToHttp, type HttpError } from '#wire/error-codec.ts';

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
    return new WalnutError('internal', `internal error; the server's log has it as ${correlationId}`);
  };
  const toWalnutError = (error: unknown): WalnutError => {
    if (!(error instanceof WalnutError)) return concealed(error);
    // A wrong request is its sender's to see, but another node that sends damaged bytes is an operator's.
    const isNonsense = error.code === 'invalid_argument' && error.details.cause !== undefined;
    const paced = isNonsense ? nonsensePace.take() : undefined;
    if (paced !== undefined) logger.warn({ why: error.message, ...paced }, 'another node sent invalid data');
    return error;
  };

  return {
    toConnectError: (error, signal) => {
      if (error instanceof ConnectError) return error;
      if (signal?.aborted === true && isAbort(error)) return cancelledError(error, signal);
      return fromError(toWalnutError(error));
    },
    toHttpError: (error) => fromErrorToHttp(toWalnutError(error)),
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
