/**
 * The open port and its connections: the socket, what speaks HTTP/1.1 and HTTP/2 on
 * it, the bound of connections, and how all of that ends. It knows no route.
 */
import type { Socket } from 'node:net';
import type { Clock } from '#platform/clock.ts';
import type { Logger } from '#platform/logger.ts';
import { createBoundedMux } from '#rpc/bounded-mux.ts';
import { ConnectionRefusals, limitConnections } from '#rpc/connection-limit.ts';
import { type Connections, createConnections } from '#rpc/connections.ts';
import { createHttp1, createHttp2 } from '#rpc/http-servers.ts';
import { Http2Driver } from '#rpc/http2/http2-driver.ts';
import type { SiteEvents } from '#rpc/http2/site.ts';
import { type BindOptions, listen } from '#rpc/listen.ts';
import { isLoopbackAddress } from '#rpc/protected-mode.ts';
import { BODY_TIMEOUT_MS, type Listener } from '#rpc/request-listener.ts';

export interface ListenersOptions extends BindOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** What speaks HTTP/2: our own codec, or Node's. */
  readonly http2: 'own' | 'node';
  /** The limit for answers that wait to be read, over all connections of our own codec. */
  readonly answerBytesMax: number;
  /** Called with the bytes of large answers that begin to wait there. */
  readonly onAnswerBytes?: ((bytes: number) => void) | undefined;
  /** How many files and sockets the process may have open. */
  readonly openFilesMax: number;
}

export interface ListenersEvents extends SiteEvents {
  /** A connection was refused because all were taken. */
  readonly onConnectionRefused: () => void;
}

export interface Listeners {
  readonly port: number;
  /** The IP address bound, and the same as `host:port`. */
  readonly ip: string;
  readonly address: string;
  /** Whether only this machine reaches it. */
  readonly isLoopback: boolean;
  readonly connectionsMax: number;
  connections(): number;
  /** Bytes of answers that wait for their peers; 0 where Node speaks HTTP/2. */
  waitingBytes(): number;
  /** Takes requests from now on. To be called in the turn of the event loop in which it was opened. */
  serve(listener: Listener, events: ListenersEvents): void;
  /** Idle connections end now, busy ones after what is under way. */
  drain(): void;
  /** Waits for connections to end, `graceMs` at most; then `onOver` is called and the rest are cut. Never rejects. */
  close(graceMs: number, onOver: () => void): Promise<void>;
}

/** Rejects with `ServerAddressError`. */
export async function openListeners(options: ListenersOptions): Promise<Listeners> {
  const { clock, logger } = options;
  const limit = limitConnections(options.openFilesMax);
  const connections = createConnections(limit.connectionsMax);
  let serving: Serving | undefined;
  const now = (): Serving => serving as Serving;
  const mux = createBoundedMux(connections, {
    clock,
    limit,
    refusals: () => now().refusals,
    onHttp1: (socket) => now().http1.emit('connection', socket),
    onHttp2: (socket) => now().http2.accept(socket),
  });
  logger.info({ ...limit }, 'connections are bounded by the limit of open files');
  const { address: ip, port, family } = await listen(mux, options);
  return {
    port,
    ip,
    address: family === 'IPv6' ? `[${ip}]:${port}` : `${ip}:${port}`,
    isLoopback: isLoopbackAddress(ip),
    connectionsMax: limit.connectionsMax,
    connections: connections.count,
    waitingBytes: () => serving?.http2.waitingBytes() ?? 0,
    serve: (listener, events) => {
      const { onConnectionRefused, onStalled } = events;
      serving = {
        http1: createHttp1(listener, clock, onStalled),
        http2: createHttp2Port(options, listener, connections, events),
        refusals: new ConnectionRefusals({ limit, clock, logger, onRefused: onConnectionRefused }),
      };
    },
    drain: () => connections.drain(now().http1),
    close: async (graceMs, onOver) => {
      const stopped = new Promise<void>((resolve) => mux.close(() => resolve()));
      const done = new AbortController();
      await Promise.race([connections.empty(), clock.sleep(graceMs, done.signal)]);
      done.abort();
      onOver();
      connections.destroy();
      await stopped;
      now().http1.close();
    },
  };
}

interface Serving {
  readonly http1: ReturnType<typeof createHttp1>;
  readonly http2: Http2Port;
  readonly refusals: ConnectionRefusals;
}

interface Http2Port {
  accept(socket: Socket): void;
  waitingBytes(): number;
}

function createHttp2Port(
  { clock, http2, answerBytesMax, onAnswerBytes }: ListenersOptions,
  listener: Listener,
  connections: Connections,
  events: SiteEvents,
): Http2Port {
  if (http2 === 'own') {
    const driver = new Http2Driver({
      clock,
      listener,
      connections,
      events,
      bodyTimeoutMs: BODY_TIMEOUT_MS,
      answerBytesMax,
      onAnswerBytes,
    });
    return { accept: (socket) => driver.accept(socket), waitingBytes: () => driver.budget.heldBytes };
  }
  const server = createHttp2(listener, connections, clock);
  return { accept: (socket) => server.emit('connection', socket), waitingBytes: () => 0 };
}
