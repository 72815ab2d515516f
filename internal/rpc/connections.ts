/**
 * The open connections of one server, and how they end: politely when it drains
 * (GOAWAY, `Connection: close`), by force when the grace is over.
 */
import type { Server as HttpServer } from 'node:http';
import type { ServerHttp2Session } from 'node:http2';
import type { Socket } from 'node:net';

export interface Connections {
  /** False where all places are taken: the socket is not counted. */
  addSocket(socket: Socket): boolean;
  addSession(session: ServerHttp2Session): void;
  count(): number;
  /** Idle connections end now, busy ones after what is under way. */
  drain(http1: HttpServer): void;
  /** Resolves when no connection is left. */
  empty(): Promise<void>;
  destroy(): void;
}

export function createConnections(countMax: number): Connections {
  const sockets = new Set<Socket>();
  const sessions = new Set<ServerHttp2Session>();
  let isDraining = false;
  let onEmpty: (() => void)[] = [];

  return {
    count: () => sockets.size,
    addSocket: (socket) => {
      if (sockets.size >= countMax) return false;
      sockets.add(socket);
      socket.once('close', () => {
        sockets.delete(socket);
        if (sockets.size > 0) return;
        for (const resolve of onEmpty) resolve();
        onEmpty = [];
      });
      return true;
    },
    addSession: (session) => {
      sessions.add(session);
      session.once('close', () => sessions.delete(session));
      if (isDraining) session.close();
    },
    drain: (http1) => {
      isDraining = true;
      for (const session of sessions) session.close();
      http1.closeIdleConnections();
    },
    empty: () => (sockets.size === 0 ? Promise.resolve() : new Promise((resolve) => onEmpty.push(resolve))),
    destroy: () => {
      for (const session of sessions) session.destroy();
      for (const socket of sockets) socket.destroy();
    },
  };
}
