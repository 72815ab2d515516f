/** AwaitDurable of a position of a cluster, by virtual time. */
import { describe, expect, it } from 'vitest';
import { FakeCluster } from '#test/routing/fake-cluster.ts';

describe('an AwaitDurable that is repeated', () => {
  it('may wait only for what is left of its time', async () => {
    const cluster = new FakeCluster(['g1']);
    const { position } = cluster.group('g1');
    const wait = { position, durability: 'local', minAcks: 0, timeoutMs: 2_000 } as const;
    let attempts = 0;
    cluster.fate = () => (attempts++ === 0 ? 'hung' : 'answer');
    expect(await cluster.settled(cluster.keys.awaitDurable(wait))).toMatchObject({ durable: position });
    // The attempt that hung took longer than the whole wait.
    expect(cluster.waits).toEqual([2_000, 1]);
  });
});
