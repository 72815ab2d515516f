/**
 * How much of all reads and writes the key gets that is used most, by one look a second at the key
 * that was used last. The key itself is not told: who may look at a page need not see keys.
 */

import type { LatestAccess } from '#model/hot-keys.ts';

export interface Hottest {
  /** A part of the looks that saw a use since the look before; 0 to 1. */
  readonly share: number;
  readonly looks: number;
}

const KEPT_MAX = 60;
/** Fewer looks tell little: a share is exact to one in the square root of their number. */
const LOOKS_MIN = 20;

export class HottestKey {
  /** Keys, the newest last. */
  #seen: string[] = [];
  #accesses: number | undefined;

  /** `latest`: undefined where nothing may be read now. The answer is undefined until enough is known. */
  look(latest: LatestAccess | undefined): Hottest | undefined {
    const before = this.#accesses;
    this.#accesses = latest?.accesses;
    if (latest?.key !== undefined && before !== undefined && latest.accesses > before)
      this.#seen.push(latest.key);
    if (this.#seen.length > KEPT_MAX) this.#seen.shift();
    const looks = this.#seen.length;
    if (looks < LOOKS_MIN) return undefined;
    const most = Math.max(...[...Map.groupBy(this.#seen, (key) => key).values()].map(({ length }) => length));
    return { share: most / looks, looks };
  }
}
