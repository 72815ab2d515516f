/** Counts what became of the calls of a load. */
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';

/** What became of the operations of a call that was answered. */
export interface Outcome {
  readonly notFound: number;
  readonly failures: readonly Failure[];
}

export interface Failure {
  /** A Connect code, `lost`, or a word of this tool. */
  readonly code: string;
  readonly message: string;
}

export interface Times {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/** What is known about the calls of one kind that were answered. */
export interface KindFigures {
  readonly kind: string;
  readonly calls: number;
  readonly operations: number;
  /** Undefined where no call was answered. */
  readonly timesMs: Times | undefined;
}

/** So many codes are told apart: they come from answers, so there could be any number. */
const CODES_MAX = 50;
const NS_PER_MS = 1e6;

class TimeHistogram {
  /** Exact to a thousandth, of 1 ns to 104 days. */
  readonly #histogram: RecordableHistogram = createHistogram();

  record(ms: number): void {
    this.#histogram.record(Math.max(1, Math.round(ms * NS_PER_MS)));
  }

  /** Milliseconds, rounded to microseconds; undefined where nothing was recorded. */
  get times(): Times | undefined {
    if (this.#histogram.count === 0) return undefined;
    const at = (percent: number): number => toMs(this.#histogram.percentile(percent));
    return { p50: at(50), p90: at(90), p99: at(99), p999: at(99.9), max: toMs(this.#histogram.max) };
  }
}

function toMs(ns: number): number {
  return Number((ns / NS_PER_MS).toFixed(3));
}

interface Kind {
  calls: number;
  operations: number;
  readonly times: TimeHistogram;
}

export class LoadFigures {
  readonly #beginMs: number;
  readonly #kinds = new Map<string, Kind>();
  readonly errorsByCode = new Map<string, { count: number; readonly first: string }>();
  /** How late calls began whose caller had waited for them. */
  readonly late = new TimeHistogram();
  operations = 0;
  errors = 0;
  /** Gets and touches of keys that were not there. */
  notFound = 0;
  #lastMs: number;

  constructor(beginMs: number) {
    this.#beginMs = beginMs;
    this.#lastMs = beginMs;
  }

  /** A call of `operations` operations. `fromMs`: when it was due. */
  answered(kind: string, operations: number, fromMs: number, nowMs: number, outcome: Outcome): void {
    const known = this.#kindOf(kind);
    const done = operations - outcome.failures.length;
    known.calls++;
    known.operations += done;
    known.times.record(nowMs - fromMs);
    this.operations += done;
    this.notFound += outcome.notFound;
    this.#lastMs = nowMs;
    for (const failure of outcome.failures) this.#count(failure, 1);
  }

  /** A call without an answer of its own: none of its operations counts as done. */
  failed(operations: number, nowMs: number, failure: Failure): void {
    this.#lastMs = nowMs;
    this.#count(failure, operations);
  }

  /** From the begin to the last answer, or to `endMs` where that is later. */
  secondsTo(endMs: number): number {
    return Math.max(0, Math.max(this.#lastMs, endMs) - this.#beginMs) / 1_000;
  }

  get kinds(): KindFigures[] {
    return [...this.#kinds].map(([kind, { calls, operations, times }]) => {
      return { kind, calls, operations, timesMs: times.times };
    });
  }

  #kindOf(name: string): Kind {
    let kind = this.#kinds.get(name);
    if (kind === undefined) {
      kind = { calls: 0, operations: 0, times: new TimeHistogram() };
      this.#kinds.set(name, kind);
    }
    return kind;
  }

  #count({ code, message }: Failure, count: number): void {
    this.errors += count;
    const isNew = !this.errorsByCode.has(code);
    const name = isNew && this.errorsByCode.size >= CODES_MAX ? 'others' : code;
    const known = this.errorsByCode.get(name);
    if (known === undefined) this.errorsByCode.set(name, { count, first: message });
    else known.count += count;
  }
}
