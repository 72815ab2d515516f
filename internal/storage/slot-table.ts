/**
 * Every stored entry has a slot: a small whole number that stays its own until
 * the entry is deleted. The fields of entries live in columns of chunks of
 * 16,384 slots, most of them typed arrays: growing allocates one more chunk and
 * copies nothing, and the collector has a string and a value to visit per
 * entry instead of a tree of objects.
 *
 * This file is the one place that knows how values are kept. Here each is a
 * Uint8Array of its own; an arena would change `write`, `valueOf` and `free`.
 */
import type { Entry } from '#model/entry.ts';
import type { Lsn } from '#model/position.ts';
import { assert } from '#platform/assert.ts';
import { crc32 } from '#platform/crc32.ts';

const CHUNK_BITS = 14;
export const SLOTS_PER_CHUNK = 1 << CHUNK_BITS;
const CHUNK_MASK = SLOTS_PER_CHUNK - 1;

/** "No slot", as a link and as an answer. */
export const NO_SLOT = -1;

/** What a slot holds. `taken`: a chosen victim, stored but out of the recency order. */
export const SLOT_FREE = 0;
export const SLOT_LIVE = 1;
export const SLOT_TAKEN = 2;

const EMPTY_VALUE = new Uint8Array(0);
const EMPTY_KEY = '';

interface Chunk {
  readonly keys: string[];
  readonly values: Uint8Array[];
  readonly states: Uint8Array;
  readonly valueCrcs: Int32Array;
  readonly expireAtsMs: Float64Array;
  readonly epochs: Float64Array;
  readonly lsns: Float64Array;
  /** When last touched; 0 is before everything. */
  readonly stamps: Float64Array;
  /** Links of the expiry bucket's list; in a free slot `next` links the free list. */
  readonly next: Int32Array;
  readonly previous: Int32Array;
}

export class SlotTable {
  readonly #chunks: Chunk[] = [];
  #freeHead = NO_SLOT;
  #end = 0;

  /** One past the highest slot ever used. */
  get end(): number {
    return this.#end;
  }

  /** Takes a slot for `key`; the caller writes the other fields next. */
  allocate(key: string): number {
    let slot = this.#freeHead;
    if (slot === NO_SLOT) {
      slot = this.#end++;
      if ((slot & CHUNK_MASK) === 0) this.#chunks.push(createChunk());
    } else {
      this.#freeHead = this.next(slot);
    }
    const chunk = this.#chunk(slot);
    chunk.keys[slot & CHUNK_MASK] = key;
    chunk.states[slot & CHUNK_MASK] = SLOT_LIVE;
    chunk.next[slot & CHUNK_MASK] = NO_SLOT;
    chunk.previous[slot & CHUNK_MASK] = NO_SLOT;
    return slot;
  }

  /** Stores a copy of `value`, which may be a view of a request's buffer. */
  write(slot: number, value: Uint8Array, expireAtMs: number, epoch: number, lsn: number): void {
    const chunk = this.#chunk(slot);
    const i = slot & CHUNK_MASK;
    // The copying constructor never takes from Node's pool, so a small value retains nothing but itself.
    chunk.values[i] = value.length === 0 ? EMPTY_VALUE : new Uint8Array(value);
    chunk.valueCrcs[i] = crc32(value);
    chunk.expireAtsMs[i] = expireAtMs;
    chunk.epochs[i] = epoch;
    chunk.lsns[i] = lsn;
  }

  free(slot: number): void {
    const chunk = this.#chunk(slot);
    const i = slot & CHUNK_MASK;
    assert(chunk.states[i] !== SLOT_FREE, `slot ${slot} is freed twice`);
    chunk.keys[i] = EMPTY_KEY;
    chunk.values[i] = EMPTY_VALUE;
    chunk.states[i] = SLOT_FREE;
    chunk.next[i] = this.#freeHead;
    this.#freeHead = slot;
  }

  entry(slot: number): Entry {
    const chunk = this.#chunk(slot);
    const i = slot & CHUNK_MASK;
    return {
      key: chunk.keys[i] as string,
      value: chunk.values[i] as Uint8Array,
      expireAtMs: chunk.expireAtsMs[i] as number,
      version: { epoch: chunk.epochs[i] as number, lsn: chunk.lsns[i] as Lsn },
    };
  }

  keyOf(slot: number): string {
    return this.#chunk(slot).keys[slot & CHUNK_MASK] as string;
  }

  valueOf(slot: number): Uint8Array {
    return this.#chunk(slot).values[slot & CHUNK_MASK] as Uint8Array;
  }

  stateOf(slot: number): number {
    return this.#chunk(slot).states[slot & CHUNK_MASK] as number;
  }

  setState(slot: number, state: number): void {
    this.#chunk(slot).states[slot & CHUNK_MASK] = state;
  }

  valueCrcOf(slot: number): number {
    return this.#chunk(slot).valueCrcs[slot & CHUNK_MASK] as number;
  }

  expireAtMsOf(slot: number): number {
    return this.#chunk(slot).expireAtsMs[slot & CHUNK_MASK] as number;
  }

  epochOf(slot: number): number {
    return this.#chunk(slot).epochs[slot & CHUNK_MASK] as number;
  }

  lsnOf(slot: number): number {
    return this.#chunk(slot).lsns[slot & CHUNK_MASK] as number;
  }

  stampOf(slot: number): number {
    return this.#chunk(slot).stamps[slot & CHUNK_MASK] as number;
  }

  setStamp(slot: number, stamp: number): void {
    this.#chunk(slot).stamps[slot & CHUNK_MASK] = stamp;
  }

  next(slot: number): number {
    return this.#chunk(slot).next[slot & CHUNK_MASK] as number;
  }

  setNext(slot: number, to: number): void {
    this.#chunk(slot).next[slot & CHUNK_MASK] = to;
  }

  previous(slot: number): number {
    return this.#chunk(slot).previous[slot & CHUNK_MASK] as number;
  }

  setPrevious(slot: number, to: number): void {
    this.#chunk(slot).previous[slot & CHUNK_MASK] = to;
  }

  #chunk(slot: number): Chunk {
    return this.#chunks[slot >>> CHUNK_BITS] as Chunk;
  }
}

function createChunk(): Chunk {
  return {
    keys: new Array<string>(SLOTS_PER_CHUNK).fill(EMPTY_KEY),
    values: new Array<Uint8Array>(SLOTS_PER_CHUNK).fill(EMPTY_VALUE),
    states: new Uint8Array(SLOTS_PER_CHUNK),
    valueCrcs: new Int32Array(SLOTS_PER_CHUNK),
    expireAtsMs: new Float64Array(SLOTS_PER_CHUNK),
    epochs: new Float64Array(SLOTS_PER_CHUNK),
    lsns: new Float64Array(SLOTS_PER_CHUNK),
    stamps: new Float64Array(SLOTS_PER_CHUNK),
    next: new Int32Array(SLOTS_PER_CHUNK),
    previous: new Int32Array(SLOTS_PER_CHUNK),
  };
}
