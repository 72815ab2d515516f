/**
 * Decides whether a run is worse than a baseline. It compares only ratios, since
 * absolute figures depend on the machine and the hour.
 *
 * The rule: the noise of a ratio is its spread over the rounds, (highest -
 * lowest) / median, the mean of both runs', and at least 5 %. A ratio fell
 * where its median is worse than the baseline's by more than that share.
 */
import type { Spread } from './figures.ts';
import { type BenchReport, nameOf, type Pair, ratioOf } from './report.ts';

/** What two quiet runs may differ by. */
const NOISE_MIN = 0.05;

/** More than these are counted instead. */
const NAMED_MAX = 5;

export interface Compared {
  readonly name: string;
  readonly before: Spread;
  readonly now: Spread;
  /** Share of the baseline by which the median became worse; negative where it became better. */
  readonly worseBy: number;
  readonly noise: number;
  readonly hasFallen: boolean;
}

export interface Comparison {
  readonly compared: readonly Compared[];
  /** Names of ratios that only one of the two has: of suites that both ran. */
  readonly missing: readonly string[];
  readonly added: readonly string[];
  /** Suites that were measured by another load or size, or for another time, as both say it. */
  readonly differing: readonly { readonly suite: string; readonly before: string; readonly now: string }[];
}

/** A run that has nothing to compare has shown nothing. */
export function isWorse({ compared }: Comparison): boolean {
  return compared.length === 0 || compared.some(({ hasFallen }) => hasFallen);
}

export function compare(baseline: BenchReport, run: BenchReport): Comparison {
  const suites = new Set(run.suites.map(({ suite }) => suite));
  const before = pairsOf(baseline, suites);
  const now = pairsOf(run, suites);
  const compared: Compared[] = [];
  for (const [name, pair] of now) {
    const old = before.get(name);
    if (old !== undefined) compared.push(comparePair(name, old, pair));
  }
  return {
    compared,
    missing: [...before.keys()].filter((name) => !now.has(name)),
    added: [...now.keys()].filter((name) => !before.has(name)),
    differing: run.suites.flatMap(({ suite, how }) => {
      const old = baseline.suites.find((one) => one.suite === suite);
      return old === undefined || old.how === how ? [] : [{ suite, before: old.how, now: how }];
    }),
  };
}

export function comparePair(name: string, old: Pair, pair: Pair): Compared {
  const before = ratioOf(old);
  const now = ratioOf(pair);
  const change = now.median / before.median - 1;
  const worseBy = pair.better === 'higher' ? -change : change;
  const noise = Math.max(NOISE_MIN, (noiseOf(before) + noiseOf(now)) / 2);
  // What is no number any more has fallen, too.
  return { name, before, now, worseBy, noise, hasFallen: !(worseBy <= noise) };
}

function noiseOf({ median, min, max }: Spread): number {
  return (max - min) / median;
}

function pairsOf(report: BenchReport, suites: ReadonlySet<string>): Map<string, Pair> {
  const named = report.suites
    .filter(({ suite }) => suites.has(suite))
    .flatMap(({ suite, pairs }) => pairs.map((pair) => [nameOf(suite, pair), pair] as const));
  return new Map(named);
}

/** Each ratio that fell, and how many were compared. */
export function formatComparison({ compared, missing, added, differing }: Comparison): string {
  const percent = (share: number): string => `${(share * 100).toFixed(0)} %`;
  const lines = compared
    .filter(({ hasFallen }) => hasFallen)
    .map(
      ({ name, before, now, worseBy, noise }) =>
        `FELL ${name}: ${before.median.toFixed(2)} before, ${now.median.toFixed(2)} now, worse by ${percent(worseBy)}, noise ${percent(noise)}`,
    );
  const fallen = lines.length;
  lines.push(...few('not measured, but in the baseline', missing), ...few('not in the baseline', added));
  for (const { suite, before, now } of differing)
    lines.push(`measured otherwise than the baseline: ${suite}: ${now}`, `  the baseline: ${before}`);
  lines.push(`${compared.length} ratios compared, ${fallen} fell by more than their noise`);
  return `${lines.join('\n')}\n`;
}

/** With `--only` they are many, and nothing is wrong with that. */
function few(what: string, names: readonly string[]): string[] {
  if (names.length <= NAMED_MAX) return names.map((name) => `${what}: ${name}`);
  return [`${what}: ${names.length} ratios, such as ${names[0]}`];
}
