/**
 * A unary call on a stream of our own HTTP/2 codec: from the codec's events to
 * the unary path and back, with no request and no response between.
 */
import type { IncomingHttpHeaders } from 'node:http2';
import { ErrorCode } from '#http/http2/frame.ts';
import type { Stream } from '#http/http2/stream.ts';
import type { BodySink } from '#rpc/body-sink.ts';
import { CONTINUE } from '#rpc/http2/answer-blocks.ts';
import type { CallWire, ServedCall } from '#rpc/http2/served-call.ts';
import type { Answer } from '#rpc/unary/answer.ts';
import type { Exchange } from '#rpc/unary/exchange.ts';

type OnClose = (isAnswered: boolean) => void;

export class CodecExchange implements Exchange, ServedCall {
  readonly headers: IncomingHttpHeaders;
  readonly startedMs: number;
  answeredMs: number | undefined = undefined;
  answerBytes = 0;
  readonly #wire: CallWire;
  readonly #stream: Stream;
  #sink: BodySink | undefined = undefined;
  #onClose: OnClose[] | undefined = undefined;
  /** Its work has ended: it was answered, or nobody is left who would answer. */
  #isDone = false;
  #isLarge = false;

  constructor(wire: CallWire, stream: Stream, headers: IncomingHttpHeaders) {
    this.headers = headers;
    this.startedMs = wire.nowMs;
    this.#wire = wire;
    this.#stream = stream;
  }

  get cameMs(): number {
    return this.#wire.cameMs;
  }

  read(sink: BodySink): void {
    this.#sink = sink;
    const { hasRemoteEnded } = this.#stream;
    if (hasRemoteEnded) this.onBodyEnd();
    else if (this.headers.expect !== undefined) this.#askForBody();
  }

  discard(): void {
    this.#sink = undefined;
  }

  onClose(callback: OnClose): void {
    if (this.#onClose === undefined) this.#onClose = [callback];
    else this.#onClose.push(callback);
  }

  beginLarge(): void {
    if (this.#isLarge || this.#isDone) return;
    this.#isLarge = true;
    this.#wire.beginLarge();
  }

  answer(answer: Answer): void {
    if (this.#isDone) return;
    const stream = this.#stream;
    const isAnswered = !stream.isClosed;
    if (isAnswered) this.#send(answer);
    this.#end(isAnswered);
    if (this.#stream.isWaiting) this.#wire.onQueued();
  }

  destroy(): void {
    if (this.#isDone) return;
    this.#wire.connection.resetStream(this.#stream, ErrorCode.internalError);
    this.#wire.touch();
    this.#end(false);
  }

  onData(bytes: Buffer, from: number, to: number, isEnd: boolean): void {
    if (to > from) {
      this.#sink?.onChunk(bytes.subarray(from, to));
      this.#wire.connection.creditData(this.#stream, to - from);
    }
    if (isEnd) this.onBodyEnd();
  }

  onBodyEnd(): void {
    if (this.#sink === undefined) return;
    // An answer is made when there is room to send it.
    if (this.#wire.isClogged) this.#wire.whenRoom(() => this.#endBody(true));
    else this.#endBody(true);
  }

  onReset(): void {
    this.#endBody(false);
    if (this.#isDone) this.#wire.connection.release(this.#stream);
    else this.#tellClose(false);
  }

  /** A body that is not whole yet never will be. What was asked is answered, where that does not take long. */
  onPeerEnd(): void {
    if (!this.#stream.hasRemoteEnded) this.#endBody(false);
  }

  onReady(): void {}

  #endBody(isWhole: boolean): void {
    const sink = this.#sink;
    this.#sink = undefined;
    sink?.onEnd(isWhole);
  }

  #askForBody(): void {
    this.#wire.connection.sendHead(this.#stream, CONTINUE, false);
    this.#wire.touch();
  }

  /** Throws where a header is ill-formed, with nothing sent. */
  #send({ status, headers, plain, positions, body, trailers }: Answer): void {
    const { connection, blocks } = this.#wire;
    const stream = this.#stream;
    const block = plain === undefined ? blocks.head(status, headers) : blocks.plain(plain, body.length);
    const head = positions === undefined ? block : blocks.withPositions(block, positions);
    const last = trailers === undefined ? undefined : blocks.trailers(trailers);
    const hasBody = body.length > 0;
    connection.sendHead(stream, head, !hasBody && last === undefined);
    if (hasBody) connection.sendData(stream, body, last === undefined);
    if (last !== undefined) connection.sendTrailers(stream, last);
    this.#wire.onMade(body.length);
    this.#wire.touch();
    if (!stream.isWaiting) return;
    this.answeredMs = this.#wire.nowMs;
    this.answerBytes = body.length;
  }

  #end(isAnswered: boolean): void {
    this.#isDone = true;
    this.#sink = undefined;
    if (this.#isLarge) this.#wire.endLarge();
    this.#wire.connection.release(this.#stream);
    this.#tellClose(isAnswered);
  }

  #tellClose(isAnswered: boolean): void {
    const callbacks = this.#onClose;
    this.#onClose = undefined;
    if (callbacks !== undefined) for (const callback of callbacks) callback(isAnswered);
  }
}
