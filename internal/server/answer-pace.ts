/**
 * How long a peer may leave an answer unread. A peer that takes nothing for so
 * long is cut off: what an unread answer holds (memory, an open file, one of the
 * few places to read a snapshot from) is needed by others.
 */
import { constants } from 'node:http2';
import { type HttpResponse, isHttp2Response } from '#server/http-io.ts';

const PATIENCE_MS = 60_000;
/** The slowest reader that is served: 16 kB a second. */
const BYTES_PER_MS_MIN = 16;

/** Milliseconds in which a peer has to take `bytes`. */
export function patienceMs(bytes: number): number {
  return PATIENCE_MS + bytes / BYTES_PER_MS_MIN;
}

/** Ends an answer without its rest: the stream over HTTP/2, the connection over HTTP/1.1. */
export function cutOff(response: HttpResponse): void {
  if (isHttp2Response(response)) response.stream.close(constants.NGHTTP2_CANCEL);
  else response.destroy();
}
