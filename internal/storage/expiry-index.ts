/**
 * Finds entries that are due to expire: a min-heap of slots by deadline. A node
 * has four children, which halves the depth of a binary heap. Each slot stores
 * its place in the heap, so a deadline that changes or is removed leaves no stale
 * node. The heap grows and shrinks by one chunk at a time, so no operation copies
 * all of it, and deadlines are numbers in arrays, so the garbage collector has
 * nothing to visit.
 */
import { NEVER } from '#model/entry.ts';
import { NO_SLOT, type SlotTable } from '#storage/slot-table.ts';

const CHUNK_BITS = 14;
const CHUNK_SLOTS = 1 << CHUNK_BITS;
const CHUNK_MASK = CHUNK_SLOTS - 1;
const CHILDREN = 4;
/** The place of a slot that was taken out of the heap. */
const NOT_PLACED = -1;

export class ExpiryIndex {
  readonly #slots: SlotTable;
  /** Slots by place. One empty chunk stays, so that a size around a chunk's edge does not allocate again and again. */
  readonly #chunks: Int32Array<ArrayBuffer>[] = [];
  #size = 0;

  constructor(slots: SlotTable) {
    this.#slots = slots;
  }

  /** Does nothing for an entry without a deadline. */
  add(slot: number): void {
    const expireAtMs = this.#slots.expireAtMsOf(slot);
    if (expireAtMs === NEVER) return;
    if (this.#size === this.#chunks.length * CHUNK_SLOTS) this.#chunks.push(new Int32Array(CHUNK_SLOTS));
    this.#rise(this.#size++, slot, expireAtMs);
  }

  /** Must be called before the slot's deadline changes; does nothing for an entry without one, or taken out before. */
  remove(slot: number): void {
    if (this.#slots.expireAtMsOf(slot) === NEVER) return;
    const place = this.#slots.expiryPlaceOf(slot);
    if (place === NOT_PLACED) return;
    const last = this.#at(--this.#size);
    if ((this.#chunks.length - 1) * CHUNK_SLOTS > this.#size + CHUNK_SLOTS)
      this.#chunks.pop()?.buffer.transfer(0);
    if (last === slot) return;
    // The last slot fills the gap, then moves up or down to its place by deadline.
    const lastMs = this.#slots.expireAtMsOf(last);
    const parent = place === 0 ? undefined : this.#at(Math.floor((place - 1) / CHILDREN));
    if (parent !== undefined && this.#slots.expireAtMsOf(parent) > lastMs) this.#rise(place, last, lastMs);
    else this.#sink(place, last, lastMs);
  }

  /** Takes out the slot that expires first; `NO_SLOT` if none has a deadline. */
  takeSoonest(): number {
    if (this.#size === 0) return NO_SLOT;
    const slot = this.#at(0);
    this.remove(slot);
    this.#slots.setExpiryPlace(slot, NOT_PLACED);
    return slot;
  }

  /** Puts a slot back that `takeSoonest` took. */
  putBack(slot: number): void {
    if (this.#slots.expireAtMsOf(slot) !== NEVER && this.#slots.expiryPlaceOf(slot) === NOT_PLACED)
      this.add(slot);
  }

  /**
   * Up to `max` slots whose deadline is at or before `nowMs`: the earliest first,
   * the rest in no order and not always the earliest. Examines at most four more
   * slots per slot found.
   */
  due(nowMs: number, max: number): number[] {
    const found: number[] = [];
    // A node's children are never due before the node, so a walk over due nodes finds every due slot.
    const pending = [0];
    while (pending.length > 0 && found.length < max) {
      const place = pending.pop() as number;
      if (place >= this.#size) continue;
      const slot = this.#at(place);
      if (this.#slots.expireAtMsOf(slot) > nowMs) continue;
      found.push(slot);
      for (let child = CHILDREN; child > 0; child--) pending.push(CHILDREN * place + child);
    }
    return found;
  }

  /** Bytes of all chunks. */
  get heldBytes(): number {
    return this.#chunks.length * CHUNK_SLOTS * 4;
  }

  #rise(from: number, slot: number, expireAtMs: number): void {
    let place = from;
    while (place > 0) {
      const above = Math.floor((place - 1) / CHILDREN);
      const parent = this.#at(above);
      if (this.#slots.expireAtMsOf(parent) <= expireAtMs) break;
      this.#put(place, parent);
      place = above;
    }
    this.#put(place, slot);
  }

  #sink(from: number, slot: number, expireAtMs: number): void {
    let place = from;
    for (;;) {
      const first = CHILDREN * place + 1;
      let [least, leastMs] = [-1, expireAtMs];
      for (let child = first; child < Math.min(first + CHILDREN, this.#size); child++) {
        const childMs = this.#slots.expireAtMsOf(this.#at(child));
        if (childMs < leastMs) [least, leastMs] = [child, childMs];
      }
      if (least < 0) break;
      this.#put(place, this.#at(least));
      place = least;
    }
    this.#put(place, slot);
  }

  #at(place: number): number {
    return (this.#chunks[place >>> CHUNK_BITS] as Int32Array)[place & CHUNK_MASK] as number;
  }

  #put(place: number, slot: number): void {
    (this.#chunks[place >>> CHUNK_BITS] as Int32Array)[place & CHUNK_MASK] = slot;
    this.#slots.setExpiryPlace(slot, place);
  }
}
