/** The metrics that snapshots contain are those that the page uses. */
import { describe, expect, it } from 'vitest';
import { pageFiles } from '#page/page-files.ts';
import { SHOWN } from '#page/page-source.ts';
import { Metrics } from '#platform/metrics.ts';

describe('the metrics of a snapshot', () => {
  it('are those that the modules of the page name', () => {
    const modules = [...pageFiles()].filter(([name]) => name.endsWith('.js') && name !== 'uplot.js');
    const text = modules.map(([, { bytes }]) => Buffer.from(bytes).toString()).join('\n');
    const named = [...text.matchAll(/'((?:walnut|process)_[a-z_]+)'/g)].map(([, name]) => name);
    expect([...new Set(named)].sort()).toEqual([...SHOWN].sort());
  });

  it('are read without those that a process does not have, and histograms by the buckets that have counted', async () => {
    const metrics = new Metrics();
    metrics.gaugeFamilyFrom('a', 'A.', ['x'], () => [{ labels: { x: 'y' }, value: 3 }]);
    const histogram = metrics.histogramFamily('b_seconds', 'B.', ['method'], [1, 2]);
    for (const value of [0.5, 1.5, 1.6, 9]) histogram.with({ method: 'm' }).observe(value);
    metrics.counterFrom('broken_total', 'C.', () => {
      throw new Error('half closed');
    });
    expect(await metrics.read(['a', 'b_seconds', 'none', 'broken_total'])).toEqual({
      a: [{ labels: { x: 'y' }, value: 3 }],
      b_seconds: [
        {
          labels: { method: 'm' },
          buckets: [
            [0, 1, 1],
            [1, 2, 2],
            [2, null, 1],
          ],
        },
      ],
      broken_total: [{ labels: {}, value: 0 }],
    });
  });

  it('share with each other what is made once for a scrape, and are read anew each time', async () => {
    const metrics = new Metrics();
    let made = 0;
    const status = metrics.perScrape(() => ++made);
    for (const name of ['a', 'b']) metrics.gaugeFrom(name, 'G.', status);
    const value = async () => (await metrics.read(['a', 'b']))['b']?.[0]?.value;
    expect([await value(), await value()]).toEqual([1, 2]);
  });
});
