import { describe, expect, it } from 'vitest';
import { compare, comparePair, formatComparison, isWorse } from '../../bench/against.ts';
import { type BenchReport, formatSuite, isReached, type Pair, ratioOf, toJson } from '../../bench/report.ts';

function pairOf(ratios: readonly number[], more: Partial<Pair> = {}): Pair {
  return {
    what: 'get',
    unit: '1/s',
    versus: 'bare',
    better: 'higher',
    values: ratios.map((ratio) => ratio * 1_000),
    others: ratios.map(() => 1_000),
    ...more,
  };
}

function reportOf(pairs: readonly Pair[], suite = 'unary'): BenchReport {
  const machine = { node: 'v26', platform: 'linux', cpu: 'x', cores: 2, memoryGiB: 1, others: {} };
  return { format: 1, date: '2026-11-21', machine, suites: [{ suite, how: 'so', pairs, figures: [] }] };
}

describe('ratios', () => {
  it('are taken within a round, so that what slows a round down slows both', () => {
    const pair = pairOf([1], { values: [80, 40, 160], others: [100, 50, 200] });
    expect(ratioOf(pair)).toEqual({ median: 0.8, min: 0.8, max: 0.8 });
  });

  it('reach an aim from above where higher is better, otherwise from below', () => {
    expect(isReached(pairOf([1], { aim: 0.75 }), 0.75)).toBe(true);
    expect(isReached(pairOf([1], { aim: 0.75 }), 0.74)).toBe(false);
    expect(isReached(pairOf([1], { aim: 1.25, better: 'lower' }), 1.25)).toBe(true);
    expect(isReached(pairOf([1], { aim: 1.25, better: 'lower' }), 1.26)).toBe(false);
  });

  it('are shown with their spread and aim', () => {
    const text = formatSuite(reportOf([pairOf([0.7, 0.8, 0.9], { aim: 0.75 })]).suites[0] as never);
    expect(text).toContain('0.80 (0.70–0.90)');
    expect(text).toContain('≥ 0.75 reached');
  });
});

describe('a comparison with a baseline', () => {
  const calm = [0.8, 0.8, 0.8, 0.8, 0.8];

  it('lets a quiet ratio fall by five percent and no further', () => {
    expect(comparePair('x', pairOf(calm), pairOf([0.765])).hasFallen).toBe(false);
    expect(comparePair('x', pairOf(calm), pairOf([0.755])).hasFallen).toBe(true);
  });

  it('lets a noisy one fall by the mean of both spreads', () => {
    const noisy = [0.7, 0.75, 0.8, 0.85, 0.9];
    expect(comparePair('x', pairOf(noisy), pairOf([0.72])).noise).toBeCloseTo(0.125);
    expect(comparePair('x', pairOf(noisy), pairOf([0.72])).hasFallen).toBe(false);
    expect(comparePair('x', pairOf(noisy), pairOf([0.69])).hasFallen).toBe(true);
  });

  it('sees a ratio rise as worse where lower is better, and better ones as no fall', () => {
    const memory = pairOf(calm, { better: 'lower' });
    expect(comparePair('x', memory, pairOf([0.9], { better: 'lower' })).hasFallen).toBe(true);
    expect(comparePair('x', memory, pairOf([0.4], { better: 'lower' })).hasFallen).toBe(false);
    expect(comparePair('x', pairOf(calm), pairOf([2])).hasFallen).toBe(false);
  });

  it('takes what is no number any more as fallen', () => {
    expect(comparePair('x', pairOf(calm), pairOf([Number.NaN])).hasFallen).toBe(true);
  });

  it('is of the suites that ran, and names what only one side has', () => {
    const before = reportOf([pairOf(calm), pairOf(calm, { what: 'set' })]);
    const other = reportOf([pairOf(calm)], 'store').suites;
    const now = reportOf([pairOf([0.4]), pairOf(calm, { what: 'batch' })]);
    const comparison = compare({ ...before, suites: [...before.suites, ...other] }, now);
    expect(comparison.missing).toEqual(['unary: set, 1/s, to bare']);
    expect(comparison.added).toEqual(['unary: batch, 1/s, to bare']);
    const text = formatComparison(comparison);
    expect(text).toContain('FELL unary: get, 1/s, to bare: 0.80 before, 0.40 now, worse by 50 %, noise 5 %');
    expect(text).toContain('1 ratios compared, 1 fell');
  });

  it('says where a suite was measured otherwise, whose ratios are of something else', () => {
    const before = reportOf([pairOf(calm)]);
    const [suite] = before.suites;
    const now = { ...before, suites: [{ ...(suite as (typeof before.suites)[number]), how: 'less' }] };
    expect(formatComparison(compare(before, now))).toContain('otherwise than the baseline: unary: less');
    expect(formatComparison(compare(before, before))).not.toContain('otherwise');
  });

  it('is no success where nothing could be compared', () => {
    const before = reportOf([pairOf(calm)]);
    expect(isWorse(compare(before, before))).toBe(false);
    expect(isWorse(compare(before, reportOf([])))).toBe(true);
    expect(isWorse(compare(before, reportOf([pairOf([0.4])])))).toBe(true);
  });

  it('finds nothing in the baseline itself, written and read', () => {
    const report = reportOf([pairOf([0.123456, 0.2, 0.3])]);
    const { compared } = compare(report, JSON.parse(toJson(report)) as BenchReport);
    expect(compared.map(({ hasFallen }) => hasFallen)).toEqual([false]);
  });
});
