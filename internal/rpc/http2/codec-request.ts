/**
 * What our own drivers read, as a request and a response such as Node's servers
 * give them: for streams of messages, keys, pages and whatever the unary path
 * leaves. They have what this room uses of Node's, and no more.
 */

import type { OutgoingHttpHeaders } from 'node:http';
import type { IncomingHttpHeaders } from 'node:http2';
import { Readable, Writable } from 'node:stream';
import type { BodySink } from '#rpc/body-sink.ts';
import type { PeerSocket } from '#rpc/peer.ts';
import type { Fields } from '#rpc/unary/answer.ts';

/** How both reach their stream of HTTP/2, or the connection of HTTP/1.1. */
export interface CodecStream {
  readonly destroyed: boolean;
  readonly closed: boolean;
  readonly rstCode: number;
  /** RST_STREAM; over HTTP/1.1 the connection ends. */
  close(code: number): void;
}

/** What they ask of the driver. */
export interface CodecPort extends CodecStream {
  /** The body is about to be read. */
  askForBody(): void;
  /** So many bytes of the body were taken. */
  credit(bytes: number): void;
  sendHead(status: number, headers: Fields, isEnd: boolean): void;
  /** Calls back when more may be sent. */
  sendData(bytes: Uint8Array, isEnd: boolean, onReady: () => void): void;
  /** Sends the first `length` bytes of a buffer that is used again when this returns. Unless it returns true it calls back. */
  sendCopy?(buffer: Buffer, length: number, onReady: () => void): boolean;
  /** The end of the answer. */
  sendEnd(trailers: Fields | undefined): void;
}

export interface RequestHead {
  readonly httpVersion: '1.1' | '2.0';
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  /** HTTP/2 only. */
  readonly authority: string | undefined;
}

export class CodecRequest extends Readable {
  readonly isOfCodec = true;
  readonly httpVersion: RequestHead['httpVersion'];
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly authority: string | undefined;
  readonly socket: PeerSocket;
  readonly stream: CodecStream;
  readonly #port: CodecPort;
  #uncredited = 0;
  #sink: BodySink | undefined;
  #isWhole = false;

  constructor(port: CodecPort, head: RequestHead, socket: PeerSocket) {
    // It is destroyed, and says so, with its stream: after its body the call goes on.
    super({ autoDestroy: false });
    this.httpVersion = head.httpVersion;
    this.method = head.method;
    this.url = head.url;
    this.headers = head.headers;
    this.authority = head.authority;
    this.socket = socket;
    this.stream = port;
    this.#port = port;
  }

  /**
   * Gives the body to `sink` and not to the stream, whose events cost more than most bodies.
   * Each chunk is valid until `onChunk` returns. False if some of the body waits in the
   * stream already: it is all to be read there.
   */
  tryRead(sink: BodySink): boolean {
    if (this.readableLength > 0 || this.destroyed) return false;
    if (this.#isWhole) sink.onEnd(true);
    else {
      this.#sink = sink;
      this.#port.askForBody();
    }
    return true;
  }

  /** `isOwn`: the chunk may be kept. False: no more should come before it is credited. */
  takeChunk(chunk: Buffer, isOwn: boolean): boolean {
    if (this.#sink !== undefined) {
      this.#sink.onChunk(chunk);
      this.#port.credit(chunk.length);
      return true;
    }
    this.#uncredited += chunk.length;
    return this.push(isOwn ? chunk : Buffer.from(chunk));
  }

  /** The body is whole. */
  endBody(): void {
    this.#isWhole = true;
    if (this.#sink === undefined) this.push(null);
    else this.#endSink(true);
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#endSink(false);
    callback(error);
  }

  #endSink(isWhole: boolean): void {
    const sink = this.#sink;
    this.#sink = undefined;
    sink?.onEnd(isWhole);
  }

  override _read(): void {
    this.#port.askForBody();
    const bytes = this.#uncredited;
    this.#uncredited = 0;
    if (bytes > 0) this.#port.credit(bytes);
  }
}

/** The first `length` bytes as a buffer of their own. */
export function copyOf(buffer: Buffer, length: number): Buffer {
  return Buffer.from(buffer.subarray(0, length));
}

export class CodecResponse extends Writable {
  readonly isOfCodec = true;
  readonly stream: CodecStream;
  statusCode = 200;
  headersSent = false;
  readonly #port: CodecPort;
  readonly #isHead: boolean;
  #headers: Record<string, string | number | readonly string[]> = {};
  #trailers: Fields | undefined;
  /** Bytes of the body that are still to come, where the headers say. */
  #left: number | undefined;
  #hasEnded = false;

  constructor(port: CodecPort, method: string) {
    super({ decodeStrings: true });
    this.stream = port;
    this.#port = port;
    this.#isHead = method === 'HEAD';
  }

  setHeader(name: string, value: string | number | readonly string[]): this {
    this.#headers[name.toLowerCase()] = value;
    return this;
  }

  getHeader(name: string): string | number | readonly string[] | undefined {
    return this.#headers[name.toLowerCase()];
  }

  removeHeader(name: string): void {
    delete this.#headers[name.toLowerCase()];
  }

  addTrailers(trailers: OutgoingHttpHeaders): void {
    this.#trailers = trailers as Fields;
  }

  /** Throws where a header is ill-formed. */
  writeHead(status: number, headers: OutgoingHttpHeaders = {}): this {
    this.statusCode = status;
    for (const [name, value] of Object.entries(headers)) if (value !== undefined) this.setHeader(name, value);
    this.#sendHead(false);
    return this;
  }

  /**
   * Sends bytes past the queue of this stream where that is empty, in the same turn.
   * Returns false where no more should be sent before `onReady`, which is called later, and
   * never if the peer has gone.
   */
  sendNow(bytes: Uint8Array, onReady: () => void): boolean {
    if (this.destroyed || this.writableEnded) return false;
    if (this.writableLength > 0) {
      this.write(bytes, (error) => (error ? undefined : onReady()));
      return false;
    }
    let isNow = true;
    let isReady = false;
    this.#port.sendData(bytes, false, () => {
      if (isNow) isReady = true;
      else onReady();
    });
    isNow = false;
    return isReady;
  }

  /** `sendNow` for the first `length` bytes of a buffer that is used again when this returns. */
  sendCopy(buffer: Buffer, length: number, onReady: () => void): boolean {
    const port = this.#port;
    const isPlain = this.writableLength === 0 && !this.destroyed && !this.writableEnded;
    if (isPlain && port.sendCopy !== undefined) return port.sendCopy(buffer, length, onReady);
    return this.sendNow(copyOf(buffer, length), onReady);
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: () => void): void {
    try {
      if (!this.headersSent) this.#sendHead(false);
    } catch (error) {
      this.destroy(error as Error);
      return;
    }
    if (this.#isHead) {
      callback();
      return;
    }
    if (this.#left !== undefined) this.#left -= chunk.length;
    this.#hasEnded = this.#left === 0 && this.#trailers === undefined;
    this.#port.sendData(chunk, this.#hasEnded, callback);
  }

  override _final(callback: (error?: Error) => void): void {
    try {
      if (!this.headersSent && this.#trailers === undefined) this.#sendHead(true);
      else if (!this.headersSent) this.#sendHead(false);
      if (!this.#hasEnded) this.#port.sendEnd(this.#trailers);
      this.#hasEnded = true;
      callback();
    } catch (error) {
      callback(error as Error);
    }
  }

  #sendHead(isEnd: boolean): void {
    if (this.headersSent) return;
    this.#port.sendHead(this.statusCode, this.#headers, isEnd);
    this.headersSent = true;
    this.#hasEnded = isEnd;
    const length = this.#headers['content-length'];
    if (length !== undefined) this.#left = Number(length);
  }
}
