/**
 * One request and its answer, on whichever HTTP it came. The unary path sees
 * nothing else of a connection. An answer to a peer that has gone, or a second
 * answer, is dropped; one whose headers are ill-formed throws.
 */

import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { constants, type Http2Session, type ServerHttp2Stream } from 'node:http2';
import type { Peer } from '#model/access.ts';
import type { Clock } from '#platform/clock.ts';
import type { BoundAnswer } from '#rpc/answer-pace.ts';
import type { BodyDeadlines } from '#rpc/body-deadlines.ts';
import type { BodySink } from '#rpc/body-sink.ts';
import { askForBody } from '#rpc/http-io.ts';
import { NO_PEER, peerOf } from '#rpc/peer.ts';
import { restConnection } from '#rpc/resting-connection.ts';
import { type Answer, wholeHeaders } from '#rpc/unary/answer.ts';

export interface Exchange {
  readonly headers: IncomingHttpHeaders;
  /** When its head came, in milliseconds of the monotonic clock; absent where only a reading tells. */
  readonly cameMs?: number;
  /** Gives the body's chunks as they come. */
  read(sink: BodySink): void;
  /** Reads what is left of the body and throws it away. */
  discard(): void;
  /** Reads nothing more from the caller's connection for so long. Absent if other calls share the connection. */
  rest?(ms: number, clock: Clock): void;
  /** Calls back once, when the answer is out or the peer has gone; `isAnswered` tells which. */
  onClose(callback: (isAnswered: boolean) => void): void;
  /** The answer is large and is made in slices: until it is there, no other should be begun for this caller. */
  beginLarge?(): void;
  answer(answer: Answer): void;
  /** Ends it without an answer. */
  destroy(): void;
}

/** A body given as text joins the headers in one buffer and one write; copying pays up to about this. */
const ONE_WRITE_BYTES_MAX = 16_384;

export class Http1Exchange implements Exchange {
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;

  constructor(request: IncomingMessage, response: ServerResponse) {
    this.#request = request;
    this.#response = response;
  }

  get headers(): IncomingHttpHeaders {
    return this.#request.headers;
  }

  read(sink: BodySink): void {
    askForBody(this.#request);
    this.#request.on('data', (chunk: Buffer) => sink.onChunk(chunk));
    this.#request.on('end', () => sink.onEnd(true));
  }

  discard(): void {
    this.#request.resume();
  }

  rest(ms: number, clock: Clock): void {
    restConnection(this.#request.socket, ms, clock);
  }

  onClose(callback: (isAnswered: boolean) => void): void {
    this.#response.once('close', () => callback(this.#response.writableEnded));
  }

  answer(answer: Answer): void {
    const response = this.#response;
    const { status, body } = answer;
    if (response.headersSent || response.destroyed) return;
    response.writeHead(status, wholeHeaders(answer));
    if (body.length > ONE_WRITE_BYTES_MAX) response.end(body);
    else response.end(body.toString('latin1'), 'latin1');
  }

  destroy(): void {
    this.#response.destroy();
  }
}

/** How long a peer may take to send its body, and to read its answer. HTTP/1.1 is bounded by its connection. */
export interface Http2Bounds {
  readonly deadlines: BodyDeadlines;
  readonly boundAnswer: BoundAnswer;
}

export class Http2Exchange implements Exchange {
  readonly headers: IncomingHttpHeaders;
  readonly #stream: ServerHttp2Stream;
  readonly #bounds: Http2Bounds;
  #isBound = false;

  constructor(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, bounds: Http2Bounds) {
    this.headers = headers;
    this.#stream = stream;
    this.#bounds = bounds;
  }

  read(sink: BodySink): void {
    const stream = this.#stream;
    this.#bound();
    stream.on('data', (chunk: Buffer) => sink.onChunk(chunk));
    // Node ends the body of a stream that was reset, or lost its connection, as it ends a whole one.
    stream.on('end', () => sink.onEnd(!stream.aborted));
  }

  discard(): void {
    this.#bound();
    this.#stream.resume();
  }

  /** HTTP/1.1 has `requestTimeout`; an HTTP/2 body gets its bound here. */
  #bound(): void {
    if (this.#isBound || this.#stream.endAfterHeaders) return;
    this.#isBound = true;
    this.#bounds.deadlines.watch(this.#stream);
  }

  onClose(callback: (isAnswered: boolean) => void): void {
    const stream = this.#stream;
    stream.once('close', () =>
      callback(stream.writableFinished && stream.rstCode === constants.NGHTTP2_NO_ERROR),
    );
  }

  answer(answer: Answer): void {
    const stream = this.#stream;
    const { status, body, trailers } = answer;
    if (stream.headersSent || stream.destroyed || stream.closed) return;
    const head = { ':status': String(status), ...wholeHeaders(answer) };
    if (trailers === undefined) {
      stream.respond(head);
    } else {
      stream.respond(head, { waitForTrailers: true });
      stream.once('wantTrailers', () => stream.sendTrailers(trailers));
    }
    if (body.length === 0) stream.end();
    else stream.end(body);
    this.#bounds.boundAnswer(stream, body.length);
  }

  destroy(): void {
    this.#stream.close(constants.NGHTTP2_INTERNAL_ERROR);
  }
}

/** The socket of a session is behind a proxy that makes each look cost as much as a small call. */
const peers = new WeakMap<Http2Session, Peer>();

export function peerOfSession(session: Http2Session | undefined): Peer {
  if (session === undefined) return NO_PEER;
  let peer = peers.get(session);
  if (peer === undefined) {
    peer = peerOf(session.socket);
    peers.set(session, peer);
  }
  return peer;
}
