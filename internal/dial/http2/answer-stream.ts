/**
 * The body of an answer piece by piece. What its reader has not taken counts against the
 * window of its call, so a slow reader makes the peer wait. A reader that stops early
 * ends the call. Read it once.
 */
import { callError } from '#dial/http2/connect-call.ts';
import type { Http2Client } from '#dial/http2/http2-client.ts';
import { type AnswerSink, type CallFailure, OutgoingCall } from '#dial/http2/outgoing-call.ts';
import { headersOf } from '#dial/http2/unary-answer.ts';
import type { Head } from '#http/hpack/head.ts';
import type { FieldList } from '#http/hpack/hpack-encoder.ts';

type Next = IteratorResult<Uint8Array, undefined>;

interface Reader {
  resolve(next: Next): void;
  reject(error: unknown): void;
}

const DONE: Next = { done: true, value: undefined };

export class AnswerStream implements AnswerSink, AsyncIterableIterator<Uint8Array, undefined> {
  /** Resolves with the head; rejects with a ConnectError where none comes. */
  readonly head: Promise<Head>;
  readonly trailer: Headers = new Headers();
  readonly #client: Http2Client;
  readonly #call: OutgoingCall;
  #onHead: (head: Head) => void = () => {};
  #onNoHead: (error: unknown) => void = () => {};
  #chunks: Uint8Array[] = [];
  #reader: Reader | undefined;
  #error: unknown;
  #isOver = false;

  /** Throws a RangeError for fields that cannot be sent. */
  constructor(client: Http2Client, fields: FieldList, body: Uint8Array) {
    this.#client = client;
    this.head = new Promise((resolve, reject) => {
      this.#onHead = resolve;
      this.#onNoHead = reject;
    });
    this.#call = new OutgoingCall(fields, body, this, false);
    client.start(this.#call);
  }

  /** Ends the call; the reader is told `error`. */
  cancel(error: unknown): void {
    if (this.#isOver) return;
    this.#client.cancel(this.#call, false);
    this.#fail(error);
  }

  onHead(head: Head): void {
    this.#onHead(head);
  }

  onData(bytes: Buffer, from: number, to: number): void {
    const chunk = new Uint8Array(bytes.subarray(from, to));
    const reader = this.#reader;
    this.#reader = undefined;
    if (reader === undefined) this.#chunks.push(chunk);
    else reader.resolve(this.#taken(chunk));
  }

  onEnd(trailers: Head | undefined): void {
    if (trailers !== undefined)
      for (const [name, value] of headersOf(trailers)) this.trailer.append(name, value);
    this.#isOver = true;
    this.#reader?.resolve(DONE);
  }

  onFailure(failure: CallFailure): void {
    this.#fail(callError(failure));
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<Next> {
    const chunk = this.#chunks.shift();
    if (chunk !== undefined) return Promise.resolve(this.#taken(chunk));
    if (this.#error !== undefined) return Promise.reject(this.#error);
    if (this.#isOver) return Promise.resolve(DONE);
    return new Promise((resolve, reject) => {
      this.#reader = { resolve, reject };
    });
  }

  /** The reader stops. */
  return(): Promise<Next> {
    this.#chunks = [];
    if (!this.#isOver) {
      this.#isOver = true;
      this.#client.cancel(this.#call, false);
    }
    return Promise.resolve(DONE);
  }

  /** Its reader is given up, for this reason. */
  throw(error: unknown): Promise<Next> {
    this.cancel(error);
    return Promise.reject(error);
  }

  #taken(chunk: Uint8Array): Next {
    this.#call.connection?.credit(this.#call, chunk.length);
    return { done: false, value: chunk };
  }

  #fail(error: unknown): void {
    this.#isOver = true;
    this.#error = error;
    this.#chunks = [];
    this.#onNoHead(error);
    this.#reader?.reject(error);
    this.#reader = undefined;
  }
}
