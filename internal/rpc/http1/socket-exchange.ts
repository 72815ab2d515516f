/**
 * A unary call on a connection of our own HTTP/1.1: from the reader's events to
 * the unary path and back, with no request and no response between.
 */
import type { IncomingHttpHeaders } from 'node:http';
import type { Clock } from '#platform/clock.ts';
import type { BodySink } from '#rpc/body-sink.ts';
import { withPositions } from '#rpc/http1/answer-heads.ts';
import type { Http1Wire, ServedRequest } from '#rpc/http1/wire.ts';
import { restConnection } from '#rpc/resting-connection.ts';
import type { Answer } from '#rpc/unary/answer.ts';
import type { Exchange } from '#rpc/unary/exchange.ts';

type OnClose = (isAnswered: boolean) => void;

export class SocketExchange implements Exchange, ServedRequest {
  readonly headers: IncomingHttpHeaders;
  isAnswered = false;
  readonly #wire: Http1Wire;
  readonly #hasBody: boolean;
  #sink: BodySink | undefined = undefined;
  #onClose: OnClose[] | undefined = undefined;
  #isGone = false;

  constructor(wire: Http1Wire, headers: IncomingHttpHeaders, hasBody: boolean) {
    this.headers = headers;
    this.#wire = wire;
    this.#hasBody = hasBody;
  }

  get cameMs(): number {
    return this.#wire.cameMs;
  }

  read(sink: BodySink): void {
    if (this.#hasBody) this.#sink = sink;
    else sink.onEnd(true);
  }

  discard(): void {
    this.#sink = undefined;
  }

  rest(ms: number, clock: Clock): void {
    restConnection(this.#wire.socket, ms, clock);
  }

  onClose(callback: OnClose): void {
    if (this.#onClose === undefined) this.#onClose = [callback];
    else this.#onClose.push(callback);
  }

  /** Throws where a header is ill-formed, with nothing sent. */
  answer({ status, headers, plain, positions, body }: Answer): void {
    if (this.isAnswered || this.#isGone) return;
    const wire = this.#wire;
    const { length } = body;
    const head =
      plain === undefined
        ? wire.heads.sized(status, headers, length, wire.isLast)
        : wire.heads.plain(plain, length, wire.isLast);
    wire.sendText(positions === undefined ? head : withPositions(head, positions));
    if (length > 0) wire.sendBytes(body);
    this.isAnswered = true;
    this.#sink = undefined;
    wire.onAnswered();
    this.#tellClose(true);
  }

  destroy(): void {
    this.#wire.destroy();
  }

  onBody(bytes: Buffer, from: number, to: number, isEnd: boolean): void {
    if (this.#sink !== undefined) {
      const own = Buffer.allocUnsafe(to - from);
      bytes.copy(own, 0, from, to);
      this.#sink.onChunk(own);
    }
    if (isEnd) this.#endBody(true);
  }

  /**
   * A body that is not whole yet never will be. What was asked is answered, where that does not
   * take long: reading a large message, or making a large answer, takes several turns.
   */
  onPeerEnd(): void {
    this.#endBody(false);
  }

  onGone(): void {
    this.#isGone = true;
    this.#endBody(false);
    this.#tellClose(false);
  }

  onReady(): void {}

  #endBody(isWhole: boolean): void {
    const sink = this.#sink;
    this.#sink = undefined;
    sink?.onEnd(isWhole);
  }

  #tellClose(isAnswered: boolean): void {
    const callbacks = this.#onClose;
    this.#onClose = undefined;
    if (callbacks !== undefined) for (const callback of callbacks) callback(isAnswered);
  }
}
