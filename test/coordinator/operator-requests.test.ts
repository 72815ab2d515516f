/** Requests of operators in the first 1.5 s of an active coordinator, to which every node is silent. */
import { describe, expect, it } from 'vitest';
import { Alarms } from '#coordinator/alarms.ts';
import { Catalogue } from '#coordinator/catalogue.ts';
import { OperatorRequests } from '#coordinator/operator-requests.ts';
import { Roll } from '#coordinator/roll.ts';
import { WalnutError } from '#model/errors.ts';
import { silentLogger } from '#platform/logger.ts';
import { createMemoryMetadata } from '#test/doubles/memory-metadata.ts';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { SimulatedCluster } from './simulated-cluster.ts';

const GROUPS = [{ id: 'g1', nodes: ['a', 'b', 'c'] }];

describe('a request to a new coordinator', () => {
  it('makes the cluster of nodes that it has yet to hear', async () => {
    const cluster = new SimulatedCluster(7);
    for (const member of cluster.members.values()) member.start();
    cluster.addCoordinator();
    await cluster.advanceUntil(() => cluster.active !== undefined, 10_000);
    const { requests, observations } = cluster.active?.coordinator ?? expect.unreachable('nobody is active');
    expect(observations.size).toBeLessThan(3);
    const map = await cluster.drive(requests.initCluster({ kind: 'given', groups: GROUPS }));
    expect(map.groups.get('g1')?.voters.map(({ node }) => node)).toEqual(['a', 'b', 'c']);
  });

  it('plans a failover to a voter that it has yet to hear', async () => {
    const cluster = new SimulatedCluster(7);
    await cluster.begin();
    await cluster.clock.advance(4_000);
    const before = cluster.active ?? expect.unreachable('nobody is active');
    cluster.killCoordinator(before);
    await cluster.advanceUntil(() => cluster.active !== undefined, 7_000);
    const { requests } = cluster.active?.coordinator ?? expect.unreachable('nobody is active');
    await cluster.drive(requests.failoverGroup('g1', 'c'));
    await cluster.advanceUntil(() => cluster.master?.name === 'c', 2_000);
    expect(cluster.wrongs).toEqual([]);
  });
});

describe('a request to a coordinator', () => {
  /** `since`: since when it judges. */
  function ask(since: (clock: VirtualClock) => number, leaderRevision: (clock: VirtualClock) => number) {
    const clock = new VirtualClock();
    const random = new SeededRandom(1);
    const store = createMemoryMetadata(clock);
    const requests = new OperatorRequests({
      catalogue: new Catalogue({ store, prefix: '/walnut/test/', monotonicMs: () => clock.monotonicMs() }),
      roll: new Roll(new Alarms(clock, silentLogger), 'test'),
      leaderRevision: () => leaderRevision(clock),
      judgingSinceMs: () => since(clock),
      clock,
      random,
      logger: silentLogger,
    });
    const asked = requests.initCluster({ kind: 'given', groups: GROUPS });
    asked.catch(() => {});
    return { clock, asked };
  }

  it('that stands still again and again ends, and says so', async () => {
    const { clock, asked } = ask(
      (now) => now.monotonicMs(),
      () => 1,
    );
    await clock.advance(6_200);
    await expect(asked).rejects.toMatchObject({ code: 'unavailable', message: /stands still again/ });
  });

  it('that is deposed meanwhile ends at once', async () => {
    const { clock, asked } = ask(
      (now) => now.monotonicMs(),
      (now) => {
        if (now.monotonicMs() < 300) return 1;
        throw new WalnutError('failed_precondition', 'this coordinator is not the active one');
      },
    );
    await clock.advance(500);
    await expect(asked).rejects.toThrow('not the active one');
  });
});

it('is told by a coordinator whose store has no cluster that it may have the wrong one', async () => {
  const cluster = new SimulatedCluster(7);
  cluster.addCoordinator();
  await cluster.advanceUntil(() => cluster.active !== undefined, 10_000);
  const { requests } = cluster.active?.coordinator ?? expect.unreachable('nobody is active');
  const why = {
    code: 'failed_precondition',
    message:
      'there is no cluster in the metadata store: walnut cluster init makes one; if there should be, correct ' +
      'coordinator.cluster or coordinator.metadata of this coordinator',
  };
  await expect(cluster.drive(requests.failoverGroup('g1', ''))).rejects.toMatchObject(why);
  await expect(cluster.drive(requests.setNodeStatus('a', 'draining'))).rejects.toMatchObject(why);
  await expect(cluster.drive(requests.addGroup({ id: 'g2', nodes: ['a'] }))).rejects.toMatchObject(why);
});
