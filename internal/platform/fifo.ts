/**
 * A queue in an array. Removing is O(1) on average. The reference to a removed item
 * is cleared at once; otherwise a queue that is never quite empty would keep it until
 * the array is cut, and the garbage collector would move it to the old generation.
 */

/** A queue that becomes empty keeps an array of so many items at most: most are filled and emptied all the time. */
const KEPT_ITEMS_MAX = 32;

export class Fifo<T> {
  #items: (T | undefined)[] = [];
  #head = 0;
  /** Behind the newest item. What the array has from here on was removed. */
  #tail = 0;

  get length(): number {
    return this.#tail - this.#head;
  }

  push(item: T): void {
    this.#items[this.#tail++] = item;
  }

  /** The item at `index`, where 0 is the oldest; undefined after the newest. */
  at(index: number): T | undefined {
    return this.#items[this.#head + index];
  }

  /** The newest item for which `isIt` is true. */
  findLast(isIt: (item: T) => boolean): T | undefined {
    return (this.#items.slice(this.#head, this.#tail) as T[]).findLast(isIt);
  }

  /** Removes the oldest `count` items. The queue must contain that many. */
  drop(count: number): void {
    const head = this.#head + count;
    if (head === this.#tail) {
      this.clear();
      return;
    }
    // `fill` costs more than all else of a queue from which one item at a time is removed.
    for (let i = this.#head; i < head; i++) this.#items[i] = undefined;
    this.#head = head;
    // Moving the rest is amortised: it is no longer than what was removed.
    if (head < 1_024 || head * 2 < this.#tail) return;
    this.#items = this.#items.slice(head, this.#tail);
    this.#tail -= head;
    this.#head = 0;
  }

  /** Removes and returns everything from `index` on, oldest first. */
  cut(index: number): T[] {
    const from = this.#head + index;
    const removed = this.#items.slice(from, this.#tail) as T[];
    this.#items.length = from;
    this.#tail = from;
    return removed;
  }

  clear(): void {
    if (this.#items.length > KEPT_ITEMS_MAX) this.#items = [];
    else for (let i = this.#head; i < this.#tail; i++) this.#items[i] = undefined;
    this.#head = 0;
    this.#tail = 0;
  }
}
