/**
 * Reads the memory of several keys into the processor's caches before they are
 * looked up one by one. With millions of entries a lookup waits for main memory
 * about six times in sequence, as each read depends on the one before. This module
 * makes each of these reads for all keys before the next one; they are independent,
 * so the processor overlaps the waits. It changes no state and no result.
 */
import { PREFETCH_KEYS } from '#model/bulk.ts';
import type { KeyBytes } from '#storage/key-bytes.ts';
import type { KeyIndex } from '#storage/key-index.ts';
import { NO_SLOT, type SlotTable } from '#storage/slot-table.ts';

/** With fewer entries the processor's caches contain them anyway. */
const ENTRIES_MIN = 50_000;

export class Prefetcher {
  readonly #key: KeyBytes;
  readonly #index: KeyIndex;
  readonly #slots: SlotTable;
  readonly #hashes = new Int32Array(PREFETCH_KEYS);
  readonly #found = new Int32Array(PREFETCH_KEYS);
  /** Collects what was read, so that the compiler does not remove the reads. */
  #sink = 0;

  /** `key` is the store's; `run` overwrites it. */
  constructor(key: KeyBytes, index: KeyIndex, slots: SlotTable) {
    this.#key = key;
    this.#index = index;
    this.#slots = slots;
  }

  /** Prefetches keys `from` to `to - 1`, at most `PREFETCH_KEYS` of them, in a store of `entries` entries. */
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
      if (slot !== NO_SLOT) sink ^= this.#slots.peeks.peek(slot);
    }
    for (let i = 0; i < count; i++) {
      const slot = found[i] as number;
      if (slot !== NO_SLOT) sink ^= this.#slots.peeks.peekCell(slot);
    }
    this.#sink = sink;
  }
}
