/**
 * Which entries are due to be deleted. Entries with a deadline hang in buckets
 * of 250 ms: a doubly linked list through the slot table, so adding and
 * removing are O(1) and a bucket of millions copies nothing. A heap orders the
 * buckets; an empty bucket leaves it at once, so deadlines that were deleted
 * leave nothing behind.
 */
import { NEVER } from '#model/entry.ts';
import { NO_SLOT, type SlotTable } from '#storage/slot-table.ts';

export const BUCKET_MS = 250;
/** Buckets are spread over this many Maps, for the same reason as keys. */
const MAPS = 64;
/** Entries of the one bucket that `nowMs` falls into which a call looks at, at least. */
const STRADDLING_EXAMINED_MIN = 4_096;

interface Bucket {
  /** Deadlines from `number * 250` up to, not including, the next bucket's. */
  readonly number: number;
  head: number;
  heapIndex: number;
}

export class ExpiryIndex {
  readonly #slots: SlotTable;
  readonly #maps: Map<number, Bucket>[] = Array.from({ length: MAPS }, () => new Map<number, Bucket>());
  /** A binary min-heap by bucket number. */
  readonly #heap: Bucket[] = [];

  constructor(slots: SlotTable) {
    this.#slots = slots;
  }

  /** Does nothing for an entry without a deadline. */
  add(slot: number): void {
    const expireAtMs = this.#slots.expireAtMsOf(slot);
    if (expireAtMs === NEVER) return;
    const bucket = this.#bucketFor(Math.floor(expireAtMs / BUCKET_MS));
    this.#slots.setPrevious(slot, NO_SLOT);
    this.#slots.setNext(slot, bucket.head);
    if (bucket.head !== NO_SLOT) this.#slots.setPrevious(bucket.head, slot);
    bucket.head = slot;
  }

  /** To be called before the slot's deadline changes. */
  remove(slot: number): void {
    const expireAtMs = this.#slots.expireAtMsOf(slot);
    if (expireAtMs === NEVER) return;
    const next = this.#slots.next(slot);
    const previous = this.#slots.previous(slot);
    if (next !== NO_SLOT) this.#slots.setPrevious(next, previous);
    if (previous !== NO_SLOT) {
      this.#slots.setNext(previous, next);
    } else {
      const bucket = this.#bucketFor(Math.floor(expireAtMs / BUCKET_MS));
      bucket.head = next;
      if (next === NO_SLOT) this.#drop(bucket);
    }
    this.#slots.setNext(slot, NO_SLOT);
    this.#slots.setPrevious(slot, NO_SLOT);
  }

  /**
   * Up to `max` slots whose deadline is at or before `nowMs`, from the oldest
   * bucket on, the others in no order. In the bucket that `nowMs` falls into it
   * looks at a bounded number of entries, so one there may be up to 250 ms late.
   */
  due(nowMs: number, max: number): number[] {
    const found: number[] = [];
    const current = Math.floor(nowMs / BUCKET_MS);
    // Heap order: a node's children are never due before it, so a due-only walk from the root finds all.
    const pending = [0];
    while (pending.length > 0 && found.length < max) {
      const index = pending.pop() as number;
      const bucket = this.#heap[index];
      if (bucket === undefined || bucket.number > current) continue;
      this.#collect(bucket, nowMs, max, bucket.number === current, found);
      pending.push(2 * index + 2, 2 * index + 1);
    }
    return found;
  }

  #collect(bucket: Bucket, nowMs: number, max: number, isStraddling: boolean, found: number[]): void {
    let examinable = isStraddling ? Math.max(STRADDLING_EXAMINED_MIN, 4 * max) : Number.POSITIVE_INFINITY;
    for (let slot = bucket.head; slot !== NO_SLOT; slot = this.#slots.next(slot)) {
      if (found.length >= max || examinable-- <= 0) return;
      if (this.#slots.expireAtMsOf(slot) <= nowMs) found.push(slot);
    }
  }

  #bucketFor(number: number): Bucket {
    const map = this.#mapOf(number);
    const known = map.get(number);
    if (known !== undefined) return known;
    const bucket: Bucket = { number, head: NO_SLOT, heapIndex: this.#heap.length };
    map.set(number, bucket);
    this.#heap.push(bucket);
    this.#rise(bucket);
    return bucket;
  }

  #drop(bucket: Bucket): void {
    this.#mapOf(bucket.number).delete(bucket.number);
    const last = this.#heap.pop() as Bucket;
    if (last === bucket) return;
    this.#put(last, bucket.heapIndex);
    this.#rise(last);
    this.#sink(last);
  }

  #rise(bucket: Bucket): void {
    while (bucket.heapIndex > 0) {
      const parent = this.#heap[(bucket.heapIndex - 1) >>> 1] as Bucket;
      if (parent.number <= bucket.number) return;
      this.#swap(bucket, parent);
    }
  }

  #sink(bucket: Bucket): void {
    for (;;) {
      const left = this.#heap[2 * bucket.heapIndex + 1];
      const right = this.#heap[2 * bucket.heapIndex + 2];
      const child = right !== undefined && left !== undefined && right.number < left.number ? right : left;
      if (child === undefined || child.number >= bucket.number) return;
      this.#swap(child, bucket);
    }
  }

  #swap(a: Bucket, b: Bucket): void {
    const index = a.heapIndex;
    this.#put(a, b.heapIndex);
    this.#put(b, index);
  }

  #put(bucket: Bucket, index: number): void {
    this.#heap[index] = bucket;
    bucket.heapIndex = index;
  }

  #mapOf(number: number): Map<number, Bucket> {
    return this.#maps[Math.abs(number) % MAPS] as Map<number, Bucket>;
  }
}
