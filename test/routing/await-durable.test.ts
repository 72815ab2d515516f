/** AwaitDurable of a position of a cluster, by virtual time. */
import { describe, expect, it } from 'vitest';
import { toLsn } from '#model/position.ts';
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

describe('an AwaitDurable of a position that no group knows', () => {
  const position = { epoch: 99, lsn: toLsn(5) };
  const wait = { position, durability: 'local', minAcks: 0, timeoutMs: 2_000 } as const;

  it('is told that the position is lost once all groups deny it', async () => {
    const cluster = new FakeCluster(['g1', 'g2']);
    const answer = await cluster.settled(cluster.keys.awaitDurable(wait));
    expect(answer).toMatchObject({ code: 'discarded_history', details: { nothingDone: true } });
    expect(String(answer)).toContain('position 99-5 is in the history of no group');
  });

  it('is not, while a group that may have it does not answer', async () => {
    const cluster = new FakeCluster(['g1', 'g2']);
    cluster.fate = (address) => (address.startsWith('g1') ? 'dead' : 'answer');
    const answer = await cluster.settled(cluster.keys.awaitDurable(wait));
    expect(answer).toMatchObject({ code: 'unavailable', details: { nothingDone: true } });
    cluster.fate = () => 'answer';
    Object.assign(cluster.group('g1'), { lsn: 5 }).history.add(position.epoch);
    await cluster.clock.advance(1_000);
    expect(await cluster.settled(cluster.keys.awaitDurable(wait))).toMatchObject({
      durable: { group: 'g1' },
    });
  });

  it('says nothing of another position of its epoch', async () => {
    const cluster = new FakeCluster(['g1', 'g2']);
    const { position: known } = cluster.group('g1');
    const beyond = { ...wait, position: { ...known, lsn: toLsn(50) } };
    expect(await cluster.settled(cluster.keys.awaitDurable(beyond))).toMatchObject({
      code: 'discarded_history',
    });
    const answer = await cluster.settled(cluster.keys.awaitDurable({ ...wait, position: known }));
    expect(answer).toMatchObject({ durable: { group: 'g1' } });
  });

  it('is refused without an LSN', async () => {
    const cluster = new FakeCluster(['g1', 'g2']);
    const none = { ...wait, position: { epoch: 99, lsn: toLsn(0) } };
    expect(await cluster.settled(cluster.keys.awaitDurable(none))).toMatchObject({
      code: 'invalid_argument',
    });
  });
});
