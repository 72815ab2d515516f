/**
 * Gives back the memory of arena chunks that are dead in part. When more than a
 * fifth of the arena is dead, a round marks the chunks with the least alive in
 * them and then walks all slots, a few for every byte that is freed; a cell in
 * a marked chunk is copied to the end of the arena. At the round's end the
 * marked chunks are empty, and so gone. Nothing needs to know which slot a cell
 * belongs to, which spares four bytes per entry.
 *
 * A round copies at most an eighth of what lives, so that is what memory may
 * rise by meanwhile, and is over before another fiftieth of the entries is freed.
 */
import { type Arena, CHUNK_BYTES } from '#storage/arena.ts';

/** Below this nothing is gained. */
const DEAD_BYTES_MIN = 4 * CHUNK_BYTES;
/** A round begins where dead bytes are more than 1 / this of all. */
const DEAD_SHARE = 5;
/** A round copies at most 1 / this of what lives; two chunks' worth in any case. */
const COPIED_SHARE = 8;
/** Slots walked per free, and one more for so many bytes freed. */
const SLOTS_PER_FREE = 64;
const BYTES_PER_SLOT = 16;
/** Chunks are told apart by how much lives in them to this precision. */
const LEVELS = 64;

/** The slots, as far as a round has to do with them. */
export interface Movable {
  readonly end: number;
  /** Copies the slot's cell elsewhere where its chunk is marked; does nothing for a free slot. */
  relocate(slot: number): void;
}

export class Compactor {
  readonly #arena: Arena;
  readonly #slots: Movable;
  /** The next slot of the round; -1 where none runs. */
  #cursor = -1;

  constructor(arena: Arena, slots: Movable) {
    this.#arena = arena;
    this.#slots = slots;
  }

  /** To be called after bytes of the arena were freed, when every slot is in order. */
  onFreed(bytes: number): void {
    if (this.#cursor < 0) {
      const { deadBytes, liveBytes } = this.#arena;
      if (deadBytes < DEAD_BYTES_MIN || deadBytes * DEAD_SHARE < deadBytes + liveBytes) return;
      this.#begin();
    }
    const end = Math.min(this.#cursor + SLOTS_PER_FREE + Math.floor(bytes / BYTES_PER_SLOT), this.#slots.end);
    for (let slot = this.#cursor; slot < end; slot++) this.#slots.relocate(slot);
    this.#cursor = end < this.#slots.end ? end : -1;
  }

  /** Marks the chunks with the least alive in them, as many as a round may copy. */
  #begin(): void {
    const alive = new Float64Array(LEVELS + 1);
    this.#arena.forEachClosed((chunk) => {
      const level = levelOf(chunk.liveBytes);
      alive[level] = (alive[level] as number) + chunk.liveBytes;
    });
    let budget = Math.max(this.#arena.liveBytes / COPIED_SHARE, 2 * CHUNK_BYTES);
    let level = 0;
    while (level < LEVELS && (alive[level] as number) <= budget) budget -= alive[level++] as number;
    this.#arena.forEachClosed((chunk) => {
      const own = levelOf(chunk.liveBytes);
      if (own > level) return;
      // Of the last level some fit, none of them more than another.
      if (own === level) {
        budget -= chunk.liveBytes;
        if (budget < 0) return;
      }
      chunk.isMarked = true;
    });
    this.#cursor = 0;
  }
}

function levelOf(liveBytes: number): number {
  return Math.floor((liveBytes * LEVELS) / CHUNK_BYTES);
}
