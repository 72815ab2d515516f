/**
 * What every suite hands back, and how it is shown. What counts is the ratio of
 * two things measured in the same round: it is what aims are set for and what
 * `--against` compares. Figures stand beside it to be read.
 */
import { spawnSync } from 'node:child_process';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { renderTable } from '../cmd/walnut/output/table.ts';
import { PLAIN } from '../cmd/walnut/output/terminal.ts';
import { formatSpread, median, ratiosOf, type Spread, spreadOf } from './figures.ts';

/** Two things measured in turn, round by round; the ratio is `values` over `others`. */
export interface Pair {
  /** What was done, such as `get h1 proto`. With `versus` and `unit` unique in its suite. */
  readonly what: string;
  /** Such as `1/s`, `1/CPU s`, `MB`, `ms`. */
  readonly unit: string;
  /** What it is compared with, such as `redis`. */
  readonly versus: string;
  /** Which ratio is the better one. */
  readonly better: 'higher' | 'lower';
  /** Walnut's, one per round. */
  readonly values: readonly number[];
  readonly others: readonly number[];
  /** The ratio aimed at: at least where higher is better, otherwise at most. */
  readonly aim?: number | undefined;
}

/** Something measured that nothing is beside of. */
export interface Figure {
  readonly what: string;
  readonly unit: string;
  /** One per round. */
  readonly values: readonly number[];
  /** In words. */
  readonly aim?: string | undefined;
}

export interface SuiteReport {
  readonly suite: string;
  /** By what load and sizes, in a sentence. */
  readonly how: string;
  readonly pairs: readonly Pair[];
  readonly figures: readonly Figure[];
}

export interface Machine {
  readonly node: string;
  readonly platform: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  /** Versions of what Walnut was compared with, where installed. */
  readonly others: Readonly<Record<string, string>>;
}

export interface BenchReport {
  readonly format: 1;
  /** The date by the machine's clock. */
  readonly date: string;
  readonly machine: Machine;
  readonly suites: readonly SuiteReport[];
}

export function ratioOf({ values, others }: Pair): Spread {
  return spreadOf(ratiosOf(values, others));
}

/** `suite: what, unit, versus`. */
export function nameOf(suite: string, { what, unit, versus }: Pair): string {
  return `${suite}: ${what}, ${unit}, to ${versus}`;
}

export function isReached({ better, aim }: Pair, ratio: number): boolean {
  if (aim === undefined) return true;
  return better === 'higher' ? ratio >= aim : ratio <= aim;
}

/** Facts that figures depend on; no names of hosts, users or paths. */
export function describeMachine(): Machine {
  const versions: [string, string | undefined][] = [
    ['redis', versionOf('redis-server', /v=([\d.]+)/)],
    ['etcd', versionOf('etcd', /etcd Version: ([\d.]+)/)],
    ['wrk', versionOf('wrk', /wrk ([\w.]+)/)],
    ['h2load', versionOf('h2load', /nghttp2\/([\d.]+)/)],
    ['nghttpd', versionOf('nghttpd', /nghttp2\/([\d.]+)/)],
    ['go', versionOf('go', /go([\d.]+)/, 'version')],
  ];
  return {
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    others: Object.fromEntries(
      versions.flatMap(([name, version]) => (version === undefined ? [] : [[name, version]])),
    ),
  };
}

function versionOf(command: string, pattern: RegExp, argument = '--version'): string | undefined {
  const { error, stdout, stderr } = spawnSync(command, [argument], { encoding: 'utf8' });
  if (error !== undefined) return undefined;
  return pattern.exec(`${stdout}${stderr}`)?.[1] ?? 'unknown';
}

/** A suite's results as text. */
export function formatSuite({ suite, how, pairs, figures }: SuiteReport): string {
  const parts = [`${suite}: ${how}`];
  if (pairs.length > 0) parts.push(pairTable(pairs));
  if (figures.length > 0) parts.push(figureTable(figures));
  return `${parts.join('\n')}\n`;
}

function pairTable(pairs: readonly Pair[]): string {
  const head = ['what', 'unit', 'walnut', 'beside', '', 'ratio (lowest–highest)', 'aim'];
  const rows = pairs.map((pair) => {
    const ratio = ratioOf(pair);
    return [
      pair.what,
      pair.unit,
      formatValue(median(pair.values)),
      pair.versus,
      formatValue(median(pair.others)),
      `${formatSpread(ratio)}${pair.better === 'lower' ? ' less is better' : ''}`,
      aimText(pair, ratio.median),
    ];
  });
  return renderTable(PLAIN, head, rows).trimEnd();
}

function aimText(pair: Pair, ratio: number): string {
  if (pair.aim === undefined) return '';
  const sign = pair.better === 'higher' ? '≥' : '≤';
  return `${sign} ${pair.aim} ${isReached(pair, ratio) ? 'reached' : 'missed'}`;
}

function figureTable(figures: readonly Figure[]): string {
  const head = ['figure', 'unit', 'median', 'lowest', 'highest', 'aim'];
  const rows = figures.map(({ what, unit, values, aim }) => {
    const { median: middle, min, max } = spreadOf(values);
    return [what, unit, formatValue(middle), formatValue(min), formatValue(max), aim ?? ''];
  });
  return renderTable(PLAIN, head, rows).trimEnd();
}

function formatValue(value: number): string {
  if (Math.abs(value) >= 1_000) return Math.round(value).toLocaleString('en');
  return value.toFixed(Math.abs(value) >= 100 ? 0 : 2);
}

/** With the digits that mean something, so that a file of rounds stays small. */
export function toJson(report: BenchReport): string {
  const round = (_: string, value: unknown): unknown =>
    typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(5)) : value;
  // One line per series: it is read in diffs.
  const text = JSON.stringify(report, round, 1);
  return `${text.replace(/\[\s+(-?[\d.e+-]+(?:,\s+-?[\d.e+-]+)*)\s+\]/g, (_, list: string) => `[${list.replace(/\s+/g, ' ')}]`)}\n`;
}
