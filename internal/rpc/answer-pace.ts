/**
 * How long a peer may leave an answer unread. A peer that takes nothing for so
 * long is cut off: what an unread answer takes (memory, an open file, one of the
 * few places to read a snapshot from) is needed by others.
 */
import { constants, type ServerHttp2Stream } from 'node:http2';
import type { Clock } from '#platform/clock.ts';
import { type HttpResponse, hasStream } from '#rpc/http-io.ts';

const PATIENCE_MS = 60_000;
/** The slowest reader that is served: 16 kB a second. */
const BYTES_PER_MS_MIN = 16;

/** Milliseconds in which a peer has to take `bytes`. */
export function patienceMs(bytes: number): number {
  return PATIENCE_MS + bytes / BYTES_PER_MS_MIN;
}

/** Smaller answers are not worth a timer each: a connection has some MiB of them at most. */
const BOUND_BYTES_MIN = 65_536;

/** Cuts the stream off where its answer of so many bytes is not taken in time. */
export type BoundAnswer = (stream: ServerHttp2Stream, bytes: number) => void;

export function createBoundAnswer(clock: Clock, onStalled: () => void): BoundAnswer {
  return (stream, bytes) => {
    if (bytes < BOUND_BYTES_MIN || stream.destroyed) return;
    const timer = clock.after(patienceMs(bytes), () => {
      onStalled();
      stream.close(constants.NGHTTP2_CANCEL);
    });
    stream.once('close', () => timer.cancel());
  };
}

/** Ends an answer without its rest: the stream over HTTP/2, the connection over HTTP/1.1. */
export function cutOff(response: HttpResponse): void {
  if (hasStream(response)) response.stream.close(constants.NGHTTP2_CANCEL);
  else response.destroy();
}
