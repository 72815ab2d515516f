/** The record of a cluster in the store: what is written is what is read, and how changes exclude each other. */
import { describe, expect, it } from 'vitest';
import { divideSlots, GROUPS_MAX, type Group } from '#cluster/shard-map.ts';
import { Catalogue } from '#coordinator/catalogue.ts';
import type { LocalStore } from '#metadata/local-store.ts';
import { makeEpoch, toLsn } from '#model/position.ts';
import { createMemoryMetadata } from '#test/doubles/memory-metadata.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';

const CLUSTER_ID = 'c'.repeat(32);
const group: Group = {
  id: 'g1',
  logId: 'f'.repeat(32),
  voters: [
    { node: 'a:1', incarnation: 7 },
    { node: 'b:1', incarnation: 2 ** 50 },
  ],
  term: 9,
  leader: { node: 'a:1', incarnation: 7, tail: { epoch: makeEpoch(8, 5), lsn: toLsn(77) } },
  lastLeader: 'b:1',
  next: { term: 10, node: 'b:1' },
  withdrawn: 9,
  grants: { term: 9, count: 1, voters: [{ node: 'a:1', incarnation: 7 }] },
};

async function open(): Promise<{ store: LocalStore; leader: number; make: () => Catalogue }> {
  const clock = new VirtualClock();
  const store = createMemoryMetadata(clock);
  const make = (): Catalogue =>
    new Catalogue({ store, prefix: '/walnut/x/', monotonicMs: () => clock.monotonicMs() });
  const key = '/walnut/x/leader';
  const { revision } = await store.transact({ compare: [], writes: [{ key, value: Uint8Array.of() }] });
  return { store, leader: revision, make };
}

describe('the catalogue', () => {
  it('reads what it wrote, and nothing of another cluster', async () => {
    const { leader, make } = await open();
    const writes = {
      clusterId: CLUSTER_ID,
      groups: [group, { ...group, id: 'g2', leader: undefined, next: undefined }],
      slots: divideSlots(['g1', 'g2']),
      nodes: [
        { name: 'a:1', address: 'a:1', zone: 'x', status: 'draining' },
        { name: 'b:1', address: '[::1]:1', zone: '', status: 'active' },
      ] as const,
    };
    const catalogue = make();
    expect((await catalogue.read()).map).toMatchObject({ clusterId: '', epoch: 0, slots: [] });
    expect(await catalogue.change(leader, () => writes)).toBe(true);
    const changed = catalogue.recorded?.map;
    expect(changed).toMatchObject({ clusterId: CLUSTER_ID, epoch: 1, slots: writes.slots });
    expect((await make().read()).map).toEqual(changed);
    expect([...(changed?.groups.values() ?? [])]).toEqual(writes.groups);
    expect([...(changed?.nodes.values() ?? [])]).toEqual(writes.nodes);
  });

  it('changes nothing for a coordinator that was deposed, nor by a map that is old', async () => {
    const { leader, make } = await open();
    const [mine, other] = [make(), make()];
    await mine.read();
    await other.read();
    expect(await other.change(leader, () => ({ clusterId: CLUSTER_ID }))).toBe(true);
    expect(await mine.change(leader, () => ({ groups: [group] }))).toBe(false);
    expect(mine.recorded).toBeUndefined();
    expect(await mine.change(leader, (map) => (map.epoch === 1 ? { groups: [group] } : undefined))).toBe(
      true,
    );
    expect(await mine.change(leader + 1, () => ({ groups: [] }))).toBe(false);
    expect((await make().read()).map.epoch).toBe(2);
  });

  it('makes one change after the other, each of the newest map', async () => {
    const { leader, make } = await open();
    const catalogue = make();
    const epochs: number[] = [];
    const change = () =>
      catalogue.change(leader, (map) => {
        epochs.push(map.epoch);
        return {};
      });
    expect(await Promise.all([change(), change(), change()])).toEqual([true, true, true]);
    expect(epochs).toEqual([0, 1, 2]);
  });

  it('reads again after a change without an answer', async () => {
    const { store, leader, make } = await open();
    const catalogue = make();
    await catalogue.read();
    const { transact } = store;
    store.transact = async (transaction) => {
      await transact.call(store, transaction);
      throw new Error('no answer');
    };
    await expect(catalogue.change(leader, () => ({ groups: [group] }))).rejects.toThrow('no answer');
    expect(catalogue.recorded).toBeUndefined();
    store.transact = transact;
    expect(await catalogue.change(leader, (map) => (map.groups.has('g1') ? {} : undefined))).toBe(true);
  });

  /** The largest cluster: 125 groups of three. */
  function largest() {
    const groups = Array.from({ length: GROUPS_MAX }, (_, i) => ({ ...group, id: `g${i}` }));
    const nodes = Array.from({ length: 3 * GROUPS_MAX }, (_, i) => {
      return { name: `n${i}`, address: `n${i}:1`, zone: '', status: 'active' as const };
    });
    return { clusterId: CLUSTER_ID, slots: divideSlots(groups.map(({ id }) => id)), groups, nodes };
  }

  it('lists nodes first where a change has more keys than etcd takes, and all else at once', async () => {
    const { store, leader, make } = await open();
    const sizes: string[] = [];
    const { transact } = store;
    store.transact = (transaction) => {
      const has = (part: string) => transaction.writes.filter(({ key }) => key.includes(part)).length;
      sizes.push(`${transaction.writes.length}: ${has('/groups/')} groups, ${has('/nodes/')} nodes`);
      return transact.call(store, transaction);
    };
    const writes = largest();
    expect(await make().change(leader, () => writes)).toBe(true);
    expect(sizes).toEqual([
      '128: 0 groups, 127 nodes',
      '128: 0 groups, 127 nodes',
      '122: 0 groups, 121 nodes',
      '128: 125 groups, 0 nodes',
    ]);
    const { map } = await make().read();
    expect([map.epoch, map.groups.size, map.nodes.size]).toEqual([4, 125, 375]);
  });

  it('makes no cluster where another coordinator changes the map between', async () => {
    const { store, leader, make } = await open();
    const { transact } = store;
    let count = 0;
    store.transact = async (transaction) => {
      const outcome = await transact.call(store, transaction);
      if (++count === 2)
        await store.transact({ compare: [], writes: [{ key: '/walnut/x/epoch', value: Uint8Array.of() }] });
      return outcome;
    };
    expect(await make().change(leader, () => largest())).toBe(false);
    const { map } = await make().read();
    expect([map.clusterId, map.groups.size, map.nodes.size]).toEqual(['', 0, 254]);
  });
});
