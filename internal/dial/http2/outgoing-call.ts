/** A call as it goes out: what is sent, and who is told what comes back. */

import type { Head } from '#http/hpack/head.ts';
import type { FieldList } from '#http/hpack/hpack-encoder.ts';
import type { Stream } from '#http/http2/stream.ts';

/** Told in this order: a head, data, then an end or a failure, which is always the last. */
export interface AnswerSink {
  onHead(head: Head): void;
  /** `bytes[from, to)` lasts as long as the chunk that was read from the socket: copy what is kept. `isEnd`: `onEnd` follows at once. */
  onData(bytes: Buffer, from: number, to: number, isEnd: boolean): void;
  /** The answer is whole. */
  onEnd(trailers: Head | undefined): void;
  /** There is no answer, or not all of it. The call may have taken effect. */
  onFailure(failure: CallFailure): void;
}

export interface CallFailure {
  /** An error code of RFC 9113 where the peer reset the stream. */
  readonly code: number | undefined;
  readonly why: string;
  /** True if no byte of the call reached the peer, or the peer says that it has not looked at it. */
  readonly isUnsent: boolean;
  /** This side refused the certificate of the peer, or that spoke no TLS. */
  readonly isUntrusted?: boolean;
}

/** A connection, as far as a call needs it. */
export interface CallConnection {
  cancel(call: OutgoingCall, isLate: boolean): void;
  /** The reader of the answer has taken so many bytes. */
  credit(call: OutgoingCall, bytes: number): void;
}

/** How often a call is sent again that a peer says it has not looked at. */
const REPEATS_MAX = 3;

export class OutgoingCall {
  readonly fields: FieldList;
  /** Must not change before the call is over. Empty: the head ends the stream. */
  readonly body: Uint8Array;
  readonly sink: AnswerSink;
  /** False: `connection.credit` is told what of the answer is taken. */
  readonly isCredited: boolean;
  /** The stream and the connection that it is under way on. */
  stream: Stream | undefined = undefined;
  connection: CallConnection | undefined = undefined;
  startedMs = 0;
  isOver = false;
  hasHead = false;
  #repeats = 0;

  constructor(fields: FieldList, body: Uint8Array, sink: AnswerSink, isCredited = true) {
    this.fields = fields;
    this.body = body;
    this.sink = sink;
    this.isCredited = isCredited;
  }

  /** The peer did not look at it: false where it was sent often enough. */
  mayRepeat(): boolean {
    this.connection = undefined;
    return !this.hasHead && this.#repeats++ < REPEATS_MAX;
  }

  end(trailers: Head | undefined): void {
    if (this.isOver) return;
    this.isOver = true;
    this.sink.onEnd(trailers);
  }

  fail(code: number | undefined, why: string, isUnsent = false, isUntrusted = false): void {
    if (this.isOver) return;
    this.isOver = true;
    this.sink.onFailure({ code, why, isUnsent, isUntrusted });
  }
}
