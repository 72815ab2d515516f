/** Counts what a replay does, and formats the result. */
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import { countOf, showCount, showDuration } from '../output/output.ts';
import { renderFacts } from '../output/table.ts';
import type { Colors } from '../output/terminal.ts';

export interface ReplayReport {
  /** Gets answered with a value. */
  readonly hits: number;
  /** Gets that led to a set. */
  readonly misses: number;
  /** Operations of the trace that were carried out, errors included. */
  readonly operations: number;
  /** Operations that failed for good. */
  readonly errors: number;
  /** The count and the first message of each kind of failure. */
  readonly errorsByCode: Readonly<Record<string, { readonly count: number; readonly first: string }>>;
  /** Calls made again after UNAVAILABLE or a lost connection. */
  readonly retries: number;
  readonly seconds: number;
  readonly opsPerSecond: number;
  /** Durations per rpc, with retries and their pauses. */
  readonly latencyMs: {
    readonly p50: number;
    readonly p99: number;
    readonly p999: number;
    readonly max: number;
  };
  /** The greatest lag of any replica, by the master's Status. */
  readonly maxLagRecords: number;
  readonly maxLagMs: number;
  readonly isComplete: boolean;
}

const NANOSECONDS_PER_MS = 1_000_000;

export class ReplayCounters {
  hits = 0;
  misses = 0;
  operations = 0;
  errors = 0;
  retries = 0;
  maxLagRecords = 0;
  maxLagMs = 0;
  /** Codes come from the answers of nodes, so they can be any text. */
  readonly #errorsByCode = new Map<string, { count: number; first: string }>();
  readonly #latency: RecordableHistogram = createHistogram();
  readonly #startMs = performance.now();

  recordLatency(ms: number): void {
    this.#latency.record(Math.max(1, Math.round(ms * NANOSECONDS_PER_MS)));
  }

  recordError(code: string, message: string): void {
    this.errors++;
    const known = this.#errorsByCode.get(code);
    if (known === undefined) this.#errorsByCode.set(code, { count: 1, first: message });
    else known.count++;
  }

  recordLag(records: number, ms: number): void {
    this.maxLagRecords = Math.max(this.maxLagRecords, records);
    this.maxLagMs = Math.max(this.maxLagMs, ms);
  }

  get seconds(): number {
    return (performance.now() - this.#startMs) / 1_000;
  }

  report(isComplete: boolean): ReplayReport {
    const { seconds } = this;
    const quantile = (percent: number): number => toMs(this.#latency.percentile(percent));
    const hasLatency = this.#latency.count > 0;
    return {
      hits: this.hits,
      misses: this.misses,
      operations: this.operations,
      errors: this.errors,
      errorsByCode: Object.fromEntries(this.#errorsByCode),
      retries: this.retries,
      seconds: round(seconds, 3),
      opsPerSecond: Math.round(this.operations / Math.max(seconds, 1e-9)),
      latencyMs: {
        p50: hasLatency ? quantile(50) : 0,
        p99: hasLatency ? quantile(99) : 0,
        p999: hasLatency ? quantile(99.9) : 0,
        max: hasLatency ? toMs(this.#latency.max) : 0,
      },
      maxLagRecords: this.maxLagRecords,
      maxLagMs: this.maxLagMs,
      isComplete,
    };
  }
}

function toMs(nanoseconds: number): number {
  return round(nanoseconds / NANOSECONDS_PER_MS, 3);
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}

export function renderReport(report: ReplayReport, colors: Colors): string {
  const { latencyMs } = report;
  const gets = report.hits + report.misses;
  const share = gets === 0 ? '' : ` (${((100 * report.hits) / gets).toFixed(2)} % of gets)`;
  const errors = Object.entries(report.errorsByCode).map(([code, { count, first }]): [string, string] => [
    `  ${code}`,
    `${showCount(count)}, first: ${first}`,
  ]);
  return renderFacts(colors, [
    ['hits', `${showCount(report.hits)}${share}`],
    ['misses', showCount(report.misses)],
    ['operations', `${showCount(report.operations)}${report.isComplete ? '' : colors.yellow(' (partial)')}`],
    ['errors', report.errors === 0 ? '0' : colors.red(showCount(report.errors))],
    ...errors,
    ['retries', showCount(report.retries)],
    ['time', showDuration(report.seconds * 1_000)],
    ['operations/s', showCount(report.opsPerSecond)],
    [
      'latency',
      `p50 ${latencyMs.p50} ms, p99 ${latencyMs.p99} ms, p99.9 ${latencyMs.p999} ms, max ${latencyMs.max} ms`,
    ],
    ['max lag', `${countOf(report.maxLagRecords, 'record')}, ${showDuration(report.maxLagMs)}`],
  ]);
}
