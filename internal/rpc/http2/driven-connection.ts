/**
 * One connection of our own HTTP/2 codec on its socket: bytes in as they come,
 * bytes out in one write per turn of the event loop, calls to the listener. The
 * socket is never paused: what a peer may make wait for it is bounded by windows,
 * by `isClogged`, and by the budget of answers over all connections.
 */
import type { Socket } from 'node:net';
import { ErrorCode } from '#http/http2/frame.ts';
import { Http2Connection } from '#http/http2/http2-connection.ts';
import type { Stream } from '#http/http2/stream.ts';
import { patienceMs } from '#rpc/answer-pace.ts';
import { type AnswerBlocks, HEAD_TOO_LARGE } from '#rpc/http2/answer-blocks.ts';
import { CallIntake } from '#rpc/http2/call-intake.ts';
import type { CallWire, ServedCall } from '#rpc/http2/served-call.ts';
import type { Site } from '#rpc/http2/site.ts';
import type { OpenConnection } from '#rpc/open-connections.ts';
import { peerOf } from '#rpc/peer.ts';
import { ownSocket, type SocketOwner } from '#rpc/socket-owner.ts';
import type { Writer } from '#rpc/turns.ts';
import { type OnceWriter, writeOnce } from '#rpc/write-once.ts';

const STREAM_WINDOW_BYTES = 1_048_576;
/** All streams of a connection together: what a peer can make one connection buffer. */
const CONNECTION_WINDOW_BYTES = 4_194_304;
/** While so many bytes of answers wait for the peer, no further answer is made. */
const CLOGGED_BYTES = 1_048_576;
/** A connection that was just given so much waits behind those that were given less. */
const HEAVY_BYTES = 65_536;
/** Without a byte, pings included, for this long a connection is closed. */
const IDLE_MS = 600_000;
/** How long a write may take, and an answer stand still. */
const STALLED_MS = 60_000;
/** A peer that sends no more, and may still read, is answered for so long. */
const HALF_CLOSED_MS = 1_000;
/** After the last byte is sent, the peer may take so long to close. */
const LINGER_MS = 1_000;

export class DrivenConnection implements CallWire, Writer, OpenConnection, SocketOwner, OnceWriter {
  readonly connection: Http2Connection;
  readonly blocks: AnswerBlocks;
  nowMs: number;
  readonly #site: Site;
  readonly #socket: Socket;
  /** Answers that wait for room, in their order; undefined while none does. */
  #waiting: (() => void)[] | undefined = undefined;
  /** Those that wait have their turn. */
  #isGoingOn = false;
  /** Large answers that are being made in slices. */
  #large = 0;
  #isDue = false;
  #isWriting = false;
  #lastBytes = 0;
  #writtenBytes = 0;
  #writeSinceMs = 0;
  /** The bytes that the budget was last told of. */
  #heldBytes = 0;
  #movedMs: number;
  #halfClosedMs: number | undefined = undefined;
  #endedMs: number | undefined = undefined;

  constructor(site: Site, socket: Socket) {
    this.#site = site;
    this.#socket = socket;
    this.blocks = site.blocks;
    this.nowMs = site.turns.wholeMs;
    this.#movedMs = this.nowMs;
    this.connection = new Http2Connection({
      side: 'server',
      events: new CallIntake(site, this, peerOf(socket)),
      pool: site.pool,
      nowMs: this.nowMs,
      connectionWindowBytes: CONNECTION_WINDOW_BYTES,
      streamWindowBytes: STREAM_WINDOW_BYTES,
      tooLarge: HEAD_TOO_LARGE,
    });
    // What is still to be answered is, where the peer closes its side.
    socket.allowHalfOpen = true;
    ownSocket(socket, this);
    this.touch();
  }

  get cameMs(): number {
    return this.#site.turns.nowMs;
  }

  get isClogged(): boolean {
    if (this.#hasWaiting && !this.#isGoingOn) return true;
    return !this.#hasRoom || this.#site.turns.isSpent;
  }

  whenRoom(callback: () => void): void {
    this.#waiting ??= [];
    this.#waiting.push(callback);
    this.touch();
  }

  onMade(bytes: number): void {
    this.#site.turns.spend(bytes);
  }

  beginLarge(): void {
    this.#large++;
  }

  endLarge(): void {
    this.#large--;
    if (this.#hasWaiting) this.touch();
  }

  get isHeavy(): boolean {
    return this.connection.queuedBytes + this.#lastBytes >= HEAVY_BYTES;
  }

  touch(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    this.#site.turns.write(this);
  }

  onQueued(): void {
    this.#noteHeld();
  }

  /** The server drains. */
  close(): void {
    this.nowMs = this.#site.turns.wholeMs;
    this.connection.shutdown(this.nowMs);
    this.touch();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  shed(): void {
    this.#heldBytes = 0;
    // A socket that takes nothing takes no GOAWAY either. Resetting only the queued answers
    // would not help: the calls that wait for room would queue as many again.
    if (this.#isWriting) this.#socket.destroy();
    else
      this.connection.fail(
        ErrorCode.enhanceYourCalm,
        'answers were left unread while others needed the memory',
      );
  }

  flush(): number {
    this.#isDue = false;
    if (this.#isWriting || this.#socket.destroyed) return 0;
    this.nowMs = this.#site.turns.wholeMs;
    const output = this.connection.takeOutput(this.nowMs);
    this.#lastBytes = output?.length ?? 0;
    if (output !== undefined) this.#write(output);
    else if (this.#endedMs === undefined && this.#isAtEnd) this.#endSocket();
    if (this.#hasWaiting) this.#goOn();
    this.#noteHeld();
    return this.#lastBytes;
  }

  check(): void {
    const nowMs = this.#site.turns.wholeMs;
    this.nowMs = nowMs;
    const isOverdue =
      hasPassed(this.#endedMs, LINGER_MS, nowMs) || hasPassed(this.#halfClosedMs, HALF_CLOSED_MS, nowMs);
    const isStuck = this.#isWriting && nowMs - this.#writeSinceMs >= STALLED_MS;
    if (isStuck) this.#site.events.onStalled();
    if (isStuck || isOverdue) {
      this.#socket.destroy();
      return;
    }
    for (const stream of [...this.connection.liveStreams()]) this.#checkStream(stream, nowMs);
    this.connection.check(nowMs);
    if (nowMs - this.#movedMs >= IDLE_MS) this.connection.shutdown(nowMs);
    if (this.connection.hasOutput || this.#isAtEnd) this.touch();
  }

  onBytes(bytes: Buffer): void {
    this.nowMs = this.#site.turns.wholeMs;
    this.#movedMs = this.nowMs;
    this.connection.receive(bytes, this.nowMs);
    if (this.connection.hasOutput) this.touch();
    else this.#site.turns.expect();
  }

  #write(output: Buffer): void {
    this.#isWriting = true;
    this.#writtenBytes = output.length;
    this.#writeSinceMs = this.nowMs;
    this.#movedMs = this.nowMs;
    if (writeOnce(this.#socket, output, this)) this.onWritten();
  }

  onWritten(): void {
    this.#isWriting = false;
    this.#writtenBytes = 0;
    this.connection.reuseOutput();
    // Not at once: the next piece is another turn's, so that nobody waits for a peer that reads fast.
    if (this.connection.hasOutput || this.#hasWaiting || this.#isAtEnd) this.touch();
    else this.#noteHeld();
  }

  /** Makes the answers that waited, while there is room for them, here and in this turn. */
  #goOn(): void {
    const { turns } = this.#site;
    this.#isGoingOn = true;
    while (this.#hasWaiting && this.#hasRoom && !turns.isSpent) this.#waiting?.shift()?.();
    this.#isGoingOn = false;
    if (!this.#hasWaiting) this.#waiting = undefined;
    else if (this.#hasRoom) this.touch();
  }

  get #hasWaiting(): boolean {
    return this.#waiting !== undefined && this.#waiting.length > 0;
  }

  get #hasRoom(): boolean {
    return this.#large === 0 && this.connection.queuedBytes < CLOGGED_BYTES;
  }

  #noteHeld(): void {
    const { queuedBytes, outputBytes } = this.connection;
    const bytes = this.#socket.destroyed
      ? 0
      : queuedBytes + (this.#isWriting ? this.#writtenBytes + outputBytes : 0);
    if (bytes === this.#heldBytes) return;
    const hasMoved = bytes < this.#heldBytes;
    this.#heldBytes = bytes;
    this.#site.budget.note(this, bytes, hasMoved);
  }

  #checkStream(stream: Stream, nowMs: number): void {
    const call = stream.call as ServedCall | undefined;
    if (call === undefined) return;
    if (!stream.hasRemoteEnded && nowMs - call.startedMs >= this.#site.bodyTimeoutMs) {
      this.#site.events.onLate();
      this.connection.resetStream(stream, ErrorCode.cancel);
      return;
    }
    const isStill = stream.isWaiting && nowMs - stream.stalledSinceMs >= STALLED_MS;
    const isSlow = hasPassed(call.answeredMs, patienceMs(call.answerBytes), nowMs);
    if (!isStill && !(stream.isWaiting && isSlow)) return;
    this.#site.events.onStalled();
    this.connection.resetStream(stream, ErrorCode.cancel);
  }

  /** Nothing is left to be served or sent. */
  get #isAtEnd(): boolean {
    const { connection } = this;
    if (connection.hasOutput || this.#isWriting) return false;
    if (connection.failure !== undefined || connection.isDrained) return true;
    return this.#halfClosedMs !== undefined && connection.liveStreams().next().done === true;
  }

  #endSocket(): void {
    this.#endedMs = this.nowMs;
    this.#socket.end();
  }

  onPeerEnd(): void {
    this.nowMs = this.#site.turns.wholeMs;
    this.#halfClosedMs = this.nowMs;
    for (const stream of [...this.connection.liveStreams()])
      (stream.call as ServedCall | undefined)?.onPeerEnd();
    this.touch();
  }

  onClosed(): void {
    this.connection.abandon();
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const each of waiting) each();
    this.#noteHeld();
    this.#site.leave(this);
  }
}

/** `ms` have passed since `sinceMs`; undefined: it has not happened. */
function hasPassed(sinceMs: number | undefined, ms: number, nowMs: number): boolean {
  return sinceMs !== undefined && nowMs - sinceMs >= ms;
}
