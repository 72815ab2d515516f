/**
 * Open-loop load from a process of its own: requests are due at fixed times
 * whatever became of those before, and their time counts from when they were
 * due, so that none is left out because another was late (coordinated
 * omission). Argument: a `LatencyOrder` as JSON. Prints `measuring` when it
 * begins, and the figures as JSON at the end.
 */
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import { Pipe } from '../wire/pipe.ts';
import type { Kind } from '../wire/speakers.ts';
import { createNumbers, unaryRequests } from '../wire/unary-requests.ts';

export interface LatencyOrder {
  readonly kind: Kind;
  readonly port: number;
  /** Requests in a second. */
  readonly rate: number;
  readonly seconds: number;
  readonly entries: number;
  readonly connections: number;
  /** How many of 100 requests are Sets. */
  readonly setPercent: number;
  /** How long it pauses between two looks at what is due; 0: as long as a turn of its loop takes. */
  readonly tickMs: number;
}

/** Milliseconds. */
export interface Quantiles {
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

export interface LatencyFigures {
  readonly answered: number;
  readonly sent: number;
  readonly get: Quantiles;
  readonly set: Quantiles;
  /** From when a request was due until it was sent: what of its time is the generator's own. */
  readonly late: Quantiles;
}

const WARM_UP_MS = 1_000;
const ANSWER_MS_MAX = 30_000;

const order = JSON.parse(process.argv[2] ?? '{}') as LatencyOrder;
const requests = unaryRequests(order.kind);
const pipes = await Promise.all(
  Array.from({ length: order.connections }, () => Pipe.open(order.port, requests.cut)),
);
const numbers = createNumbers(order.entries);
const [get, set, late] = [createHistogram(), createHistogram(), createHistogram()] as [
  RecordableHistogram,
  RecordableHistogram,
  RecordableHistogram,
];
let sent = 0;
let answered = 0;

function record(histogram: RecordableHistogram, fromMs: number): void {
  histogram.record(Math.max(1, Math.round((performance.now() - fromMs) * 1_000)));
}

function send(number: number, dueMs: number, isMeasured: boolean): void {
  const isSet = number % 100 < order.setPercent;
  const pipe = pipes[number % pipes.length] as Pipe;
  const request = isSet ? requests.set(numbers()) : requests.get(numbers());
  if (isMeasured) {
    sent++;
    record(late, dueMs);
  }
  pipe.send(request, (answer) => {
    requests.check(answer);
    if (!isMeasured) return;
    answered++;
    record(isSet ? set : get, dueMs);
  });
}

/** What has become due, at each look. */
async function drive(forMs: number, isMeasured: boolean): Promise<void> {
  const startMs = performance.now();
  const total = Math.floor((forMs * order.rate) / 1_000);
  let next = 0;
  while (next < total) {
    const nowMs = performance.now();
    for (let dueMs = startMs + (next * 1_000) / order.rate; dueMs <= nowMs && next < total; ) {
      send(next++, dueMs, isMeasured);
      dueMs = startMs + (next * 1_000) / order.rate;
    }
    await pause();
  }
}

function pause(): Promise<void> {
  return new Promise((resolve) => {
    if (order.tickMs > 0) setTimeout(resolve, order.tickMs);
    else setImmediate(resolve);
  });
}

function quantilesOf(histogram: RecordableHistogram): Quantiles {
  const at = (percent: number): number => histogram.percentile(percent) / 1_000;
  return { p50: at(50), p99: at(99), p999: at(99.9), max: histogram.max / 1_000 };
}

await drive(WARM_UP_MS, false);
process.stdout.write('measuring\n');
await drive(order.seconds * 1_000, true);
for (let waitedMs = 0; answered < sent && waitedMs < ANSWER_MS_MAX; waitedMs += 50)
  await new Promise((resolve) => setTimeout(resolve, 50));
const figures: LatencyFigures = {
  answered,
  sent,
  get: quantilesOf(get),
  set: quantilesOf(set),
  late: quantilesOf(late),
};
process.stdout.write(`${JSON.stringify(figures)}\n`, () => process.exit(0));
