/** What the chart of the README shows: where aims are set, and what people ask first. */
import type { ChartRow } from './chart.ts';

function rows(
  suite: string,
  list: readonly (readonly [what: string, unit: string, versus: string, label: string])[],
): ChartRow[] {
  return list.map(([what, unit, versus, label]) => ({ suite, what, unit, versus, label }));
}

export const CHART_ROWS: readonly ChartRow[] = [
  ...rows('unary', [
    ['get h1 proto', '1/s', 'bare', 'Get, HTTP/1.1: rate to bare node:http'],
    ['get h2 proto', '1/s', 'bare', 'Get, HTTP/2: rate to bare node:http2'],
    ['get grpc', '1/s', 'bare', 'Get, gRPC: rate to bare node:http2'],
    ['get h1 proto', '1/s', 'stock', 'Get, HTTP/1.1: rate to stock connect-node'],
    ['get h1 proto', '1/s', 'redis', 'Get, HTTP/1.1: rate to redis-server'],
    ['get grpc', '1/s', 'etcd', 'Get, gRPC: rate to etcd'],
  ]),
  ...rows('batch', [
    ['batch of 100 gets h1', '1/s', 'redis', 'Batch of 100 Gets: rate to redis-benchmark -P 100'],
    ['batch of 100 sets h1', '1/s', 'redis', 'Batch of 100 Sets: rate to redis-benchmark -P 100'],
  ]),
  ...rows('durable', [
    ['set at interval, 32 callers', '1/s', 'get', 'Set at fsync interval: rate to Get'],
    ['set at always, 64 callers', '1/s', 'interval', 'Set at fsync always, 64 callers: to interval'],
    [
      'set at always, one caller',
      '1/s',
      'write and fdatasync',
      'Set at always, one caller: to write + fdatasync',
    ],
  ]),
  ...rows('replication', [
    ['sets with three replicas', '1/CPU s', 'none', 'Set with three replicas: to without (CPU)'],
  ]),
  ...rows('recovery', [
    ['1,000,000 walnut log', 'entries/s', 'redis aof', 'Start from the log: rate to redis AOF'],
    ['1,000,000 walnut snapshot', 'entries/s', 'redis rdb', 'Start from a snapshot: rate to redis RDB'],
  ]),
  ...rows('memory', [
    ['1,000,000 entries', 'MB', 'redis', 'Memory of a million entries: to redis (less is better)'],
  ]),
  ...rows('eviction', [
    ['sets at max_entries, full', '1/s', 'redis', 'Batched Sets into a full cache: rate to redis'],
    [
      'hits of the trace orm-busy, 5,000 entries',
      'share',
      'redis',
      'Hits of a recorded trace: to redis allkeys-lru',
    ],
  ]),
  ...rows('flat', [
    [
      'get with 10,000,000 entries',
      '1/CPU s',
      '10,000 entries',
      'Get with 10,000,000 entries: to 10,000 (CPU)',
    ],
  ]),
];
