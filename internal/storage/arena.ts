/**
 * The bytes of keys and values, end to end in chunks of 1 MiB. A cell is taken
 * behind the last one (so writing is sequential and nothing is searched for) and
 * freed by counting; nothing ever has to be merged or sorted by size. A chunk in
 * which nothing lives any more is given back at once. Chunks that are dead in
 * part are what the compactor empties (`compactor.ts`).
 *
 * A cell is named by the number of its chunk and its place there, in units of 4
 * bytes. A million chunks are a tebibyte.
 */
import { assert } from '#platform/assert.ts';

export const CHUNK_BYTES = 1_048_576;
/** What `roundUp` rounds to, as bits. */
const UNIT_BITS = 2;
const CHUNKS_MAX = 2 ** 20;
/** Buffers kept for the next chunk, so that a store that stays its size asks the system for nothing. */
const SPARE_MAX = 4;

export interface ArenaChunk {
  readonly words: Int32Array<ArrayBuffer>;
  readonly bytes: Buffer<ArrayBuffer>;
  /** Bytes handed out so far, and of those what is not freed. */
  usedBytes: number;
  liveBytes: number;
  /** Being emptied by the compactor. */
  isMarked: boolean;
}

/** Bytes that a cell takes: whole units. */
export function roundUp(bytes: number): number {
  return (bytes + 3) & ~3;
}

export class Arena {
  readonly #chunks: (ArenaChunk | undefined)[] = [];
  readonly #freeIds: number[] = [];
  readonly #spare: Int32Array<ArrayBuffer>[] = [];
  #openId = -1;
  #held = 0;
  #liveBytes = 0;
  #usedBytes = 0;

  /** Bytes of cells in use. */
  get liveBytes(): number {
    return this.#liveBytes;
  }

  /** Bytes of cells that were freed and whose chunks still hold others. */
  get deadBytes(): number {
    return this.#usedBytes - this.#liveBytes;
  }

  /** Bytes of buffers. */
  get heldBytes(): number {
    return (this.#held + this.#spare.length) * CHUNK_BYTES;
  }

  /** The chunk in which cells are taken. */
  get openId(): number {
    return this.#openId;
  }

  /** Takes a cell of `bytes` (whole units, at most a chunk) in the chunk that `openId` says then; returns its place. */
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

  /** Frees a cell in the chunk, or the last `bytes` of one. */
  free(id: number, bytes: number): void {
    const chunk = this.chunk(id);
    chunk.liveBytes -= bytes;
    this.#liveBytes -= bytes;
    if (chunk.liveBytes > 0) return;
    if (id === this.#openId) {
      this.#usedBytes -= chunk.usedBytes;
      chunk.usedBytes = 0;
    } else {
      this.#release(id, chunk);
    }
  }

  chunk(id: number): ArenaChunk {
    return this.#chunks[id] as ArenaChunk;
  }

  /** Calls `visit` with every chunk but the one that is being filled. */
  forEachClosed(visit: (chunk: ArenaChunk) => void): void {
    for (let id = 0; id < this.#chunks.length; id++) {
      const chunk = this.#chunks[id];
      if (chunk !== undefined && id !== this.#openId) visit(chunk);
    }
  }

  #open(): ArenaChunk {
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
    if (this.#spare.length < SPARE_MAX) this.#spare.push(chunk.words);
    else chunk.words.buffer.transfer(0);
  }
}
