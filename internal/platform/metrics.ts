/**
 * Metrics in the Prometheus text format, over the Prometheus client library.
 *
 * Each `Metrics` has a registry of its own, so that several nodes can run in one
 * process. A labelled family keeps its children in a Map; a hot path keeps the child
 * itself and does no lookup. A figure that a room has anyway is read at scrape time by
 * a `read` callback; if that throws, the scrape omits the metric. Counting never
 * throws: a bad number spoils its metric, not the work that was counted.
 *
 * Names follow Prometheus: `walnut_<what>_<unit>`, counters end in `_total`,
 * seconds and bytes. Registering a name twice throws: a bug.
 */
import { Counter, Gauge, type Histogram, Registry } from '@prometheus-io/client';
import { HeldCounter, HeldHistogram } from '#platform/held-metrics.ts';

export interface CounterHandle {
  /** Adds `amount` (default 1), which must not be negative. */
  inc(amount?: number): void;
}

export interface GaugeHandle {
  set(value: number): void;
}

export interface HistogramHandle {
  /** Adds a value in the unit of the metric's name: seconds or bytes. */
  observe(value: number): void;
}

export type Labels<Name extends string> = Readonly<Record<Name, string>>;

/** One value of a labelled metric that is read at scrape time. */
export interface Sample<Name extends string> {
  readonly labels: Labels<Name>;
  readonly value: number;
}

/** A sample as plain data: `value`, or for a histogram the buckets that have counted something. */
export interface Figure {
  readonly labels: Readonly<Partial<Record<string, string | number>>>;
  readonly value?: number;
  readonly buckets?: HeldHistogram['filled'];
}

/** One metric with all its samples, as plain data. */
export type WholeMetric = { readonly name: string; readonly help: string } & (
  | { readonly type: 'counter' | 'gauge'; readonly samples: readonly Sample<string>[] }
  | { readonly type: 'histogram'; readonly samples: readonly HistogramSample[] }
);

/** `counts` by bucket and not added up, one more than there are bounds: the last is of values above all. */
export interface HistogramSample {
  readonly labels: Labels<string>;
  readonly bounds: readonly number[];
  readonly counts: readonly number[];
  readonly sum: number;
}

/** The children of a labelled metric, created on first use and kept. */
export interface Family<Name extends string, Handle> {
  with(labels: Labels<Name>): Handle;
  /** Removes one child, for instance when a replica is removed. */
  remove(labels: Labels<Name>): void;
}

/** Upper bounds in seconds, from the duration of a Get to that of a stuck disk. */
export const DURATION_BUCKETS_S: readonly number[] = [
  0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
  1, 2.5, 5, 10,
];

export class Metrics {
  readonly #registry = new Registry(Registry.PROMETHEUS_CONTENT_TYPE);
  readonly #histograms = new Map<string, Iterable<Child<string, HeldHistogram>>>();
  #scrapes = 0;

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** The text of one scrape. */
  render(): Promise<string> {
    this.#scrapes += 1;
    return this.#registry.metrics();
  }

  /** The samples of these metrics by name, for a small part of what a scrape costs. Names that nobody registered are left out. */
  async read(names: readonly string[]): Promise<Record<string, Figure[]>> {
    this.#scrapes += 1;
    const found: Record<string, Figure[]> = {};
    for (const name of names) {
      const histogram = this.#histograms.get(name);
      const metric = histogram === undefined ? this.#registry.getSingleMetric(name) : undefined;
      if (histogram !== undefined)
        found[name] = [...histogram].map(({ labels, handle }) => ({ labels, buckets: handle.filled }));
      else if (metric !== undefined)
        found[name] = (await metric.get()).values.map(({ labels, value }) => ({ labels, value }));
    }
    return found;
  }

  /** Everything that a scrape would get. */
  async readAll(): Promise<WholeMetric[]> {
    this.#scrapes += 1;
    const metrics = await this.#registry.getMetricsAsJSON();
    return metrics.map(({ name, help, type, values }) => {
      const histogram = this.#histograms.get(name);
      if (histogram !== undefined)
        return { name, help, type: 'histogram', samples: [...histogram].map(sampleOf) };
      const samples = values.map(({ labels, value }) => ({ labels: labels as Labels<string>, value }));
      return { name, help, type: type === 'counter' ? 'counter' : 'gauge', samples };
    });
  }

  /** A value that several metrics read: `make` is called once for each scrape. What it throws is not kept. */
  perScrape<T>(make: () => T): () => T {
    let made: { readonly scrape: number; readonly value: T } | undefined;
    return () => {
      if (made?.scrape !== this.#scrapes) made = { scrape: this.#scrapes, value: make() };
      return made.value;
    };
  }

  counter(name: string, help: string): CounterHandle {
    const counter = new HeldCounter();
    this.counterFrom(name, help, () => counter.total);
    return counter;
  }

  counterFamily<Name extends string>(
    name: string,
    help: string,
    labelNames: readonly Name[],
  ): Family<Name, CounterHandle> {
    const children = new Children<Name, HeldCounter>(labelNames, () => new HeldCounter());
    this.counterFamilyFrom(name, help, labelNames, () => totalsOf(children));
    return children;
  }

  /** A counter whose value `read` returns at each scrape; it must only rise. */
  counterFrom(name: string, help: string, read: () => number): void {
    const counter = new Counter({
      name,
      help,
      registers: [this.#registry],
      collect: () => {
        counter.reset();
        collectSafely(() => counter.inc(read()));
      },
    });
  }

  /** Labelled counters whose values `read` returns at each scrape; they must only rise. Labels no longer returned disappear. */
  counterFamilyFrom<Name extends string>(
    name: string,
    help: string,
    labelNames: readonly Name[],
    read: () => Iterable<Sample<Name>>,
  ): void {
    const counter = new Counter<Name>({
      name,
      help,
      labelNames,
      registers: [this.#registry],
      collect: () => {
        clear(counter, labelNames);
        collectSafely(() => {
          for (const { labels, value } of read())
            counter.labels(...labelValues(labels, labelNames)).inc(value);
        });
      },
    });
  }

  gauge(name: string, help: string): GaugeHandle {
    return new Gauge({ name, help, registers: [this.#registry] });
  }

  /** A gauge whose value `read` returns at each scrape. */
  gaugeFrom(name: string, help: string, read: () => number): void {
    const gauge = new Gauge({
      name,
      help,
      registers: [this.#registry],
      collect: () => collectSafely(() => gauge.set(read())),
    });
  }

  /** Labelled gauges whose values `read` returns at each scrape. Labels no longer returned disappear. */
  gaugeFamilyFrom<Name extends string>(
    name: string,
    help: string,
    labelNames: readonly Name[],
    read: () => Iterable<Sample<Name>>,
  ): void {
    const gauge = new Gauge<Name>({
      name,
      help,
      labelNames,
      registers: [this.#registry],
      collect: () => {
        clear(gauge, labelNames);
        collectSafely(() => {
          for (const { labels, value } of read()) gauge.labels(...labelValues(labels, labelNames)).set(value);
        });
      },
    });
  }

  histogram(name: string, help: string, buckets: readonly number[] = DURATION_BUCKETS_S): HistogramHandle {
    return this.histogramFamily(name, help, [], buckets).with({});
  }

  histogramFamily<Name extends string>(
    name: string,
    help: string,
    labelNames: readonly Name[],
    buckets: readonly number[] = DURATION_BUCKETS_S,
  ): Family<Name, HistogramHandle> {
    const children = new Children<Name, HeldHistogram>(labelNames, () => new HeldHistogram(buckets));
    const about = { name, help, type: 'histogram', aggregator: 'sum' } as const;
    const get = async (): Promise<unknown> => ({
      ...about,
      values: [...children].flatMap(({ labels, handle }) => handle.samples(name, labels)),
    });
    this.#histograms.set(name, children);
    // A registry uses only these members of a metric.
    this.#registry.registerMetric({ ...about, get } as unknown as Histogram<Name>);
    return children;
  }
}

/** Forgets all samples. `reset` leaves a metric without labels at 0, which would tell a value where there is none. */
function clear(metric: { reset(): void; remove(): void }, labelNames: readonly string[]): void {
  metric.reset();
  if (labelNames.length === 0) metric.remove();
}

/** A `read` that fails, as on a node that is half closed, must not remove all other metrics from the scrape. */
function collectSafely(collect: () => void): void {
  try {
    collect();
  } catch {
    // The metric then has no value, which is what a monitor should see.
  }
}

function* totalsOf<Name extends string>(children: Children<Name, HeldCounter>): Generator<Sample<Name>> {
  for (const { labels, handle } of children) yield { labels, value: handle.total };
}

function sampleOf({ labels, handle }: Child<string, HeldHistogram>): HistogramSample {
  return { labels, bounds: handle.bounds, counts: handle.counts, sum: handle.sum };
}

function labelValues<Name extends string>(labels: Labels<Name>, names: readonly Name[]): string[] {
  return names.map((name) => labels[name]);
}

interface Child<Name extends string, Handle> {
  readonly labels: Labels<Name>;
  readonly handle: Handle;
}

class Children<Name extends string, Handle> implements Family<Name, Handle>, Iterable<Child<Name, Handle>> {
  readonly #names: readonly Name[];
  readonly #make: () => Handle;
  readonly #byKey = new Map<string, Child<Name, Handle>>();

  constructor(names: readonly Name[], make: () => Handle) {
    this.#names = names;
    this.#make = make;
  }

  with(labels: Labels<Name>): Handle {
    const key = this.#keyOf(labels);
    let child = this.#byKey.get(key);
    if (child === undefined) {
      child = { labels, handle: this.#make() };
      this.#byKey.set(key, child);
    }
    return child.handle;
  }

  remove(labels: Labels<Name>): void {
    this.#byKey.delete(this.#keyOf(labels));
  }

  [Symbol.iterator](): Iterator<Child<Name, Handle>> {
    return this.#byKey.values();
  }

  #keyOf(labels: Labels<Name>): string {
    return JSON.stringify(labelValues(labels, this.#names));
  }
}
