/**
 * Brings what is stored of several keys near before it is looked at one by one.
 * With millions of entries every lookup waits for main memory half a dozen times,
 * one wait after the other. Here each of these steps is made for all keys in turn:
 * none depends on the one before it, so the processor has many under way at once.
 * Nothing is decided by it, and nothing changes.
 */
import { PREFETCH_KEYS } from '#model/bulk.ts';
import type { KeyBytes } from '#storage/key-bytes.ts';
import type { KeyIndex } from '#storage/key-index.ts';
import { NO_SLOT, type SlotTable } from '#storage/slot-table.ts';

/** Fewer entries are near anyway. */
const ENTRIES_MIN = 50_000;

export class Prefetcher {
  readonly #key: KeyBytes;
  readonly #index: KeyIndex;
  readonly #slots: SlotTable;
  readonly #hashes = new Int32Array(PREFETCH_KEYS);
  readonly #found = new Int32Array(PREFETCH_KEYS);
  /** What was read is kept, or it would not be read. */
  #sink = 0;

  /** `key`: the store's, which is another one afterwards. */
  constructor(key: KeyBytes, index: KeyIndex, slots: SlotTable) {
    this.#key = key;
    this.#index = index;
    this.#slots = slots;
  }

  /** Of the keys from `from` on, at most `PREFETCH_KEYS` and not from `to` on, in a store of so many entries. */
  run(
    bytes: Buffer,
    offsets: Uint32Array,
    lengths: Uint16Array,
    from: number,
    to: number,
    entries: number,
  ): void {
    const count = Math.min(PREFETCH_KEYS, to - from);
    if (entries < ENTRIES_MIN || count < 2) return;
    const hashes = this.#hashes;
    const found = this.#found;
    let sink = this.#sink;
    for (let i = 0; i < count; i++) {
      this.#key.loadBytes(bytes, offsets[from + i] as number, lengths[from + i] as number);
      hashes[i] = this.#key.hash;
    }
    for (let i = 0; i < count; i++) sink ^= this.#index.peek(hashes[i] as number);
    for (let i = 0; i < count; i++) {
      const slot = this.#index.candidate(hashes[i] as number);
      found[i] = slot;
      if (slot !== NO_SLOT) sink ^= this.#slots.peek(slot);
    }
    for (let i = 0; i < count; i++) {
      const slot = found[i] as number;
      if (slot !== NO_SLOT) sink ^= this.#slots.peekCell(slot);
    }
    this.#sink = sink;
  }
}
