/**
 * A queue in an array. Taking is O(1) on average, and what was taken is let go
 * at once: in a queue that is never quite empty it would live until the array is
 * cut, long enough for the collector to take it for old.
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

  /** The item at `index`, 0 being the oldest; undefined beyond the newest. */
  at(index: number): T | undefined {
    return this.#items[this.#head + index];
  }

  /** Takes the oldest `count`, which are there. */
  drop(count: number): void {
    const head = this.#head + count;
    if (head === this.#items.length) {
      this.clear();
      return;
    }
    this.#items.fill(undefined, this.#head, head);
    this.#head = head;
    // Moving the rest when it is the smaller part is amortised by what was taken.
    if (head < 1_024 || head * 2 < this.#items.length) return;
    this.#items = this.#items.slice(head);
    this.#head = 0;
  }

  /** Takes everything from `index` on, oldest first. */
  cut(index: number): T[] {
    return this.#items.splice(this.#head + index) as T[];
  }

  clear(): void {
    this.#items = [];
    this.#head = 0;
  }
}
