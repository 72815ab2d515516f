/**
 * HTTP/1.1 connections whose peer leaves answers unread are closed. One look at
 * all of them now and then, so that no answer costs a timer: a connection that
 * had bytes to take, and was given no new ones, for as long as they may take.
 */
import type { Socket } from 'node:net';
import type { Clock, Timer } from '#platform/clock.ts';
import { patienceMs } from '#rpc/answer-pace.ts';

const LOOK_MS = 10_000;

interface Unread {
  /** Given to the socket by then. */
  readonly givenBytes: number;
  readonly sinceMs: number;
}

export interface StalledSockets {
  /** Watches the socket until it closes. */
  watch(socket: Socket): void;
}

export function createStalledSockets(clock: Clock, onStalled: () => void): StalledSockets {
  const sockets = new Map<Socket, Unread | undefined>();
  let timer: Timer | undefined;
  const look = (): void => {
    const nowMs = clock.monotonicMs();
    for (const [socket, before] of sockets) {
      const leftBytes = socket.writableLength;
      if (leftBytes === 0) {
        if (before !== undefined) sockets.set(socket, undefined);
      } else if (before?.givenBytes !== socket.bytesWritten) {
        sockets.set(socket, { givenBytes: socket.bytesWritten, sinceMs: nowMs });
      } else if (nowMs - before.sinceMs >= patienceMs(leftBytes)) {
        onStalled();
        socket.destroy();
      }
    }
    timer = clock.after(LOOK_MS, look);
  };
  return {
    watch: (socket) => {
      sockets.set(socket, undefined);
      timer ??= clock.after(LOOK_MS, look);
      socket.once('close', () => {
        sockets.delete(socket);
        if (sockets.size > 0) return;
        timer?.cancel();
        timer = undefined;
      });
    },
  };
}
