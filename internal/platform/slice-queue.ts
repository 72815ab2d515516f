/**
 * Slices of long work in turn, over all who have any: so many a turn of the event loop,
 * in the order in which they were asked for. Were each to wait for the next turn by
 * itself, a thousand long answers would take a thousand slices of every turn.
 */
import type { Clock } from '#platform/clock.ts';
import type { SlicePace } from '#platform/slices.ts';

/** Some milliseconds of work. */
export const SLICES_PER_TURN = 4;

export class SliceQueue implements SlicePace {
  readonly #clock: Clock;
  #waiting: (() => void)[] = [];
  #isDue = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Resolves when the next slice may begin, in a later turn. */
  pause(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#schedule();
    });
  }

  #schedule(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    void this.#clock.yield().then(() => this.#begin());
  }

  #begin(): void {
    this.#isDue = false;
    for (const resolve of this.#waiting.splice(0, SLICES_PER_TURN)) resolve();
    if (this.#waiting.length > 0) this.#schedule();
  }
}
