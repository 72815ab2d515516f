/**
 * Where a scanner's bytes come from: chunks of a file, each beginning at the
 * item that the one before broke off in. Reads that come back short throw: the
 * file shrank.
 */
import type { File } from '#platform/file-system.ts';

export const CHUNK_BYTES = 1_024 * 1_024;
const EMPTY = Buffer.alloc(0);

export interface ChunkSource {
  /**
   * The file's bytes from `offset` on, at least `bytesNeeded` of them, which the
   * range has. `offset` lies in the chunk before, or at its end.
   */
  load(offset: number, bytesNeeded: number): Promise<Buffer>;
}

/** A buffer of its own for each chunk, so that views of it may be kept. */
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
 * Two buffers that take turns: while one is worked on, the other is filled,
 * behind room for what the one leaves over. For readers that read on to the end
 * and keep no view beyond the next `load`.
 */
export class ReadAheadChunks implements ChunkSource {
  readonly #file: File;
  readonly #endOffset: number;
  /** Of a read, and of the room before it. */
  readonly #chunkBytes: number;
  #chunk: Buffer = Buffer.alloc(0);
  /** The file's byte behind `#chunk`, where the read ahead begins. */
  #nextOffset: number;
  /** Of `#chunk`: its turn to be filled comes when the other is worked on. */
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

  /** For a record larger than a chunk: a buffer of its own. */
  async #loadLarge(left: Buffer, read: Buffer, bytesNeeded: number): Promise<Buffer> {
    const chunk = Buffer.allocUnsafeSlow(Math.max(bytesNeeded, left.length + read.length));
    const held = left.copy(chunk) + read.copy(chunk, left.length);
    await readAll(this.#file, chunk.subarray(held), this.#nextOffset + read.length);
    return chunk;
  }

  #readInto(spare: Buffer | undefined): Ahead {
    const room = this.#chunkBytes;
    const bytes = Math.min(room, this.#endOffset - this.#nextOffset);
    if (bytes === 0) return { buffer: EMPTY, bytes, done: Promise.resolve() };
    const buffer = spare ?? Buffer.allocUnsafeSlow(2 * room);
    const done = readAll(this.#file, buffer.subarray(room, room + bytes), this.#nextOffset);
    // It is told by the `load` that wants these bytes; a reader that ends before has no use for it.
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
