/** Counts and times calls by method and code. A hot path pays two lookups in small maps and some additions. */
import type { CounterHandle, HistogramHandle, Metrics } from '#platform/metrics.ts';

/** `method`: one of few, because each becomes a label and is kept. */
export type ObserveCall = (method: string, code: string, durationMs: number) => void;

export interface CallMetricNames {
  /** A counter by method and code. */
  readonly total: readonly [name: string, help: string];
  /** A histogram by method. */
  readonly seconds: readonly [name: string, help: string];
}

interface ObservedMethod {
  readonly label: string;
  readonly counters: Map<string, CounterHandle>;
  readonly durations: HistogramHandle;
}

/** `labelOf`: the label of a method. */
export function createCallObserver(
  metrics: Metrics,
  { total, seconds }: CallMetricNames,
  labelOf: (method: string) => string = (method) => method,
): ObserveCall {
  const handled = metrics.counterFamily(...total, ['method', 'code']);
  const duration = metrics.histogramFamily(...seconds, ['method']);
  // Looking up a child by its labels builds a key, so the few there are are kept.
  const known = new Map<string, ObservedMethod>();
  return (name, code, durationMs) => {
    let method = known.get(name);
    if (method === undefined) {
      const label = labelOf(name);
      method = { label, counters: new Map(), durations: duration.with({ method: label }) };
      known.set(name, method);
    }
    let counter = method.counters.get(code);
    if (counter === undefined) {
      counter = handled.with({ method: method.label, code });
      method.counters.set(code, counter);
    }
    counter.inc();
    method.durations.observe(durationMs / 1_000);
  };
}
