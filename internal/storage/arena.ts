/**
 * The memory for keys and values: cells end to end in chunks of 1 MiB. A new
 * cell goes behind the last one, so writes are sequential and no free space is
 * searched. Freeing a cell only lowers its chunk's count of live bytes. A chunk
 * without live bytes is released at once; the compactor (`compactor.ts`) empties
 * chunks that are partly dead.
 *
 * An arena that is *append-only* writes over nothing: released chunks are left to the
 * garbage collector, so that bytes which a reader still has stay what they were.
 *
 * A cell's address is its chunk's number and its place in the chunk, in units of
 * 4 bytes. The limit of 2^20 chunks is one tebibyte.
 */
import { assert } from '#platform/assert.ts';

export const CHUNK_BYTES = 1_048_576;
/** Cells are multiples of 2 to this power bytes; `roundUp` rounds to it. */
const UNIT_BITS = 2;
const CHUNKS_MAX = 2 ** 20;
/** Released buffers kept for new chunks, so that a store of constant size allocates none. */
const SPARE_MAX = 4;

export interface ArenaChunk {
  readonly words: Int32Array<ArrayBuffer>;
  readonly bytes: Buffer<ArrayBuffer>;
  /** `usedBytes` were handed out so far; `liveBytes` of them are not freed. */
  usedBytes: number;
  liveBytes: number;
  /** True while the compactor empties the chunk. */
  isMarked: boolean;
}

/** Rounds up to whole units: the bytes that a cell takes. */
export function roundUp(bytes: number): number {
  return (bytes + 3) & ~3;
}

export class Arena {
  readonly #chunks: (ArenaChunk | undefined)[] = [];
  readonly #freeIds: number[] = [];
  readonly #spare: Int32Array<ArrayBuffer>[] = [];
  readonly isAppendOnly: boolean;
  #openId = -1;
  #held = 0;
  #liveBytes = 0;
  #usedBytes = 0;

  constructor(isAppendOnly = false) {
    this.isAppendOnly = isAppendOnly;
  }

  /** Bytes of cells in use. */
  get liveBytes(): number {
    return this.#liveBytes;
  }

  /** Bytes of freed cells in chunks that are not released. */
  get deadBytes(): number {
    return this.#usedBytes - this.#liveBytes;
  }

  /** Bytes of all buffers, spare ones included. */
  get heldBytes(): number {
    return (this.#held + this.#spare.length) * CHUNK_BYTES;
  }

  /** The number of the chunk in which new cells are allocated. */
  get openId(): number {
    return this.#openId;
  }

  /** Allocates a cell of `bytes` (whole units, at most a chunk); returns its place in chunk `openId`, read afterwards. */
  allocate(bytes: number): number {
    let chunk = this.#chunks[this.#openId];
    if (chunk === undefined || chunk.usedBytes + bytes > CHUNK_BYTES) chunk = this.#open();
    const place = chunk.usedBytes >>> UNIT_BITS;
    chunk.usedBytes += bytes;
    chunk.liveBytes += bytes;
    this.#usedBytes += bytes;
    this.#liveBytes += bytes;
    return place;
  }

  /** Frees a cell of `bytes` in the chunk, or the last `bytes` of a cell. */
  free(id: number, bytes: number): void {
    const chunk = this.chunk(id);
    chunk.liveBytes -= bytes;
    this.#liveBytes -= bytes;
    if (chunk.liveBytes > 0) return;
    if (id === this.#openId) {
      // It is released when it is full.
      if (this.isAppendOnly) return;
      this.#usedBytes -= chunk.usedBytes;
      chunk.usedBytes = 0;
    } else {
      this.#release(id, chunk);
    }
  }

  chunk(id: number): ArenaChunk {
    return this.#chunks[id] as ArenaChunk;
  }

  /** Undefined: it was released. */
  tryChunk(id: number): ArenaChunk | undefined {
    return this.#chunks[id];
  }

  /** Calls `visit` with every chunk except the open one. */
  forEachClosed(visit: (chunk: ArenaChunk) => void): void {
    for (let id = 0; id < this.#chunks.length; id++) {
      const chunk = this.#chunks[id];
      if (chunk !== undefined && id !== this.#openId) visit(chunk);
    }
  }

  #open(): ArenaChunk {
    const full = this.#chunks[this.#openId];
    if (full?.liveBytes === 0) this.#release(this.#openId, full);
    const words = this.#spare.pop() ?? new Int32Array(Buffer.allocUnsafeSlow(CHUNK_BYTES).buffer);
    const chunk = { words, bytes: Buffer.from(words.buffer), usedBytes: 0, liveBytes: 0, isMarked: false };
    const id = this.#freeIds.pop() ?? this.#chunks.length;
    assert(id < CHUNKS_MAX, 'the arena has no more chunks');
    this.#chunks[id] = chunk;
    this.#openId = id;
    this.#held++;
    return chunk;
  }

  #release(id: number, chunk: ArenaChunk): void {
    this.#usedBytes -= chunk.usedBytes;
    this.#chunks[id] = undefined;
    this.#freeIds.push(id);
    this.#held--;
    if (this.isAppendOnly) return;
    if (this.#spare.length < SPARE_MAX) this.#spare.push(chunk.words);
    else chunk.words.buffer.transfer(0);
  }
}
