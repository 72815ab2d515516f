import { describe, expect, it } from 'vitest';
import { type ChartRow, drawChart, escapeXml, xOf } from '../../bench/chart.ts';
import type { BenchReport, Pair } from '../../bench/report.ts';

const ROW: ChartRow = { suite: 'unary', what: 'get', unit: '1/s', versus: 'bare', label: 'Get <&> bare' };

function reportOf(pair: Partial<Pair>): BenchReport {
  const get: Pair = {
    what: 'get',
    unit: '1/s',
    versus: 'bare',
    better: 'higher',
    values: [70, 80, 90],
    others: [100, 100, 100],
    aim: 0.75,
    ...pair,
  };
  const machine = { node: 'v26.1.0', platform: 'linux', cpu: 'a "CPU"', cores: 2, memoryGiB: 1, others: {} };
  return {
    format: 1,
    date: '2026-11-21',
    machine,
    suites: [{ suite: 'unary', how: '', pairs: [get], figures: [] }],
  };
}

describe('the chart', () => {
  it('has a scale of powers of two, with ends that nothing leaves', () => {
    expect(xOf(1) - xOf(0.5)).toBeCloseTo(xOf(2) - xOf(1), 0);
    expect(xOf(1 / 1_000)).toBe(xOf(1 / 8));
    expect(xOf(1_000)).toBe(xOf(8));
    expect(xOf(8)).toBeGreaterThan(xOf(1));
  });

  it('says in words what it shows', () => {
    const svg = drawChart(reportOf({}), [ROW]);
    expect(svg).toContain(
      '<desc id="desc">Get &lt;&amp;&gt; bare: 0.80 (aim ≥ 0.75). 2026-11-21, Node 26.1.0',
    );
    expect(svg).toContain('aria-labelledby="title desc"');
    expect(svg).toContain('prefers-color-scheme: dark');
  });

  it('lets no text of the report become markup', () => {
    expect(escapeXml(`<a href="x">'&`)).toBe('&lt;a href=&quot;x&quot;&gt;&apos;&amp;');
    const texts = drawChart(reportOf({}), [ROW]).replaceAll(/<[^<>]*>/g, '');
    expect(texts).not.toMatch(/[<>]/);
    expect(texts).toContain('a &quot;CPU&quot;');
  });

  it('marks a missed aim, from below and from above', () => {
    expect(drawChart(reportOf({}), [ROW])).toContain('class="dot"');
    expect(drawChart(reportOf({ aim: 0.81 }), [ROW])).toContain('class="miss"');
    expect(drawChart(reportOf({ aim: 0.79, better: 'lower' }), [ROW])).toContain('class="miss"');
  });

  it('leaves out what was not measured, and refuses to draw nothing', () => {
    const svg = drawChart(reportOf({}), [ROW, { ...ROW, versus: 'etcd', label: 'Get to etcd' }]);
    expect(svg).not.toContain('etcd');
    expect(() => drawChart(reportOf({}), [{ ...ROW, suite: 'none' }])).toThrow(/nothing/);
  });
});
