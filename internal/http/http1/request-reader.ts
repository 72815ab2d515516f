/**
 * Requests of one HTTP/1.1 connection, one at a time: `push` takes what came, and
 * `next` goes on to the request after, once the one before may be followed. The
 * head is compared with the one before (see `HeadMemo`); equal octets give the
 * identical `Http1Head`.
 *
 * Where it stops for good (`handover`, `refused`), `rest` is every octet from the
 * first of that request on: nothing of it was given to anybody.
 */

import { HeadMemo } from './head-memo.ts';
import { type Handover, Http1Head, handover, type Refusal, refused } from './head1.ts';
import { parseHead } from './parse-head.ts';

export const HEAD1_BYTES_MAX = 16 * 1024;

export interface RequestEvents {
  /** False: the head asks for more than the driver does, and the request is handed over. */
  onHead(head: Http1Head): boolean;
  /**
   * `bytes[from, to)` of the body, as a view of what was pushed. A request without
   * a body has none of these: its head says that its length is 0.
   */
  onBody(bytes: Buffer, from: number, to: number, isEnd: boolean): void;
}

/** `reading`: more octets are awaited. `whole`: the request has ended, and `next` is awaited. */
export type ReadState = 'reading' | 'whole' | Handover | Refusal;

const CR = 0x0d;
const LF = 0x0a;
const NONE = Buffer.alloc(0);

export class RequestReader {
  readonly #events: RequestEvents;
  /** Octets that nobody was given yet. */
  #bytes: Buffer = NONE;
  #at = 0;
  /** Up to here the head under way was looked at. */
  #seen = 0;
  #bodyLeft = 0;
  /** The peer said that the request under way is its last. */
  #isLast = false;
  #state: ReadState = 'reading';
  readonly #memo = new HeadMemo();

  constructor(events: RequestEvents) {
    this.#events = events;
  }

  get state(): ReadState {
    return this.#state;
  }

  /** Octets of the request under way and of those behind it that were given to nobody. */
  get held(): number {
    return this.#bytes.length - this.#at;
  }

  /** True while a head has begun and is not whole: its time runs. */
  get isWithinHead(): boolean {
    return this.#state === 'reading' && this.#bodyLeft === 0 && this.held > 0;
  }

  /** Every octet that was given to nobody. The reader has none of it any more. */
  takeRest(): Buffer {
    const rest = this.#bytes.subarray(this.#at);
    this.#bytes = NONE;
    this.#at = 0;
    this.#seen = 0;
    return rest;
  }

  /** `bytes` are looked at until `keep`, and must not change before it. */
  push(bytes: Buffer): ReadState {
    if (this.held === 0) {
      this.#bytes = bytes;
      this.#seen = 0;
    } else {
      this.#seen -= this.#at;
      this.#bytes = Buffer.concat([this.#bytes.subarray(this.#at), bytes]);
    }
    this.#at = 0;
    if (this.#state === 'reading') this.#read();
    return this.#state;
  }

  /** Copies what is held: the bytes that were pushed are the caller's again. */
  keep(): void {
    if (this.held === 0) {
      this.#bytes = NONE;
      this.#seen = 0;
    } else {
      this.#bytes = Buffer.from(this.#bytes.subarray(this.#at));
      this.#seen -= this.#at;
    }
    this.#at = 0;
  }

  /** The request before is done with: goes on with what is held. Behind one that is the last, nothing is read. */
  next(): ReadState {
    if (this.#state === 'whole' && !this.#isLast) {
      this.#state = 'reading';
      this.#read();
    }
    return this.#state;
  }

  #read(): void {
    if (this.#bodyLeft > 0) {
      this.#readBody();
      return;
    }
    const head = this.#memo.equal(this.#bytes, this.#at) ?? this.#similar();
    if (head === undefined) this.#readHead();
    else this.#begin(head, this.#at + this.#memo.length);
  }

  /** Tried once for each head: one that comes in pieces is the parser's. */
  #similar(): Http1Head | undefined {
    if (this.#seen > this.#at) return undefined;
    return this.#memo.similar(this.#bytes, this.#at);
  }

  #readHead(): void {
    const from = this.#at;
    const end = this.#findEnd();
    if (end === undefined) return;
    const head = parseHead(this.#bytes, from, end);
    if (!(head instanceof Http1Head)) {
      this.#state = head;
      return;
    }
    // A copy: what was pushed is not ours to keep.
    this.#memo.keep(head, this.#bytes, from, end);
    this.#begin(head, end);
  }

  #begin(head: Http1Head, end: number): void {
    if (!this.#events.onHead(head)) {
      this.#state = handover('a request that the driver does not serve');
      return;
    }
    this.#at = end;
    this.#seen = end;
    this.#bodyLeft = head.contentLength;
    this.#isLast = head.isLast;
    this.#state = head.contentLength === 0 ? 'whole' : 'reading';
    if (this.#bodyLeft > 0 && this.held > 0) this.#readBody();
  }

  #readBody(): void {
    const from = this.#at;
    const to = Math.min(this.#bytes.length, from + this.#bodyLeft);
    if (to === from) return;
    this.#bodyLeft -= to - from;
    this.#at = to;
    this.#seen = to;
    if (this.#bodyLeft === 0) this.#state = 'whole';
    this.#events.onBody(this.#bytes, from, to, this.#bodyLeft === 0);
  }

  /** Behind the empty line of the head that begins at `at`; undefined where it is not whole, or refused. */
  #findEnd(): number | undefined {
    const bytes = this.#bytes;
    const limit = Math.min(bytes.length, this.#at + HEAD1_BYTES_MAX);
    // Node's parser has words for what begins otherwise: an empty line, TLS, nonsense.
    if (this.held > 0 && !isUpper(bytes[this.#at] as number)) {
      this.#state = handover('no request of HTTP/1.1 begins so');
      return undefined;
    }
    let at = this.#seen;
    for (; at < limit; at++) {
      const octet = bytes[at] as number;
      if (octet === LF && bytes[at - 1] !== CR) return this.#refuse('a line that ends without CR');
      if (octet !== CR) continue;
      if (at + 1 === bytes.length) break;
      if (bytes[at + 1] !== LF) return this.#refuse('CR without LF');
      if (at - this.#at >= 2 && bytes[at - 1] === LF) return this.#endAt(at + 2);
      at++;
    }
    this.#seen = at;
    if (at - this.#at < HEAD1_BYTES_MAX) return undefined;
    this.#state = refused(`the headers are too large: expected at most ${HEAD1_BYTES_MAX} bytes`, 431);
    return undefined;
  }

  #endAt(end: number): number | undefined {
    if (end - this.#at <= HEAD1_BYTES_MAX) return end;
    this.#state = refused(`the headers are too large: expected at most ${HEAD1_BYTES_MAX} bytes`, 431);
    return undefined;
  }

  #refuse(why: string): undefined {
    this.#state = refused(why);
  }
}

function isUpper(octet: number): boolean {
  return octet >= 0x41 && octet <= 0x5a;
}
