import { describe, expect, it } from 'vitest';
import { registerEventLoopDelay, startEventLoopMonitor } from '#platform/event-loop-delay.ts';
import { Metrics } from '#platform/metrics.ts';
import { lintMetrics } from '#test/doubles/metrics-lint.ts';

const samples = async (metrics: Metrics): Promise<string[]> =>
  (await metrics.render()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));

describe('Metrics', () => {
  it('renders counters, gauges and histograms with help and type', async () => {
    const metrics = new Metrics();
    metrics.counter('walnut_a_total', 'As.').inc(2);
    metrics.gauge('walnut_b', 'Bs.').set(-1);
    metrics.histogram('walnut_c_seconds', 'Cs.', [0.1, 1]).observe(0.5);
    const text = await metrics.render();
    expect(text).toContain('# HELP walnut_a_total As.\n# TYPE walnut_a_total counter\nwalnut_a_total 2\n');
    expect(text).toContain('walnut_b -1\n');
    expect(text).toContain('walnut_c_seconds_bucket{le="1"} 1\n');
    expect(metrics.contentType).toContain('text/plain');
  });

  it('has one child per set of labels, and forgets removed ones', async () => {
    const metrics = new Metrics();
    const calls = metrics.counterFamily('walnut_calls_total', 'Calls.', ['method', 'code']);
    const child = calls.with({ method: 'Get', code: 'ok' });
    expect(calls.with({ code: 'ok', method: 'Get' })).toBe(child);
    child.inc();
    calls.with({ method: 'Set', code: 'ok' }).inc(3);
    calls.remove({ method: 'Get', code: 'ok' });
    expect(await samples(metrics)).toEqual(['walnut_calls_total{method="Set",code="ok"} 3']);
  });

  it('reads values at scrape time; vanished labels vanish', async () => {
    const metrics = new Metrics();
    let count = 5;
    let replicas = ['a', 'b'];
    metrics.counterFrom('walnut_hits_total', 'Hits.', () => count);
    metrics.gaugeFrom('walnut_entries', 'Entries.', () => count * 2);
    metrics.gaugeFamilyFrom('walnut_lag_records', 'Lag.', ['replica'], () =>
      replicas.map((replica) => ({ labels: { replica }, value: 1 })),
    );
    expect(await samples(metrics)).toHaveLength(4);
    count = 7;
    replicas = ['b'];
    expect(await samples(metrics)).toEqual([
      'walnut_hits_total 7',
      'walnut_entries 14',
      'walnut_lag_records{replica="b"} 1',
    ]);
  });

  it('has no sample of a metric without labels while there is no value', async () => {
    const metrics = new Metrics();
    let values: number[] = [];
    const read = () => values.map((value) => ({ labels: {}, value }));
    metrics.gaugeFamilyFrom('walnut_age_seconds', 'Age.', [], read);
    metrics.counterFamilyFrom('walnut_turns_total', 'Turns.', [], read);
    expect(await samples(metrics)).toEqual([]);
    values = [3];
    expect(await samples(metrics)).toEqual(['walnut_age_seconds 3', 'walnut_turns_total 3']);
    values = [];
    expect(await samples(metrics)).toEqual([]);
  });

  it('makes what several metrics read once for each scrape', async () => {
    const metrics = new Metrics();
    let made = 0;
    const view = metrics.perScrape(() => ({ count: ++made }));
    metrics.gaugeFrom('walnut_a', 'As.', () => view().count);
    metrics.gaugeFrom('walnut_b', 'Bs.', () => view().count);
    expect(await samples(metrics)).toEqual(['walnut_a 1', 'walnut_b 1']);
    expect(await samples(metrics)).toEqual(['walnut_a 2', 'walnut_b 2']);
  });

  it('survives a reader that throws', async () => {
    const metrics = new Metrics();
    metrics.counter('walnut_a_total', 'As.').inc();
    metrics.gaugeFamilyFrom('walnut_b', 'Bs.', ['x'], () => {
      throw new Error('closed');
    });
    expect(await samples(metrics)).toEqual(['walnut_a_total 1']);
  });

  it('keeps instances apart and refuses a name twice', async () => {
    const one = new Metrics();
    const two = new Metrics();
    one.counter('walnut_a_total', 'As.').inc();
    two.counter('walnut_a_total', 'As.');
    expect(await samples(two)).toEqual(['walnut_a_total 0']);
    expect(() => one.counter('walnut_a_total', 'As.')).toThrow('already been registered');
  });
});

describe('event loop delay', () => {
  it('sees a stall once', async () => {
    const monitor = startEventLoopMonitor();
    const turn = () => new Promise((resolve) => setTimeout(resolve, 30));
    await turn();
    monitor.read();
    await turn();
    const endMs = performance.now() + 80;
    while (performance.now() < endMs);
    await turn();
    // A lower bound only: noise can lengthen a stall, nothing can shorten it.
    expect(monitor.read().maxMs).toBeGreaterThan(40);
    expect(monitor.read()).toEqual({ p50Ms: 0, p99Ms: 0, p999Ms: 0, maxMs: 0 });
    monitor.close();
  });

  it('is a metric by percentile', async () => {
    const metrics = new Metrics();
    registerEventLoopDelay(metrics, {
      read: () => ({ p50Ms: 1, p99Ms: 2, p999Ms: 3, maxMs: 4 }),
      close: () => {},
    });
    expect(await samples(metrics)).toEqual([
      'walnut_event_loop_delay_seconds{percentile="50"} 0.001',
      'walnut_event_loop_delay_seconds{percentile="99"} 0.002',
      'walnut_event_loop_delay_seconds{percentile="99.9"} 0.003',
      'walnut_event_loop_delay_seconds{percentile="100"} 0.004',
    ]);
  });
});

describe('a family of histograms', () => {
  it('reads as the library writes one', async () => {
    const metrics = new Metrics();
    const single = metrics.histogram('walnut_a_seconds', 'As.', [0.1, 1, 2.5]);
    const family = metrics.histogramFamily('walnut_b_seconds', 'Bs.', ['method'], [0.1, 1, 2.5]);
    for (const value of [0, 0.1, 0.100_1, 1, 2.4, 2.5, 2.6, 100]) {
      single.observe(value);
      family.with({ method: 'Get "x"\n' }).observe(value);
    }
    const [a, b] = (await metrics.render()).split('\n\n');
    const renamed = a?.replaceAll('walnut_a', 'walnut_b').replace('As.', 'Bs.') ?? '';
    const label = 'method="Get \\"x\\"\\n"';
    const labelled = renamed
      .replaceAll(/\{(le="[^"]+")\}/g, `{$1,${label}}`)
      .replaceAll(/(_sum|_count) /g, `$1{${label}} `);
    const normal = (text = ''): string[] =>
      text
        .trim()
        .split('\n')
        .map((line) => line.replace(`{${label},`, '{').replace(`,${label}}`, '}'));
    expect(normal(b)).toEqual(normal(labelled));
    family.remove({ method: 'Get "x"\n' });
    expect(await metrics.render()).not.toContain('walnut_b_seconds_count');
  });

  it('keeps its name to itself', () => {
    const metrics = new Metrics();
    metrics.histogramFamily('walnut_a_seconds', 'As.', ['x']);
    expect(() => metrics.histogram('walnut_a_seconds', 'As.')).toThrow('already been registered');
  });
});

describe('the rules of the text format, as the tests know them', () => {
  const page = (type: string, name: string, sample = `${name} 1`): string =>
    `# HELP ${name} Help.\n# TYPE ${name} ${type}\n${sample}\n`;

  it.each([
    [
      'gauge',
      'walnut_a_seconds',
      'walnut_a_seconds{quantile="0.5"} 1',
      'the label quantile belongs to summaries',
    ],
    ['gauge', 'walnut_a_total', undefined, 'only a counter ends in _total'],
    ['counter', 'walnut_a', undefined, 'a counter ends in _total'],
    ['gauge', 'walnut_a_milliseconds', undefined, 'milliseconds instead of seconds'],
    ['gauge', 'walnut_a_gauge', undefined, 'has the type gauge in its name'],
    ['gauge', 'walnut_a_count', undefined, 'a suffix that belongs to histograms'],
    ['gauge', 'walnutA', undefined, 'not in snake_case'],
    ['gauge', 'walnut_a', 'walnut_b 1', 'no TYPE before it'],
    ['gauge', 'walnut_a', 'walnut_a 1\nwalnut_a 2', 'stands twice'],
    ['gauge', 'walnut_a', 'walnut_a undefined', 'value undefined'],
    ['gauge', 'walnut_a', 'walnut_a{x="a"b"} 1', 'labels cannot be read'],
  ])('%s %s', (type, name, sample, problem) => {
    expect(lintMetrics(page(type, name, sample)).join('\n')).toContain(problem);
  });
});
