/** The error for a message that cannot be read: it is the caller's fault, and nothing of the call was done. */
import { Code, ConnectError } from '@connectrpc/connect';
import { NOTHING_DONE } from '#wire/error-codec.ts';

export function undecodable(message: string): ConnectError {
  return new ConnectError(message, Code.InvalidArgument, undefined, [NOTHING_DONE]);
}
