/**
 * One HTTP/2 connection to a node by our own codec: calls out, in one write per turn of
 * the event loop, and answers in as they come. It ends when the socket does, when the
 * peer gives no sign of life while calls wait, and when it was left and its last call is
 * over; the calls that it has then fail. It never throws for what a peer does.
 */
import type { Socket } from 'node:net';
import type { CallConnection, OutgoingCall } from '#dial/http2/outgoing-call.ts';
import { isOfUntrusted, whyLost } from '#dial/why-lost.ts';
import type { Head } from '#http/hpack/head.ts';
import type { Http2Events, ResetBy } from '#http/http2/events.ts';
import { ErrorCode } from '#http/http2/frame.ts';
import { Http2Connection } from '#http/http2/http2-connection.ts';
import { OutputPool } from '#http/http2/output.ts';
import type { Stream } from '#http/http2/stream.ts';
import type { Clock, Timer } from '#platform/clock.ts';

/** What answers may be on their way, for each call and for all. */
const STREAM_WINDOW_BYTES = 4_194_304;
const CONNECTION_WINDOW_BYTES = 16_777_216;
const LOOK_MS = 1_000;
/** Nothing has come for so long while calls wait: the peer is asked for a sign of life. */
const SILENT_MS = 10_000;
/** And has so long to give one. */
const PONG_MS = 10_000;

/** Buffers for all connections of the process. */
const POOL = new OutputPool();

export interface ConnectionOwner {
  /** The peer says that it has not looked at the call. */
  onRefused(call: OutgoingCall): void;
  /** There may be room for another call. */
  onRoom(): void;
  /** It takes no further calls. */
  onLeft(connection: ClientConnection): void;
  onClosed(connection: ClientConnection): void;
}

export class ClientConnection implements Http2Events, CallConnection {
  readonly #socket: Socket;
  readonly #clock: Clock;
  readonly #owner: ConnectionOwner;
  readonly #connection: Http2Connection;
  /** Streams that live: their calls wait for an answer. */
  #calls = 0;
  #heardMs = Number.NEGATIVE_INFINITY;
  #isDue = false;
  #isWriting = false;
  #isLeft = false;
  #isPinged = false;
  #isConnected = false;
  #why = 'the connection was closed';
  #isUntrusted = false;
  #timer: Timer | undefined;

  /** `open`: what it reads goes to `onBytes`, or to the stream. */
  constructor(open: (onBytes: (bytes: Buffer) => void) => Socket, clock: Clock, owner: ConnectionOwner) {
    const onBytes = (bytes: Buffer): void => this.#receive(bytes);
    const socket = open(onBytes);
    this.#socket = socket;
    this.#clock = clock;
    this.#owner = owner;
    const nowMs = clock.monotonicMs();
    this.#connection = new Http2Connection({
      side: 'client',
      events: this,
      pool: POOL,
      nowMs,
      connectionWindowBytes: CONNECTION_WINDOW_BYTES,
      streamWindowBytes: STREAM_WINDOW_BYTES,
    });
    socket.on('data', onBytes);
    socket.once('encrypted' in socket ? 'secureConnect' : 'connect', () => {
      this.#isConnected = true;
    });
    socket.on('error', (error) => {
      this.#why = whyLost(error);
      this.#isUntrusted = isOfUntrusted(error);
    });
    socket.on('close', () => this.#onClosed());
  }

  /** Why its calls fail. */
  get why(): string {
    const why = this.#connection.failure?.why;
    if (why === undefined) return this.#why;
    return this.isProven ? why : `no answer in HTTP/2 (${why}): is it a Walnut node?`;
  }

  /** True if it ended because the peer has no certificate that counts here, or speaks no TLS. */
  get isUntrusted(): boolean {
    return this.#isUntrusted;
  }

  /** True once the peer has shown that it speaks HTTP/2. */
  get isProven(): boolean {
    return this.#connection.hasSettings;
  }

  /** Sends the call; false where there is no room for it. Throws a RangeError for fields that cannot be sent. */
  tryStart(call: OutgoingCall): boolean {
    const { body } = call;
    const stream = this.#connection.openStream(call.fields, body.length === 0);
    if (stream === undefined) {
      // Nothing that could end will make room: the numbers of streams are used up.
      if (this.#calls === 0) this.leave();
      return false;
    }
    stream.call = call;
    call.stream = stream;
    call.connection = this;
    call.startedMs = this.#clock.monotonicMs();
    this.#calls++;
    this.#watch();
    if (body.length > 0) this.#connection.sendData(stream, body, true);
    this.#touch();
    return true;
  }

  /** Nobody waits for the answer any more. `isLate`: it took too long; a peer that said nothing since may be gone. */
  cancel(call: OutgoingCall, isLate: boolean): void {
    const { stream } = call;
    if (stream === undefined) return;
    if (isLate && this.#heardMs < call.startedMs) {
      this.destroy(silence(this.#clock.monotonicMs() - call.startedMs));
      return;
    }
    this.#connection.resetStream(stream, ErrorCode.cancel);
    this.#touch();
  }

  /** The reader of an answer has taken so many bytes. */
  credit(call: OutgoingCall, bytes: number): void {
    if (call.stream === undefined) return;
    this.#connection.creditData(call.stream, bytes);
    this.#touch();
  }

  /** Takes no further calls, and ends with the last that it has. */
  leave(): void {
    if (this.#isLeft) return;
    this.#isLeft = true;
    this.#owner.onLeft(this);
    this.#touch();
  }

  /** Ends at once. */
  destroy(why: string): void {
    this.#why = why;
    this.leave();
    this.#socket.destroy();
  }

  onHead(stream: Stream, head: Head, isEnd: boolean): void {
    const call = callOf(stream);
    // An interim answer says nothing that anybody here waits for.
    if (head.status < 200 || call.isOver) return;
    call.hasHead = true;
    call.sink.onHead(head);
    if (isEnd) this.#onAnswered(stream, call, undefined);
  }

  onData(stream: Stream, bytes: Buffer, from: number, to: number, isEnd: boolean): void {
    const call = callOf(stream);
    if (to > from && !call.isOver) call.sink.onData(bytes, from, to, isEnd);
    if (call.isCredited || call.isOver) this.#connection.creditData(stream, to - from);
    if (isEnd) this.#onAnswered(stream, call, undefined);
  }

  onTrailers(stream: Stream, trailers: Head): void {
    this.#onAnswered(stream, callOf(stream), trailers);
  }

  onReset(stream: Stream, code: number, by: ResetBy): void {
    const call = callOf(stream);
    this.#release(call);
    const { farewell } = this.#connection;
    // Another connection would be refused for the same reason.
    if (by === 'peer' && farewell?.code === ErrorCode.inadequateSecurity)
      call.fail(farewell.code, farewell.why);
    else if (by === 'peer' && code === ErrorCode.refusedStream && !call.isOver && call.mayRepeat()) {
      this.#owner.onRefused(call);
    } else if (by === 'peer') {
      call.fail(code, `the call was reset with ${nameOf(code)}`, code === ErrorCode.refusedStream);
    } else call.fail(undefined, this.why, !this.#isConnected && !this.isProven, this.#isUntrusted);
  }

  onDrain(): void {}

  onGoaway(): void {
    this.leave();
  }

  onFailure(): void {
    this.leave();
  }

  #onAnswered(stream: Stream, call: OutgoingCall, trailers: Head | undefined): void {
    if (stream.isClosed) this.#release(call);
    call.end(trailers);
    // Answered before it was all sent: the rest is of no use.
    if (!stream.isClosed) this.#connection.resetStream(stream, ErrorCode.noError);
  }

  #release(call: OutgoingCall): void {
    if (call.stream === undefined) return;
    call.stream = undefined;
    this.#calls--;
  }

  #receive(bytes: Buffer): void {
    const nowMs = this.#clock.monotonicMs();
    this.#heardMs = nowMs;
    this.#isPinged = false;
    this.#connection.receive(bytes, nowMs);
    this.#owner.onRoom();
    if (this.#connection.hasOutput || this.#isAtEnd) this.#touch();
  }

  #touch(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    void this.#clock.yield().then(() => this.#flush());
  }

  #flush(): void {
    this.#isDue = false;
    if (this.#isWriting || this.#socket.destroyed) return;
    const output = this.#connection.takeOutput(this.#clock.monotonicMs());
    if (output !== undefined) {
      this.#isWriting = true;
      this.#socket.write(output, this.#onWritten);
    } else if (this.#isAtEnd) this.#socket.destroy();
  }

  readonly #onWritten = (): void => {
    this.#isWriting = false;
    this.#connection.reuseOutput();
    if (this.#connection.hasOutput || this.#isAtEnd) this.#touch();
  };

  /** Nothing more is to come. */
  get #isAtEnd(): boolean {
    return this.#isLeft && this.#calls === 0;
  }

  /** Looks once a second while calls wait; there is no timer while none does. */
  #watch(): void {
    this.#timer ??= this.#clock.after(LOOK_MS, () => {
      this.#timer = undefined;
      if (this.#calls > 0) this.#look(this.#clock.monotonicMs());
    });
  }

  #look(nowMs: number): void {
    this.#watch();
    this.#connection.check(nowMs);
    const [oldest] = this.#connection.liveStreams();
    if (oldest === undefined) return;
    const silentMs = nowMs - Math.max(this.#heardMs, callOf(oldest).startedMs);
    if (silentMs >= SILENT_MS + PONG_MS) this.destroy(silence(silentMs));
    else if (silentMs >= SILENT_MS && !this.#isPinged) {
      this.#isPinged = true;
      this.#connection.ping();
    }
    if (this.#connection.hasOutput) this.#touch();
  }

  #onClosed(): void {
    this.leave();
    this.#connection.abandon();
    this.#timer?.cancel();
    this.#owner.onClosed(this);
  }
}

function callOf(stream: Stream): OutgoingCall {
  return stream.call as OutgoingCall;
}

function silence(ms: number): string {
  // This is how long a call waited. The peer may have been away for much longer.
  return `no sign of life while a call waited ${(ms / 1_000).toFixed(1)} s`;
}

function nameOf(code: number): string {
  const [name = String(code)] = Object.entries(ErrorCode).find(([, each]) => each === code) ?? [];
  return name.replace(/[A-Z0-9]+/g, (part) => `_${part}`).toUpperCase();
}
