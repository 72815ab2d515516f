/**
 * Reads a file in chunks for a scanner. Each chunk begins at the item that the
 * previous chunk contained only in part. A read that returns too few bytes
 * throws, because the file shrank.
 */
import type { File } from '#platform/file-system.ts';

export const CHUNK_BYTES = 1_024 * 1_024;
const EMPTY = Buffer.alloc(0);

export interface ChunkSource {
  /**
   * Returns the file's bytes from `offset`, at least `bytesNeeded`, which the file
   * must have. `offset` lies in the previous chunk or at its end.
   */
  load(offset: number, bytesNeeded: number): Promise<Buffer>;
}

/** Allocates a new buffer for each chunk, so that callers may keep views of it. */
export class FreshChunks implements ChunkSource {
  readonly #file: File;
  readonly #endOffset: number;
  readonly #chunkBytes: number;

  constructor(file: File, endOffset: number, chunkBytes: number) {
    this.#file = file;
    this.#endOffset = endOffset;
    this.#chunkBytes = chunkBytes;
  }

  async load(offset: number, bytesNeeded: number): Promise<Buffer> {
    const bytes = Math.min(Math.max(bytesNeeded, this.#chunkBytes), this.#endOffset - offset);
    const chunk = Buffer.allocUnsafeSlow(bytes);
    await readAll(this.#file, chunk, offset);
    return chunk;
  }
}

interface Ahead {
  readonly buffer: Buffer;
  readonly bytes: number;
  readonly done: Promise<void>;
}

/**
 * Uses two buffers by turns: while the caller works on one, the other is filled.
 * Each has room in front for the bytes that the caller leaves over in the other.
 * For callers that read to the end and keep no view after the next `load`.
 */
export class ReadAheadChunks implements ChunkSource {
  readonly #file: File;
  readonly #endOffset: number;
  /** Size of one read, and of the room in front of it. */
  readonly #chunkBytes: number;
  #chunk: Buffer = Buffer.alloc(0);
  /** Offset in the file of the end of `#chunk`, where the read ahead begins. */
  #nextOffset: number;
  /** The buffer of `#chunk`; it is filled again when the caller works on the other one. */
  #buffer: Buffer | undefined;
  #ahead: Ahead;

  constructor(file: File, fromOffset: number, endOffset: number, chunkBytes: number) {
    this.#file = file;
    this.#endOffset = endOffset;
    this.#nextOffset = fromOffset;
    this.#chunkBytes = Math.min(chunkBytes, endOffset - fromOffset);
    this.#ahead = this.#readInto(undefined);
  }

  async load(offset: number, bytesNeeded: number): Promise<Buffer> {
    const { buffer, bytes, done } = this.#ahead;
    await done;
    const room = this.#chunkBytes;
    const left = this.#chunk.subarray(this.#chunk.length - (this.#nextOffset - offset));
    const read = buffer.subarray(room, room + bytes);
    if (left.length > room || left.length + bytes < bytesNeeded) {
      this.#chunk = await this.#loadLarge(left, read, bytesNeeded);
    } else {
      left.copy(buffer, room - left.length);
      this.#chunk = buffer.subarray(room - left.length, room + bytes);
    }
    this.#nextOffset = offset + this.#chunk.length;
    this.#ahead = this.#readInto(this.#buffer);
    this.#buffer = buffer;
    return this.#chunk;
  }

  /** Reads a record that is larger than a chunk into a new buffer. */
  async #loadLarge(left: Buffer, read: Buffer, bytesNeeded: number): Promise<Buffer> {
    const chunk = Buffer.allocUnsafeSlow(Math.max(bytesNeeded, left.length + read.length));
    const filled = left.copy(chunk) + read.copy(chunk, left.length);
    await readAll(this.#file, chunk.subarray(filled), this.#nextOffset + read.length);
    return chunk;
  }

  #readInto(spare: Buffer | undefined): Ahead {
    const room = this.#chunkBytes;
    const bytes = Math.min(room, this.#endOffset - this.#nextOffset);
    if (bytes === 0) return { buffer: EMPTY, bytes, done: Promise.resolve() };
    const buffer = spare ?? Buffer.allocUnsafeSlow(2 * room);
    const done = readAll(this.#file, buffer.subarray(room, room + bytes), this.#nextOffset);
    // The next `load` reports the error; a caller that stops before does not need these bytes.
    done.catch(() => {});
    return { buffer, bytes, done };
  }
}

async function readAll(file: File, target: Buffer, offset: number): Promise<void> {
  if (target.length === 0) return;
  const bytesRead = await file.read(target, offset);
  if (bytesRead < target.length)
    throw new Error(`the file shrank while it was read, at byte ${offset + bytesRead}`);
}
