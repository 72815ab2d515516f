/**
 * What both directions of a connection share: its streams and how they end, its
 * counters, and its failure, after which nothing is read and no stream lives.
 */
import { Credits } from './credits.ts';
import type { ConnectionFailure, Http2Events, ResetBy } from './events.ts';
import { ErrorCode, FrameType, STREAM_ID_MAX } from './frame.ts';
import { Bucket, type LimitName, RATES, USEFUL_EARNS } from './limits.ts';
import { Output, type OutputPool } from './output.ts';
import { type Stream, StreamState } from './stream.ts';
import { StreamTable } from './stream-table.ts';

export interface CoreOptions {
  readonly isClient: boolean;
  readonly events: Http2Events;
  readonly pool: OutputPool;
  readonly connectionWindowBytes: number;
  readonly nowMs: number;
}

export class Core {
  readonly isClient: boolean;
  readonly events: Http2Events;
  readonly output: Output;
  readonly credits: Credits;
  readonly streams: StreamTable;
  /** The time of the last call from outside, in milliseconds. */
  nowMs: number;
  failure: ConnectionFailure | undefined;
  /** Streams that have data to send and a window for it, in their order; undefined before there is one. */
  line: Set<Stream> | undefined;
  /** Octets queued on all streams. */
  queuedBytes = 0;
  /** Streams of the peer above it are refused: the last number of our final GOAWAY. */
  lastTaken = STREAM_ID_MAX;
  isOver = false;
  /** Each is undefined before the first of what it counts. */
  #resets: Bucket | undefined;
  #settings: Bucket | undefined;
  #overhead: Bucket | undefined;

  constructor({ isClient, events, pool, connectionWindowBytes, nowMs }: CoreOptions) {
    this.isClient = isClient;
    this.events = events;
    this.nowMs = nowMs;
    this.output = new Output(pool);
    this.credits = new Credits(this.output, connectionWindowBytes);
    this.streams = new StreamTable(isClient);
  }

  /** A head or a frame of data went either way. */
  earn(): void {
    this.#overhead?.earn(USEFUL_EARNS);
  }

  countOverhead(): void {
    this.#overhead ??= new Bucket(RATES.overhead, this.nowMs);
    if (!this.#overhead.take(this.nowMs)) this.failLimit('overhead', 'too many frames that carry nothing');
  }

  countSettings(): void {
    this.#settings ??= new Bucket(RATES.settings, this.nowMs);
    if (!this.#settings.take(this.nowMs)) this.failLimit('settings', 'too many SETTINGS');
  }

  countReset(): void {
    this.#resets ??= new Bucket(RATES.resets, this.nowMs);
    if (!this.#resets.take(this.nowMs)) this.failLimit('resets', 'too many streams reset or refused');
  }

  failLimit(limit: LimitName, why: string): void {
    this.fail(ErrorCode.enhanceYourCalm, why, limit);
  }

  /** The end of the connection by our GOAWAY. The first failure counts. */
  fail(code: number, why: string, limit?: LimitName): void {
    if (this.isOver) return;
    this.failure = { code, why, limit };
    this.output.goaway(this.streams.lastPeerId, code, why);
    this.abandon(code);
    this.events.onFailure(this.failure);
  }

  /** No stream lives on, and nothing more is read. */
  abandon(code: number): void {
    if (this.isOver) return;
    this.isOver = true;
    for (const stream of [...this.streams.live()]) this.#drop(stream, code, 'here');
  }

  /** The peer has ended its side. */
  endRemote(stream: Stream): void {
    if (stream.state === StreamState.open) stream.state = StreamState.halfClosedRemote;
    else this.#finish(stream);
  }

  endLocal(stream: Stream): void {
    if (stream.state === StreamState.open) stream.state = StreamState.halfClosedLocal;
    else this.#finish(stream);
  }

  /** Our RST_STREAM. `isProvoked`: by what the peer did, so that it counts. */
  reset(stream: Stream, code: number, isProvoked: boolean): void {
    if (stream.isClosed) return;
    this.output.number(FrameType.rstStream, stream.id, code);
    if (!stream.hasRemoteEnded) this.streams.noteReset(stream.id);
    this.#drop(stream, code, 'here');
    if (isProvoked) this.countReset();
  }

  /** Our RST_STREAM for a stream of the peer that was never served, or is closed. */
  resetUnserved(id: number, code: number, isEnd: boolean): void {
    this.output.number(FrameType.rstStream, id, code);
    if (!isEnd) this.streams.noteReset(id);
    this.countReset();
  }

  /** The peer reset the stream, or will never look at it. */
  dropByPeer(stream: Stream, code: number): void {
    this.#drop(stream, code, 'peer');
  }

  /** The work for a stream has ended: another may take its place. */
  release(stream: Stream): void {
    if (!stream.isHeld) return;
    stream.isHeld = false;
    this.streams.held--;
  }

  #finish(stream: Stream): void {
    this.#close(stream);
    this.release(stream);
  }

  #drop(stream: Stream, code: number, by: ResetBy): void {
    this.queuedBytes -= stream.queuedBytes;
    stream.dropQueue();
    this.line?.delete(stream);
    this.#close(stream);
    this.events.onReset(stream, code, by);
  }

  #close(stream: Stream): void {
    stream.state = StreamState.closed;
    this.streams.remove(stream);
    if (!this.isOver) this.credits.settle(stream);
  }
}
