/** What masters acknowledged as on disk, and what of it an operator's choice has given up since. */
import type { Position } from '#model/position.ts';
import { type KnownRecord, recordIn } from '#test/node/simulated-history.ts';

export interface Promised {
  readonly position: Position;
  readonly key: string;
  /** It is on the disk of a replica too. */
  readonly isReplicated: boolean;
}

export class Promises {
  #promised: Promised[] = [];

  add(promised: Promised): void {
    this.#promised.push(promised);
  }

  get count(): number {
    return this.#promised.length;
  }

  /** What the history up to `tail` does not hold is given up, and returned. */
  discardBut(tail: KnownRecord | undefined): Promised[] {
    const isKept = ({ position, key }: Promised): boolean =>
      recordIn(tail, position)?.mutations.some((mutation) => mutation.key === key) === true;
    const lost = this.#promised.filter((promised) => !isKept(promised));
    this.#promised = this.#promised.filter(isKept);
    return lost;
  }
}
