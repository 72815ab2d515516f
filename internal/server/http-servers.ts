/**
 * Node's HTTP/1.1 and HTTP/2 servers with bounds on everything a peer may hold:
 * headers, time, streams, windows. Neither listens; the socket mux feeds them.
 */
import { createServer as createHttp1Server, type Server as Http1Server } from 'node:http';
import { createServer as createHttp2Server, type Http2Server } from 'node:http2';
import type { Connections } from '#server/connections.ts';
import { deferContinue, type HttpRequest, type HttpResponse } from '#server/http-io.ts';
import { BODY_TIMEOUT_MS } from '#server/request-listener.ts';

const HEADER_BYTES_MAX = 16_384;
const HEADERS_TIMEOUT_MS = 10_000;
/** Above the 60 s that load balancers commonly keep idle connections, so that they close first. */
const KEEP_ALIVE_MS = 75_000;
/** An HTTP/2 connection without a frame, pings included, for this long is closed. */
const SESSION_IDLE_MS = 600_000;
const STREAMS_MAX = 256;
const STREAM_WINDOW_BYTES = 1_048_576;
/** All streams of a connection together: what a peer can make one connection buffer. */
const SESSION_WINDOW_BYTES = 4_194_304;

export type RequestListener = (request: HttpRequest, response: HttpResponse) => void;

export function createHttp1(listener: RequestListener): Http1Server {
  const server = createHttp1Server(
    {
      maxHeaderSize: HEADER_BYTES_MAX,
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: BODY_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: 2_000,
    },
    listener,
  );
  server.on('checkContinue', (request, response) => {
    deferContinue(request, response);
    listener(request, response);
  });
  // Node checks the timeouts above from 'listening' on, and this server never listens itself.
  server.emit('listening');
  return server;
}

export function createHttp2(listener: RequestListener, connections: Connections): Http2Server {
  const server = createHttp2Server(
    {
      settings: {
        maxConcurrentStreams: STREAMS_MAX,
        initialWindowSize: STREAM_WINDOW_BYTES,
        maxHeaderListSize: HEADER_BYTES_MAX,
      },
      maxSessionMemory: 32,
    },
    listener,
  );
  server.on('session', (session) => {
    connections.addSession(session);
    session.setLocalWindowSize(SESSION_WINDOW_BYTES);
    session.setTimeout(SESSION_IDLE_MS, () => session.close());
  });
  // A peer that breaks the protocol or resets ends its own session, nothing else.
  server.on('sessionError', () => {});
  return server;
}
