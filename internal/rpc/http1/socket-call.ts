/** A request of our own HTTP/1.1 that is served as a request and a response: see `codec-request.ts`. */
import type { IncomingHttpHeaders } from 'node:http';
import type { Http1Head } from '#http/http1/head1.ts';
import type { Http1Wire, ServedRequest } from '#rpc/http1/wire.ts';
import { type CodecPort, CodecRequest, CodecResponse } from '#rpc/http2/codec-request.ts';
import type { Fields } from '#rpc/unary/answer.ts';

export class SocketCall implements CodecPort, ServedRequest {
  readonly request: CodecRequest;
  readonly response: CodecResponse;
  readonly rstCode = 0;
  isAnswered = false;
  readonly #wire: Http1Wire;
  #isChunked = false;
  #isBodyWhole = false;
  #onReady: (() => void) | undefined;

  constructor(wire: Http1Wire, { method, target, contentLength }: Http1Head, headers: IncomingHttpHeaders) {
    this.#wire = wire;
    const head = { httpVersion: '1.1', method, url: target, headers, authority: undefined } as const;
    this.request = new CodecRequest(this, head, wire.socket);
    this.response = new CodecResponse(this, method);
    this.response.on('error', () => {});
    this.response.once('close', () => this.#onResponseClosed());
    if (contentLength === 0) this.#endBody();
  }

  get destroyed(): boolean {
    return this.#wire.socket.destroyed;
  }

  get closed(): boolean {
    return this.#wire.socket.destroyed;
  }

  close(): void {
    this.#wire.destroy();
  }

  askForBody(): void {}

  credit(): void {
    if (!this.#isBodyWhole) this.#wire.holdBody(false);
  }

  sendHead(status: number, headers: Fields, isEnd: boolean): void {
    const { heads, isLast } = this.#wire;
    const hasLength = headers['content-length'] !== undefined || !mayHaveBody(status);
    this.#isChunked = !hasLength && !isEnd;
    const framing = hasLength ? {} : isEnd ? { 'content-length': 0 } : { 'transfer-encoding': 'chunked' };
    this.#wire.sendText(heads.of(status, { ...headers, ...framing }, isLast));
    if (isEnd) this.#end();
  }

  sendData(bytes: Uint8Array, isEnd: boolean, onReady: () => void): void {
    if (this.#isChunked) this.#wire.sendText(`${bytes.length.toString(16)}\r\n`);
    this.#wire.sendBytes(bytes);
    if (this.#isChunked) this.#wire.sendText('\r\n');
    if (isEnd) this.#end();
    if (this.#wire.isWaiting) this.#onReady = onReady;
    else onReady();
  }

  /** Trailers are gRPC's, which has none over HTTP/1.1. */
  sendEnd(): void {
    if (this.#isChunked) this.#wire.sendText('0\r\n\r\n');
    this.#end();
  }

  onBody(bytes: Buffer, from: number, to: number, isEnd: boolean): void {
    const isRoom = this.request.takeChunk(bytes.subarray(from, to), false);
    if (isEnd) this.#endBody();
    else if (!isRoom) this.#wire.holdBody(true);
  }

  onPeerEnd(): void {
    if (!this.#isBodyWhole) this.#wire.destroy();
  }

  onGone(): void {
    this.#onReady = undefined;
    this.request.destroy();
    this.response.destroy();
  }

  onReady(): void {
    const onReady = this.#onReady;
    this.#onReady = undefined;
    onReady?.();
  }

  #end(): void {
    if (this.isAnswered) return;
    this.isAnswered = true;
    this.#wire.onAnswered();
  }

  #endBody(): void {
    this.#isBodyWhole = true;
    this.request.endBody();
    if (this.response.destroyed) this.request.destroy();
  }

  /** The rest of a body that is not whole yet is read and thrown away. */
  #onResponseClosed(): void {
    if (this.#isBodyWhole) this.request.destroy();
    else this.request.resume();
  }
}

function mayHaveBody(status: number): boolean {
  return status !== 204 && status !== 304;
}
