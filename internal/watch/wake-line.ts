/**
 * Watchers to wake, each once, in the order in which there was something for them. The
 * line is emptied and filled all the time: a `Set` would make its tables anew each time.
 */
import { Fifo } from '#platform/fifo.ts';

/** So many that have left may stay in the array until their turn. */
const LEFT_MAX = 64;

export interface InLine {
  /** Set by the line that it stands in. */
  isInLine: boolean;
}

export class WakeLine<T extends InLine> {
  readonly #line = new Fifo<T>();
  /** Items of the array that have left the line. */
  #left = 0;

  get size(): number {
    return this.#line.length - this.#left;
  }

  /** Items in memory, those that have left among them. */
  get kept(): number {
    return this.#line.length;
  }

  /** Goes to the end of the line; one that stands in it keeps its turn. */
  add(one: T): void {
    if (one.isInLine) return;
    one.isInLine = true;
    this.#line.push(one);
  }

  /** Leaves the line for good. */
  remove(one: T): void {
    if (!one.isInLine) return;
    one.isInLine = false;
    this.#left++;
    if (this.#left > LEFT_MAX && this.#left > this.#line.length / 2) this.#compact();
  }

  /** The first one, which leaves the line. */
  next(): T | undefined {
    for (let one = this.#line.at(0); one !== undefined; one = this.#line.at(0)) {
      this.#line.drop(1);
      if (one.isInLine) {
        one.isInLine = false;
        return one;
      }
      this.#left--;
    }
    return undefined;
  }

  #compact(): void {
    const all = this.#line.cut(0);
    for (const one of all) if (one.isInLine) this.#line.push(one);
    this.#left = 0;
  }
}
