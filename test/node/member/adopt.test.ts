/** A plain group that becomes the first group of a cluster: its members keep their data and their log. */
import { afterEach, describe, expect, it } from 'vitest';
import { TestCluster } from '#test/doubles/test-cluster.ts';
import type { TestNode } from '#test/doubles/test-group.ts';

const NAMES = ['a', 'b', 'c'];
let cluster: TestCluster;

afterEach(async () => {
  await cluster.stop();
});

/** The plain group of `a`, `b` and `c`, which `a` leads, with ten keys on each. */
async function plainGroup(): Promise<Map<string, TestNode>> {
  cluster = new TestCluster(1);
  const { group } = cluster;
  const a = await group.start('a', 'master');
  const others = [];
  for (const name of ['b', 'c']) others.push(await group.start(name, 'replica', { upstream: 'a:1' }));
  for (let i = 0; i < 10; i++) await group.set(a, `k${i}`, `v${i}`);
  await group.untilLevel([a, ...others]);
  return new Map([a, ...others].map((one) => [one.name, one]));
}

/** Stops a node of the plain group and starts its directory as a member. */
async function adopt(one: TestNode | undefined): Promise<TestNode> {
  if (one === undefined) throw new Error('there is no such node');
  await cluster.group.until(one.node.stop());
  const { name } = one;
  return cluster.start(name, {
    fileSystem: one.fileSystem.kill(),
    member: { ...cluster.memberOptions(name), adopts: true },
  });
}

const init = (nodes = NAMES) =>
  cluster.group.until(
    cluster.coordinator.requests.initCluster({ kind: 'given', groups: [{ id: 'g1', nodes }] }),
  );

async function untilHeard(): Promise<void> {
  await cluster.group.untilTrue(() => cluster.coordinator.isActive, 'an active coordinator');
  await cluster.group.clock.advance(1_000);
}

describe('a plain group', () => {
  it('becomes the first group of a cluster with its data, its log and no copy', async () => {
    const plain = await plainGroup();
    const { logId, term } = plain.get('a')?.node.status() ?? {};
    for (const name of ['b', 'c']) await adopt(plain.get(name));
    // The replicas are members already, and their master is still plain.
    await cluster.group.set(plain.get('a') as TestNode, 'between', 'v');
    await untilHeard();
    await expect(init()).rejects.toThrow('a is not heard');
    await expect(init(['b', 'c'])).rejects.toThrow(
      'b, c of g1 have the log of a plain group, and its master is not among them',
    );
    const a = await adopt(plain.get('a'));
    await cluster.group.clock.advance(2_000);
    expect(a.node.status()).toMatchObject({ role: 'master', state: 'no_lease' });
    await expect(init(['a', 'b'])).rejects.toThrow(
      'knows the replica at c:1, and none of the nodes is there',
    );
    await init();
    await cluster.untilLed();
    expect(cluster.master).toBe(a);
    expect(a.node.status()).toMatchObject({ logId, term: (term ?? 0) + 513 });
    const wanted = { durability: 'quorum', timeoutMs: 5_000 } as const;
    expect(await cluster.group.set(a, 'after', 'v', wanted)).toMatchObject({ durabilityReached: 'quorum' });
    await cluster.group.untilLevel([...cluster.nodes.values()]);
    for (const one of cluster.nodes.values()) {
      for (const key of ['k0', 'k9', 'between', 'after'])
        expect(await cluster.group.get(one, key)).toMatch(/^v/);
      expect(one.node.status().replicas.every(({ fullResyncs }) => fullResyncs === 0)).toBe(true);
    }
    // It is a group like any other: it fails over, and none of it is started as a plain node.
    const disk = cluster.kill('a');
    await cluster.untilLed();
    expect(await cluster.group.get(cluster.master, 'between')).toBe('v');
    const asPlain = cluster.group.start('a', 'master', { fileSystem: disk });
    await expect(asPlain).rejects.toThrow('belongs to node a of cluster test');
  });

  it('leaves out a replica that is gone once its master is told so, also when that is a member already', async () => {
    const plain = await plainGroup();
    cluster.group.kill(plain.get('c') as TestNode);
    await adopt(plain.get('b'));
    const a = await adopt(plain.get('a'));
    await untilHeard();
    await expect(init(['a', 'b'])).rejects.toThrow(
      'start it as a member and name it too, or, where it is gone for good: walnut remove-replica c:1 --address a:1',
    );
    await cluster.group.until(a.node.removeReplica('c:1'));
    await cluster.group.clock.advance(1_000);
    await init(['a', 'b']);
    await cluster.untilLed();
    expect(cluster.master).toBe(a);
    await expect(async () => a.node.removeReplica('b:1')).rejects.toThrow('see walnut cluster map');
  });

  it('takes an empty member at an address where a replica was removed', async () => {
    const plain = await plainGroup();
    cluster.group.kill(plain.get('c') as TestNode);
    await cluster.group.until((plain.get('a') as TestNode).node.removeReplica('c:1'));
    await adopt(plain.get('b'));
    await adopt(plain.get('a'));
    const c = await cluster.start('c');
    await untilHeard();
    await init();
    await cluster.untilLed();
    await cluster.group.untilTrue(() => c.node.status().state === 'streaming', 'a member that follows');
    expect(await cluster.group.get(c, 'k9')).toBe('v9');
  });

  it('is led by the master that has everything, although a replica that is behind grants first', async () => {
    const plain = await plainGroup();
    await cluster.group.until(plain.get('b')?.node.stop() as Promise<void>);
    for (let i = 0; i < 10; i++) await cluster.group.set(plain.get('a') as TestNode, `late${i}`, 'v');
    await cluster.group.until(plain.get('c')?.node.stop() as Promise<void>);
    for (let i = 0; i < 10; i++) await cluster.group.set(plain.get('a') as TestNode, `later${i}`, 'v');
    const a = await adopt(plain.get('a'));
    for (const name of ['b', 'c']) {
      const one = plain.get(name) as TestNode;
      const fileSystem = one.fileSystem.kill();
      await cluster.start(name, { fileSystem, member: { ...cluster.memberOptions(name), adopts: true } });
    }
    await untilHeard();
    // The master does not answer the first claims.
    await init();
    cluster.cutOff.add('a');
    await cluster.group.clock.advance(3_000);
    expect(cluster.masters).toEqual([]);
    cluster.cutOff.delete('a');
    await cluster.untilLed();
    expect(cluster.master).toBe(a);
    expect(await cluster.group.get(a, 'later9')).toBe('v');
  });

  it('is not taken without cluster.adopt, nor by a cluster that exists', async () => {
    const plain = await plainGroup();
    const one = plain.get('b') as TestNode;
    await cluster.group.until(one.node.stop());
    const refused = cluster.start('b', { fileSystem: one.fileSystem.kill() });
    await expect(refused).rejects.toThrow('set cluster.adopt: true to make its group the first one');
    cluster.nodes.delete('b');
    await cluster.start('x');
    await untilHeard();
    await init(['x']);
    await cluster.start('b', {
      fileSystem: one.fileSystem.kill(),
      member: { ...cluster.memberOptions('b'), adopts: true },
    });
    await cluster.group.clock.advance(1_000);
    const added = cluster.group.until(cluster.coordinator.requests.addGroup({ id: 'g2', nodes: ['b'] }));
    await expect(added).rejects.toThrow('can only become the first group of a new cluster');
  });
});
