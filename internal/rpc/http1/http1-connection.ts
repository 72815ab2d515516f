/**
 * One connection of our own HTTP/1.1 on its socket: bytes in as they come, one request
 * at a time, the answers of a turn in one write. Nothing is read while a request waits
 * behind another one, and none begins while the peer leaves answers unread, so a
 * connection keeps one read and one answer in memory. A request that the driver does not
 * serve goes to Node's server with the socket, behind the answers before it.
 */
import type { Socket } from 'node:net';
import type { Http1Head } from '#http/http1/head1.ts';
import { type RequestEvents, RequestReader } from '#http/http1/request-reader.ts';
import type { Peer } from '#model/access.ts';
import { isDirect } from '#rpc/direct-socket.ts';
import type { AnswerHeads } from '#rpc/http1/answer-heads.ts';
import { REQUESTS_PER_TURN } from '#rpc/http1/bounds.ts';
import { type Phase, PhaseTime } from '#rpc/http1/phase.ts';
import { beginRequest } from '#rpc/http1/request-start.ts';
import type { Http1Site } from '#rpc/http1/site.ts';
import { SocketOutput } from '#rpc/http1/socket-output.ts';
import type { Http1Wire, ServedRequest } from '#rpc/http1/wire.ts';
import type { OpenConnection } from '#rpc/open-connections.ts';
import { passSocket } from '#rpc/pass-socket.ts';
import { peerOf } from '#rpc/peer.ts';
import { disownSocket, heedErrors, ownSocket, type SocketOwner } from '#rpc/socket-owner.ts';
import { untilParting, type Writer } from '#rpc/turns.ts';
import { endWith, LATE, notHttp, type Unparsed } from '#rpc/unparsed.ts';

/** With so many bytes of answers to be written, the next request waits for the write. */
const OUTPUT_BYTES_MAX = 65_536;
/**
 * Fewer bytes of answers wait for the end of the turn. A peer that is woken by the first
 * answer of a turn is still awake when the others are written, and each wake-up spared is
 * a quarter of what a Get costs.
 */
const GATHERED_BYTES_MAX = 16_384;

export class Http1Connection implements Http1Wire, RequestEvents, Writer, OpenConnection, SocketOwner {
  readonly socket: Socket;
  readonly heads: AnswerHeads;
  readonly #site: Http1Site;
  readonly #peer: Peer;
  readonly #reader = new RequestReader(this);
  readonly #output: SocketOutput;
  readonly #time: PhaseTime;
  /** Until it is whole and answered. */
  #request: ServedRequest | undefined;
  /** Bytes that wait for another turn. */
  #deferred: Buffer | undefined;
  /** Requests begun since a turn ended for this connection. */
  #begun = 0;
  #nowMs: number;
  /** The bytes that the connection last reported to the budget. */
  #heldBytes = 0;
  #isDue = false;
  #isAdvancing = false;
  #isPaused = false;
  #isBodyHeld = false;
  /** No request follows the one under way: the peer said so, or the server drains. */
  #isLast = false;
  #hasPeerEnded = false;
  /** No request is read any more. */
  #isOver = false;

  constructor(site: Http1Site, socket: Socket) {
    this.#site = site;
    this.socket = socket;
    this.heads = site.heads;
    this.#peer = peerOf(socket);
    this.#output = new SocketOutput(socket, this);
    this.#nowMs = site.turns.wholeMs;
    this.#time = new PhaseTime(site.limits, this.#nowMs);
    // What is still to be answered is, where the peer closes its side.
    socket.allowHalfOpen = true;
    ownSocket(socket, this);
    if (isDirect(socket)) socket.readTo(this);
  }

  get isLast(): boolean {
    return this.#isLast || (this.#hasPeerEnded && this.#reader.held === 0);
  }

  get cameMs(): number {
    return this.#site.turns.nowMs;
  }

  get isWaiting(): boolean {
    return this.#output.isWriting;
  }

  sendText(text: string): void {
    this.#output.addText(text);
    this.#touch();
  }

  sendBytes(bytes: Uint8Array): void {
    this.#output.addBytes(bytes);
    if (bytes.length >= OUTPUT_BYTES_MAX) this.#site.turns.spend(bytes.length);
    this.#touch();
  }

  onAnswered(): void {
    this.#touch();
  }

  holdBody(isHeld: boolean): void {
    this.#isBodyHeld = isHeld;
    this.#steer();
  }

  destroy(): void {
    this.socket.destroy();
  }

  shed(): void {
    this.#heldBytes = 0;
    this.socket.destroy();
  }

  /** The server drains. What the peer had sent before it heard of that is answered. */
  close(): void {
    this.#isLast = true;
    if (!this.#isIdle) return;
    void untilParting(this.#site.clock).then(() => {
      if (this.#isIdle) this.#finish();
    });
  }

  onHead(head: Http1Head): boolean {
    if (head.isLast) this.#isLast = true;
    this.#request = beginRequest(this, this.#site.listener, this.#peer, head);
    if (this.#request === undefined) return false;
    this.#begun++;
    this.#time.onHead(this.#nowMs);
    return true;
  }

  onBody(bytes: Buffer, from: number, to: number, isEnd: boolean): void {
    this.#request?.onBody(bytes, from, to, isEnd);
  }

  get isHeavy(): boolean {
    return this.#output.lastBytes >= OUTPUT_BYTES_MAX;
  }

  /** The turn is over. */
  flush(): number {
    this.#isDue = false;
    this.#begun = 0;
    if (this.#isOver || this.socket.destroyed) return 0;
    const bytes = this.#deferred;
    if (bytes === undefined) return this.#advance(NOTHING, true);
    this.#deferred = undefined;
    return this.#take(bytes, true);
  }

  /** Once a second or so: what took too long ends. */
  check(): void {
    const nowMs = this.#site.turns.wholeMs;
    this.#nowMs = nowMs;
    if (this.#output.isStalled(nowMs)) {
      this.#site.onStalled();
      this.socket.destroy();
      return;
    }
    if (!this.#time.isLate(nowMs, this.#isLast)) return;
    const { phase } = this.#time;
    const isRequestLate = phase === 'head' || (phase === 'body' && this.#request?.isAnswered === false);
    if (!isRequestLate) {
      this.socket.destroy();
      return;
    }
    this.#site.onLate();
    this.#refuse(LATE);
  }

  onBytes(bytes: Buffer): void {
    if (this.#isOver) return;
    // It flows, also where a connection that rested was resumed.
    this.#isPaused = false;
    this.#take(bytes);
  }

  onPeerEnd(): void {
    this.#hasPeerEnded = true;
    if (!this.#isOver && this.#deferred === undefined) this.#advance(NOTHING);
  }

  onClosed(): void {
    this.#isOver = true;
    this.#request?.onGone();
    this.#request = undefined;
    this.#noteHeld();
    this.#site.leave(this);
  }

  #take(bytes: Buffer, isTurnEnd = false): number {
    if (this.#request !== undefined || !this.#site.turns.isSpent) return this.#advance(bytes, isTurnEnd);
    // Others have made large answers in this turn: a request that begins now is a later one's.
    // A copy: what was read is not ours to keep.
    this.#deferred = Buffer.concat(this.#deferred === undefined ? [bytes] : [this.#deferred, bytes]);
    this.#touch();
    this.#steer();
    return 0;
  }

  /**
   * Goes on as far as may be: from request to request, and with what was gathered to
   * the socket, at the end of the turn where that is little. Returns how many bytes it wrote.
   */
  #advance(bytes: Buffer, isTurnEnd = false): number {
    this.#nowMs = this.#site.turns.wholeMs;
    this.#isAdvancing = true;
    if (bytes.length > 0) this.#reader.push(bytes);
    while (this.#mayGoOn()) this.#reader.next();
    if (this.#reader.state === 'whole' && this.#request?.isAnswered === false) this.#site.turns.expect();
    if (this.#hasPeerEnded && this.#request?.isAnswered === false) this.#request.onPeerEnd();
    this.#isAdvancing = false;
    if (bytes.length > 0) this.#reader.keep();
    if (!isTurnEnd && this.#output.mayWait(GATHERED_BYTES_MAX)) {
      this.#touchLater();
      this.#steer();
      this.#time.become(this.#phase, this.#nowMs);
      return 0;
    }
    const written = this.#output.write(this.#nowMs);
    if (!this.#output.isWriting) this.#endIfDone();
    if (this.#isOver) return written;
    if (written > 0 && !this.#output.isWriting) this.#goOnLater();
    this.#steer();
    this.#noteHeld();
    this.#time.become(this.#phase, this.#nowMs);
    return written;
  }

  get #isIdle(): boolean {
    return this.#time.phase === 'idle' && this.#deferred === undefined && !this.#isOver;
  }

  get #phase(): Phase {
    const { state, held } = this.#reader;
    if (this.#request?.isAnswered === false && this.#hasPeerEnded) return 'parting';
    if (state !== 'reading') return held === 0 ? 'answer' : 'blocked';
    if (this.#request !== undefined) return 'body';
    if (held > 0) return 'head';
    return this.#output.isEmpty ? 'idle' : 'answer';
  }

  /** The request under way is answered, or there is none and will be none. */
  get #isDone(): boolean {
    if (this.#request !== undefined) return this.#request.isAnswered;
    return this.#reader.state === 'whole' || this.#reader.held === 0;
  }

  /** Lets go of a request that is done. */
  #mayGoOn(): boolean {
    if (this.#reader.state !== 'whole' || this.#isOver || this.socket.destroyed) return false;
    if (this.#request?.isAnswered === false) return false;
    this.#request = undefined;
    if (this.isLast || this.#output.isWriting || this.#output.gatheredBytes >= OUTPUT_BYTES_MAX) return false;
    if (this.#reader.held === 0) return true;
    if (this.#begun < REQUESTS_PER_TURN && !this.#site.turns.isSpent) return true;
    this.#touchLater();
    return false;
  }

  /** Reads where what comes can be looked at, or thrown away. */
  #steer(): void {
    const { state, held } = this.#reader;
    const isDeferred = this.#deferred !== undefined;
    const isBlocked =
      isDeferred || this.#isBodyHeld || (held > 0 && (state !== 'reading' || this.#output.isWriting));
    if (isBlocked === this.#isPaused || this.#isOver) return;
    this.#isPaused = isBlocked;
    if (isBlocked) this.socket.pause();
    else this.socket.resume();
  }

  #noteHeld(): void {
    const bytes = this.#output.heldBytes;
    if (bytes === this.#heldBytes) return;
    const hasMoved = bytes < this.#heldBytes;
    this.#heldBytes = bytes;
    this.#site.budget.note(this, bytes, hasMoved);
  }

  /** What is gathered while it advances is written at the end of that. */
  #touch(): void {
    if (!this.#isAdvancing) this.#touchLater();
  }

  #touchLater(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    this.#site.turns.write(this);
  }

  onWritten(): void {
    this.#noteHeld();
    this.#goOnLater();
    this.#time.become(this.#phase, this.#nowMs);
  }

  /**
   * What was gathered is written, and what waited for that goes on. Not at once: the next
   * requests are another turn's, so that nobody waits for a peer that reads fast.
   */
  #goOnLater(): void {
    this.#request?.onReady();
    const { state, held } = this.#reader;
    if (this.#output.gatheredBytes > 0 || held > 0 || typeof state !== 'string' || this.isLast)
      this.#touchLater();
    else if (this.#mayGoOn()) this.#reader.next();
  }

  /** Everything that was gathered is written. */
  #endIfDone(): void {
    const { state } = this.#reader;
    if (this.#isOver) return;
    if (this.#hasPeerEnded && this.#reader.isWithinHead) this.#refuse(notHttp('it ended early'));
    else if (this.isLast && this.#isDone) this.#finish();
    else if (typeof state === 'string') return;
    else if (state.kind === 'handover') this.#handOver();
    else
      this.#refuse(state.status === 400 ? notHttp(state.why) : { status: state.status, message: state.why });
  }

  #handOver(): void {
    const { socket } = this;
    this.#isOver = true;
    disownSocket(socket);
    this.#site.leave(this);
    socket.allowHalfOpen = false;
    passSocket(socket, this.#reader.takeRest(), this.#site.handOver);
    heedErrors(socket);
  }

  /** Answers behind what was answered, and ends the connection. */
  #refuse(unparsed: Unparsed): void {
    this.#isOver = true;
    this.#time.become('over', this.#nowMs);
    this.#request?.onGone();
    this.#request = undefined;
    endWith(this.socket, this.#site.clock, unparsed);
  }

  #finish(): void {
    this.#isOver = true;
    this.#time.become('over', this.#nowMs);
    this.socket.end();
    // What still comes is thrown away: a connection closed over unread bytes is reset, and the answer with it.
    this.socket.resume();
  }
}

const NOTHING = Buffer.alloc(0);
