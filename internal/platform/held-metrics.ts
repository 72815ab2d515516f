/**
 * Counters and histograms for hot paths. The Prometheus library looks up a child by
 * its labels at every call; these only add numbers, and are converted to the
 * library's samples at a scrape.
 */
/** One line of the text format, as the library expects it. */
export interface HeldSample {
  readonly metricName: string;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
}

export class HeldCounter {
  total = 0;

  inc(amount = 1): void {
    this.total += amount;
  }
}

export class HeldHistogram {
  readonly #bounds: readonly number[];
  /** How many values are within each bound and above the previous one; the last counts those above all bounds. */
  readonly #counts: Float64Array;
  #sum = 0;

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = new Float64Array(bounds.length + 1);
  }

  observe(value: number): void {
    const bounds = this.#bounds;
    let at = 0;
    while (at < bounds.length && value > (bounds[at] as number)) at++;
    this.#counts[at] = (this.#counts[at] as number) + 1;
    this.#sum += value;
  }

  /** The buckets that have counted something. `to` is null above all bounds. */
  get filled(): (readonly [from: number, to: number | null, count: number])[] {
    const filled: [number, number | null, number][] = [];
    this.#counts.forEach((count, at) => {
      if (count > 0) filled.push([this.#bounds[at - 1] ?? 0, this.#bounds[at] ?? null, count]);
    });
    return filled;
  }

  /** How many values are within each bound and above the one before; one more than there are bounds. */
  get counts(): number[] {
    return [...this.#counts];
  }

  get bounds(): readonly number[] {
    return this.#bounds;
  }

  get sum(): number {
    return this.#sum;
  }

  samples(name: string, labels: Readonly<Record<string, string>>): HeldSample[] {
    let count = 0;
    const buckets = [...this.#bounds, '+Inf'].map((le, at) => {
      count += this.#counts[at] as number;
      return { metricName: `${name}_bucket`, labels: { ...labels, le }, value: count };
    });
    return [
      ...buckets,
      { metricName: `${name}_sum`, labels, value: this.#sum },
      { metricName: `${name}_count`, labels, value: count },
    ];
  }
}
