/** `walnut latency`: how long the calls of a node take, by method. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import { parseDurationMs } from '../arguments.ts';
import { CliError, EXIT, type ExitCode } from '../cli-error.ts';
import { type CommandHost, type Invocation, show } from '../command-host.ts';
import { countOf, showCount, showDuration } from '../output/output.ts';
import { renderTable } from '../output/table.ts';
import type { Colors } from '../output/terminal.ts';
import { methodsOf } from './call-figures.ts';
import { type Bucket, Histogram } from './histogram.ts';
import type { MetricsPage } from './metrics-page.ts';
import { readPage } from './read-figures.ts';
import { showMs } from './show-ms.ts';

const BAR_COLUMNS = 40;
const NONE = new Histogram(new Map());
/** Beside the methods: what durable writes wait for. */
const FSYNC = 'fdatasync of the log';

interface LatencyOptions {
  readonly over?: number;
  readonly method?: string;
}

export function addLatencyCommand(program: Command, host: CommandHost): void {
  program
    .command('latency')
    .summary('show how long calls take, by method')
    .description(
      'Shows percentiles of the time from the head of a call to its answer, as the node measures it, of ' +
        'every call since its start or, with --over, of those that end in that time. Exact to the buckets of ' +
        'the metrics; streams count for as long as their client stays. Needs the role metrics where ' +
        'auth.mode is required.',
    )
    .option('--over <time>', 'measure for so long', parseDurationMs)
    .option('--method <text>', 'only methods whose name contains TEXT, with their histograms')
    .addHelpText(
      'after',
      `
Examples:
  walnut latency
  walnut latency --over 10s
  walnut latency --method KVStore/Get
  walnut latency --over 1m --json | jq '.methods[] | {method, p99Ms}'`,
    )
    .action(host.action<LatencyOptions>(runLatency));
}

interface Measured {
  readonly method: string;
  readonly seconds: Histogram;
}

async function runLatency(invocation: Invocation, { over, method = '' }: LatencyOptions): Promise<ExitCode> {
  const { io, address } = invocation;
  const before = over === undefined ? undefined : measuredOf(await readPage(address));
  if (over !== undefined) await delay(over, undefined, { signal: io.interrupted }).catch(() => {});
  const now = measuredOf(await readPage(address));
  const chosen = [...now]
    .map(([name, seconds]): Measured => ({ method: name, seconds: seconds.since(before?.get(name) ?? NONE) }))
    .filter((each) => each.seconds.count > 0 && each.method.includes(method));
  if (method !== '' && ![...now.keys()].some((name) => name.includes(method))) throw unknown(method, now);
  await show(
    invocation,
    () => ({ overMs: over ?? null, methods: chosen.map(toJson) }),
    () => render(chosen, over, method !== '', invocation.colors),
  );
  return EXIT.ok;
}

function measuredOf(page: MetricsPage): Map<string, Histogram> {
  const measured = methodsOf(page);
  const fsyncs = page.histogram('walnut_wal_fsync_duration_seconds');
  return fsyncs.count === 0 ? measured : measured.set(FSYNC, fsyncs);
}

function unknown(method: string, now: ReadonlyMap<string, Histogram>): CliError {
  const names = [...now.keys()].sort().join(', ');
  return new CliError(
    EXIT.usage,
    `--method: no call whose method contains ${JSON.stringify(method)} has been answered`,
    names === '' ? 'None has been answered yet.' : `There are: ${names}`,
  );
}

function toJson({ method, seconds }: Measured): Record<string, unknown> {
  const ms = (q: number): number | null => {
    const value = (seconds.quantile(q) ?? 0) * 1_000;
    return Number.isFinite(value) ? value : null;
  };
  return {
    method,
    count: seconds.count,
    p50Ms: ms(0.5),
    p90Ms: ms(0.9),
    p99Ms: ms(0.99),
    p999Ms: ms(0.999),
    buckets: seconds.buckets
      .filter(({ count }) => count > 0)
      .map(({ to, count }) => ({ upToMs: Number.isFinite(to) ? to * 1_000 : null, count })),
  };
}

function render(
  chosen: readonly Measured[],
  over: number | undefined,
  hasHistograms: boolean,
  colors: Colors,
): string {
  const when = over === undefined ? 'since the start of the process' : `in ${showDuration(over)}`;
  if (chosen.length === 0) return `no call was answered ${when}\n`;
  const rows = [...chosen]
    .sort((a, b) => b.seconds.count - a.seconds.count)
    .map(({ method, seconds }) => [
      method,
      showCount(seconds.count),
      ...[0.5, 0.9, 0.99, 0.999].map((q) => showMs(toMs(seconds.quantile(q)))),
    ]);
  const table = renderTable(colors, ['METHOD', 'CALLS', 'P50', 'P90', 'P99', 'P99.9'], rows);
  const histograms = hasHistograms ? chosen.map((each) => `\n${renderHistogram(each, colors)}`).join('') : '';
  const calls = chosen.filter(({ method }) => method !== FSYNC);
  const total = calls.reduce((sum, { seconds }) => sum + seconds.count, 0);
  return `${table}${histograms}\n${countOf(total, 'call')} ${when}\n`;
}

function renderHistogram({ method, seconds }: Measured, colors: Colors): string {
  const full = seconds.buckets;
  const filled = full.map(({ count }, i) => (count > 0 ? i : -1)).filter((i) => i >= 0);
  const shown = full.slice(filled[0], (filled.at(-1) ?? 0) + 1);
  const most = Math.max(...shown.map(({ count }) => count));
  const row = ({ to, count }: Bucket): string[] => [
    to === Number.POSITIVE_INFINITY ? 'over 10 s' : `up to ${to < 10 ? showMs(to * 1_000) : '10 s'}`,
    showCount(count),
    '#'.repeat(Math.ceil((BAR_COLUMNS * count) / most)),
  ];
  return `${colors.bold(method)}\n${renderTable(colors, ['TIME', 'CALLS', ''], shown.map(row))}`;
}

function toMs(seconds: number | undefined): number | undefined {
  return seconds === undefined ? undefined : seconds * 1_000;
}
