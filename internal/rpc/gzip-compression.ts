/**
 * Gzip for requests, a few at a time. Expansion is bounded per message by
 * `readMaxBytes`; the bound on how many expand at once keeps a flood of small
 * compressed bodies from growing memory. Answers are sent as they are: on the
 * networks a cache lives in, compressing costs more than it saves.
 */

import { Code, ConnectError } from '@connectrpc/connect';
import type { Compression } from '@connectrpc/connect/protocol';
import { compressionGzip } from '@connectrpc/connect-node';
import { gunzip, TooLongError } from '#rpc/gunzip.ts';
import { undecodable } from '#rpc/undecodable.ts';

const CONCURRENT_MAX = 4;
const NOTHING = new Uint8Array(0);

/** For `compressMinBytes`: no answer is ever this large. */
export const NEVER_COMPRESS_BYTES = 0xffff_ffff;

export function createGzipCompression(): Compression {
  let running = 0;
  const waiting: (() => void)[] = [];
  return {
    name: compressionGzip.name,
    compress: (bytes) => compressionGzip.compress(bytes),
    decompress: async (bytes, readMaxBytes) => {
      if (running >= CONCURRENT_MAX) await new Promise<void>((resolve) => waiting.push(resolve));
      else running += 1;
      try {
        // Connect takes nothing at all for an empty message.
        return bytes.length === 0 ? NOTHING : await gunzip(bytes, readMaxBytes);
      } catch (error) {
        if (error instanceof TooLongError) {
          const message = `message is larger than configured readMaxBytes ${readMaxBytes} after decompression`;
          throw new ConnectError(message, Code.ResourceExhausted);
        }
        throw undecodable('the body is no gzip, or not all of it');
      } finally {
        // The next in line takes this place, so `running` stays as it is.
        const next = waiting.shift();
        if (next === undefined) running -= 1;
        else next();
      }
    },
  };
}
