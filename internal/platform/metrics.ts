/**
 * Metrics in the Prometheus text format, over the Prometheus client library.
 *
 * Each `Metrics` has a registry of its own, so several nodes live in one
 * process. Labelled families hold their children: looking one up is a Map
 * access, and what is called on a hot path is held by the caller. What a room
 * counts anyway is read at scrape time by a `read` callback, at no cost before;
 * one that throws leaves its metric out of that scrape. Counting never throws:
 * a number that makes no sense spoils its metric, not the work that was counted.
 *
 * Names follow Prometheus: `walnut_<what>_<unit>`, counters end in `_total`,
 * seconds and bytes. Registering a name twice throws: a bug.
 */
import { Counter, Gauge, type Histogram, Registry } from '@prometheus-io/client';
import { HeldCounter, HeldHistogram } from '#platform/held-metrics.ts';

export interface CounterHandle {
  /** Adds `amount` (default 1), never negative. */
  inc(amount?: number): void;
}

export interface GaugeHandle {
  set(value: number): void;
}

export interface HistogramHandle {
  /** In the unit of the name: seconds, bytes. */
  observe(value: number): void;
}

export type Labels<Name extends string> = Readonly<Record<Name, string>>;

/** One value of a labelled metric read at scrape time. */
export interface Sample<Name extends string> {
  readonly labels: Labels<Name>;
  readonly value: number;
}

/** The children of a labelled metric, made on first use and kept. */
export interface Family<Name extends string, Handle> {
  with(labels: Labels<Name>): Handle;
  /** Forgets one child, as when a replica is removed. */
  remove(labels: Labels<Name>): void;
}

/** Upper bounds in seconds, from a hash lookup to a stuck disk. */
export const DURATION_BUCKETS_S: readonly number[] = [
  0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];

export class Metrics {
  readonly #registry = new Registry(Registry.PROMETHEUS_CONTENT_TYPE);

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** The text of one scrape. */
  render(): Promise<string> {
    return this.#registry.metrics();
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
    const counter = new Counter<Name>({
      name,
      help,
      labelNames,
      registers: [this.#registry],
      collect: () => {
        counter.reset();
        for (const { labels, handle } of children)
          counter.labels(...labelValues(labels, labelNames)).inc(handle.total);
      },
    });
    return children;
  }

  /** A count kept elsewhere, which only rises. */
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

  /** Labelled counts kept elsewhere, which only rise; labels not given any more disappear. */
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
        counter.reset();
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

  /** A value read at each scrape. */
  gaugeFrom(name: string, help: string, read: () => number): void {
    const gauge = new Gauge({
      name,
      help,
      registers: [this.#registry],
      collect: () => collectSafely(() => gauge.set(read())),
    });
  }

  /** Labelled values read at each scrape; labels not given any more disappear. */
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
        gauge.reset();
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
    // All that a registry asks of a metric.
    this.#registry.registerMetric({ ...about, get } as unknown as Histogram<Name>);
    return children;
  }
}

/** One reader that fails (a node half closed) must not cost the operator every other metric. */
function collectSafely(collect: () => void): void {
  try {
    collect();
  } catch {
    // The metric keeps no value, which is what a monitor should see.
  }
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
