/**
 * Header blocks to heads, memoised: blocks that left the dynamic table as it
 * was are remembered with the head they meant when they come a second time, and from
 * then on equal bytes in the same role give the identical object while the table stays:
 * what differs in every call (deadlines, trace contexts) is not worth a copy. A memo says what was said,
 * never that it was admitted. It belongs to one direction of one connection.
 */
import { type Head, HeadBuilder, type HeadFault } from './head.ts';
import { HpackDecoder } from './hpack-decoder.ts';

/** Blocks remembered, one for each value of a hash; their bytes in all, and those of the longest. */
const MEMO_BLOCKS = 64;
export const MEMO_BYTES_MAX = 16 * 1024;
const MEMO_BLOCK_BYTES_MAX = 1024;

export interface BlockFault {
  /** The connection cannot go on: RFC 7541 is broken, and with it the table. */
  readonly kind: 'compression';
  readonly why: string;
}

/** Places are whole numbers from 0. */
const NO_PLACE = -1;
/** No hash: they are whole numbers. */
const NO_RIVAL = 0.5;

/** For all connections: a head is finished before another is begun. */
const BUILDER = new HeadBuilder();

interface Memo {
  readonly block: Uint8Array;
  readonly role: number;
  readonly head: Head;
  /** The hash of the last other block of this place. */
  rival: number;
}

export class HeadReader {
  readonly #decoder = new HpackDecoder();
  readonly #headBytesMax: number;
  /** By place: a memo, or the hash of a block that came once. None before a second block. */
  #memos: Map<number, Memo | number> | undefined;
  /** Until then the place of the first one, and its hash: many connections make a call and rest. */
  #firstPlace = NO_PLACE;
  #firstHash = 0;
  #memoBytes = 0;

  constructor(headBytesMax: number) {
    this.#headBytesMax = headBytesMax;
  }

  get memoBytes(): number {
    return this.#memoBytes;
  }

  get tableBytes(): number {
    return this.#decoder.tableBytes;
  }

  /** See `HpackDecoder.allowSize`. */
  allowSize(bytes: number): void {
    this.#decoder.allowSize(bytes);
    this.#forget();
  }

  /** The head that `bytes[from, to)` means as `role`: one of `HeadRole`. */
  read(bytes: Buffer, from: number, to: number, role: number): Head | HeadFault | BlockFault {
    const place = placeOf(bytes, from, to);
    const memo = this.#memos?.get(place);
    if (typeof memo === 'object' && memo.role === role && equals(memo.block, bytes, from, to))
      return memo.head;

    const changesBefore = this.#decoder.changes;
    BUILDER.begin(role, this.#headBytesMax);
    const why = this.#decoder.decode(bytes, from, to, BUILDER);
    if (why !== undefined) return { kind: 'compression', why };
    const head = BUILDER.finish();
    if (this.#decoder.changes !== changesBefore) this.#forget();
    else if (!('kind' in head)) this.#note(place, bytes, from, to, role, head);
    return head;
  }

  #note(place: number, bytes: Buffer, from: number, to: number, role: number, head: Head): void {
    const whole = mix(bytes, from, to);
    if (this.#memos === undefined && this.#firstPlace === NO_PLACE) {
      this.#firstPlace = place;
      this.#firstHash = whole;
      return;
    }
    const memos = this.#needMemos();
    const before = memos.get(place);
    const last = typeof before === 'object' ? before.rival : before;
    if (last === whole) this.#remember(place, bytes.subarray(from, to), role, head);
    else if (typeof before === 'object') before.rival = whole;
    else memos.set(place, whole);
  }

  #needMemos(): Map<number, Memo | number> {
    if (this.#memos === undefined) {
      this.#memos = new Map();
      if (this.#firstPlace !== NO_PLACE) this.#memos.set(this.#firstPlace, this.#firstHash);
    }
    return this.#memos;
  }

  /** Copies the block: what the peer sent may be overwritten by what it sends next. */
  #remember(place: number, block: Uint8Array, role: number, head: Head): void {
    const { length } = block;
    if (length > MEMO_BLOCK_BYTES_MAX) return;
    if (this.#memoBytes + length > MEMO_BYTES_MAX) this.#forget();
    const memos = this.#needMemos();
    const before = memos.get(place);
    this.#memoBytes += length - (typeof before === 'object' ? before.block.length : 0);
    memos.set(place, { block: new Uint8Array(block), role, head, rival: NO_RIVAL });
  }

  #forget(): void {
    this.#memos = undefined;
    this.#firstPlace = NO_PLACE;
    this.#memoBytes = 0;
  }
}

/** By its length and its last octets. Whether blocks are equal, their bytes say. */
function placeOf(bytes: Uint8Array, from: number, to: number): number {
  const mixed = mix(bytes, Math.max(from, to - 8), to) + to - from;
  return (mixed ^ (mixed >>> 6) ^ (mixed >>> 12)) & (MEMO_BLOCKS - 1);
}

function mix(bytes: Uint8Array, from: number, to: number): number {
  let mixed = to - from;
  for (let i = from; i < to; i++) mixed = (Math.imul(mixed, 31) + (bytes[i] as number)) | 0;
  return mixed;
}

function equals(block: Uint8Array, bytes: Uint8Array, from: number, to: number): boolean {
  if (block.length !== to - from) return false;
  for (let i = 0; i < block.length; i++) {
    if (block[i] !== bytes[from + i]) return false;
  }
  return true;
}
