/**
 * Cuts frames out of chunks as they come. A frame that lies whole within a
 * chunk is handed over where it lies; one that is cut is put together in a
 * buffer of its own length, so its octets are copied once however it is cut.
 */
import { FRAME_HEAD_BYTES, PAYLOAD_BYTES_MAX } from './frame.ts';

export interface FrameHandler {
  /** The frame of `length` octets of payload whose head is at `at`. Returns false where nothing more is to be read. */
  onFrame(bytes: Buffer, at: number, length: number): boolean;
  /** A frame longer than PAYLOAD_BYTES_MAX begins. */
  onOversized(length: number): void;
}

export class FrameReader {
  readonly #handler: FrameHandler;
  #partial: Buffer | undefined;
  #have = 0;
  #head: Buffer | undefined;

  constructor(handler: FrameHandler) {
    this.#handler = handler;
  }

  /** Octets of a frame that is not whole yet. */
  get held(): number {
    return this.#have;
  }

  /** The type of that frame; -1 where it has not come or there is none. */
  get heldType(): number {
    if (this.#have < 4) return -1;
    return (this.#partial ?? (this.#head as Buffer))[3] as number;
  }

  push(chunk: Buffer, from: number): void {
    let at = from;
    if (this.#have > 0) {
      at = this.#resume(chunk, at);
      if (at < 0) return;
    }
    while (chunk.length - at >= FRAME_HEAD_BYTES) {
      const length = readLength(chunk, at);
      if (length > PAYLOAD_BYTES_MAX) {
        this.#handler.onOversized(length);
        return;
      }
      const end = at + FRAME_HEAD_BYTES + length;
      if (end > chunk.length) break;
      if (!this.#handler.onFrame(chunk, at, length)) return;
      at = end;
    }
    if (at < chunk.length) this.#resume(chunk, at);
  }

  /** Goes on with a frame that is cut; returns where the next one begins, -1 where reading ends. */
  #resume(chunk: Buffer, from: number): number {
    let at = from;
    if (this.#partial === undefined) {
      this.#head ??= Buffer.allocUnsafe(FRAME_HEAD_BYTES);
      at = this.#fill(this.#head, FRAME_HEAD_BYTES, chunk, at);
      if (this.#have < FRAME_HEAD_BYTES) return -1;
      const length = readLength(this.#head, 0);
      if (length > PAYLOAD_BYTES_MAX) {
        this.#handler.onOversized(length);
        return -1;
      }
      this.#partial = Buffer.allocUnsafe(FRAME_HEAD_BYTES + length);
      this.#head.copy(this.#partial);
    }
    const frame = this.#partial;
    at = this.#fill(frame, frame.length, chunk, at);
    if (this.#have < frame.length) return -1;
    this.#partial = undefined;
    this.#have = 0;
    return this.#handler.onFrame(frame, 0, frame.length - FRAME_HEAD_BYTES) ? at : -1;
  }

  #fill(target: Buffer, length: number, chunk: Buffer, from: number): number {
    const to = Math.min(chunk.length, from + length - this.#have);
    chunk.copy(target, this.#have, from, to);
    this.#have += to - from;
    return to;
  }
}

function readLength(bytes: Uint8Array, at: number): number {
  return ((bytes[at] as number) << 16) | ((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number);
}
