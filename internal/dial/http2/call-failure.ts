/** Why a call over our own HTTP/2 has no answer, as it stands in the error of the call. */
import type { ConnectError } from '@connectrpc/connect';
import type { CallFailure } from '#dial/http2/outgoing-call.ts';

/** The failure that is the error's cause; undefined: the error is an answer, or was made elsewhere. */
export function failureOf({ cause }: ConnectError): CallFailure | undefined {
  return isFailure(cause) ? cause : undefined;
}

function isFailure(cause: unknown): cause is CallFailure {
  return typeof cause === 'object' && cause !== null && 'isUnsent' in cause;
}
