/**
 * Releases the memory of arena chunks that are partly dead. When at least a
 * fifth of the arena is dead, a round marks the chunks with the fewest live
 * bytes. It then walks all slots, a few after each operation that frees bytes,
 * and copies every cell of a marked chunk to the end of the arena. At the end of
 * the round the marked chunks are empty, so the arena has released them. The walk
 * by slots spares each cell a pointer to its slot: four bytes per entry.
 *
 * A round copies at most an eighth of the live bytes, so memory grows by no more
 * than that meanwhile. It ends before another fiftieth of the entries is freed.
 */
import { type Arena, CHUNK_BYTES } from '#storage/arena.ts';

/** With fewer dead bytes no round begins: it would release too little. */
const DEAD_BYTES_MIN = 4 * CHUNK_BYTES;
/** A round begins when dead bytes are at least 1 / this of all bytes. */
const DEAD_SHARE = 5;
/** A round copies at most 1 / this of the live bytes, or two chunks if that is more. */
const COPIED_SHARE = 8;
/** Each free walks `SLOTS_PER_FREE` slots and one more per `BYTES_PER_SLOT` bytes freed. */
const SLOTS_PER_FREE = 64;
const BYTES_PER_SLOT = 16;
/** Chunks are ranked by live bytes in this many steps. */
const LEVELS = 64;

/** What a round needs from the slots. */
export interface Movable {
  readonly end: number;
  /** Moves the slot's cell out of its chunk if the chunk is marked; does nothing for a free slot. */
  relocate(slot: number): void;
}

export class Compactor {
  readonly #arena: Arena;
  readonly #slots: Movable;
  /** The next slot of the round; -1 if no round is running. */
  #cursor = -1;

  constructor(arena: Arena, slots: Movable) {
    this.#arena = arena;
    this.#slots = slots;
  }

  /** Must be called after an operation that freed bytes, when no slot is half written. */
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

  /** Marks the chunks with the fewest live bytes, as many as a round may copy. */
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
      // The budget covers only some chunks of the last level: the first ones.
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
