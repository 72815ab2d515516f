/** What a load found, as JSON and as text. Pure. */
import { countOf, showBytes, showCount, showDuration } from '../output/output.ts';
import { renderFacts, renderTable } from '../output/table.ts';
import type { Colors } from '../output/terminal.ts';
import type { BenchPlan } from './bench-plan.ts';
import type { KindFigures, LoadFigures, Times } from './load-figures.ts';

export interface BenchReport {
  readonly address: string;
  readonly plan: BenchPlan;
  readonly isComplete: boolean;
  /** The measured time, without the warm-up. */
  readonly seconds: number;
  /** Operations that were carried out. */
  readonly operations: number;
  readonly operationsPerSecond: number;
  readonly notFound: number;
  readonly errors: number;
  readonly errorsByCode: Readonly<Record<string, { readonly count: number; readonly first: string }>>;
  /** By kind of operation; times are of calls. */
  readonly kinds: readonly KindFigures[];
  /** With a rate: calls that were due and not made before the end. */
  readonly unsent: number;
  /** With a rate: how late calls began whose client was free. */
  readonly lateMs: Times | null;
  /** How busy the load generator was, from 0 to 1. */
  readonly generatorBusy: number;
}

/** What the figures came to. `endMs`: when the load was to end, or did. */
export function reportOf(
  figures: LoadFigures,
  endMs: number,
  rest: Pick<BenchReport, 'address' | 'plan' | 'isComplete' | 'unsent' | 'generatorBusy'>,
): BenchReport {
  const seconds = figures.secondsTo(endMs);
  return {
    ...rest,
    seconds: Number(seconds.toFixed(3)),
    operations: figures.operations,
    operationsPerSecond: seconds === 0 ? 0 : Math.round(figures.operations / seconds),
    notFound: figures.notFound,
    errors: figures.errors,
    errorsByCode: Object.fromEntries(figures.errorsByCode),
    kinds: figures.kinds,
    lateMs: figures.late.times ?? null,
  };
}

/** Above this share of its time a generator cannot be told from the node. */
const BUSY_MAX = 0.9;
/** Calls that begin so late tell more of this machine than of the node. */
const LATE_MS_MAX = 1;

/** What the reader must know to believe the figures; empty where there is nothing. */
export function warningsOf(report: BenchReport): string[] {
  const { plan, generatorBusy, unsent, lateMs, notFound } = report;
  const warnings: string[] = [];
  if (generatorBusy >= BUSY_MAX)
    warnings.push(
      `This load generator was busy ${percent(generatorBusy)} of the time, so these figures are its own limit: the node may do more. Run several of it at once, best on other machines, or send more in a call: --batch 100.`,
    );
  if (lateMs !== null && lateMs.p99 > LATE_MS_MAX)
    warnings.push(
      `This load generator began 1 of 100 calls more than ${lateMs.p99} ms late, which their times include: it shares its processors with something else.`,
    );
  if (unsent > 0)
    warnings.push(
      `The rate was not reached: ${countOf(unsent, 'call was', 'calls were')} due and never made, because all ${plan.clients} clients were waiting. Their times would be longer than those shown.`,
    );
  if (notFound > 0)
    warnings.push(
      `${showCount(notFound)} reads found nothing: the node has evicted keys of this run, or is a replica that fell behind.`,
    );
  return warnings;
}

export function toJson({ plan, kinds, ...rest }: BenchReport): Record<string, unknown> {
  const { shares, ttlMs: _, ratePerS, durability, ...given } = plan;
  const latencyMs = Object.fromEntries(kinds.map(({ kind, ...figures }) => [kind, figures]));
  return {
    ...rest,
    plan: {
      ...given,
      ratePerS: ratePerS ?? null,
      durability: durability ?? null,
      mix: Object.fromEntries(shares),
    },
    timesFrom: ratePerS === undefined ? 'begin' : 'due',
    operationKinds: latencyMs,
    warnings: warningsOf({ plan, kinds, ...rest }),
  };
}

export function renderReport(report: BenchReport, colors: Colors): string {
  const { plan, kinds, errorsByCode } = report;
  const rows = kinds.map(({ kind, calls, operations, timesMs }) => [
    plan.batch === 1 ? kind : `${plan.batch} × ${kind}`,
    showCount(calls),
    showCount(Math.round(operations / Math.max(report.seconds, 1e-9))),
    ...timesOf(timesMs),
  ]);
  const errors = Object.entries(errorsByCode).map(([code, { count, first }]): [string, string] => [
    `  ${code}`,
    `${showCount(count)}, first: ${first}`,
  ]);
  const facts = renderFacts(colors, [
    ['load', describeLoad(plan)],
    ['keys', `${showCount(plan.keys)}, ${plan.distribution}, values of ${showBytes(plan.valueBytes)}`],
    [
      'measured',
      `${showDuration(report.seconds * 1_000)} after ${showDuration(plan.warmUpMs)} of warm-up${report.isComplete ? '' : colors.yellow(' (partial)')}`,
    ],
    ['operations', `${showCount(report.operations)}, ${showCount(report.operationsPerSecond)}/s`],
    ['errors', report.errors === 0 ? '0' : colors.red(showCount(report.errors))],
    ...errors,
    ['generator', `busy ${percent(report.generatorBusy)}${describeLate(report)}`],
  ]);
  const table =
    rows.length === 0
      ? ''
      : `\n${renderTable(colors, ['CALL', 'CALLS', 'OPS/S', 'P50', 'P90', 'P99', 'P99.9', 'MAX (ms)'], rows)}`;
  const warnings = warningsOf(report).map((warning) => colors.yellow(warning));
  return `${facts}${table}\n${[describeTimes(plan), ...warnings].join('\n')}\n`;
}

function describeLoad({ clients, connections, protocol, ratePerS }: BenchPlan): string {
  const over = protocol === 'http1' ? 'HTTP/1.1' : 'HTTP/2';
  const shared = `${countOf(clients, 'client')} over ${countOf(connections, 'connection')} of ${over}`;
  return ratePerS === undefined
    ? `${shared}, as fast as answers come`
    : `${shared}, ${showCount(ratePerS)} calls/s`;
}

function describeLate({ lateMs }: BenchReport): string {
  return lateMs === null ? '' : `; calls began late by p50 ${lateMs.p50} ms, p99 ${lateMs.p99} ms`;
}

/** What the times are, which differs more than most readers expect. */
function describeTimes({ ratePerS }: BenchPlan): string {
  const loop =
    ratePerS === undefined
      ? 'Closed loop: each client waits for its answer before it calls again, so while the node is slow fewer calls are made, and few of them are slow. For the times that users would see, type --rate.'
      : 'Open loop: times count from when a call was due, also where all clients were waiting then.';
  return `${loop} Calls that failed without an answer have no part in the times.`;
}

function timesOf(times: Times | undefined): string[] {
  const { p50, p90, p99, p999, max } = times ?? {};
  return [p50, p90, p99, p999, max].map((ms) => (ms === undefined ? '-' : ms.toFixed(3)));
}

function percent(share: number): string {
  return `${Math.round(100 * share)} %`;
}
