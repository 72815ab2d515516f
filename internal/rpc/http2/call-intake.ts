/**
 * What the codec of one connection tells, as calls: each head goes to the unary path
 * where that takes it, and is served as a request and a response otherwise. What a
 * head asks for is found out once for equal heads; whether the call is admitted, each time.
 */

import type { IncomingHttpHeaders } from 'node:http2';
import type { Head } from '#http/hpack/head.ts';
import type { ConnectionFailure, Http2Events } from '#http/http2/events.ts';
import { ErrorCode } from '#http/http2/frame.ts';
import type { Stream } from '#http/http2/stream.ts';
import type { Peer } from '#model/access.ts';
import { sendError } from '#rpc/http-io.ts';
import { CodecCall } from '#rpc/http2/codec-call.ts';
import { CodecExchange } from '#rpc/http2/codec-exchange.ts';
import { headersOf } from '#rpc/http2/head-view.ts';
import type { CallWire, ServedCall } from '#rpc/http2/served-call.ts';
import type { Site } from '#rpc/http2/site.ts';
import type { CallPlan } from '#rpc/request-listener.ts';

interface HeadPlan {
  readonly headers: IncomingHttpHeaders;
  /** Undefined: calls with this head are served as requests. */
  readonly call: CallPlan | undefined;
}

export class CallIntake implements Http2Events {
  readonly #site: Site;
  readonly #wire: CallWire;
  readonly #peer: Peer;
  /** Served as requests now. */
  #requests = 0;

  constructor(site: Site, wire: CallWire, peer: Peer) {
    this.#site = site;
    this.#wire = wire;
    this.#peer = peer;
  }

  onHead(stream: Stream, head: Head, isEnd: boolean): void {
    if (isEnd && this.#wire.isClogged) this.#wire.whenRoom(() => this.#begin(stream, head));
    else this.#begin(stream, head);
  }

  onData(stream: Stream, bytes: Buffer, from: number, to: number, isEnd: boolean): void {
    callOf(stream)?.onData(bytes, from, to, isEnd);
  }

  onTrailers(stream: Stream): void {
    callOf(stream)?.onBodyEnd();
  }

  onReset(stream: Stream, code: number): void {
    const call = callOf(stream);
    if (call === undefined) this.#wire.connection.release(stream);
    else call.onReset(code);
  }

  onDrain(stream: Stream): void {
    callOf(stream)?.onReady();
  }

  onGoaway(): void {}

  onFailure({ limit }: ConnectionFailure): void {
    if (limit !== undefined) this.#site.events.onLimit(limit);
    this.#wire.touch();
  }

  #begin(stream: Stream, head: Head): void {
    if (stream.isClosed) {
      this.#wire.connection.release(stream);
      return;
    }
    head.derived ??= this.#plan(head);
    const { headers, call } = head.derived as HeadPlan;
    if (call !== undefined) {
      const exchange = new CodecExchange(this.#wire, stream, headers);
      stream.call = exchange;
      if (this.#site.listener.onCall(call, this.#peer, exchange)) return;
    }
    this.#serve(stream, headers);
  }

  #plan(head: Head): HeadPlan {
    const headers = headersOf(head);
    return { headers, call: expectsOddly(headers) ? undefined : this.#site.listener.planCall(headers) };
  }

  /** Serves the stream as a request and a response. */
  #serve(stream: Stream, headers: IncomingHttpHeaders): void {
    const { requests, turns, events } = this.#site;
    stream.call = undefined;
    if (!requests.tryEnter(this.#requests)) {
      events.onLimit('requests');
      this.#wire.connection.resetStream(stream, ErrorCode.refusedStream);
      return;
    }
    this.#requests++;
    const call = new CodecCall(this.#wire, stream, headers, this.#peer);
    stream.call = call;
    turns.start(() => {
      void this.#answer(call).finally(() => {
        this.#requests--;
        requests.leave();
        call.finish();
      });
    });
  }

  /** Resolves when nothing works for it any more. */
  async #answer({ request, response, destroyed }: CodecCall): Promise<void> {
    if (destroyed) return;
    response.on('error', () => {});
    if (request.method === 'CONNECT') {
      const message = 'method CONNECT is not allowed here: this is no proxy';
      sendError(request, response, 501, { code: 'unimplemented', message });
    } else if (expectsOddly(request.headers)) {
      const message = 'the Expect header is not known: expected 100-continue, or none';
      sendError(request, response, 417, { code: 'invalid_argument', message });
    } else await this.#site.listener.onRequest(request, response);
  }
}

/** Undefined while a head waits for room, and where its stream was refused. */
function callOf(stream: Stream): ServedCall | undefined {
  return stream.call as ServedCall | undefined;
}

function expectsOddly({ expect }: IncomingHttpHeaders): boolean {
  return expect !== undefined && expect.toLowerCase() !== '100-continue';
}
