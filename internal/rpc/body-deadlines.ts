/**
 * A bound on how long a peer may take to send the body of one HTTP/2 stream:
 * the stream is cancelled when it is over. One timer serves all streams, as one
 * for each would cost more than most calls do; and most bodies come together
 * with their headers, so streams are looked at after the turn that brings them.
 */
import { constants, type ServerHttp2Stream } from 'node:http2';
import type { Clock, Timer } from '#platform/clock.ts';

export interface BodyDeadlines {
  /** Until its body is complete, or it has ended. Once for each stream. */
  watch(stream: ServerHttp2Stream): void;
}

/** `endSignal` stops the timer. `onLate`: called for each body that took too long. */
export function createBodyDeadlines(
  clock: Clock,
  limitMs: number,
  endSignal: AbortSignal,
  onLate: () => void,
): BodyDeadlines {
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
      onLate();
      stream.close(constants.NGHTTP2_CANCEL);
    }
  };
  endSignal.addEventListener('abort', () => timer?.cancel(), { once: true });
  let fresh: ServerHttp2Stream[] = [];
  const admit = (): void => {
    const streams = fresh;
    fresh = [];
    for (const stream of streams) {
      if (stream.readableEnded || stream.destroyed) continue;
      waiting.set(stream, clock.monotonicMs());
      const forget = (): void => {
        waiting.delete(stream);
      };
      stream.once('end', forget);
      stream.once('close', forget);
    }
    if (waiting.size > 0 && timer === undefined && !endSignal.aborted) timer = clock.after(limitMs, sweep);
  };
  return {
    watch: (stream) => {
      if (fresh.push(stream) === 1) void clock.yield().then(admit);
    },
  };
}
