/**
 * Node's HTTP/1.1 and HTTP/2 servers with bounds on everything that a peer may take:
 * headers, time, streams, windows. Neither listens; the socket mux feeds them.
 */
import {
  createServer as createHttp1Server,
  type Server as Http1Server,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import {
  createServer as createHttp2Server,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { Socket } from 'node:net';
import { isKnownCoding, UNKNOWN_CODING } from '#http/http1/request-rules.ts';
import { DRAIN_PING_MS_MAX } from '#http/http2/limits.ts';
import type { Clock } from '#platform/clock.ts';
import type { Connections } from '#rpc/connections.ts';
import { keepStream } from '#rpc/direct-socket.ts';
import { deferContinue, sendError } from '#rpc/http-io.ts';
import { HALF_CLOSED_MS, HEADERS_TIMEOUT_MS, KEEP_ALIVE_MS } from '#rpc/http1/bounds.ts';
import type { SiteEvents } from '#rpc/http2/site.ts';
import { createIdleSessions } from '#rpc/idle-sessions.ts';
import { RequestLanes } from '#rpc/request-lanes.ts';
import { BODY_TIMEOUT_MS, type Listener } from '#rpc/request-listener.ts';
import { createStalledSockets } from '#rpc/stalled-sockets.ts';
import { describeUnparsed, endWith, isLate, type ParseError } from '#rpc/unparsed.ts';

const HEADER_BYTES_MAX = 16_384;
/** An HTTP/2 connection without a frame, pings included, for this long is closed. */
const SESSION_IDLE_MS = 600_000;
const STREAMS_MAX = 256;
const STREAM_WINDOW_BYTES = 1_048_576;
/** All streams of a connection together: what a peer can make one connection buffer. */
const SESSION_WINDOW_BYTES = 4_194_304;

export function createHttp1(
  { onRequest }: Pick<Listener, 'onRequest'>,
  clock: Clock,
  { onStalled, onLate }: Pick<SiteEvents, 'onStalled' | 'onLate'>,
): Http1Server {
  const lanes = new RequestLanes(clock, (request, response) => {
    if (request.httpVersionMajor !== 1) refuseVersion(request, response);
    else if (lacksHost(request)) refuseHostless(request, response);
    else if (!isKnownCoding(codingOf(request))) refuseCoding(request, response);
    else void onRequest(request, response);
  });
  const server = createHttp1Server(
    {
      maxHeaderSize: HEADER_BYTES_MAX,
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: BODY_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: 2_000,
      // `lacksHost` checks the header and explains the refusal; Node's own check gives no reason.
      requireHostHeader: false,
    },
    (request, response) => lanes.accept(request, response),
  );
  server.on('checkContinue', (request, response) => {
    deferContinue(request, response);
    lanes.accept(request, response);
  });
  answerUnparsed(server, lanes, clock, onLate);
  // Before Node's own listener, which begins to read.
  server.prependListener('connection', keepStream);
  server.on('connection', createStalledSockets(clock, onStalled).watch);
  answerHalfClosed(server, lanes, clock);
  // Node checks the timeouts above from 'listening' on, and this server never listens itself.
  server.emit('listening');
  return server;
}

/** Answers what Node would answer with an empty body, or not at all. */
function answerUnparsed(server: Http1Server, lanes: RequestLanes, clock: Clock, onLate: () => void): void {
  const refused = new WeakSet<object>();
  server.on('clientError', (error: ParseError, socket: Socket) => {
    // Whatever else comes is no request either.
    if (refused.has(socket)) return;
    refused.add(socket);
    if (isLate(error.code)) onLate();
    lanes.whenAnswered(socket, () => endWith(socket, clock, describeUnparsed(error, HEADER_BYTES_MAX)));
  });
  server.on('connect', (_request, socket: Socket) => {
    const message = 'method CONNECT is not allowed here: this is no proxy';
    endWith(socket, clock, { status: 501, message });
  });
  server.on('checkExpectation', (request, response) => {
    const message = 'the Expect header is not known: expected 100-continue, or none';
    sendError(request, response, 417, { code: 'invalid_argument', message }, { connection: 'close' });
  });
}

/**
 * A peer that has closed its side may still read: what it sent is carried out, so it is
 * answered, too, for as long as our own driver does that.
 */
function answerHalfClosed(server: Http1Server, lanes: RequestLanes, clock: Clock): void {
  // By default Node ends such a connection at once. The types lack this field of the server.
  Object.assign(server, { httpAllowHalfOpen: true });
  server.on('connection', (socket: Socket) => {
    socket.allowHalfOpen = true;
    socket.once('end', () => {
      const limit = clock.after(HALF_CLOSED_MS, () => {
        if (!lanes.isAnswered(socket)) socket.destroy();
      });
      socket.once('close', () => limit.cancel());
    });
  });
}

/** HTTP/2 as text is none, and Node reads it as if it were HTTP/1.1. */
function refuseVersion(request: IncomingMessage, response: ServerResponse): void {
  const message = `HTTP/${request.httpVersion} does not come as text: expected HTTP/1.1 or 1.0`;
  sendError(request, response, 505, { code: 'invalid_argument', message }, { connection: 'close' });
}

/** RFC 9112, 3.2: a request of HTTP/1.1 has one. */
function lacksHost({ headers, httpVersionMajor, httpVersionMinor }: IncomingMessage): boolean {
  return headers.host === undefined && httpVersionMajor === 1 && httpVersionMinor >= 1;
}

function refuseHostless(request: IncomingMessage, response: ServerResponse): void {
  const message = 'the Host header is missing: HTTP/1.1 requires it';
  sendError(request, response, 400, { code: 'invalid_argument', message }, { connection: 'close' });
}

function codingOf({ headers }: IncomingMessage): string {
  return headers['transfer-encoding'] ?? 'chunked';
}

/** A body in such a coding would be stored as it came. */
function refuseCoding(request: IncomingMessage, response: ServerResponse): void {
  // Node's parser refuses a body whose end it cannot find, and `answerUnparsed` answers that.
  if (!/chunked$/i.test(codingOf(request))) return;
  const error = { code: 'unimplemented', message: UNKNOWN_CODING };
  sendError(request, response, 501, error, { connection: 'close' });
}

export function createHttp2(
  { onRequest, onStream }: Pick<Listener, 'onRequest' | 'onStream'>,
  connections: Connections,
  clock: Clock,
): Http2Server {
  const idle = createIdleSessions(clock, SESSION_IDLE_MS);
  const server = createHttp2Server(
    {
      settings: {
        maxConcurrentStreams: STREAMS_MAX,
        initialWindowSize: STREAM_WINDOW_BYTES,
        maxHeaderListSize: HEADER_BYTES_MAX,
      },
      maxSessionMemory: 32,
      // Node joins or drops fields that are sent twice. Nothing here sends one twice.
      strictSingleValueFields: false,
    },
    onRequest,
  );
  askFirst(server, onStream);
  server.on('session', (session) => {
    const ending = { close: () => closeAfterPing(session, clock), destroy: () => session.destroy() };
    connections.addSession(ending);
    session.once('close', () => connections.removeSession(ending));
    session.setLocalWindowSize(SESSION_WINDOW_BYTES);
    idle.watch(session);
  });
  // A peer that breaks the protocol or resets ends its own session, nothing else.
  server.on('sessionError', () => {});
  return server;
}

/**
 * Closes it when the peer has answered a ping: requests that were on their way have come by
 * then and are answered; Node would refuse them unread. What the peer sends later is refused,
 * and GOAWAY tells it that nothing of that was done.
 */
function closeAfterPing(session: ServerHttp2Session, clock: Clock): void {
  if (session.closed || session.destroyed) return;
  const end = (): void => {
    if (!session.destroyed) session.close();
  };
  const limit = clock.after(DRAIN_PING_MS_MAX, end);
  session.once('close', () => limit.cancel());
  if (!session.ping(end)) end();
}

type StreamHandler = (
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  flags: number,
  rawHeaders: string[],
) => void;

/**
 * Gives each stream to `onStream` before Node makes a request and a response of
 * it, which costs as much as answering most calls does.
 */
function askFirst(server: Http2Server, onStream: Listener['onStream']): void {
  const asRequest = server.listeners('stream') as StreamHandler[];
  server.removeAllListeners('stream');
  const first: StreamHandler = (stream, headers, flags, rawHeaders) => {
    if (onStream(stream, headers, rawHeaders)) return;
    for (const handler of asRequest) handler.call(server, stream, headers, flags, rawHeaders);
  };
  server.on('stream', first);
}
