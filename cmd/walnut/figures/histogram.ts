/** A histogram as Prometheus shows it: how many values are at most each bound. Pure. */

/** Values above the bound before, up to this one. */
export interface Bucket {
  readonly from: number;
  /** Infinity for the last. */
  readonly to: number;
  readonly count: number;
}

export class Histogram {
  /** How many values are at most each bound, by ascending bounds. */
  readonly #totals: readonly (readonly [bound: number, total: number])[];

  constructor(totals: ReadonlyMap<number, number>) {
    this.#totals = [...totals].sort(([a], [b]) => a - b);
  }

  get count(): number {
    return this.#totals.at(-1)?.[1] ?? 0;
  }

  /** In ascending order, empty ones included. */
  get buckets(): readonly Bucket[] {
    return this.#totals.map(([to, total], i) => {
      const [from, before] = this.#totals[i - 1] ?? [0, 0];
      return { from, to, count: total - before };
    });
  }

  /** Both together, which have the same bounds where they are not empty. */
  with(other: Histogram): Histogram {
    const totals = new Map(this.#totals);
    for (const [bound, total] of other.#totals) totals.set(bound, (totals.get(bound) ?? 0) + total);
    return new Histogram(totals);
  }

  /** What came after `before` was taken; all of it where the process has started again since. */
  since(before: Histogram): Histogram {
    if (this.count < before.count) return this;
    const earlier = new Map(before.#totals);
    return new Histogram(
      new Map(this.#totals.map(([bound, total]) => [bound, total - (earlier.get(bound) ?? 0)])),
    );
  }

  /**
   * The value below which the part `q` (0 to 1) of all values lies, by linear interpolation in its
   * bucket. Undefined without values; Infinity where it lies above the last finite bound.
   */
  quantile(q: number): number | undefined {
    if (this.count === 0) return undefined;
    const wanted = q * this.count;
    let below = 0;
    for (const { from, to, count } of this.buckets) {
      if (count > 0 && below + count >= wanted)
        return to === Number.POSITIVE_INFINITY ? to : from + ((to - from) * (wanted - below)) / count;
      below += count;
    }
    return undefined;
  }
}
