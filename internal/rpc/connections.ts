/**
 * The open connections of one server, and how they end: politely when it drains
 * (GOAWAY, `Connection: close`), by force when the grace is over.
 */
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
  /** Idle connections end, busy ones after what is under way, new ones after one answer. */
  drain(): void;
  /** Resolves when those are closed that were open when the drain began. */
  drained(): Promise<void>;
  /** Resolves when no connection is left. */
  empty(): Promise<void>;
  destroy(): void;
}

export function createConnections(): Connections {
  const sockets = new Map<Socket, ((socket: Socket) => void) | undefined>();
  const sessions = new Set<Session>();
  /** Those open when the drain began that are still open; undefined before. */
  let early: Set<Socket> | undefined;
  let waiting: { readonly isOver: () => boolean; readonly resolve: () => void }[] = [];
  const isEmpty = (): boolean => sockets.size === 0;
  const isDrained = (): boolean => early?.size === 0;
  const when = (isOver: () => boolean): Promise<void> =>
    isOver() ? Promise.resolve() : new Promise((resolve) => waiting.push({ isOver, resolve }));

  /** Called once; what `once` keeps for each would be held as long as the connection. */
  function onClosed(this: Socket): void {
    const onClose = sockets.get(this);
    sockets.delete(this);
    early?.delete(this);
    onClose?.(this);
    for (const { isOver, resolve } of waiting) if (isOver()) resolve();
    waiting = waiting.filter(({ isOver }) => !isOver());
  }

  return {
    count: () => sockets.size,
    addSocket: (socket, onClose) => {
      sockets.set(socket, onClose);
      socket.on('close', onClosed);
    },
    addSession: (session) => {
      sessions.add(session);
      if (early !== undefined) session.close();
    },
    removeSession: (session) => {
      sessions.delete(session);
    },
    drain: () => {
      early = new Set(sockets.keys());
      for (const session of sessions) session.close();
    },
    drained: () => when(isDrained),
    empty: () => when(isEmpty),
    destroy: () => {
      for (const session of sessions) session.destroy();
      for (const socket of sockets.keys()) socket.destroy();
    },
  };
}
