/**
 * One HTTP/2 connection (RFC 9113), server's or client's side: bytes in by
 * `receive`, events out of it, bytes out by `takeOutput`, once per turn of the
 * event loop. It knows no socket and no clock: every call that needs the time
 * takes it, in milliseconds of any clock that does not go back. It never throws
 * for what a peer does: it resets a stream, or ends with GOAWAY and `onFailure`.
 */
import { Core } from './core.ts';
import type { ConnectionFailure, Http2Events } from './events.ts';
import {
  CLIENT_PREFACE,
  ErrorCode,
  Flag,
  FrameType,
  STREAM_ID_MAX,
  WINDOW_DEFAULT,
  WINDOW_MAX,
} from './frame.ts';
import { FrameReader } from './frame-reader.ts';
import { HeadIntake } from './head-intake.ts';
import { Inbound, type InboundHooks } from './inbound.ts';
import {
  DRAIN_PING_MS_MAX,
  HEAD_BYTES_MAX,
  HEAD_MS_MAX,
  PREFACE_MS_MAX,
  SETTINGS_ACK_MS_MAX,
  STREAMS_BEFORE_SETTINGS,
  STREAMS_MAX,
} from './limits.ts';
import { Outbound, type Sent, type WholeAnswer } from './outbound.ts';
import type { OutputPool } from './output.ts';
import { encodeSettings } from './settings.ts';
import { type HeadBlock, Stream } from './stream.ts';

export interface Http2Options {
  readonly side: 'server' | 'client';
  readonly events: Http2Events;
  readonly pool: OutputPool;
  readonly nowMs: number;
  /** Octets that the peer may send without credit: on all streams, at least 65,535, and on each. */
  readonly connectionWindowBytes?: number;
  readonly streamWindowBytes?: number;
  /** Octets of the table for decoding. */
  readonly headerTableBytes?: number;
  /** Streams of the peer at once, as a server. */
  readonly streamsMax?: number;
  /** What a server answers a request whose head is too large. Without it the stream is reset. */
  readonly tooLarge?: WholeAnswer;
}

const CONNECTION_WINDOW_DEFAULT = 1024 * 1024;
const DRAIN_PING = Buffer.from('goaway-1', 'latin1');
const ALIVE_PING = Buffer.from('alive-01', 'latin1');

export interface Farewell {
  readonly code: number;
  readonly why: string;
}

export class Http2Connection implements InboundHooks {
  readonly #core: Core;
  readonly #frames: FrameReader;
  readonly #inbound: Inbound;
  readonly #outbound: Outbound;
  readonly #heads: HeadIntake;
  readonly #openedAtMs: number;
  readonly #streamWindowBytes: number;
  readonly #headerTableBytes: number;
  /** Octets of the preface that have come; a client awaits none. */
  #prefaceAt: number;
  #isAcknowledged = false;
  #partialSinceMs = 0;
  /** When the first GOAWAY of a drain went, while its ping is not answered. */
  #drainSinceMs: number | undefined;
  #isDraining = false;
  #farewell: Farewell | undefined;

  constructor(options: Http2Options) {
    const { side, events, pool, nowMs, streamsMax = STREAMS_MAX } = options;
    const { connectionWindowBytes = CONNECTION_WINDOW_DEFAULT } = options;
    checkWindow('connectionWindowBytes', connectionWindowBytes, WINDOW_DEFAULT);
    const isClient = side === 'client';
    this.#streamWindowBytes = checkWindow(
      'streamWindowBytes',
      options.streamWindowBytes ?? WINDOW_DEFAULT,
      1,
    );
    this.#headerTableBytes = options.headerTableBytes ?? 4096;
    this.#openedAtMs = nowMs;
    this.#prefaceAt = isClient ? CLIENT_PREFACE.length : 0;
    this.#core = new Core({ isClient, events, pool, connectionWindowBytes, nowMs });
    this.#outbound = new Outbound(this.#core);
    this.#heads = new HeadIntake(this.#core, this.#outbound, { streamsMax, tooLarge: options.tooLarge });
    this.#inbound = new Inbound(this.#core, this.#outbound, this.#heads, this);
    this.#frames = new FrameReader(this.#inbound);
    if (isClient) this.#core.output.raw(CLIENT_PREFACE);
    const own = { headerTableBytes: this.#headerTableBytes, streamWindowBytes: this.#streamWindowBytes };
    const settings = encodeSettings(own, isClient ? 0 : streamsMax, HEAD_BYTES_MAX);
    this.#core.output.frame(FrameType.settings, Flag.none, 0, settings, 0, settings.length);
    this.#core.credits.open();
  }

  /** Takes what came from the peer. `bytes` may be reused once events need them no more: see `onData`. */
  receive(bytes: Buffer, nowMs: number): void {
    this.#core.nowMs = nowMs;
    if (this.#core.isOver) return;
    let from = 0;
    for (; this.#prefaceAt < CLIENT_PREFACE.length; from++) {
      if (from === bytes.length) return;
      if (bytes[from] !== CLIENT_PREFACE[this.#prefaceAt++]) {
        this.#core.fail(ErrorCode.protocolError, 'no HTTP/2 preface');
        return;
      }
    }
    const heldBefore = this.#frames.held;
    this.#frames.push(bytes, from);
    // A frame that went on without ending keeps the time at which it began.
    const isSameFrame = heldBefore > 0 && this.#frames.held === heldBefore + bytes.length - from;
    if (!isSameFrame) this.#partialSinceMs = nowMs;
  }

  /** What is to be written, within some 256 KiB of data; undefined where nothing is. See `reuseOutput`. */
  takeOutput(nowMs: number): Buffer | undefined {
    this.#core.nowMs = nowMs;
    return this.#outbound.take();
  }

  /** Says that what `takeOutput` last gave is written and will not be read again; saves a buffer per turn. */
  reuseOutput(): void {
    this.#core.output.reuse();
  }

  /** Opens a stream, as a client; undefined where `canOpen` is false. The head is written at once; see `sendHead`. */
  openStream(head: HeadBlock, isEnd: boolean, expectsNoContent = false): Stream | undefined {
    if (!this.canOpen) return undefined;
    const { streams, credits } = this.#core;
    const id = streams.lastOwnId + 2;
    const stream = new Stream(id, this.#outbound.streamWindow, credits.streamSize);
    stream.expectsNoContent = expectsNoContent;
    // A head that cannot be sent throws here: then no stream was opened.
    this.#outbound.sendHead(stream, head, isEnd);
    streams.lastOwnId = id;
    streams.add(stream);
    return stream;
  }

  /** True if a stream can be opened now: by the peer's settings and GOAWAY, and the numbers left. */
  get canOpen(): boolean {
    const { streams, isOver, isClient } = this.#core;
    if (!isClient || isOver || this.#isDraining || this.#farewell !== undefined) return false;
    const streamsMax = this.#inbound.hasSettings ? this.#inbound.peer.streamsMax : STREAMS_BEFORE_SETTINGS;
    return streams.size < streamsMax && streams.lastOwnId < STREAM_ID_MAX;
  }

  /** An answer's head, or an interim one. Behind data that waits, use `sendTrailers`. Throws a RangeError for fields that HTTP/2 cannot carry. */
  sendHead(stream: Stream, head: HeadBlock, isEnd: boolean): Sent {
    return this.#outbound.sendHead(stream, head, isEnd);
  }

  /** `bytes` are kept by reference while they are queued. */
  sendData(stream: Stream, bytes: Uint8Array, isEnd: boolean): Sent {
    return this.#outbound.sendData(stream, bytes, isEnd);
  }

  /** The first `length` of `bytes`, which may be written to again. */
  sendCopy(stream: Stream, bytes: Buffer, length: number): Sent {
    return this.#outbound.sendCopy(stream, bytes, length);
  }

  sendTrailers(stream: Stream, trailers: HeadBlock): Sent {
    return this.#outbound.sendTrailers(stream, trailers);
  }

  /** So many octets of content were taken by their reader, so that the peer may send as many more. */
  creditData(stream: Stream, bytes: number): void {
    if (!this.#core.isOver) this.#core.credits.credit(stream, bytes);
  }

  /** Ends a stream by RST_STREAM; `onReset` follows. Its place is free. */
  resetStream(stream: Stream, code: number): void {
    this.#core.reset(stream, code, false);
    this.#core.release(stream);
  }

  /** Called by a server when the work for a stream that was reset has ended: its place is free. */
  release(stream: Stream): void {
    if (stream.isClosed) this.#core.release(stream);
  }

  /** Asks the peer for a sign of life; whatever it sends is one. */
  ping(): void {
    if (!this.#core.isOver)
      this.#core.output.frame(FrameType.ping, Flag.none, 0, ALIVE_PING, 0, ALIVE_PING.length);
  }

  /** The first SETTINGS of the peer have come: it speaks HTTP/2. */
  get hasSettings(): boolean {
    return this.#inbound.hasSettings;
  }

  /** The time has passed: looks for what took too long. Call it every second or so. */
  check(nowMs: number): void {
    this.#core.nowMs = nowMs;
    if (this.#core.isOver) return;
    const why = this.#lateness(nowMs);
    if (why !== undefined) this.#core.fail(ErrorCode.settingsTimeout, why);
    if (this.#isHeadLate(nowMs))
      this.#core.fail(ErrorCode.enhanceYourCalm, 'frame or head not whole in time');
    if (this.#drainSinceMs !== undefined && nowMs - this.#drainSinceMs >= DRAIN_PING_MS_MAX) this.#endDrain();
    for (const stream of this.#outbound.stalled()) this.#core.reset(stream, ErrorCode.cancel, false);
    this.#core.streams.rest();
  }

  /**
   * Takes no new streams. A server announces it, awaits the answer to a ping, so
   * that all that was on its way is served, and then says which was the last.
   */
  shutdown(nowMs: number): void {
    this.#core.nowMs = nowMs;
    if (this.#isDraining || this.#core.isOver) return;
    this.#isDraining = true;
    this.#core.output.goaway(this.#core.isClient ? 0 : STREAM_ID_MAX, ErrorCode.noError, '');
    if (this.#core.isClient) return;
    this.#core.output.frame(FrameType.ping, Flag.none, 0, DRAIN_PING, 0, DRAIN_PING.length);
    this.#drainSinceMs = nowMs;
  }

  /** The streams that live, in the order in which they were opened. */
  liveStreams(): IterableIterator<Stream> {
    return this.#core.streams.live();
  }

  /** Ends it by GOAWAY, for a reason that its driver gives; `onFailure` follows. */
  fail(code: number, why: string): void {
    this.#core.fail(code, why);
  }

  /** The socket has gone: every stream is reset, with CANCEL, and nothing more happens. */
  abandon(): void {
    this.#core.abandon(ErrorCode.cancel);
  }

  /** After `shutdown`: nothing is left to be served or sent. */
  get isDrained(): boolean {
    const { streams, output } = this.#core;
    const isQuiet = streams.size === 0 && streams.held === 0 && output.length === 0;
    return this.#isDraining && this.#drainSinceMs === undefined && isQuiet;
  }

  /** What the peer's last GOAWAY said; `why` is its text. */
  get farewell(): Farewell | undefined {
    return this.#farewell;
  }

  get failure(): ConnectionFailure | undefined {
    return this.#core.failure;
  }

  /** True if `takeOutput` would give something. */
  get hasOutput(): boolean {
    return this.#core.output.length > 0 || this.#outbound.canPump;
  }

  /** Octets that wait to be taken by `takeOutput`, those in queues not counted. */
  get outputBytes(): number {
    return this.#core.output.length;
  }

  /** Octets of data that wait in queues, all streams together. */
  get queuedBytes(): number {
    return this.#core.queuedBytes;
  }

  /** What the connection keeps in memory, in octets and numbers: for metrics and for tests of its bounds. */
  get holdings() {
    const { streams, output, credits, line } = this.#core;
    let uncredited = 0;
    for (const stream of streams.live()) uncredited += stream.uncredited;
    return {
      streams: streams.size,
      held: streams.held,
      remembered: streams.remembered,
      inLine: line?.size ?? 0,
      output: output.length,
      partialFrame: this.#frames.held,
      partialBlock: this.#inbound.block?.held ?? 0,
      table: this.#heads.reader.tableBytes,
      memos: this.#heads.reader.memoBytes,
      /** The three add up to the connection's window: see `credits.ts`. */
      window: credits.window,
      unannounced: credits.unannounced,
      uncredited,
    };
  }

  /** This and the next two: called by `Inbound`. */
  onSettingsAck(): boolean {
    if (this.#isAcknowledged) return false;
    this.#isAcknowledged = true;
    this.#core.credits.resize(this.#streamWindowBytes, this.#core.streams.live());
    this.#heads.reader.allowSize(this.#headerTableBytes);
    return true;
  }

  onPong(bytes: Uint8Array, at: number): void {
    if (this.#drainSinceMs === undefined) return;
    if (DRAIN_PING.every((octet, i) => octet === bytes[at + i])) this.#endDrain();
  }

  onGoaway(lastStreamId: number, code: number, why: string): void {
    this.#farewell = { code, why };
    if (this.#core.isClient) {
      const late = [...this.#core.streams.live()].filter((stream) => stream.id > lastStreamId);
      for (const stream of late) this.#core.dropByPeer(stream, ErrorCode.refusedStream);
    }
    this.#core.events.onGoaway(lastStreamId, code);
  }

  #endDrain(): void {
    this.#drainSinceMs = undefined;
    this.#core.lastTaken = this.#core.streams.lastPeerId;
    this.#core.output.goaway(this.#core.lastTaken, ErrorCode.noError, '');
  }

  #lateness(nowMs: number): string | undefined {
    const passedMs = nowMs - this.#openedAtMs;
    if (!this.#inbound.hasSettings)
      return passedMs >= PREFACE_MS_MAX ? 'no preface and SETTINGS in time' : undefined;
    if (!this.#isAcknowledged && passedMs >= SETTINGS_ACK_MS_MAX) return 'SETTINGS not acknowledged in time';
    return undefined;
  }

  /** A frame that is cut counts. DATA does not: the reader of the body has a time limit of its own. */
  #isHeadLate(nowMs: number): boolean {
    const { block } = this.#inbound;
    if (block !== undefined && nowMs - block.sinceMs >= HEAD_MS_MAX) return true;
    const isCut = this.#frames.held > 0 && this.#frames.heldType !== FrameType.data;
    return isCut && nowMs - this.#partialSinceMs >= HEAD_MS_MAX;
  }
}

function checkWindow(name: string, bytes: number, min: number): number {
  if (Number.isInteger(bytes) && bytes >= min && bytes <= WINDOW_MAX) return bytes;
  throw new RangeError(`${name}: expected a whole number from ${min} to ${WINDOW_MAX}, got ${bytes}`);
}
