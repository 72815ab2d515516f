/**
 * HTTP/2 connections over which nothing went for long, pings included, are
 * closed. Node's own timeout of a session is set anew with every frame; what is
 * looked at here, now and then, is how many bytes went.
 */
import type { ServerHttp2Session } from 'node:http2';
import type { Clock, Timer } from '#platform/clock.ts';

/** Looks in the time that a session may be idle: it is closed at most so much later. */
const LOOKS = 10;

export interface IdleSessions {
  /** Watches the session until it ends. */
  watch(session: ServerHttp2Session): void;
}

export function createIdleSessions(clock: Clock, limitMs: number): IdleSessions {
  const known = new Map<ServerHttp2Session, { bytes: number; sinceMs: number }>();
  let timer: Timer | undefined;
  const look = (): void => {
    const nowMs = clock.monotonicMs();
    for (const [session, last] of known) {
      if (session.destroyed) continue;
      const bytes = session.socket.bytesRead + session.socket.bytesWritten;
      if (bytes !== last.bytes) {
        last.bytes = bytes;
        last.sinceMs = nowMs;
      } else if (nowMs - last.sinceMs >= limitMs) {
        session.close();
      }
    }
    timer = clock.after(limitMs / LOOKS, look);
  };
  return {
    watch: (session) => {
      known.set(session, { bytes: 0, sinceMs: clock.monotonicMs() });
      timer ??= clock.after(limitMs / LOOKS, look);
      session.once('close', () => {
        known.delete(session);
        if (known.size > 0) return;
        timer?.cancel();
        timer = undefined;
      });
    },
  };
}
