/**
 * Tells what a message is too large for, in words and as the detail of `errors.proto`: the key of
 * the configuration that its limit follows from. The code that counts the bytes, Connect's
 * included, knows only the number, and its words are what tells the case. Pure.
 */
import { Code, ConnectError } from '@connectrpc/connect';
import { WalnutError } from '#model/errors.ts';
import { fromError } from '#wire/error-codec.ts';

export interface NamedLimit {
  readonly readMaxBytes: number;
  /** The key that the limit follows from; undefined: the limit is fixed. */
  readonly limitKey: string | undefined;
}

/** What a fixed limit is of. */
const MESSAGE = 'message';
const TOO_LARGE =
  /^message (?:size )?(\d+ )?is larger than configured readMaxBytes (\d+)( after decompression)?/;

/** Returns every other error as it is. `limit`: of the call, which may be another one than that of the message. */
export function withLimitNamed(error: unknown, limit: NamedLimit | undefined): unknown {
  if (!(error instanceof ConnectError) || error.code !== Code.ResourceExhausted) return error;
  const match = TOO_LARGE.exec(error.rawMessage);
  if (match === null) return error;
  const [size, max] = [Number(match[1] ?? 0), Number(match[2])];
  const key = limit?.readMaxBytes === max ? limit.limitKey : undefined;
  const has = size === 0 ? `more than ${max}` : String(size);
  const expanded = match[3] === undefined ? '' : ' when it is expanded';
  const why = key === undefined ? '' : `, which follows from ${key}`;
  return fromError(
    new WalnutError(
      'resource_exhausted',
      `the message has ${has} bytes${expanded}: expected at most ${max}${why}`,
      { nothingDone: true, limit: { name: key ?? MESSAGE, max, size } },
    ),
  );
}
