/** A stream of our own HTTP/2 codec that is served as a request and a response: see `codec-request.ts`. */

import type { IncomingHttpHeaders } from 'node:http2';
import { ErrorCode } from '#http/http2/frame.ts';
import type { Stream } from '#http/http2/stream.ts';
import type { Peer } from '#model/access.ts';
import { CONTINUE } from '#rpc/http2/answer-blocks.ts';
import { type CodecPort, CodecRequest, CodecResponse, type RequestHead } from '#rpc/http2/codec-request.ts';
import type { CallWire, ServedCall } from '#rpc/http2/served-call.ts';
import type { Fields } from '#rpc/unary/answer.ts';

export class CodecCall implements CodecPort, ServedCall {
  readonly request: CodecRequest;
  readonly response: CodecResponse;
  readonly startedMs: number;
  answeredMs: number | undefined = undefined;
  answerBytes = 0;
  rstCode = 0;
  readonly #wire: CallWire;
  readonly #stream: Stream;
  #onReady: (() => void) | undefined;
  #isReset = false;
  #isDone = false;
  #awaitsContinue: boolean;

  constructor(wire: CallWire, stream: Stream, headers: IncomingHttpHeaders, peer: Peer) {
    this.#wire = wire;
    this.#stream = stream;
    this.startedMs = wire.nowMs;
    this.#awaitsContinue = headers.expect !== undefined && !stream.hasRemoteEnded;
    const head: RequestHead = {
      httpVersion: '2.0',
      method: headers[':method'] ?? '',
      url: headers[':path'] ?? '',
      headers,
      authority: headers[':authority'],
    };
    this.request = new CodecRequest(this, head, peer);
    this.response = new CodecResponse(this, this.request.method);
    this.response.once('close', () => this.#onResponseClosed());
    if (stream.hasRemoteEnded) this.onBodyEnd();
  }

  get destroyed(): boolean {
    return this.#isReset;
  }

  get closed(): boolean {
    return this.#isReset;
  }

  close(code: number): void {
    this.#wire.connection.resetStream(this.#stream, code);
    this.#wire.touch();
  }

  /** Nothing works for the request any more. */
  finish(): void {
    this.#isDone = true;
    this.#wire.connection.release(this.#stream);
  }

  askForBody(): void {
    if (!this.#awaitsContinue || this.response.headersSent) return;
    this.#awaitsContinue = false;
    if (this.#wire.connection.sendHead(this.#stream, CONTINUE, false) === 'sent') this.#wire.touch();
  }

  credit(bytes: number): void {
    this.#wire.connection.creditData(this.#stream, bytes);
    this.#wire.touch();
  }

  sendHead(status: number, headers: Fields, isEnd: boolean): void {
    const { connection, blocks } = this.#wire;
    connection.sendHead(this.#stream, blocks.head(status, headers), isEnd);
    this.#wire.touch();
  }

  sendData(bytes: Uint8Array, isEnd: boolean, onReady: () => void): void {
    const sent = this.#wire.connection.sendData(this.#stream, bytes, isEnd);
    this.#wire.onMade(bytes.length);
    this.#wire.touch();
    if (sent === 'queued' && !isEnd) this.#onReady = onReady;
    else onReady();
    if (sent !== 'queued') return;
    if (isEnd) {
      this.answeredMs = this.#wire.nowMs;
      this.answerBytes = bytes.length;
    }
    this.#wire.onQueued();
  }

  sendCopy(buffer: Buffer, length: number, onReady: () => void): boolean {
    const sent = this.#wire.connection.sendCopy(this.#stream, buffer, length);
    this.#wire.onMade(length);
    this.#wire.touch();
    if (sent === 'sent') return true;
    if (sent === 'queued') {
      this.#onReady = onReady;
      this.#wire.onQueued();
    }
    return false;
  }

  sendEnd(trailers: Fields | undefined): void {
    const { connection, blocks } = this.#wire;
    if (trailers === undefined) connection.sendData(this.#stream, NOTHING, true);
    else connection.sendTrailers(this.#stream, blocks.fields(trailers));
    this.#wire.touch();
  }

  onData(bytes: Buffer, from: number, to: number, isEnd: boolean): void {
    if (to > from) this.request.takeChunk(bytes.subarray(from, to), true);
    if (isEnd) this.onBodyEnd();
  }

  onBodyEnd(): void {
    this.request.endBody();
    if (this.response.destroyed) this.request.destroy();
  }

  onReset(code: number): void {
    this.#isReset = true;
    this.rstCode = code;
    this.#onReady = undefined;
    this.request.destroy();
    this.response.destroy();
    if (this.#isDone) this.#wire.connection.release(this.#stream);
  }

  /** Cancels a streaming answer, because the peer no longer reads, and ends a body that never will be whole. */
  onPeerEnd(): void {
    if (this.response.headersSent) this.close(ErrorCode.cancel);
    else if (!this.#stream.hasRemoteEnded) this.request.destroy();
  }

  onReady(): void {
    const onReady = this.#onReady;
    this.#onReady = undefined;
    onReady?.();
  }

  /** The rest of a body that is not whole yet is read and thrown away. */
  #onResponseClosed(): void {
    if (this.#stream.hasRemoteEnded) this.request.destroy();
    else this.request.resume();
  }
}

const NOTHING = new Uint8Array(0);
