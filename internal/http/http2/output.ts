/**
 * What waits to be written to a socket, in one buffer. The buffer comes from a
 * pool when the first frame of a turn is written and leaves with `take`, so an
 * idle connection has none.
 */
import { Flag, FRAME_HEAD_BYTES, FrameType, writeFrameHead, writeUint32 } from './frame.ts';

const POOLED_BYTES_MIN = 64 * 1024;
/** Each size is twice the one before. The largest has room for the data of a turn and as much again. */
const SIZES = 4;
/** The limit of free bytes, all sizes together: what is given back beyond it is left to the collector. */
const FREE_BYTES_MAX = 2 * 1024 * 1024;

/**
 * Buffers for all connections of a process, of 64 to 512 KiB. A turn of large answers
 * needs more than 64 KiB: were its buffer a new one each time, memory outside the heap
 * would grow until a full collection.
 */
export class OutputPool {
  readonly #free: Buffer[][] = Array.from({ length: SIZES }, () => []);
  #freeBytes = 0;

  /** A buffer of `bytes` or more. */
  borrow(bytes: number): Buffer {
    let length = POOLED_BYTES_MIN;
    for (const free of this.#free) {
      if (bytes <= length) return this.#pop(free) ?? Buffer.allocUnsafeSlow(length);
      length *= 2;
    }
    return Buffer.allocUnsafeSlow(Math.max(bytes, length));
  }

  /** The buffer is not used any more. */
  giveBack(buffer: Buffer): void {
    if (this.#freeBytes + buffer.length > FREE_BYTES_MAX) return;
    const free = this.#free[Math.log2(buffer.length / POOLED_BYTES_MIN)];
    if (free === undefined) return;
    free.push(buffer);
    this.#freeBytes += buffer.length;
  }

  #pop(free: Buffer[]): Buffer | undefined {
    const buffer = free.pop();
    if (buffer !== undefined) this.#freeBytes -= buffer.length;
    return buffer;
  }
}

export class Output {
  readonly #pool: OutputPool;
  #buffer: Buffer = NONE;
  #length = 0;
  #taken: Buffer | undefined;

  constructor(pool: OutputPool) {
    this.#pool = pool;
  }

  get length(): number {
    return this.#length;
  }

  /** All that was written, for good: the buffer is the caller's until it is given back by `reuse`. */
  take(): Buffer | undefined {
    if (this.#length === 0) return undefined;
    const bytes = this.#buffer.subarray(0, this.#length);
    this.#taken = this.#buffer;
    this.#buffer = NONE;
    this.#length = 0;
    return bytes;
  }

  /** What was last taken has left the process: its buffer may be written to again. */
  reuse(): void {
    if (this.#taken !== undefined) this.#pool.giveBack(this.#taken);
    this.#taken = undefined;
  }

  /** A frame whose payload is `bytes[from, to)`. */
  frame(type: number, flags: number, streamId: number, bytes: Uint8Array, from: number, to: number): void {
    const length = to - from;
    const at = this.#begin(length, type, flags, streamId);
    if (length <= COPY_BY_HAND) {
      const buffer = this.#buffer;
      for (let i = 0; i < length; i++) buffer[at + i] = bytes[from + i] as number;
    } else if (bytes instanceof Buffer) bytes.copy(this.#buffer, at, from, to);
    else this.#buffer.set(from === 0 && to === bytes.length ? bytes : bytes.subarray(from, to), at);
  }

  /** A frame of one 32-bit number: RST_STREAM or WINDOW_UPDATE. */
  number(type: number, streamId: number, value: number): void {
    // The buffer may be replaced while room is made, so it is read after that.
    const at = this.#begin(4, type, Flag.none, streamId);
    writeUint32(this.#buffer, at, value);
  }

  /** A header block: HEADERS and, past `lengthMax`, CONTINUATION. */
  block(streamId: number, block: Uint8Array, lengthMax: number, isEnd: boolean): void {
    const first = Math.min(block.length, lengthMax);
    const end = isEnd ? Flag.endStream : 0;
    this.frame(
      FrameType.headers,
      end | (first === block.length ? Flag.endHeaders : 0),
      streamId,
      block,
      0,
      first,
    );
    for (let from = first; from < block.length; from += lengthMax) {
      const to = Math.min(block.length, from + lengthMax);
      const flags = to === block.length ? Flag.endHeaders : Flag.none;
      this.frame(FrameType.continuation, flags, streamId, block, from, to);
    }
  }

  goaway(lastStreamId: number, code: number, why: string): void {
    const text = Buffer.from(why, 'latin1');
    const payload = Buffer.alloc(8 + text.length);
    writeUint32(payload, 0, lastStreamId);
    writeUint32(payload, 4, code);
    text.copy(payload, 8);
    this.frame(FrameType.goaway, Flag.none, 0, payload, 0, payload.length);
  }

  raw(bytes: Uint8Array): void {
    const at = this.#reserve(bytes.length);
    this.#buffer.set(bytes, at);
  }

  #begin(length: number, type: number, flags: number, streamId: number): number {
    const at = this.#reserve(FRAME_HEAD_BYTES + length);
    writeFrameHead(this.#buffer, at, length, type, flags, streamId);
    return at + FRAME_HEAD_BYTES;
  }

  #reserve(room: number): number {
    const at = this.#length;
    this.#length += room;
    if (this.#length > this.#buffer.length) this.#grow(at);
    return at;
  }

  #grow(used: number): void {
    const old = this.#buffer;
    this.#buffer = this.#pool.borrow(Math.max(2 * old.length, this.#length));
    old.copy(this.#buffer, 0, 0, used);
    this.#pool.giveBack(old);
  }
}

const NONE = Buffer.alloc(0);
/** Up to so many octets, a loop is faster than the call out of JavaScript. */
const COPY_BY_HAND = 48;
