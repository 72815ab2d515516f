/**
 * The open connections of one server, and how they end: politely when it drains
 * (GOAWAY, `Connection: close`), by force when the grace is over.
 */
import type { Server as HttpServer } from 'node:http';
import type { Socket } from 'node:net';

/** A connection of one of our own drivers, or of Node's HTTP/2. */
export interface Session {
  /** Takes no new requests, and ends after those under way. */
  close(): void;
  destroy(): void;
}

export interface Connections {
  /** `onClose`: called when it is closed; the same one for all, or each costs its connection memory. */
  addSocket(socket: Socket, onClose?: (socket: Socket) => void): void;
  addSession(session: Session): void;
  /** It is closed. */
  removeSession(session: Session): void;
  count(): number;
  /** Idle connections end now, busy ones after what is under way. */
  drain(http1: HttpServer): void;
  /** Resolves when no connection is left. */
  empty(): Promise<void>;
  destroy(): void;
}

export function createConnections(): Connections {
  const sockets = new Map<Socket, ((socket: Socket) => void) | undefined>();
  const sessions = new Set<Session>();
  let isDraining = false;
  let onEmpty: (() => void)[] = [];

  /** Called once; what `once` keeps for each would be held as long as the connection. */
  function onClosed(this: Socket): void {
    const onClose = sockets.get(this);
    sockets.delete(this);
    onClose?.(this);
    if (sockets.size > 0) return;
    for (const resolve of onEmpty) resolve();
    onEmpty = [];
  }

  return {
    count: () => sockets.size,
    addSocket: (socket, onClose) => {
      sockets.set(socket, onClose);
      socket.on('close', onClosed);
    },
    addSession: (session) => {
      sessions.add(session);
      if (isDraining) session.close();
    },
    removeSession: (session) => {
      sessions.delete(session);
    },
    drain: (http1) => {
      isDraining = true;
      for (const session of sessions) session.close();
      http1.closeIdleConnections();
    },
    empty: () => (sockets.size === 0 ? Promise.resolve() : new Promise((resolve) => onEmpty.push(resolve))),
    destroy: () => {
      for (const session of sessions) session.destroy();
      for (const socket of sockets.keys()) socket.destroy();
    },
  };
}
