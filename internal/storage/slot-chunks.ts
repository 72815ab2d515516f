/**
 * The memory of slots, in chunks of 16,384 slots. A new slot comes from the lowest
 * chunk with a free one, so that after a mass delete the high chunks become empty
 * and are released. One empty chunk is kept, so that a store whose size moves around
 * a chunk's edge does not allocate again and again.
 */
import { assert } from '#platform/assert.ts';

const CHUNK_BITS = 14;
export const SLOTS_PER_CHUNK = 1 << CHUNK_BITS;
const CHUNK_MASK = SLOTS_PER_CHUNK - 1;
/** 32-bit words per slot; `slot-words.ts` describes them. */
export const SLOT_WORDS = 10;
const NO_INDEX = -1;

interface Chunk {
  readonly words: Int32Array<ArrayBuffer>;
  deadlines: Deadlines | undefined;
  /** The length of each slot's content type; undefined until a slot of the chunk has one. */
  types: Uint8Array<ArrayBuffer> | undefined;
  entries: number;
  /** Slots from here on were never used. */
  used: number;
  /** The first of the freed slots, which are linked through word 0. */
  freeHead: number;
}

/** The deadlines of a chunk's slots, by the slot's number within the chunk. */
export interface Deadlines {
  readonly atMs: Float64Array<ArrayBuffer>;
  /** The slots' places in the expiry index. */
  readonly places: Int32Array<ArrayBuffer>;
}

/** A slot's number within its chunk. */
export function indexOf(slot: number): number {
  return slot & CHUNK_MASK;
}

/** The index of a slot's first word within its chunk. */
export function firstWordOf(slot: number): number {
  return (slot & CHUNK_MASK) * SLOT_WORDS;
}

export class SlotChunks {
  readonly #chunks: (Chunk | undefined)[] = [];
  /** One bit per chunk: set if the chunk has a free slot. */
  #hasFree = new Uint32Array(1);
  #isOneEmpty = false;

  /** One past the highest slot that may be in use. */
  get end(): number {
    const last = this.#chunks.at(-1);
    return last === undefined ? 0 : (this.#chunks.length - 1) * SLOTS_PER_CHUNK + last.used;
  }

  /** Bytes of all chunks. */
  get heldBytes(): number {
    return this.#chunks.reduce((sum, chunk) => sum + (chunk === undefined ? 0 : bytesOf(chunk)), 0);
  }

  /** The words of the slot's chunk; undefined if the chunk was released, which means that the slot is free. */
  tryWordsOf(slot: number): Int32Array | undefined {
    return this.#chunks[slot >>> CHUNK_BITS]?.words;
  }

  wordsOf(slot: number): Int32Array {
    return (this.#chunks[slot >>> CHUNK_BITS] as Chunk).words;
  }

  /** True if no slot of this slot's chunk is in use. */
  isChunkEmpty(slot: number): boolean {
    return (this.#chunks[slot >>> CHUNK_BITS]?.entries ?? 0) === 0;
  }

  deadlinesOf(slot: number): Deadlines {
    return (this.#chunks[slot >>> CHUNK_BITS] as Chunk).deadlines as Deadlines;
  }

  /** `deadlinesOf` that creates the arrays if the chunk has none yet. */
  makeDeadlinesOf(slot: number): Deadlines {
    const chunk = this.#chunks[slot >>> CHUNK_BITS] as Chunk;
    chunk.deadlines ??= {
      atMs: new Float64Array(SLOTS_PER_CHUNK),
      places: new Int32Array(SLOTS_PER_CHUNK),
    };
    return chunk.deadlines;
  }

  /** The length of the slot's content type; 0 for none. */
  typeBytesOf(slot: number): number {
    const { types } = this.#chunks[slot >>> CHUNK_BITS] as Chunk;
    return types === undefined ? 0 : (types[slot & CHUNK_MASK] as number);
  }

  setTypeBytes(slot: number, typeBytes: number): void {
    const chunk = this.#chunks[slot >>> CHUNK_BITS] as Chunk;
    if (chunk.types === undefined && typeBytes === 0) return;
    chunk.types ??= new Uint8Array(SLOTS_PER_CHUNK);
    chunk.types[slot & CHUNK_MASK] = typeBytes;
  }

  /** Allocates a slot. Its words contain old data: the caller must write them all. */
  allocate(): number {
    const number = this.#lowestWithFree();
    const chunk = this.#chunks[number] as Chunk;
    if (chunk.entries === 0) this.#isOneEmpty = false;
    let index = chunk.freeHead;
    if (index === NO_INDEX) index = chunk.used++;
    else chunk.freeHead = chunk.words[index * SLOT_WORDS] as number;
    chunk.entries++;
    if (chunk.entries === SLOTS_PER_CHUNK) this.#mark(number, false);
    return number * SLOTS_PER_CHUNK + index;
  }

  free(slot: number): void {
    const number = slot >>> CHUNK_BITS;
    const chunk = this.#chunks[number] as Chunk;
    const index = slot & CHUNK_MASK;
    chunk.words[index * SLOT_WORDS] = chunk.freeHead;
    chunk.freeHead = index;
    if (chunk.entries === SLOTS_PER_CHUNK) this.#mark(number, true);
    chunk.entries--;
    if (chunk.entries > 0) return;
    if (!this.#isOneEmpty) this.#isOneEmpty = true;
    else this.#release(this.#chunks.findLastIndex((each) => each?.entries === 0));
  }

  #lowestWithFree(): number {
    const bits = this.#hasFree;
    for (let i = 0; i < bits.length; i++) {
      const word = bits[i] as number;
      if (word !== 0) return i * 32 + 31 - Math.clz32(word & -word);
    }
    return this.#create();
  }

  #create(): number {
    const gap = this.#chunks.indexOf(undefined);
    const number = gap < 0 ? this.#chunks.length : gap;
    this.#chunks[number] = {
      words: new Int32Array(SLOTS_PER_CHUNK * SLOT_WORDS),
      deadlines: undefined,
      types: undefined,
      entries: 0,
      used: 0,
      freeHead: NO_INDEX,
    };
    this.#mark(number, true);
    return number;
  }

  #release(number: number): void {
    const chunk = this.#chunks[number];
    assert(chunk !== undefined && chunk.entries === 0, `chunk ${number} of slots is in use`);
    this.#mark(number, false);
    this.#chunks[number] = undefined;
    while (this.#chunks.length > 0 && this.#chunks.at(-1) === undefined) this.#chunks.pop();
    chunk.words.buffer.transfer(0);
    chunk.types?.buffer.transfer(0);
    for (const column of Object.values(chunk.deadlines ?? {}) as Int32Array<ArrayBuffer>[])
      column.buffer.transfer(0);
  }

  #mark(number: number, hasFree: boolean): void {
    const word = number >>> 5;
    if (word >= this.#hasFree.length) {
      const more = new Uint32Array(2 * this.#hasFree.length);
      more.set(this.#hasFree);
      this.#hasFree = more;
    }
    const bit = 1 << (number & 31);
    const known = this.#hasFree[word] as number;
    this.#hasFree[word] = hasFree ? known | bit : known & ~bit;
  }
}

function bytesOf({ words, deadlines, types }: Chunk): number {
  const columns = deadlines === undefined ? 0 : SLOTS_PER_CHUNK * 12;
  return words.byteLength + columns + (types?.byteLength ?? 0);
}
