/**
 * A header block that comes in pieces, from HEADERS and CONTINUATION. A block in one
 * frame is handed on where it lies; pieces are copied, within CONTINUATIONS_MAX
 * and BLOCK_BYTES_MAX. While a block is open no other frame may come.
 */
import { BLOCK_BYTES_MAX, CONTINUATIONS_MAX, type LimitName } from './limits.ts';

export class OpenBlock {
  readonly streamId: number;
  readonly isEnd: boolean;
  /** When it began, in milliseconds. */
  readonly sinceMs: number;
  readonly #pieces: Buffer[] = [];
  #bytes = 0;

  constructor(streamId: number, isEnd: boolean, nowMs: number) {
    this.streamId = streamId;
    this.isEnd = isEnd;
    this.sinceMs = nowMs;
  }

  /** Octets that are held. */
  get held(): number {
    return this.#bytes;
  }

  /** Takes a piece; returns the limit that it passes, if it does. */
  add(bytes: Buffer, from: number, to: number): LimitName | undefined {
    if (this.#pieces.length > CONTINUATIONS_MAX) return 'continuations';
    if (this.#bytes + to - from > BLOCK_BYTES_MAX) return 'block bytes';
    this.#pieces.push(Buffer.from(bytes.subarray(from, to)));
    this.#bytes += to - from;
    return undefined;
  }

  whole(): Buffer {
    return Buffer.concat(this.#pieces);
  }
}
