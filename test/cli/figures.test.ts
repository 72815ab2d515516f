/** `walnut info`, `walnut top` and `walnut latency`, and how they read metrics. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readText } from '#test/house/source-files.ts';
import { Histogram } from '../../cmd/walnut/figures/histogram.ts';
import { MetricsPage } from '../../cmd/walnut/figures/metrics-page.ts';
import { sectionOf } from '../../cmd/walnut/figures/sections.ts';
import { showMs } from '../../cmd/walnut/figures/show-ms.ts';
import { FakeNode } from './fake-node.ts';
import { runCli } from './memory-io.ts';

/** A histogram of the values at most 1 ms, 10 ms, and of all. */
const durations = (family: string, labels: string, counts: readonly [number, number, number]): string => {
  const more = labels === '' ? '' : `${labels},`;
  return (
    `${family}_bucket{${more}le="0.001"} ${counts[0]}\n${family}_bucket{${more}le="0.01"} ${counts[1]}\n` +
    `${family}_bucket{${more}le="+Inf"} ${counts[2]}\n${family}_sum{${labels}} 1\n${family}_count{${labels}} ${counts[2]}\n`
  );
};
const GET = 'method="walnut.v1.KVStore/Get"';
const WATCH = 'method="walnut.v1.KVStore/Watch"';

/** A page after `calls` Gets, of which one in ten took from 1 to 10 ms, and `puts` requests to the keys. */
function pageAfter(calls: number, puts: number): string {
  const fast = 0.9 * calls;
  return [
    '# HELP walnut_rpc_handled_total Rpcs answered.',
    '# TYPE walnut_rpc_handled_total counter',
    `walnut_rpc_handled_total{${GET},code="ok"} ${calls - puts}`,
    `walnut_rpc_handled_total{${GET},code="internal"} ${puts}`,
    `walnut_rpc_handled_total{${WATCH},code="ok"} ${10 * calls}`,
    durations('walnut_rpc_duration_seconds', GET, [fast, calls, calls]),
    durations('walnut_rpc_duration_seconds', WATCH, [0, 0, 10 * calls]),
    `walnut_keys_requests_total{method="PUT",code="ok"} ${puts}`,
    durations('walnut_keys_duration_seconds', 'method="PUT"', [puts, puts, puts]),
    durations('walnut_wal_fsync_duration_seconds', '', [0, puts, puts]),
    `walnut_store_hits_total ${3 * calls}`,
    `walnut_store_misses_total ${calls}`,
    `process_cpu_seconds_total ${calls / 1_000}`,
    'process_resident_memory_bytes 1.5e+08',
    'process_start_time_seconds 1700000000',
    'walnut_uptime_seconds 90',
    'walnut_upstream_lag_seconds{master="m:1"} +Inf',
    'walnut_recovery_progress_ratio 1',
    'walnut_node_info{role="master",state="serving",version="a \\"b\\\\ \\n"} 1',
  ].join('\n');
}

describe('a page of metrics', () => {
  it('gives samples with their labels, sums and histograms', () => {
    const page = new MetricsPage(pageAfter(100, 10));
    expect(page.samples('walnut_node_info')).toEqual([
      { labels: { role: 'master', state: 'serving', version: 'a "b\\ \n' }, value: 1 },
    ]);
    expect(page.sum('process_resident_memory_bytes')).toBe(150_000_000);
    expect(page.sum('walnut_rpc_handled_total', ({ code }) => code === 'internal')).toBe(10);
    expect(page.sum('walnut_nothing')).toBeUndefined();
    expect(page.histogram('walnut_rpc_duration_seconds').count).toBe(1_100);
    expect(page.histogram('walnut_nothing').count).toBe(0);
  });

  it('reads a label of any length', () => {
    const long = 'x'.repeat(10 << 20);
    expect(new MetricsPage(`a{b="${long}"} 1`).sum('a', ({ b }) => b === long)).toBe(1);
  });
});

describe('a histogram', () => {
  const of = (...totals: [number, number][]) => new Histogram(new Map(totals));
  const some = of([1, 10], [2, 30], [Number.POSITIVE_INFINITY, 40]);

  it.each([
    [0, 0],
    [0.125, 0.5],
    [0.25, 1],
    [0.5, 1.5],
    [0.75, 2],
    [0.76, Number.POSITIVE_INFINITY],
    [1, Number.POSITIVE_INFINITY],
  ])('has below the part %f of its values %f', (q, value) => {
    expect(some.quantile(q)).toBe(value);
  });

  it('has no quantile without values, and skips empty buckets', () => {
    expect(of([1, 0], [Number.POSITIVE_INFINITY, 0]).quantile(0.5)).toBeUndefined();
    expect(of([1, 0], [2, 0], [4, 10]).quantile(0.5)).toBe(3);
  });

  it('tells what came since an earlier one, and all of it after a restart', () => {
    const later = of([1, 15], [2, 36], [Number.POSITIVE_INFINITY, 46]);
    expect(later.since(some).buckets.map(({ count }) => count)).toEqual([5, 1, 0]);
    expect(some.since(later)).toBe(some);
    expect(some.with(later).count).toBe(86);
  });
});

it.each([
  [null, '-'],
  [undefined, '-'],
  [0.0123, '0.012 ms'],
  [1.26, '1.3 ms'],
  [26.4, '26 ms'],
  [1_234, '1230 ms'],
  [10_000, 'over 10 s'],
  [Number.POSITIVE_INFINITY, 'over 10 s'],
])('%s milliseconds are shown as %s', (ms, text) => {
  expect(showMs(ms)).toBe(text);
});

let node: FakeNode;
beforeEach(async () => {
  node = await new FakeNode().start();
  node.metrics = [pageAfter(100, 10), pageAfter(300, 30)];
});
afterEach(() => node.stop());

const run = (...args: string[]) => runCli([...args, '--address', node.address]);
const jsonOf = async (...args: string[]) => JSON.parse((await run(...args, '--json')).out);

describe('top', () => {
  it('shows what a node did between two looks, without its streams', async () => {
    const [seen] = (await jsonOf('top', '--count', '1', '--interval', '100ms')).nodes;
    expect(seen).toMatchObject({ role: 'master', state: 'serving', hitRatio: 0.75, lagMs: null });
    expect(seen).toMatchObject({ residentBytes: 150_000_000, entries: 0, watchers: 0 });
    // 200 Gets and 20 PUTs, 20 faults, and 0.2 s of a processor, in the same time.
    expect(seen.callsPerSecond / seen.faultsPerSecond).toBeCloseTo(11);
    expect(seen.callsPerSecond / seen.processor).toBeCloseTo(1_100);
    // The 110th of 220 is among the 200 that took up to 1 ms.
    expect([seen.p50Ms, seen.fsyncP99Ms]).toEqual([expect.closeTo(0.55), expect.closeTo(9.91)]);
    expect(seen.p99Ms).toBeCloseTo(1 + 9 * (17.8 / 20));
  });

  it('shows a line for each node, and says which it cannot look into', async () => {
    const replica = await new FakeNode({ master: node.address }).start();
    const group = await new FakeNode({ replicas: [{ address: replica.address, state: 3 }] }).start();
    group.metrics = [pageAfter(10, 1)];
    const { code, out } = await runCli([
      'top',
      '--count',
      '1',
      '--interval',
      '100ms',
      '--address',
      group.address,
    ]);
    expect(code).toBe(0);
    expect(out).toMatch(/^NODE +ROLE +STATE +CALLS\/S +FAULTS\/S +HITS +P50 /);
    expect(out).toMatch(new RegExp(`^${group.address} +master +serving +0 +0 +- +- +- `, 'm'));
    expect(out).toMatch(new RegExp(`^${replica.address} .*PERMISSION_DENIED: no role grants it$`, 'm'));
    await Promise.all([replica.stop(), group.stop()]);
  });

  it('ends with 0 on Ctrl-C', async () => {
    const interrupted = AbortSignal.abort();
    expect(await runCli(['top', '--address', node.address], { interrupted })).toMatchObject({
      code: 0,
      out: '',
    });
  });
});

describe('latency', () => {
  it('shows percentiles by method since the start', async () => {
    const { out } = await run('latency');
    expect(out).toMatch(/^KVStore\/Get +100 +0\.56 ms +1 ms +9\.1 ms +9\.9 ms$/m);
    expect(out).toMatch(/^PUT \/v1\/keys +10 +/m);
    expect(out).toMatch(/^fdatasync of the log +10 +/m);
    expect(out).toMatch(/^1,110 calls since the start of the process$/m);
  });

  it('shows those of a while, and histograms of a method', async () => {
    const { methods, overMs } = await jsonOf('latency', '--over', '1ms');
    expect(overMs).toBe(1);
    expect(methods.map(({ method, count }: Record<string, unknown>) => [method, count])).toEqual([
      ['KVStore/Get', 200],
      ['KVStore/Watch', 2_000],
      ['PUT /v1/keys', 20],
      ['fdatasync of the log', 20],
    ]);
    expect(methods[0].buckets).toEqual([
      { upToMs: 1, count: 180 },
      { upToMs: 10, count: 20 },
    ]);
    const { out } = await run('latency', '--method', 'Get');
    expect(out).toMatch(/^up to 1 ms +270 +#{40}$/m);
    expect(out).toMatch(/^up to 10 ms +30 +#{5}$/m);
    expect(out).not.toContain('PUT');
  });

  it('names the last bound of a histogram as it is', async () => {
    const page = `walnut_rpc_duration_seconds_bucket{${GET},le="5"} 0\nwalnut_rpc_duration_seconds_bucket{${GET},le="10"} 3\nwalnut_rpc_duration_seconds_bucket{${GET},le="+Inf"} 4\nwalnut_rpc_duration_seconds_sum{${GET}} 40\nwalnut_rpc_duration_seconds_count{${GET}} 4\n`;
    node.metrics = [page, page];
    const { out } = await run('latency', '--method', 'Get');
    expect(out).toMatch(/^up to 10 s +3 +#+$/m);
    expect(out).toMatch(/^over 10 s +1 +#+$/m);
  });

  it('names the methods where none has the text', async () => {
    expect(await run('latency', '--method', 'Nope')).toMatchObject({
      code: 2,
      err: expect.stringMatching(/"Nope".*\nThere are: KVStore\/Get, KVStore\/Watch, PUT \/v1\/keys, fdata/),
    });
  });
});

describe('info', () => {
  it('shows every figure in its unit, by section', async () => {
    const { out } = await run('info');
    expect(out).toMatch(/^memory\nprocess_resident_memory_bytes +150\.0 MB$/m);
    expect(out).toMatch(/^uptime_seconds +1m 30s$/m);
    expect(out).toMatch(/^upstream_lag_seconds\{master="m:1"\} +\?$/m);
    expect(out).toMatch(/^process_start_time_seconds +2023-11-14T22:13:20\.000Z$/m);
    expect(out).toMatch(/^recovery_progress_ratio +100 %$/m);
    expect(out).toMatch(/^wal_fsync_duration_seconds +10, p50 5\.5 ms, p99 9\.9 ms$/m);
    expect(out).toMatch(/^keys_requests_total\{method="PUT",code="ok"\} +10$/m);
    expect(out).not.toContain('_bucket');
  });

  it('shows some sections, as JSON too, and names them where one is unknown', async () => {
    expect(await jsonOf('info', 'memory', 'log')).toEqual({
      memory: { process_resident_memory_bytes: 150_000_000 },
      log: { recovery_progress_ratio: 1, wal_fsync_duration_seconds: 10 },
    });
    expect(await run('info', 'wal')).toMatchObject({
      code: 2,
      err: expect.stringContaining('Sections: node, calls, store, memory, log, replication, security'),
    });
  });

  it('has a section for every metric that is documented', () => {
    const names = [...readText('docs/operations.md').matchAll(/^\| ((?:`walnut_[a-z0-9_]+`(?:, )?)+) \|/gm)]
      .flatMap(([, cell = '']) => [...cell.matchAll(/`([a-z0-9_]+)`/g)])
      .map(([, name = '']) => name);
    expect(names.length).toBeGreaterThan(80);
    const ofNode = names.filter((name) => sectionOf(name) === 'node');
    expect(ofNode).toEqual([
      'walnut_ready',
      'walnut_node_info',
      'walnut_log_clock_offset_seconds',
      'walnut_uptime_seconds',
      'walnut_log_lines_dropped_total',
      'walnut_otlp_exports_total',
      'walnut_otlp_last_success_timestamp_seconds',
      'walnut_otlp_interval_seconds',
    ]);
  });
});
