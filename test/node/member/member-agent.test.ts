/** What a member makes of answers of coordinators that are not those of its cluster, or do not hear it. */
import { describe, expect, it, vi } from 'vitest';
import type { Heartbeat, HeartbeatAnswer } from '#cluster/heartbeat.ts';
import type { Group } from '#cluster/shard-map.ts';
import { unavailable } from '#model/errors.ts';
import { NO_POSITION } from '#model/position.ts';
import { silentLogger } from '#platform/logger.ts';
import { TestCluster } from '#test/doubles/test-cluster.ts';
import { TestGroup } from '#test/doubles/test-group.ts';

const VOTER = { node: 'a', incarnation: 1 };
const ANSWER: HeartbeatAnswer = {
  clusterName: 'other',
  clusterId: 'c'.repeat(32),
  mapEpoch: 1,
  group: {
    id: 'g1',
    logId: 'd'.repeat(32),
    voters: [VOTER],
    term: 1,
    leader: undefined,
    lastLeader: '',
    next: undefined,
    withdrawn: 0,
    grants: undefined,
  },
  nodes: [{ name: 'a', address: 'a:1', zone: '', status: 'active' }],
  isLeased: true,
};

/** A member `a` with two coordinators. Returns its warnings and its MANIFEST after 9 s of heartbeats, and what Status says after 3 s and then. */
async function beat(answer: (address: string, heartbeat: Heartbeat) => Promise<HeartbeatAnswer>) {
  const group = new TestGroup();
  const warn = vi.fn();
  const error = vi.fn();
  const member = {
    ...new TestCluster(1).memberOptions('a'),
    coordinators: ['c1:1', 'c2:1'],
    heartbeat: answer,
  };
  const changes = { upstream: '', member, logger: { ...silentLogger, warn, error } };
  const one = await group.start('a', 'replica', changes);
  await group.clock.advance(3_000);
  const soon = one.node.status().reasons;
  await group.clock.advance(6_000);
  const { reasons } = one.node.status();
  await group.stop(one);
  const lines = warn.mock.calls.filter(([, message]) => message === 'no coordinator hears this node');
  return {
    soon,
    reasons,
    lines: lines.map(([fields]) => fields),
    errors: error.mock.calls,
    manifest: one.fileSystem.content('/data/MANIFEST').toString(),
  };
}

describe('a member', () => {
  it('says once why each coordinator does not hear it, although their reasons differ', async () => {
    const { lines, soon, reasons } = await beat(async (address) => {
      throw unavailable(address === 'c1:1' ? 'c1:1 is away' : `${address}: none is active yet`);
    });
    expect(soon.join()).not.toContain('has heard this node');
    expect(reasons).toContain(
      'no coordinator has heard this node for 9 s: c1:1: is away; c2:1: none is active yet',
    );
    expect(lines).toEqual([
      { coordinator: 'c1:1', why: 'c1:1 is away' },
      { coordinator: 'c2:1', why: 'c2:1: none is active yet' },
    ]);
  });

  it('takes no place in a cluster of another name, and asks the next coordinator', async () => {
    const asked = new Set<string>();
    const { lines, manifest } = await beat(async (address) => {
      asked.add(address);
      return ANSWER;
    });
    expect([...asked]).toEqual(['c1:1', 'c2:1']);
    expect(lines[0]).toEqual({
      coordinator: 'c1:1',
      why: 'it is of cluster other, and cluster.name is test',
    });
    expect(manifest).not.toContain(ANSWER.clusterId);
  });

  it.each([
    ['of the same term stays with the first one, and says so once', 3, 'x:1', 1],
    ['of a higher term follows that one', 4, 'y:1', 0],
  ])('whose map names another leader %s', async (_, term, upstream, told) => {
    const nodes = ['a', 'x', 'y'].map((name) => ({
      name,
      address: `${name}:1`,
      zone: '',
      status: 'active' as const,
    }));
    const led = (node: string, mapEpoch: number, ofTerm: number): HeartbeatAnswer => {
      const leader = { node, incarnation: 1, tail: NO_POSITION };
      return {
        ...ANSWER,
        clusterName: 'test',
        mapEpoch,
        nodes,
        group: { ...ANSWER.group, leader, term: ofTerm } as Group,
      };
    };
    let beats = 0;
    const { manifest, errors } = await beat(async () => (++beats < 5 ? led('x', 1, 3) : led('y', 2, term)));
    expect(manifest).toContain(`"${upstream}"`);
    expect(errors).toHaveLength(told);
  });

  it('takes the place that a coordinator of its cluster gives it', async () => {
    const { lines, manifest, reasons } = await beat(async () => ({ ...ANSWER, clusterName: 'test' }));
    expect(lines).toEqual([]);
    expect(reasons.join()).not.toContain('hears');
    expect(manifest).toContain(ANSWER.clusterId);
  });
});
