/** Rates, percentiles and ratios between two snapshots. */
import { describe, expect, it } from 'vitest';
import { type Figure, loadBetween, quantileOf, riseOf, type Snapshot, sumOf } from '#page/assets/figures.js';
import { AT_MS, snapshotOf, statusOf } from '#test/page/snapshots.ts';

const GET = 'walnut.v1.KVStore/Get';

function counter(value: number, labels: Record<string, string> = {}): Figure {
  return { labels, value };
}

function later(ms: number, figures: Snapshot['figures'], status: object = {}): Snapshot {
  return snapshotOf({ atMs: AT_MS + ms, figures, view: statusOf(status) });
}

describe('the load between two snapshots', () => {
  it('is by the second, of calls of clients, without streams and calls of nodes', () => {
    const before = later(0, { walnut_rpc_handled_total: [counter(100, { method: GET, code: 'ok' })] });
    const now = later(2_000, {
      walnut_rpc_handled_total: [
        counter(300, { method: GET, code: 'ok' }),
        counter(6, { method: GET, code: 'internal' }),
        counter(9, { method: GET, code: 'not_found' }),
        counter(500, { method: 'walnut.v1.KVStore/Watch', code: 'ok' }),
        counter(700, { method: 'walnut.v1.Replication/Replicate', code: 'ok' }),
      ],
      walnut_keys_requests_total: [
        counter(3, { method: 'GET', code: 'unknown' }),
        counter(2, { method: 'GET', code: 'data_loss' }),
      ],
    });
    expect(loadBetween(before, now)).toMatchObject({ callsPerS: 110, faultsPerS: 4.5 });
  });

  it('has percentiles of the durations that are new, over rpcs and keys', () => {
    const before = later(0, {
      walnut_rpc_duration_seconds: [{ labels: { method: GET }, buckets: [[0, 0.001, 50]] }],
    });
    const now = later(1_000, {
      walnut_rpc_duration_seconds: [
        {
          labels: { method: GET },
          buckets: [
            [0, 0.001, 50],
            [0.001, 0.002, 98],
          ],
        },
        { labels: { method: 'walnut.v1.KVStore/Watch' }, buckets: [[5, null, 900]] },
      ],
      walnut_keys_duration_seconds: [{ labels: { method: 'GET' }, buckets: [[0.1, 0.2, 2]] }],
    });
    const { p50Ms, p99Ms } = loadBetween(before, now);
    expect(p50Ms).toBeCloseTo(1 + 50 / 98, 5);
    expect(p99Ms).toBeCloseTo(150, 5);
  });

  it('takes all calls that are there where the process has started again, and none of those before', () => {
    const [before, now] = [
      [1_000, 0],
      [990, 3],
    ].map(([fast = 0, slow = 0], i) => {
      const buckets = [
        [0, 0.001, fast],
        [0.2, 0.3, slow],
      ];
      return later(i * 1_000, {
        walnut_keys_duration_seconds: [{ labels: { method: 'GET' }, buckets }],
      } as never);
    }) as [Snapshot, Snapshot];
    const { p50Ms } = loadBetween(before, now);
    expect(p50Ms).toBeCloseTo(993 / 2 / 990, 5);
  });

  it('has the ratio of hits that are new, and none without reads', () => {
    const store = { hits: '190', misses: '30' };
    expect(loadBetween(later(0, {}), later(1_000, {}, { store })).hitRatio).toBeCloseTo(100 / 120);
    expect(loadBetween(later(0, {}), later(1_000, {})).hitRatio).toBeNull();
  });

  it('takes a counter that fell for that of a process which has started again', () => {
    const [before, now] = [9, 4].map((value) => later(0, { a: [counter(value)] })) as [Snapshot, Snapshot];
    expect([riseOf(before, now, 'a'), riseOf(now, before, 'a'), sumOf(now, 'b')]).toEqual([4, 5, undefined]);
  });
});

describe('a quantile', () => {
  it.each([
    [[], 0.5, undefined],
    [[[1, { from: 0, count: 10 }]], 0.5, 0.5],
    [
      [
        [2, { from: 1, count: 5 }],
        [1, { from: 0, count: 5 }],
      ],
      0.9,
      1.8,
    ],
    [[[Number.POSITIVE_INFINITY, { from: 10, count: 1 }]], 0.5, 10],
    [
      [
        [1, { from: 0, count: -3 }],
        [2, { from: 1, count: 1 }],
      ],
      1,
      2,
    ],
  ] as const)('of %j at %d is %d', (buckets, q, expected) => {
    expect(quantileOf(new Map(buckets as never), q)).toEqual(expected);
  });
});
