/**
 * Puts a header block together from HEADERS and CONTINUATION. A block in one
 * frame is handed on where it lies; pieces are copied, within CONTINUATIONS_MAX
 * and BLOCK_BYTES_MAX. While a block is open no other frame may come.
 */
import { BLOCK_BYTES_MAX, CONTINUATIONS_MAX, type LimitName } from './limits.ts';

export class HeadBlocks {
  /** The stream whose block is open; 0 while none is. */
  streamId = 0;
  isEnd = false;
  /** When the open block began, in milliseconds. */
  sinceMs = 0;
  #pieces: Buffer[] | undefined;
  #bytes = 0;

  /** Octets that are held. */
  get held(): number {
    return this.#bytes;
  }

  begin(streamId: number, isEnd: boolean, nowMs: number): void {
    this.streamId = streamId;
    this.isEnd = isEnd;
    this.sinceMs = nowMs;
  }

  /** Takes a piece; returns the limit that it passes, if it does. */
  add(bytes: Buffer, from: number, to: number): LimitName | undefined {
    this.#pieces ??= [];
    if (this.#pieces.length > CONTINUATIONS_MAX) return 'continuations';
    if (this.#bytes + to - from > BLOCK_BYTES_MAX) return 'block bytes';
    this.#pieces.push(Buffer.from(bytes.subarray(from, to)));
    this.#bytes += to - from;
    return undefined;
  }

  /** The whole block; it is no longer open. */
  finish(): Buffer {
    const block = Buffer.concat(this.#pieces ?? []);
    this.#pieces = undefined;
    this.#bytes = 0;
    this.streamId = 0;
    return block;
  }
}
