/**
 * A queue in an array. Removing is O(1) on average. The reference to a removed item
 * is cleared at once; otherwise a queue that is never quite empty would keep it until
 * the array is cut, and the garbage collector would move it to the old generation.
 */
export class Fifo<T> {
  #items: (T | undefined)[] = [];
  #head = 0;

  get length(): number {
    return this.#items.length - this.#head;
  }

  push(item: T): void {
    this.#items.push(item);
  }

  /** The item at `index`, where 0 is the oldest; undefined after the newest. */
  at(index: number): T | undefined {
    return this.#items[this.#head + index];
  }

  /** Removes the oldest `count` items. The queue must contain that many. */
  drop(count: number): void {
    const head = this.#head + count;
    if (head === this.#items.length) {
      this.clear();
      return;
    }
    // `fill` costs more than all else of a queue from which one item at a time is removed.
    for (let i = this.#head; i < head; i++) this.#items[i] = undefined;
    this.#head = head;
    // Moving the rest is amortised: it is no longer than what was removed.
    if (head < 1_024 || head * 2 < this.#items.length) return;
    this.#items = this.#items.slice(head);
    this.#head = 0;
  }

  /** Removes and returns everything from `index` on, oldest first. */
  cut(index: number): T[] {
    return this.#items.splice(this.#head + index) as T[];
  }

  clear(): void {
    this.#items = [];
    this.#head = 0;
  }
}
