/**
 * A bound on how long a peer may take to send the body of one HTTP/2 stream:
 * the stream is cancelled when it is over. One timer serves all streams, as one
 * for each would cost more than most calls do.
 */
import { constants, type ServerHttp2Stream } from 'node:http2';
import type { Clock, Timer } from '#platform/clock.ts';

export interface BodyDeadlines {
  /** From now on. Watching twice changes nothing. */
  watch(stream: ServerHttp2Stream): void;
  /** The body is complete, or the stream has ended. */
  forget(stream: ServerHttp2Stream): void;
}

/** `endSignal` stops the timer. */
export function createBodyDeadlines(clock: Clock, limitMs: number, endSignal: AbortSignal): BodyDeadlines {
  /** When each began; the oldest comes first. */
  const waiting = new Map<ServerHttp2Stream, number>();
  let timer: Timer | undefined;
  const sweep = (): void => {
    timer = undefined;
    const nowMs = clock.monotonicMs();
    for (const [stream, sinceMs] of waiting) {
      const leftMs = sinceMs + limitMs - nowMs;
      if (leftMs > 0) {
        if (!endSignal.aborted) timer = clock.after(leftMs, sweep);
        return;
      }
      waiting.delete(stream);
      stream.close(constants.NGHTTP2_CANCEL);
    }
  };
  endSignal.addEventListener('abort', () => timer?.cancel(), { once: true });
  return {
    watch: (stream) => {
      if (waiting.has(stream)) return;
      waiting.set(stream, clock.monotonicMs());
      if (timer === undefined && !endSignal.aborted) timer = clock.after(limitMs, sweep);
    },
    forget: (stream) => {
      waiting.delete(stream);
    },
  };
}
