/** Which metrics of a node are its calls of clients, and what they say. Pure. */
import type { Histogram } from './histogram.ts';
import type { Choice, MetricsPage } from './metrics-page.ts';

/** A way by which clients call: its counter, its durations, and the calls that count as one operation each. */
interface Way {
  readonly counter: string;
  readonly durations: string;
  readonly isOperation: Choice;
}

const KEYS = 'walnut.v1.KVStore/';
/** A stream lasts as long as its client wants. */
const STREAMS = new Set([`${KEYS}Watch`]);

const WAYS: readonly Way[] = [
  {
    counter: 'walnut_rpc_handled_total',
    durations: 'walnut_rpc_duration_seconds',
    isOperation: ({ method = '' }) => method.startsWith(KEYS) && !STREAMS.has(method),
  },
  {
    counter: 'walnut_keys_requests_total',
    durations: 'walnut_keys_duration_seconds',
    isOperation: () => true,
  },
];

/** Counts what became of the operations of Batches, which are answered OK themselves. */
const OPERATIONS = 'walnut_batch_operations_total';

/** Codes that are the fault of the node, and no answer that a caller has to expect. */
const FAULTS = new Set(['internal', 'unknown']);
/** The answer to a session or position of a history that was discarded, as after a restore. */
const DISCARDED = 'data_loss';
/** Answers of a process that has no room for a call, or that has nobody to ask for it. */
const REFUSALS = new Set(['resource_exhausted', 'unavailable']);

export interface CallFigures {
  /** Calls of clients that were answered. */
  readonly calls: number;
  /** Operations of Batches among them. */
  readonly operations: number;
  /** Calls and operations that failed by a fault of the node. */
  readonly faults: number;
  /** Those that asked with a position of a discarded history (DATA_LOSS, 410). */
  readonly discarded: number;
  /** Those that were refused with RESOURCE_EXHAUSTED or UNAVAILABLE. */
  readonly refused: number;
  readonly seconds: Histogram;
}

export function callsOf(page: MetricsPage): CallFigures {
  const [rpcs, keys] = WAYS.map(({ durations, isOperation }) => page.histogram(durations, isOperation));
  const ofCalls = (choice: Choice): number =>
    WAYS.reduce(
      (total, { counter, isOperation }) =>
        total + (page.sum(counter, (labels) => isOperation(labels) && choice(labels)) ?? 0),
      0,
    );
  const sumOf = (choice: Choice): number => ofCalls(choice) + (page.sum(OPERATIONS, choice) ?? 0);
  return {
    calls: ofCalls(() => true),
    operations: page.sum(OPERATIONS) ?? 0,
    faults: sumOf(({ code = '' }) => FAULTS.has(code)),
    discarded: sumOf(({ code }) => code === DISCARDED),
    refused: sumOf(({ code = '' }) => REFUSALS.has(code)),
    seconds: (rpcs as Histogram).with(keys as Histogram),
  };
}

/** The durations of each method that has been called, by the names that people use for them. */
export function methodsOf(page: MetricsPage): Map<string, Histogram> {
  const methods = new Map<string, Histogram>();
  for (const { durations } of WAYS)
    for (const { labels } of page.samples(`${durations}_count`)) {
      const { method = '' } = labels;
      const name = method.includes('/') ? method.replace(/^walnut\.v1\./, '') : `${method} /v1/keys`;
      methods.set(
        name,
        page.histogram(durations, (each) => each['method'] === method),
      );
    }
  return methods;
}
