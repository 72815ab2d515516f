/**
 * Reads the memory of slots and keys before it is needed, so that the processor waits for
 * several places at once. It changes nothing, and what it reads means nothing.
 */
import type { Arena } from '#storage/arena.ts';
import { firstWordOf, SLOT_WORDS, type SlotChunks } from '#storage/slot-chunks.ts';
import { chunkIdAt, PLACE_BITS, PLACE_MASK, peekCellAt } from '#storage/slot-words.ts';

export class SlotPeeks {
  readonly #slots: SlotChunks;
  readonly #arena: Arena;
  /** Collects what was read, so that the compiler does not remove the reads. */
  #sink = 0;

  constructor(slots: SlotChunks, arena: Arena) {
    this.#slots = slots;
    this.#arena = arena;
  }

  /** Reads the slot's first and last word, and so both cache lines it may span. */
  peek(slot: number): number {
    const words = this.#slots.wordsOf(slot);
    const at = firstWordOf(slot);
    return (words[at] as number) ^ (words[at + SLOT_WORDS - 1] as number);
  }

  /** Reads up to a kilobyte of the slot's cell, and the two slots that touching it writes to. */
  peekCell(slot: number): number {
    const words = this.#slots.wordsOf(slot);
    const at = firstWordOf(slot);
    let seen = peekCellAt(words, at, this.#arena.chunk(chunkIdAt(words, at)).words);
    const newer = words[at + 4] as number;
    const older = words[at + 5] as number;
    // A link is below 0 at an end of the list, and that of a taken victim may lead to a chunk that was released.
    if (newer >= 0) seen ^= this.#slots.tryWordsOf(newer)?.[firstWordOf(newer) + 5] ?? 0;
    if (older >= 0) seen ^= this.#slots.tryWordsOf(older)?.[firstWordOf(older) + 4] ?? 0;
    return seen;
  }

  /** The place of the slot's cell, if that is in the first 16 GiB of the arena; else another place. */
  placeOf(slot: number): number {
    return this.#slots.wordsOf(slot)[firstWordOf(slot)] as number;
  }

  /** Reads the first word at what `placeOf` returned once: another cell may lie there by now, or none. */
  touch(place: number): void {
    const chunk = this.#arena.tryChunk(place >>> PLACE_BITS);
    if (chunk !== undefined) this.#sink ^= chunk.words[place & PLACE_MASK] as number;
  }
}
