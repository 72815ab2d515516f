/** Batches of which a node says that a write was accepted and its outcome is unknown, as where its lease is over. */
import { describe, expect, it } from 'vitest';
import type { BatchOperation, BatchResult, WriteOperation } from '#model/commands.ts';
import { WalnutError } from '#model/errors.ts';
import { toLsn } from '#model/position.ts';
import { FakeCluster, incrementOf } from '#test/routing/fake-cluster.ts';

const writesOf = (...keys: string[]): WriteOperation[] =>
  keys.map((key) => ({ kind: 'increment', command: incrementOf(key) }));
const GET: BatchOperation = { kind: 'get', command: { key: 'a', waitMs: 0 } };
const NAME = { kind: 'client', clientId: 1n, sequence: 1, index: 0, answeredThrough: 0 } as const;

/** The increment of `a` is done, and until then its outcome is told as unknown. */
function unclearUntil(cluster: FakeCluster, endMs: number, details = {}): void {
  cluster.result = (_, operation) => {
    if (operation.kind !== 'increment' || operation.command.key !== 'a') return undefined;
    if (cluster.clock.monotonicMs() >= endMs) return undefined;
    cluster.group('g1').increment(operation.command);
    return { kind: 'error', error: new WalnutError('unavailable', 'its outcome is unknown', details) };
  };
}

describe.each<[string, (cluster: FakeCluster) => Promise<BatchResult[]>]>([
  ['that shares one name', ({ keys }) => keys.batch(writesOf('a', 'b'))],
  ['whose writes have a name each', ({ keys }) => keys.batch([...writesOf('a', 'b'), GET])],
  [
    'that its caller named',
    ({ keys }) => {
      const id = { name: NAME, since: { epoch: 77, lsn: toLsn(1) }, checksum: 5 };
      return keys.namedBatch(writesOf('a', 'a'), id);
    },
  ],
])('a Batch %s', (_, send) => {
  it('is sent again until its outcome is known, and is done once', async () => {
    const cluster = new FakeCluster(['g1']);
    unclearUntil(cluster, 2_000);
    const results = (await cluster.settled(send(cluster))) as BatchResult[];
    expect(results.map(({ kind }) => kind)).not.toContain('error');
    expect(results[0]).toMatchObject({ answer: { value: 1n } });
    expect(cluster.clock.monotonicMs()).toBeLessThan(2_600);
    const sums = cluster.group('g1').sums;
    expect((sums.get('a') ?? 0n) + (sums.get('b') ?? 0n)).toBe(2n);
  });

  it('has what is known of each operation where that does not change in its time', async () => {
    const cluster = new FakeCluster(['g1']);
    unclearUntil(cluster, 60_000);
    const results = (await cluster.settled(send(cluster))) as BatchResult[];
    expect(results[0]).toMatchObject({ kind: 'error', error: { message: 'its outcome is unknown' } });
    expect(cluster.clock.monotonicMs()).toBeGreaterThan(9_000);
    expect(cluster.clock.monotonicMs()).toBeLessThan(11_000);
  });

  it('is not sent again for a write of which nothing was done', async () => {
    const cluster = new FakeCluster(['g1']);
    unclearUntil(cluster, 60_000, { nothingDone: true });
    await cluster.settled(send(cluster));
    expect(cluster.clock.monotonicMs()).toBeLessThan(100);
  });
});
