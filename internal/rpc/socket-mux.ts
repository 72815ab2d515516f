/**
 * HTTP/1.1, HTTP/2 and TLS on one port. The first bytes of a connection decide: those
 * that begin the HTTP/2 preface go to the HTTP/2 server, a handshake goes to TLS,
 * all others go to the HTTP/1 server. A preface may arrive in pieces; a connection that
 * stays silent is dropped after `firstBytesMs`, and within `DRAINING_MS` when the server drains.
 */
import { createServer, type Server, type Socket } from 'node:net';
import type { Clock, Timer } from '#platform/clock.ts';
import type { Connections } from '#rpc/connections.ts';
import { directSocketOf } from '#rpc/direct-socket.ts';
import { passSocket } from '#rpc/pass-socket.ts';

/** The type of the first record of TLS; no request of HTTP begins with it. */
const TLS_HANDSHAKE = 0x16;
const PREFACE = Buffer.from('PRI * HTTP/2.0', 'latin1');

/** How long a new connection may take to say which protocol it speaks. */
export const FIRST_BYTES_MS = 5_000;
/** The same while the server drains, and for the rest of a head: one that asks at once is still told to go elsewhere. */
export const DRAINING_MS = 250;

/** They tell those that are silent when the server drains. */
export type SilentConnections = Pick<Connections, 'addSession' | 'removeSession'>;

/** What becomes of a connection when its first bytes are known. */
export interface Readers {
  readonly onHttp1: (socket: Socket) => void;
  readonly onHttp2: (socket: Socket) => void;
}

/** The peer begins a handshake. `sinceMs`: when the connection came, monotonic. */
export type TlsReader = (socket: Socket, sinceMs: number) => void;

export interface SocketMuxOptions extends Readers {
  readonly onTls: TlsReader;
  readonly clock: Clock;
  readonly connections: SilentConnections;
  readonly firstBytesMs: number;
  /** Every connection, before anything is read from it; false refuses it. */
  readonly onSocket: (socket: Socket) => boolean;
  /** One that was refused has said what it speaks, within `refusedMs`. */
  readonly onRefused: (socket: Socket, protocol: Protocol) => void;
  readonly refusedMs: number;
}

export type Protocol = 'http1' | 'http2';

/** The server is not listening yet. */
export function createSocketMux(options: SocketMuxOptions): Server {
  return createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: 30_000 }, (accepted) => {
    const socket = directSocketOf(accepted);
    if (options.onSocket(socket)) sniff(socket, options);
    else if (!socket.destroyed) sniff(socket, refusing(options));
  });
}

export interface SniffOptions extends Readers {
  readonly clock: Clock;
  readonly connections: SilentConnections;
  readonly firstBytesMs: number;
  /** Undefined: TLS is what HTTP/1.1 makes of it. */
  readonly onTls?: TlsReader;
}

function refusing({ clock, connections, refusedMs, onRefused }: SocketMuxOptions): SniffOptions {
  return {
    clock,
    connections,
    firstBytesMs: refusedMs,
    onHttp1: (socket) => onRefused(socket, 'http1'),
    onHttp2: (socket) => onRefused(socket, 'http2'),
    // A handshake would cost more than what it is refused for.
    onTls: (socket) => socket.destroy(),
  };
}

/** Waits for the first bytes of a connection, and passes it on with them. */
export function sniff(socket: Socket, options: SniffOptions): void {
  let seen: Buffer = Buffer.alloc(0);
  const { clock, connections, onTls } = options;
  const sinceMs = clock.monotonicMs();
  const end = (): void => void socket.destroy();
  let timer: Timer = clock.after(options.firstBytesMs, end);
  const silent = {
    close: () => {
      timer.cancel();
      timer = clock.after(DRAINING_MS, end);
    },
    destroy: end,
  };
  connections.addSession(silent);
  // A peer may reset at any moment; the HTTP servers bring listeners of their own later.
  const ignore = (): void => {};
  const stop = (): void => {
    timer.cancel();
    connections.removeSession(silent);
    socket.off('data', onData);
    socket.off('close', stop);
  };
  const onData = (chunk: Buffer): void => {
    seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk]);
    const protocol = protocolOf(seen);
    if (protocol === 'undecided') return;
    stop();
    if (seen[0] === TLS_HANDSHAKE && onTls !== undefined) {
      // What reads it next reads the handle, and begins with what is put back.
      socket.pause();
      if (!socket.readableEnded) socket.unshift(seen);
      onTls(socket, sinceMs);
      return;
    }
    passSocket(socket, seen, protocol === 'http2' ? options.onHttp2 : options.onHttp1);
    socket.off('error', ignore);
  };
  socket.on('error', ignore);
  socket.on('close', stop);
  socket.on('data', onData);
}

/** The protocol of a connection by its first bytes; `undecided` while they fit more than one. */
export function protocolOf(bytes: Uint8Array): 'http1' | 'http2' | 'undecided' {
  const length = Math.min(bytes.length, PREFACE.length);
  for (let i = 0; i < length; i++) {
    if (bytes[i] !== PREFACE[i]) return 'http1';
  }
  return length === PREFACE.length ? 'http2' : 'undecided';
}
