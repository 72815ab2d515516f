/** Errors of calls that were not begun: nothing of them was done, and the answer says so. */
import { Code, ConnectError } from '@connectrpc/connect';
import { NOTHING_DONE } from '#wire/error-codec.ts';

/** The error for a message that cannot be read: it is the caller's fault. */
export function undecodable(message: string): ConnectError {
  return unbegun(new ConnectError(message, Code.InvalidArgument));
}

/** The same error, which says that nothing was done. */
export function unbegun(error: ConnectError): ConnectError {
  if (!error.details.includes(NOTHING_DONE)) error.details.push(NOTHING_DONE);
  return error;
}
