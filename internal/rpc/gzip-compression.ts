/**
 * Gzip for requests. Expansion is bounded per message; a small body is expanded at once and
 * others a few at a time, in turns of their callers, so that a flood of them neither grows memory
 * nor keeps others waiting. Answers are sent as they are: on the networks a cache lives in,
 * compressing costs more than it saves.
 */

import { Code, ConnectError } from '@connectrpc/connect';
import type { Compression } from '@connectrpc/connect/protocol';
import { compressionGzip } from '@connectrpc/connect-node';
import { ANONYMOUS } from '#model/access.ts';
import type { Awaitable } from '#model/awaitable.ts';
import type { NoRoom } from '#rpc/body-budget.ts';
import { CallerQueue, type Waiter } from '#rpc/caller-queue.ts';
import { gunzip, gunzipSmall, TooLongError } from '#rpc/gunzip.ts';
import { NO_PEER } from '#rpc/peer.ts';
import { undecodable } from '#rpc/undecodable.ts';

const NOTHING = new Uint8Array(0);

/** For `compressMinBytes`: no answer is ever this large. */
export const NEVER_COMPRESS_BYTES = 0xffff_ffff;

export interface GzipCompression extends Compression {
  /**
   * Throws and rejects with `RESOURCE_EXHAUSTED` above `bytesMax`, `INVALID_ARGUMENT` where the
   * body is no gzip, a `WalnutError` of `resource_exhausted` where too many wait, and the reason
   * of the waiter's signal once that aborts. The signal is asked for only if the body has to wait.
   */
  expand(bytes: Uint8Array, bytesMax: number, waiter: Waiter): Awaitable<Uint8Array<ArrayBuffer>>;
}

/** Connect does not tell whose message it expands. It is given small ones, which do not wait. */
const SOMEBODY: Waiter = {
  caller: { principal: ANONYMOUS, peer: NO_PEER },
  signal: new AbortController().signal,
};

/** `onRefused`: too many bodies waited, of all callers or of one. */
export function createGzipCompression(onRefused?: (noRoom: NoRoom) => void): GzipCompression {
  const queue = new CallerQueue(onRefused);
  const expand: GzipCompression['expand'] = (bytes, bytesMax, waiter) => {
    // Connect takes nothing at all for an empty message.
    if (bytes.length === 0) return NOTHING;
    try {
      const small = gunzipSmall(bytes, bytesMax);
      if (small !== undefined) return small;
    } catch (error) {
      throw refusalOf(error, bytesMax);
    }
    return queue.run(waiter, async (signal) => {
      try {
        return await gunzip(bytes, bytesMax, signal);
      } catch (error) {
        signal.throwIfAborted();
        throw refusalOf(error, bytesMax);
      }
    });
  };
  return {
    name: compressionGzip.name,
    compress: (bytes) => compressionGzip.compress(bytes),
    decompress: async (bytes, readMaxBytes) => expand(bytes, readMaxBytes, SOMEBODY),
    expand,
  };
}

function refusalOf(error: unknown, bytesMax: number): ConnectError {
  if (!(error instanceof TooLongError)) return undecodable('the body is no gzip, or not all of it');
  const message = `message is larger than configured readMaxBytes ${bytesMax} after decompression`;
  return new ConnectError(message, Code.ResourceExhausted);
}
