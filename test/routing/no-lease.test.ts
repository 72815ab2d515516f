/** A failover whose new master takes no calls at first, under many callers, on a virtual clock. */
import { describe, expect, it } from 'vitest';
import { WalnutError } from '#model/errors.ts';
import { FakeCluster, incrementOf, mapOf } from '#test/routing/fake-cluster.ts';

const CALLERS = 256;
const OUTAGE_MS = 1_500;

describe('callers of a group whose new master has no lease yet', () => {
  it('wait little longer than it has none, and fail by nothing', async () => {
    const cluster = new FakeCluster(['g1'], { callsMax: 1_000, bytesMax: 10_000_000 });
    await cluster.settled(cluster.keys.increment(incrementOf('k')));
    cluster.map = mapOf(['g1'], 2, { g1: 'g1-2' });
    cluster.routed.cache.take({ kind: 'whole', map: cluster.map, epoch: 2 });
    const startMs = cluster.clock.monotonicMs();
    const askedBefore = cluster.asked.length;
    const spentMs = (): number => cluster.clock.monotonicMs() - startMs;
    cluster.fate = (address) => {
      if (address === 'g1-1:1') return 'replica';
      return spentMs() < OUTAGE_MS ? 'dead' : 'answer';
    };
    const calls = Array.from({ length: CALLERS }, () =>
      cluster.keys.increment(incrementOf('k')).then(spentMs, (error: unknown) => error),
    );
    const ends = (await cluster.settled(Promise.all(calls))) as unknown[];
    expect(ends.filter((end) => end instanceof WalnutError)).toEqual([]);
    expect(Math.max(...(ends as number[]))).toBeLessThan(OUTAGE_MS + 600);
    expect(cluster.group('g1').sums.get('k')).toBe(BigInt(1 + CALLERS));
    // Each is refused by both nodes once and answered; few more ask while the master has no lease.
    expect(cluster.asked.length - askedBefore).toBeLessThan(3 * CALLERS + 40);
  });
});
