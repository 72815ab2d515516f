/** Whole members after an operator's recovery: of a lost store, and of a group that lost two disks of three. */
import { afterEach, describe, expect, it } from 'vitest';
import { TestCluster } from '#test/doubles/test-cluster.ts';
import { decodeEpoch, decodeGroup, encodeEpoch, encodeGroup } from '#wire/cluster-codec.ts';

let cluster: TestCluster;

async function begin(...names: string[]): Promise<void> {
  cluster = new TestCluster(1);
  await cluster.found(...names);
}

const QUORUM = { durability: 'quorum', timeoutMs: 3_000 } as const;

async function write(key: string): Promise<string> {
  return (await cluster.group.set(cluster.master, key, 'v', QUORUM)).durabilityReached;
}

async function recover(forced = ''): Promise<void> {
  await cluster.group.until(cluster.coordinator.requests.recover(forced, true));
}

async function failOver(): Promise<void> {
  const { name } = cluster.master;
  const disk = cluster.kill(name);
  await cluster.untilLed();
  await cluster.start(name, { fileSystem: disk });
  await cluster.group.clock.advance(3_000);
}

afterEach(async () => {
  await cluster.stop();
});

describe('members whose store was lost', () => {
  it('go on by acks, heed nothing of the empty store, and serve on after the recovery', async () => {
    await begin('a', 'b', 'c');
    await failOver();
    expect(await write('before')).toBe('quorum');
    const { term, logId } = cluster.master.node.status();
    await cluster.loseStore();
    await cluster.group.clock.advance(6_000);
    expect(await write('meanwhile')).toBe('quorum');
    expect(cluster.master.node.status().term).toBe(term);
    await recover();
    await cluster.group.untilTrue(() => cluster.masters.length === 0, 'the old master is deposed');
    await cluster.untilLed();
    expect(cluster.master.node.status()).toMatchObject({ logId, term: term + 100 });
    expect(await write('after')).toBe('quorum');
    for (const key of ['before', 'meanwhile', 'after'])
      expect(await cluster.group.get(cluster.master, key)).toBe('v');
    // It fails over as before.
    await failOver();
    expect(cluster.master.node.status().term).toBe(term + 101);
    expect(await write('later')).toBe('quorum');
  });
});

describe('a member that is left of three', () => {
  /** Kills all but one. */
  async function leave(left: string): Promise<string[]> {
    const lost = ['a', 'b', 'c'].filter((name) => name !== left);
    for (const name of lost) cluster.kill(name);
    await cluster.group.clock.advance(5_000);
    return lost;
  }

  async function replace(lost: readonly string[]): Promise<void> {
    for (const name of lost) await cluster.start(name);
    await cluster.group.clock.advance(20_000);
    expect(await write('together')).toBe('quorum');
    // The usual number of grants is asked for again.
    const { term } = cluster.master.node.status();
    await failOver();
    expect(cluster.master.node.status().term).toBe(term + 1);
    for (const key of ['before', 'alone', 'together'])
      expect(await cluster.group.get(cluster.master, key)).toBe('v');
  }

  it('is led to take writes by force, and reaches QUORUM again with new disks under the old names', async () => {
    await begin('a', 'b', 'c');
    expect(await write('before')).toBe('quorum');
    const left = ['a', 'b', 'c'].find((name) => name !== cluster.master.name) ?? expect.unreachable('one');
    const lost = await leave(left);
    await recover('g1');
    await cluster.group.clock.advance(500);
    await cluster.untilLed();
    expect(cluster.master.name).toBe(left);
    expect(await write('alone')).not.toBe('quorum');
    expect(await cluster.group.get(cluster.master, 'before')).toBe('v');
    await replace(lost);
  });

  it('and leads it needs no force: it goes on, and reaches QUORUM again with new disks under the old names', async () => {
    await begin('a', 'b', 'c');
    expect(await write('before')).toBe('quorum');
    const left = cluster.master.name;
    const lost = await leave(left);
    await expect(recover('g1')).rejects.toThrow(
      `${left} leads g1 and takes writes: a failover would bring none nearer to QUORUM`,
    );
    expect(await write('alone')).not.toBe('quorum');
    await replace(lost);
  });
});

describe('a store that was put back and gave a term a second time', () => {
  it('costs the master of that term no acks and is recovered, with everything that reached QUORUM', async () => {
    await begin('a', 'b', 'c');
    const first = cluster.master;
    const second = [...cluster.nodes.values()].find((one) => one !== first) ?? expect.unreachable('one node');
    await giveTermTo(second.name);
    await cluster.group.clock.advance(5_000);
    expect(cluster.masters).toEqual([first]);
    expect(await write('meanwhile')).toBe('quorum');
    for (const one of cluster.nodes.values())
      if (one !== first) expect(one.node.status().upstream?.address).toBe(first.address);
    expect(cluster.coordinator.alarms.map(({ why }) => why)).toEqual([
      expect.stringContaining(
        `${first.name} leads term 1 of g1, which the metadata store gave to ${second.name}`,
      ),
    ]);
    await recover();
    await cluster.group.untilTrue(() => cluster.masters.length === 0, 'the old master is deposed');
    await cluster.untilLed();
    expect(await write('after')).toBe('quorum');
    for (const key of ['meanwhile', 'after']) expect(await cluster.group.get(cluster.master, key)).toBe('v');
    await cluster.group.clock.advance(2_000);
    expect(cluster.coordinator.alarms).toEqual([]);
  });
});

/** The record of the group names another leader of its present term, with a higher epoch. */
async function giveTermTo(node: string): Promise<void> {
  const { entries } = await cluster.store.read('/walnut/test/');
  const stored = (end: string) =>
    entries.find(({ key }) => key.endsWith(end)) ?? expect.unreachable(`no ${end}`);
  const [epoch, group] = [stored('/epoch'), stored('/groups/g1')];
  const record = decodeGroup(group.value);
  const leader = record.leader && { ...record.leader, node };
  await cluster.store.transact({
    compare: [],
    writes: [
      { key: group.key, value: encodeGroup({ ...record, leader }) },
      { key: epoch.key, value: encodeEpoch(decodeEpoch(epoch.value) + 1) },
    ],
  });
}
