/** Whole members under a real coordinator: who leads, who takes writes, and what outlives a failover. */
import { afterEach, describe, expect, it } from 'vitest';
import { FIRST_WRITE_WAIT_MS, HEARTBEAT_MS, SILENCE_MS } from '#cluster/figures.ts';
import { collectEngines } from '#test/doubles/engines.ts';
import { TestCluster } from '#test/doubles/test-cluster.ts';
import { TestGroup, type TestNode } from '#test/doubles/test-group.ts';

const engines = collectEngines();
let cluster: TestCluster;

/** Resolves with the virtual milliseconds from the map to the first write. */
async function begin(...names: string[]): Promise<number> {
  cluster = new TestCluster(1);
  return cluster.found(...names);
}

const isStreaming = (one: TestNode): boolean => one.node.status().state === 'streaming';
const stateOf = (one: TestNode): string => one.node.status().state;

/** A write that is to be on the disks of a majority; the level that it reached. */
async function write(key: string, value: string, timeoutMs = 5_000): Promise<string> {
  const wanted = { durability: 'quorum', timeoutMs } as const;
  return (await cluster.group.set(cluster.master, key, value, wanted)).durabilityReached;
}

function others(): TestNode[] {
  const { master } = cluster;
  return [...cluster.nodes.values()].filter((one) => one !== master);
}

afterEach(async () => {
  await cluster?.stop();
});

describe('a group of three members', () => {
  it('gets its first leader, and writes reach QUORUM', async () => {
    // Nobody led this log before, so no lease has to end first.
    expect(await begin('a', 'b', 'c')).toBeLessThan(FIRST_WRITE_WAIT_MS);
    expect(cluster.master.node.status()).toMatchObject({ role: 'master', term: 1, isReady: true });
    expect(await write('k', 'v')).toBe('quorum');
    for (const other of others()) expect(isStreaming(other)).toBe(true);
  });

  it('tells its coordinator when each member heard others', async () => {
    await begin('a', 'b', 'c');
    const { name } = cluster.master;
    const [one, other] = others().map((each) => each.name) as [string, string];
    const links = (of: string): Map<string, number> => {
      const heard = cluster.coordinator.observations.get(of)?.heartbeat.report.links ?? [];
      return new Map(heard.map(({ node, agoMs }) => [node, agoMs]));
    };
    expect([...links(name).keys()].sort()).toEqual([one, other].sort());
    expect([...links(one).keys()]).toEqual([name]);
    cluster.kill(other);
    await cluster.group.clock.advance(5_000);
    expect(links(name).get(one)).toBeLessThan(1_000);
    expect(links(name).get(other)).toBeGreaterThan(4_000);
  });

  it('takes no orders that are for plain groups, and says that nothing was done', async () => {
    await begin('a', 'b');
    for (const { node } of cluster.nodes.values()) {
      const { admin } = node.ports;
      for (const order of [
        () => admin.promote(true),
        () => admin.failover('b:1', 0),
        () => admin.addReplica('x:1'),
        () => admin.removeReplica('b:1'),
      ])
        await expect((async () => order())()).rejects.toMatchObject({
          code: 'failed_precondition',
          message: expect.stringContaining('walnut cluster'),
          details: { nothingDone: true },
        });
    }
  });

  it('loses its master and takes writes again within 5 s, with everything that reached QUORUM', async () => {
    await begin('a', 'b', 'c');
    for (let i = 0; i < 20; i++) expect(await write(`k${i}`, `v${i}`)).toBe('quorum');
    const { name } = cluster.master;
    const disk = cluster.kill(name);
    const waitedMs = await cluster.untilLed();
    expect(waitedMs).toBeGreaterThan(SILENCE_MS + FIRST_WRITE_WAIT_MS - HEARTBEAT_MS);
    expect(waitedMs).toBeLessThan(5_000);
    for (let i = 0; i < 20; i++) expect(await cluster.group.get(cluster.master, `k${i}`)).toBe(`v${i}`);
    expect(cluster.master.node.status().term).toBe(2);
    expect(await write('after', '1')).toBe('quorum');
    // The old master comes back, follows, and leads nothing.
    const old = await cluster.start(name, { fileSystem: disk });
    await cluster.group.untilTrue(() => isStreaming(old), 'the old master follows');
    await cluster.group.clock.advance(3_000);
    expect(cluster.masters.map((one) => one.name)).not.toContain(name);
    expect(await cluster.group.get(old, 'after')).toBe('1');
  });

  it('lists nothing of a master that comes back and begins its old term again, for that is no lost write', async () => {
    await begin('a', 'b', 'c');
    expect(await write('k', 'v')).toBe('quorum');
    const { name } = cluster.master;
    const disk = cluster.kill(name);
    await cluster.untilLed();
    cluster.cutOff.add(name);
    const old = await cluster.start(name, { fileSystem: disk });
    const asideOf = () => old.fileSystem.paths('/data/aside');
    cluster.cutOff.delete(name);
    await cluster.group.untilTrue(() => isStreaming(old), 'the old master follows');
    expect(await old.node.ports.admin.divergedList()).toEqual([]);
    expect(asideOf()).not.toEqual([]);
  });

  /** A group whose second master is killed and restarts at once; resolves with the virtual milliseconds until writes are taken. */
  async function restarted(hasWrite: boolean): Promise<number> {
    await begin('a', 'b', 'c');
    cluster.kill(cluster.master.name);
    await cluster.untilLed();
    if (hasWrite) expect(await write('k', 'v')).toBe('quorum');
    const { name } = cluster.master;
    await cluster.start(name, { fileSystem: cluster.kill(name) });
    return cluster.untilLed();
  }

  it('keeps a master that restarts in a term that has writes, and waits for no lease again', async () => {
    expect(await restarted(true)).toBeLessThan(2 * HEARTBEAT_MS);
    expect(cluster.master.node.status().term).toBe(2);
    expect(await write('l', 'w')).toBe('quorum');
  });

  it('waits again for the lease of the master before where its own restarts without a write', async () => {
    expect(await restarted(false)).toBeGreaterThan(FIRST_WRITE_WAIT_MS - HEARTBEAT_MS);
  });

  it('waits for the lease of the master before, also where its log has writes of that one from its start on', async () => {
    await begin('a', 'b', 'c');
    expect(await write('k', 'v')).toBe('quorum');
    for (const { name } of others()) {
      const again = await cluster.start(name, { fileSystem: cluster.kill(name) });
      await cluster.group.untilTrue(() => isStreaming(again), 'it follows again');
    }
    cluster.kill(cluster.master.name);
    expect(await cluster.untilLed()).toBeGreaterThan(SILENCE_MS + FIRST_WRITE_WAIT_MS - HEARTBEAT_MS);
  });

  it('keeps its master by the acks of its voters while there is no coordinator', async () => {
    await begin('a', 'b', 'c');
    const { master } = cluster;
    await cluster.stopCoordinator();
    for (let i = 0; i < 40; i++) {
      await cluster.group.clock.advance(250);
      expect(stateOf(master)).toBe('serving');
    }
    expect(await write('k', 'v')).toBe('quorum');
    cluster.restartCoordinator();
    await cluster.group.clock.advance(8_000);
    expect(cluster.masters).toEqual([master]);
    expect(master.node.status().term).toBe(1);
  });

  it('has no master beside another: one that is cut off has no lease before the next one writes', async () => {
    await begin('a', 'b', 'c');
    const old = cluster.master;
    cluster.cutOff.add(old.name);
    for (const { address } of others()) cluster.group.network.cut(old.address, address);
    for (let i = 0; i < 400; i++) {
      await cluster.group.clock.advance(20);
      const serving = cluster.masters;
      expect(serving.length, `${i}`).toBeLessThanOrEqual(1);
      if (serving[0] !== undefined && serving[0] !== old) break;
    }
    expect(cluster.master).not.toBe(old);
    expect(stateOf(old)).toBe('no_lease');
    const refused = async (): Promise<unknown> => cluster.group.set(old, 'k', 'of the old one');
    await expect(refused()).rejects.toMatchObject({ code: 'unavailable', details: { nothingDone: true } });
    expect(old.node.get({ key: 'k', waitMs: 0 })).toMatchObject({ stalenessMs: expect.any(Number) });
    expect(await write('k', 'of the new one')).toBe('quorum');
    cluster.cutOff.clear();
    cluster.group.network.heal();
    await cluster.group.untilTrue(() => isStreaming(old), 'the old master follows');
    expect(await cluster.group.get(old, 'k')).toBe('of the new one');
  });

  it('answers linearizable reads on its master: what reached QUORUM, and only with a lease', async () => {
    await begin('a', 'b', 'c');
    const { master } = cluster;
    const [one, two] = others() as [TestNode, TestNode];
    await cluster.group.set(master, 'k', 'v');
    const linear = { isLinearizable: true, waitMs: 500 } as const;
    expect(await cluster.group.get(master, 'k', linear)).toBe('v');
    await expect(cluster.group.get(one, 'k', linear)).rejects.toMatchObject({ code: 'not_master' });
    // Nothing that is written from now on is on the disks of a majority.
    cluster.kill(one.name);
    cluster.kill(two.name);
    await cluster.group.set(master, 'k', 'too new');
    expect(await cluster.group.get(master, 'k')).toBe('too new');
    await expect(cluster.group.get(master, 'k', linear)).rejects.toThrow('has not reached QUORUM');
    cluster.cutOff.add(master.name);
    await cluster.group.clock.advance(2_000);
    await expect(cluster.group.get(master, 'k', linear)).rejects.toThrow('no lease');
  });

  it('answers linearizable reads of what it has just taken where nothing is fdatasynced unasked', async () => {
    cluster = new TestCluster(1, { fsync: 'never' });
    await cluster.found('a', 'b', 'c');
    await cluster.group.set(cluster.master, 'k', 'v');
    expect(await cluster.group.get(cluster.master, 'k', { isLinearizable: true, waitMs: 500 })).toBe('v');
  });

  it('reaches QUORUM again after its master rebuilt its state from its disk', async () => {
    await begin('a', 'b', 'c');
    const { master } = cluster;
    for (const engine of [...engines]) engine.altered.tell('a test says so');
    await cluster.group.untilTrue(() => master.node.status().integrity.rebuilds === 1, 'the rebuild');
    await cluster.untilLed();
    expect(cluster.master).toBe(master);
    expect(await write('k', 'v')).toBe('quorum');
  });

  it('hands over as planned: no write is lost, and none waits for a lease to end', async () => {
    await begin('a', 'b', 'c');
    await write('k', 'v');
    const [next] = others();
    await cluster.group.until(cluster.coordinator.requests.failoverGroup('g1', next?.name ?? ''));
    await cluster.group.untilTrue(
      () => next !== undefined && stateOf(next) === 'serving',
      'the next one serves',
    );
    expect(next?.node.status().term).toBe(2);
    expect(cluster.masters).toEqual([next]);
    expect(await write('k2', 'v2')).toBe('quorum');
    expect(await cluster.group.get(cluster.master, 'k')).toBe('v');
  });

  it('counts no wiped disk: under a listed name it is another incarnation', async () => {
    await begin('a', 'b', 'c');
    const [one, two] = others() as [TestNode, TestNode];
    cluster.kill(one.name);
    cluster.kill(two.name);
    const wiped = await cluster.start(one.name);
    await cluster.group.untilTrue(() => isStreaming(wiped), 'the wiped one follows');
    expect(await write('k', 'v', 1_000)).not.toBe('quorum');
  });

  it('takes only nodes that its log lists', async () => {
    await begin('a', 'b', 'c');
    const upstream = cluster.master.address;
    const plain = await cluster.group.replica('plain', { upstream });
    await cluster.group.clock.advance(1_000);
    expect(plain.node.status().reasons[0]).toContain('does not belong to this group of a cluster');
    expect(cluster.master.node.status().replicas.map((one) => one.address)).not.toContain(plain.address);
    await cluster.group.stop(plain);
  });

  it('gives a wiped member its place again once it has everything, and then counts it', async () => {
    await begin('a', 'b', 'c');
    const [one, two] = others() as [TestNode, TestNode];
    for (let i = 0; i < 10; i++) await write(`k${i}`, 'v');
    cluster.kill(one.name);
    await cluster.start(one.name);
    await cluster.group.clock.advance(10_000);
    cluster.kill(two.name);
    expect(await write('k', 'with the wiped one')).toBe('quorum');
    // The record of the group followed: the wiped one and the third are enough for the next leader.
    const disk = two.fileSystem.kill();
    cluster.kill(cluster.master.name);
    await cluster.start(two.name, { fileSystem: disk });
    await cluster.untilLed();
    expect(cluster.master.name).toBe(one.name);
    expect(await cluster.group.get(cluster.master, 'k')).toBe('with the wiped one');
  });

  it.each([
    ['promote', (one: TestNode) => one.node.promote(true)],
    ['failover', (one: TestNode) => one.node.failover('b:1', 0)],
    ['a claim of another node', (one: TestNode) => one.node.claim({ logId: '', term: 9, nodeId: '' })],
    ['add-replica', async (one: TestNode) => one.node.addReplica('d:1')],
    ['remove-replica', async (one: TestNode) => one.node.removeReplica('b:1')],
  ])('refuses %s, and names the command of the cluster', async (_, call) => {
    await begin('a', 'b', 'c');
    const { status } = { status: cluster.master.node.status() };
    await expect(call(cluster.master)).rejects.toThrow(/walnut cluster/);
    expect(cluster.master.node.status().term).toBe(status.term);
  });
});

describe('a group of one member', () => {
  it('needs no lease, and reaches QUORUM by its own disk', async () => {
    await begin('a');
    cluster.cutOff.add('a');
    await cluster.group.clock.advance(5_000);
    expect(await write('k', 'v')).toBe('quorum');
  });

  it.each(['never', 'interval'] as const)(
    'answers linearizable reads of what it has just taken, with wal.fsync: %s',
    async (fsync) => {
      cluster = new TestCluster(1, { fsync, walSyncIntervalMs: 60_000 });
      await cluster.found('a');
      await cluster.group.set(cluster.master, 'k', 'v');
      expect(await cluster.group.get(cluster.master, 'k', { isLinearizable: true, waitMs: 500 })).toBe('v');
    },
  );

  it('takes observers, which its log does not list, and counts them for nothing', async () => {
    await begin('a', 'b', 'c');
    const { master, group } = cluster;
    const one = await group.replica('app', { upstream: master.address, isObserver: true, advertise: '' });
    await group.set(master, 'k', 'v');
    await group.untilLevel([master, one]);
    for (const { name } of others()) cluster.kill(name);
    expect(await write('k', 'w', 1_000)).not.toBe('quorum');
    await group.untilLevel([master, one]);
    expect(master.node.status().observers?.count).toBe(1);
  });

  it('knows what its disk has as QUORUM without anybody waiting for it', async () => {
    await begin('a');
    const { position } = await cluster.group.set(cluster.master, 'k', 'v');
    await cluster.group.clock.advance(5_000);
    const wanted = { position, durability: 'accepted', minAcks: 0, timeoutMs: 0 } as const;
    const reached = cluster.group.until(cluster.master.node.awaitDurable(wanted));
    expect(await reached).toMatchObject({ durabilityReached: 'quorum' });
  });
});

describe('a plain group', () => {
  it('refuses QUORUM and linearizable reads by name, with nothing done', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const refused = async (): Promise<unknown> => group.set(master, 'k', 'v', { durability: 'quorum' });
    await expect(refused()).rejects.toMatchObject({
      code: 'failed_precondition',
      message: expect.stringContaining('quorum'),
    });
    expect(await group.get(master, 'k')).toBeUndefined();
    await expect(group.get(master, 'k', { isLinearizable: true })).rejects.toMatchObject({
      code: 'failed_precondition',
    });
    await group.stop(master);
  });
});
