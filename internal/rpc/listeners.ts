/**
 * The open port and its connections: the socket, what speaks HTTP/1.1 and HTTP/2 on
 * it, the bound of connections, and how all of that ends. It knows no route.
 */
import type { Server as Http1Server } from 'node:http';
import type { Http2Server } from 'node:http2';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { Clock } from '#platform/clock.ts';
import type { Logger } from '#platform/logger.ts';
import { AnswerBudget } from '#rpc/answer-budget.ts';
import { createBoundedMux } from '#rpc/bounded-mux.ts';
import { ConnectionRefusals, connectionsIn, limitConnections } from '#rpc/connection-limit.ts';
import { ConnectionPlaces, type Full } from '#rpc/connection-places.ts';
import { type Connections, createConnections } from '#rpc/connections.ts';
import { createHttp1, createHttp2 } from '#rpc/http-servers.ts';
import { Http1Driver } from '#rpc/http1/http1-driver.ts';
import { Http2Driver } from '#rpc/http2/http2-driver.ts';
import type { SiteEvents } from '#rpc/http2/site.ts';
import { type BindOptions, listen } from '#rpc/listen.ts';
import { isLoopbackAddress } from '#rpc/protected-mode.ts';
import { BODY_TIMEOUT_MS, type Listener } from '#rpc/request-listener.ts';
import { type Doors, openDoors, type TlsResult } from '#rpc/tls/doors.ts';
import type { TlsOptions } from '#rpc/tls/tls-gate.ts';
import { Turns, untilParting, untilRead } from '#rpc/turns.ts';

export interface ListenersOptions extends BindOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** What speaks HTTP/1.1, and HTTP/2: our own codecs, or Node's. */
  readonly http1: 'own' | 'node';
  readonly http2: 'own' | 'node';
  /** The limit for answers that wait to be read, over all connections of our own codecs. */
  readonly answerBytesMax: number;
  /** Called with the bytes of large answers that begin to wait there. */
  readonly onAnswerBytes?: ((bytes: number) => void) | undefined;
  /** How many files and sockets the process may have open. */
  readonly openFilesMax: number;
  /** Memory for connections, in bytes; undefined: as much as they take. */
  readonly connectionBytesMax?: number | undefined;
  /** Connections of one address; undefined: a quarter of all. */
  readonly perAddressMax?: number | undefined;
  /** Undefined: the port speaks clear text. */
  readonly tls?: TlsOptions | undefined;
}

export interface ListenersEvents extends SiteEvents {
  /** A connection was refused because all were taken, or all of its address. */
  readonly onConnectionRefused: (full: Full) => void;
  /** A handshake of TLS ended, or a peer spoke without TLS where that is required. */
  readonly onHandshake: (result: TlsResult) => void;
}

export interface Listeners {
  readonly port: number;
  /** The IP address bound, and the same as `host:port`. */
  readonly ip: string;
  readonly address: string;
  /** True if only this machine reaches it. */
  readonly isLoopback: boolean;
  readonly connectionsMax: number;
  connections(): number;
  /** Bytes of answers that wait for their peers on connections of our own codecs. */
  waitingBytes(): number;
  /** Handshakes of TLS under way. */
  handshakes(): number;
  /** Another node of the group called from that address: some connections are kept for it. */
  favour(address: string): void;
  /** Takes requests from now on. To be called in the turn of the event loop in which it was opened. */
  serve(listener: Listener, events: ListenersEvents): void;
  /** Idle connections end, of HTTP/1.1 when what their peers had sent is answered; busy ones after what is under way. */
  drain(): void;
  /**
   * Drains. New connections are taken, and told that the server stops, until those that were open
   * are closed; all have `graceMs` at most. Then `onOver` is called and the rest are cut. Never rejects.
   */
  close(graceMs: number, onOver: () => void): Promise<void>;
}

/** Rejects with `ServerAddressError`. */
export async function openListeners(options: ListenersOptions): Promise<Listeners> {
  const { clock, logger } = options;
  const { connectionBytesMax: bytesMax = Number.POSITIVE_INFINITY } = options;
  const memoryMax = connectionsIn(bytesMax, options.tls !== undefined);
  const limit = limitConnections(options.openFilesMax, options.perAddressMax, memoryMax);
  const places = new ConnectionPlaces(limit);
  const connections = createConnections();
  let serving: Serving | undefined;
  const now = (): Serving => serving as Serving;
  const mux = createBoundedMux(connections, {
    clock,
    limit,
    places,
    refusals: () => now().refusals,
    onHttp1: (socket) => now().clear.onHttp1(socket),
    onHttp2: (socket) => now().clear.onHttp2(socket),
    onTls: (socket, sinceMs) => now().onTls(socket, sinceMs),
  });
  logger.info({ ...limit }, 'connections are bounded by open files and memory');
  const { address: ip, port, family } = await listen(mux, options);
  return {
    port,
    ip,
    address: family === 'IPv6' ? `[${ip}]:${port}` : `${ip}:${port}`,
    isLoopback: isLoopbackAddress(ip),
    connectionsMax: limit.connectionsMax,
    connections: connections.count,
    favour: (address) => places.favour(address),
    waitingBytes: () => serving?.budget.heldBytes ?? 0,
    handshakes: () => serving?.handshakes() ?? 0,
    serve: (listener, events) => {
      const { onConnectionRefused, onLimit } = events;
      const { answerBytesMax, onAnswerBytes } = options;
      const budget = new AnswerBudget(answerBytesMax, () => onLimit('answers'), onAnswerBytes);
      const parts = { clock, listener, connections, events, budget, turns: new Turns(clock) };
      const http1 = createHttp1(listener, clock, events);
      const readers = {
        onHttp1: options.http1 === 'own' ? ownHttp1(parts, http1) : nodeHttp(http1),
        onHttp2:
          options.http2 === 'own' ? ownHttp2(parts) : nodeHttp2(createHttp2(listener, connections, clock)),
      };
      serving = {
        http1,
        budget,
        ...openDoors(options.tls, { clock, logger, connections, readers, onHandshake: events.onHandshake }),
        refusals: new ConnectionRefusals({ limit, clock, logger, onRefused: onConnectionRefused }),
      };
    },
    drain: () => {
      connections.drain();
      void untilParting(clock).then(() => now().http1.closeIdleConnections());
    },
    close: async (graceMs, onOver) => {
      const done = new AbortController();
      const grace = clock.sleep(graceMs, done.signal);
      await Promise.race([Promise.all([connections.drained(), untilRead(clock)]), grace]);
      const stopped = new Promise<void>((resolve) => mux.close(() => resolve()));
      await Promise.race([connections.empty(), grace]);
      done.abort();
      onOver();
      connections.destroy();
      await stopped;
      now().http1.close();
    },
  };
}

type Accept = (socket: Socket) => void;

interface Serving extends Doors {
  /** Node's: what our own driver does not serve goes there. */
  readonly http1: Http1Server;
  readonly budget: AnswerBudget;
  readonly refusals: ConnectionRefusals;
}

interface DriverParts {
  readonly clock: Clock;
  readonly listener: Listener;
  readonly connections: Connections;
  readonly events: SiteEvents;
  readonly budget: AnswerBudget;
  /** One for all connections: each turn has one budget, whatever they speak. */
  readonly turns: Turns;
}

function ownHttp1(parts: DriverParts, node: Http1Server): Accept {
  const driver = new Http1Driver({
    ...parts,
    requestTimeoutMs: BODY_TIMEOUT_MS,
    onStalled: parts.events.onStalled,
    onLate: parts.events.onLate,
    handOver: nodeHttp(node),
  });
  return (socket) => driver.accept(socket);
}

function ownHttp2(parts: DriverParts): Accept {
  const driver = new Http2Driver({ ...parts, bodyTimeoutMs: BODY_TIMEOUT_MS });
  return (socket) => driver.accept(socket);
}

function nodeHttp(server: Http1Server): Accept {
  return (socket) => void server.emit('connection', socket);
}

function nodeHttp2(server: Http2Server): Accept {
  return (socket) => {
    // The preface has come, so the peer speaks HTTP/2, with ALPN or without; Node asks for ALPN where there is TLS.
    if (socket instanceof TLSSocket) Object.assign(socket, { alpnProtocol: 'h2' });
    server.emit('connection', socket);
  };
}
