/**
 * The order of last use: one doubly linked list through the slots, the least
 * recently accessed at one end. Accessing, removing and choosing a victim each take
 * a few writes, whatever the number of entries. Every access takes a stamp from one
 * counter; a snapshot contains the stamps, and loading it rebuilds the list.
 */
import { NO_SLOT, SLOT_LIVE, type SlotTable } from '#storage/slot-table.ts';
import { sortByStamp } from '#storage/stamp-sort.ts';

/** Slots that one step of `rebuild` looks at. */
const REBUILD_SLOTS = 65_536;

export class RecencyList {
  readonly #slots: SlotTable;
  #oldest = NO_SLOT;
  #newest = NO_SLOT;
  #lastStamp = 0;
  /** The slot that `stamp` was called for last. */
  #lastUnlisted = NO_SLOT;
  /** False once `restore` appended a slot with a stamp older than the last one. */
  #isSorted = true;

  constructor(slots: SlotTable) {
    this.#slots = slots;
  }

  /** The stamp of the newest access, which is the number of all, those before this start included. */
  get lastStamp(): number {
    return this.#lastStamp;
  }

  /** Appends a slot that is not in the list as the most recently accessed. */
  add(slot: number): void {
    this.#slots.setStamp(slot, ++this.#lastStamp);
    this.#append(slot);
  }

  /** Notes an access of a slot that is not in the list, for when it is listed again. */
  stamp(slot: number): void {
    this.#lastUnlisted = slot;
    this.#slots.setStamp(slot, ++this.#lastStamp);
  }

  /** Must be called before a slot that is not in the list is freed. */
  forget(slot: number): void {
    if (slot === this.#lastUnlisted) this.#lastUnlisted = NO_SLOT;
  }

  /** Makes a slot of the list the most recently accessed. */
  access(slot: number): void {
    this.#slots.setStamp(slot, ++this.#lastStamp);
    if (slot === this.#newest) return;
    this.remove(slot);
    this.#append(slot);
  }

  /** The slot that was accessed last; `NO_SLOT` if its entry is gone. */
  get last(): number {
    const isLast = (slot: number): boolean =>
      slot !== NO_SLOT && this.#slots.stampOf(slot) === this.#lastStamp;
    return [this.#newest, this.#lastUnlisted].find(isLast) ?? NO_SLOT;
  }

  /** Appends a slot with the stamp that it had; `rebuild` sorts the list if stamps arrived out of order. */
  restore(slot: number, stamp: number): void {
    this.#slots.setStamp(slot, stamp);
    if (stamp < this.#lastStamp) this.#isSorted = false;
    else this.#lastStamp = stamp;
    this.#append(slot);
  }

  /** Takes a slot out of the list. */
  remove(slot: number): void {
    const newer = this.#slots.newerOf(slot);
    const older = this.#slots.olderOf(slot);
    if (newer === NO_SLOT) this.#newest = older;
    else this.#slots.setOlder(newer, older);
    if (older === NO_SLOT) this.#oldest = newer;
    else this.#slots.setNewer(older, newer);
  }

  /** Removes and returns the least recently accessed slot; `NO_SLOT` if the list is empty. */
  takeOldest(): number {
    const slot = this.#oldest;
    if (slot !== NO_SLOT) this.remove(slot);
    return slot;
  }

  /** Sorts restored slots by stamp, in steps of a few milliseconds. The store must not change between steps. */
  *rebuild(entries: number): Generator<undefined, void> {
    if (this.#isSorted) return;
    let stamps: Float64Array = new Float64Array(entries);
    let slots: Uint32Array = new Uint32Array(entries);
    let count = 0;
    for (let slot = 0; slot < this.#slots.end; slot++) {
      if (slot % REBUILD_SLOTS === REBUILD_SLOTS - 1) yield;
      if (this.#slots.stateOf(slot) !== SLOT_LIVE) continue;
      stamps[count] = this.#slots.stampOf(slot);
      slots[count++] = slot;
    }
    stamps = stamps.subarray(0, count);
    slots = yield* sortByStamp(stamps, slots.subarray(0, count));
    this.#oldest = NO_SLOT;
    this.#newest = NO_SLOT;
    for (let i = 0; i < slots.length; i++) {
      if (i % REBUILD_SLOTS === REBUILD_SLOTS - 1) yield;
      this.#append(slots[i] as number);
    }
    this.#isSorted = true;
  }

  /** Lists every live slot again, by the stamps that they have. */
  relist(entries: number): void {
    this.#isSorted = false;
    for (const _ of this.rebuild(entries));
  }

  #append(slot: number): void {
    this.#slots.setNewer(slot, NO_SLOT);
    this.#slots.setOlder(slot, this.#newest);
    if (this.#newest === NO_SLOT) this.#oldest = slot;
    else this.#slots.setNewer(this.#newest, slot);
    this.#newest = slot;
  }
}
