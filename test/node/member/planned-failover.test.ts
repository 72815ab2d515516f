/** A planned failover among whole members whose target cannot take over. */
import { expect, it } from 'vitest';
import { TestCluster } from '#test/doubles/test-cluster.ts';

it('to a member whose disk hangs stops writes for 1.5 s at most, says so meanwhile, and leaves the master in its place', async () => {
  const cluster = new TestCluster(3);
  await cluster.found('a', 'b', 'c');
  const { master, coordinator } = cluster;
  const { clock } = cluster.group;
  const to = [...cluster.nodes.values()].find((one) => one !== master) ?? expect.unreachable('no replica');
  to.fileSystem.holdSyncs();
  await cluster.group.set(master, 'k', 'v');
  const planned = coordinator.requests.failoverGroup('g1', to.name);
  const isPaused = (): boolean => master.node.status().reasons.join().includes('failover to');
  await cluster.group.untilTrue(isPaused, 'writes wait');
  const pausedMs = clock.monotonicMs();
  const heartbeat = () => coordinator.observations.get(master.name)?.heartbeat;
  await cluster.group.untilTrue(() => heartbeat()?.whyNoWrites !== '', 'a heartbeat that says so');
  expect(heartbeat()?.whyNoWrites).toBe(`a failover to ${to.address} is under way: writes wait`);
  await cluster.group.untilTrue(() => !isPaused(), 'writes go on');
  expect(clock.monotonicMs() - pausedMs).toBeLessThanOrEqual(1_500);
  await cluster.group.set(master, 'k', 'w', { durability: 'quorum', timeoutMs: 2_000 });
  await cluster.group.until(planned);
  await clock.advance(3_000);
  expect(coordinator.alarms.map(({ why }) => why)).toEqual([
    expect.stringContaining(`${to.address} has not caught up in time: 1 record is not on its disk`),
  ]);
  expect(coordinator.map?.groups.get('g1')).toMatchObject({ term: 1, next: undefined, withdrawn: 2 });
  expect(master.node.status()).toMatchObject({ role: 'master', term: 1, state: 'serving' });
  to.fileSystem.releaseSyncs();
  await cluster.stop();
});
