/** Errors of calls that were not begun: nothing of them was done, and the answer says so. */
import type { DescMethod } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { NOTHING_DONE } from '#wire/error-codec.ts';

/** The error for a message that cannot be read: it is the caller's fault. */
export function undecodable(message: string): ConnectError {
  return unbegun(new ConnectError(message, Code.InvalidArgument));
}

/** The same error, which says that nothing was done, if it may have details. */
export function unbegun(error: ConnectError, hasDetails = true): ConnectError {
  if (!hasDetails) error.details = [];
  else if (!error.details.includes(NOTHING_DONE)) error.details.push(NOTHING_DONE);
  return error;
}

/**
 * True if errors that the edge makes for the rpc carry the details of `errors.proto`: callers of
 * services that are not Walnut's, such as health and reflection, do not know them.
 */
export function hasOwnDetails(method: DescMethod): boolean {
  return method.parent.typeName.startsWith('walnut.');
}
