/**
 * How many entries each key slot of a cluster has, and what they cost: counted by a walk over the store's
 * slots in bounded slices once somebody asks, and kept by every change from then on. Until then a change
 * costs one comparison. The store reports changes behind the cursor of the walk, and the walk comes by
 * those ahead of it, so the sums are exact as soon as it is complete.
 */
import { SLOTS } from '#model/slots.ts';
import { KeyBytes } from '#storage/key-bytes.ts';
import { SLOT_FREE, type SlotTable } from '#storage/slot-table.ts';

/** The key slot of the key in `bytes[from, to)`. */
export type KeySlotOf = (bytes: Uint8Array, from: number, to: number) => number;

export class KeySlotSizes {
  readonly #slots: SlotTable;
  readonly #slotOf: KeySlotOf;
  readonly #costAt: (slot: number, key: KeyBytes) => number;
  readonly #key = new KeyBytes();
  readonly #entries = new Uint32Array(SLOTS);
  /** Sums of costs, which are below 2^53. */
  readonly #bytes = new Float64Array(SLOTS);
  /** Slots of the store below this one are counted; Infinity: all. */
  #cursor = 0;

  /** `costAt`: what the entry in a slot of the store costs; its key is given. */
  constructor(slots: SlotTable, slotOf: KeySlotOf, costAt: (slot: number, key: KeyBytes) => number) {
    this.#slots = slots;
    this.#slotOf = slotOf;
    this.#costAt = costAt;
  }

  /** Walks over up to `slotsMax` slots of the store. Returns false once all are counted. */
  next(slotsMax: number): boolean {
    const slots = this.#slots;
    const end = Math.min(slots.end, this.#cursor + slotsMax);
    while (this.#cursor < end) {
      const slot = this.#cursor++;
      if (slots.stateOf(slot) === SLOT_FREE) continue;
      slots.loadKey(slot, this.#key);
      this.#add(slot, this.#key, 1);
    }
    if (this.#cursor < slots.end) return true;
    this.#cursor = Number.POSITIVE_INFINITY;
    return false;
  }

  entriesOf(keySlot: number): number {
    return this.#entries[keySlot] ?? 0;
  }

  bytesOf(keySlot: number): number {
    return this.#bytes[keySlot] ?? 0;
  }

  /** Must be called after the store wrote the entry of the key into a slot. */
  added(slot: number, key: KeyBytes): void {
    if (slot < this.#cursor) this.#add(slot, key, 1);
  }

  /** Must be called before the store removes or replaces the entry in a slot. */
  removed(slot: number, key: KeyBytes): void {
    if (slot < this.#cursor) this.#add(slot, key, -1);
  }

  #add(slot: number, key: KeyBytes, sign: 1 | -1): void {
    const keySlot = this.#slotOf(key.bytes, 0, key.length);
    this.#entries[keySlot] = (this.#entries[keySlot] as number) + sign;
    this.#bytes[keySlot] = (this.#bytes[keySlot] as number) + sign * this.#costAt(slot, key);
  }
}
