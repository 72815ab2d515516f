/**
 * Slices of long work in turn, over all who have any: so many a turn of the event loop,
 * in the order in which they were asked for. Were each to wait for the next turn by
 * itself, a thousand long answers would take a thousand slices of every turn. Few works
 * go on at once, and the others wait for one to end: a thousand half-made answers would
 * take as much memory as whole ones.
 */
import type { Clock } from '#platform/clock.ts';
import type { SlicePace } from '#platform/slices.ts';

/** Some milliseconds of work. */
export const SLICES_PER_TURN = 4;
export const WORKS_MAX = 8;

export class SliceQueue implements SlicePace {
  readonly #clock: Clock;
  readonly #works = new Set<object>();
  readonly #ready: (() => void)[] = [];
  /** Each begins a work when there is a place. */
  readonly #waiting: (() => void)[] = [];
  #isDue = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Resolves in a later turn. */
  pause(work?: object): Promise<void> {
    return new Promise((resolve) => {
      if (work === undefined || this.#works.has(work)) this.#append(resolve);
      else if (this.#works.size < WORKS_MAX) this.#begin(work, resolve);
      else this.#waiting.push(() => this.#begin(work, resolve));
    });
  }

  end(work: object): void {
    if (this.#works.delete(work)) this.#waiting.shift()?.();
  }

  #begin(work: object, resolve: () => void): void {
    this.#works.add(work);
    this.#append(resolve);
  }

  #append(resolve: () => void): void {
    this.#ready.push(resolve);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    void this.#clock.yield().then(() => this.#resume());
  }

  #resume(): void {
    this.#isDue = false;
    for (const resolve of this.#ready.splice(0, SLICES_PER_TURN)) resolve();
    if (this.#ready.length > 0) this.#schedule();
  }
}
