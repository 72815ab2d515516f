/** A unary call whose answer is taken whole. */
import type { Http2Client } from '#dial/http2/http2-client.ts';
import { type AnswerSink, type CallFailure, OutgoingCall } from '#dial/http2/outgoing-call.ts';
import type { Head } from '#http/hpack/head.ts';
import type { FieldList } from '#http/hpack/hpack-encoder.ts';

/** Status and headers of an answer, names in lower case. */
export type AnswerHead = Pick<Head, 'status' | 'fields' | 'get'>;

export interface UnaryListener {
  /** True: bodies may be lent to it, valid until `onAnswer` returns. Else they are its own. */
  readonly mayBorrow?: boolean;
  onAnswer(head: AnswerHead, body: Uint8Array): void;
  onFailure(failure: CallFailure): void;
}

const NOTHING = new Uint8Array(0);

export class UnaryCall implements AnswerSink {
  readonly #client: Http2Client;
  readonly #call: OutgoingCall;
  readonly #bytesMax: number;
  readonly #listener: UnaryListener;
  #head: Head | undefined;
  #body: Uint8Array = NOTHING;
  /** The length of the body as its head tells it; -1 where it does not. */
  #expected = -1;
  #length = 0;

  /** An answer of more than `bytesMax` bytes is a failure. Throws a RangeError for fields that cannot be sent. */
  constructor(
    client: Http2Client,
    fields: FieldList,
    body: Uint8Array,
    bytesMax: number,
    listener: UnaryListener,
  ) {
    this.#client = client;
    this.#bytesMax = bytesMax;
    this.#listener = listener;
    this.#call = new OutgoingCall(fields, body, this);
    client.start(this.#call);
  }

  /** The listener is told nothing further. `isLate`: the answer took too long. */
  cancel(isLate: boolean): void {
    this.#client.cancel(this.#call, isLate);
  }

  onHead(head: Head): void {
    this.#head = head;
    const length = head.contentLength;
    if (length > this.#bytesMax) this.#failTooLong();
    else this.#expected = length;
  }

  onData(bytes: Buffer, from: number, to: number, isEnd: boolean): void {
    const end = this.#length + to - from;
    if (end > this.#bytesMax) {
      this.#failTooLong();
      return;
    }
    if (isEnd && this.#length === 0 && this.#listener.mayBorrow === true) {
      this.#body = bytes.subarray(from, to);
      this.#length = end;
      return;
    }
    if (end > this.#body.length) this.#grow(end);
    this.#body.set(bytes.subarray(from, to), this.#length);
    this.#length = end;
  }

  onEnd(): void {
    const body = this.#length === this.#body.length ? this.#body : this.#body.slice(0, this.#length);
    this.#listener.onAnswer(this.#head as Head, body);
  }

  onFailure(failure: CallFailure): void {
    this.#listener.onFailure(failure);
  }

  #grow(length: number): void {
    const wanted = Math.max(length, this.#expected, 2 * this.#body.length);
    const larger = new Uint8Array(Math.min(this.#bytesMax, wanted));
    larger.set(this.#body.subarray(0, this.#length));
    this.#body = larger;
  }

  #failTooLong(): void {
    this.cancel(false);
    this.#listener.onFailure({
      code: undefined,
      why: `the answer is over ${this.#bytesMax} bytes`,
      isUnsent: false,
    });
  }
}
