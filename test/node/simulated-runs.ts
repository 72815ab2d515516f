/** How many runs of the simulation met which fault. */
import type { SimulatedGroup } from '#test/node/simulated-group.ts';
import { FAULTS, type Happening, OPERATIONS, OUTCOMES } from '#test/node/simulated-happenings.ts';

export const HAPPENINGS: readonly Happening[] = [...FAULTS, ...OPERATIONS, ...OUTCOMES];

export class RunTally {
  /** Runs in which at least one fault happened: the others prove nothing. */
  counted = 0;
  readonly #runsWith = new Map<Happening, number>();

  add(group: SimulatedGroup): void {
    if (!FAULTS.some((fault) => group.counts.has(fault))) return;
    this.counted++;
    for (const what of group.counts.keys()) this.#runsWith.set(what, this.runsWith(what) + 1);
  }

  runsWith(what: Happening): number {
    return this.#runsWith.get(what) ?? 0;
  }

  /** `60 runs, of which had cut 55 %, pause 31 %, …` */
  describe(): string {
    const shares = HAPPENINGS.map(
      (what) => `${what} ${Math.round((100 * this.runsWith(what)) / Math.max(1, this.counted))} %`,
    );
    return `${this.counted} runs, of which had ${shares.join(', ')}`;
  }
}
