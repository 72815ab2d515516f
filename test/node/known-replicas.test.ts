/** What MANIFEST of master and replicas remembers of a group: bounded, and by node. */
import { describe, expect, it } from 'vitest';
import { unavailable } from '#model/errors.ts';
import { KNOWN_REPLICAS_MAX, REMOVED_REPLICAS_MAX } from '#model/limits.ts';
import { TestGroup, type TestNode } from '#test/doubles/test-group.ts';
import type { Manifest } from '#wal/manifest.ts';

function replicasOf(one: TestNode): Manifest['replicas'] {
  const text = one.fileSystem.content('/data/MANIFEST').toString();
  return JSON.parse(text.split('\n')[0] ?? '').replicas;
}

/** A node that says who it is, and takes no pushes. */
function standAt(group: TestGroup, address: string, nodeId: string): void {
  const refuse = async () => Promise.reject(unavailable('it takes no pushes'));
  const ports = { admin: { status: () => ({ nodeId }) }, replication: { replicate: refuse } };
  group.network.attach(address, ports as never);
}

function register(group: TestGroup, master: TestNode, nodeId: string, advertise: string) {
  standAt(group, advertise, nodeId);
  return group.until(
    master.node.register(
      {
        nodeId,
        incarnation: nodeId.slice(0, 8),
        advertise,
        logId: '',
        tail: { epoch: 0, lsn: 0 as never, crc: 0 },
        upstreamPath: [nodeId],
        applyDelayMs: 0,
        term: 0,
      },
      '10.0.0.9',
    ),
  );
}

describe('the addresses that are remembered', () => {
  it('of one node are one, on the master and on its replicas, however often it moves', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const one = await group.replica('one');
    await group.untilLevel([master, one]);
    const nodeId = 'a'.repeat(32);
    for (let i = 0; i < 600; i++) await register(group, master, nodeId, `moving-${i}:1`);
    await group.clock.advance(1_000);
    expect(replicasOf(master).added).toEqual(['one:1', 'moving-599:1']);
    expect(replicasOf(one)).toEqual({
      added: ['moving-599:1'],
      removed: [],
      nodes: [
        { address: 'moving-599:1', nodeId },
        { address: 'master:1', nodeId: master.node.status().nodeId, formatLevel: 1 },
      ],
    });
  });

  it('of many nodes are bounded, over restarts of the master too, and those that live stay', async () => {
    const group = new TestGroup();
    let master = await group.master();
    const one = await group.replica('one');
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 60; i++) {
        await register(group, master, `${round * 100 + i}`.padStart(32, '0'), `r-${round}-${i}:1`);
        await group.clock.advance(20);
      }
      await group.clock.advance(1_000);
      const { added } = replicasOf(master);
      expect(added.length).toBeLessThanOrEqual(KNOWN_REPLICAS_MAX);
      expect(added).toContain('one:1');
      master = await group.master({ fileSystem: await group.stop(master) });
      await group.clock.advance(3_000);
    }
    await group.untilLevel([master, one]);
    expect(replicasOf(one).added.length).toBeLessThanOrEqual(KNOWN_REPLICAS_MAX);
    await group.stop(one);
    await group.stop(master);
  });

  it('that were removed are bounded, and a group of that size is still pushed to', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const one = await group.replica('one');
    for (let i = 0; i < REMOVED_REPLICAS_MAX + 10; i++) {
      await group.until(master.node.addReplica(`gone-${i}:1`));
      await group.until(master.node.removeReplica(`gone-${i}:1`));
    }
    await group.set(master, 'a', '1');
    await group.untilLevel([master, one]);
    await group.clock.advance(1_000);
    expect(replicasOf(one).removed).toHaveLength(REMOVED_REPLICAS_MAX);
    expect(replicasOf(one).removed.at(-1)).toBe(`gone-${REMOVED_REPLICAS_MAX + 9}:1`);
  });
});

describe('a replica that was removed', () => {
  it('does not come back by another address, until it is added again', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const one = await group.replica('one');
    await group.untilLevel([master, one]);
    await group.until(master.node.removeReplica('one:1'));
    const moved = await group.replica('moved', { fileSystem: await group.stop(one) });
    await group.clock.advance(3_000);
    expect(master.node.status().replicas).toEqual([]);
    expect(moved.node.status().reasons.join()).toMatch(
      /replica one:1 was removed; take it back with: walnut add-replica one:1/,
    );
    await group.until(master.node.addReplica('one:1'));
    await group.set(master, 'a', '1');
    await group.untilLevel([master, moved]);
    expect(replicasOf(master).added).toEqual(['moved:1']);
  });
});

describe('a promoted replica', () => {
  it('knows who is where: a sibling that moves leaves no address behind', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const one = await group.replica('one');
    const two = await group.replica('two');
    await group.set(master, 'a', '1');
    await group.untilLevel([master, one, two]);
    await group.clock.advance(1_000);
    group.kill(master);
    const disk = await group.stop(two);
    await group.until(one.node.promote(true));
    const moved = await group.replica('moved', { fileSystem: disk, upstream: 'one:1' });
    await group.untilLevel([one, moved]);
    expect([...replicasOf(one).added].sort()).toEqual(['master:1', 'moved:1']);
  });
});
