/**
 * Names the key behind the limit of a message that was too large. The code that
 * counts the bytes, Connect's gzip included, knows only the number. Pure.
 */
import { Code, ConnectError } from '@connectrpc/connect';

export interface NamedLimit {
  readonly readMaxBytes: number;
  /** The key that the limit follows from; undefined: the limit is fixed. */
  readonly limitKey: string | undefined;
}

/** Returns every other error as it is. */
export function withLimitNamed(error: unknown, { readMaxBytes, limitKey }: NamedLimit): unknown {
  if (limitKey === undefined || !(error instanceof ConnectError)) return error;
  const isOfLimit =
    error.code === Code.ResourceExhausted && error.rawMessage.includes(`readMaxBytes ${readMaxBytes}`);
  if (!isOfLimit) return error;
  return new ConnectError(
    `${error.rawMessage}, which follows from ${limitKey}`,
    error.code,
    error.metadata,
    undefined,
    error,
  );
}
