/** Who owns a slot, by the map and by refusals that are newer. */
import { describe, expect, it } from 'vitest';
import { MapCache } from '#routing/map-cache.ts';
import { SlotOwners } from '#routing/slot-owners.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { mapOf } from '#test/routing/fake-cluster.ts';

const nobody = async (): Promise<void> => Promise.reject(new Error('no coordinator answers'));

function open(epoch = 5, ask: () => Promise<void> = nobody) {
  const clock = new VirtualClock();
  const cache = new MapCache({ clock, ask, onMap: () => undefined });
  cache.start(mapOf(['g1', 'g2'], epoch), 0);
  return { clock, cache, owners: new SlotOwners(cache) };
}

const refusal = (group: string, mapEpoch: number, slot = 1) => ({ slot, group, address: 'n:1', mapEpoch });

describe('the owner of a slot', () => {
  it.each([
    ['is that of the map', [], 'g1'],
    ['is that of a refusal by a newer map', [refusal('g2', 6)], 'g2'],
    ['is not that of a refusal by the same map', [refusal('g2', 5)], 'g1'],
    ['is no group that the map does not have', [refusal('g9', 6)], 'g1'],
    ['is not known to a refusal that names nobody', [refusal('', 6)], 'g1'],
    ['is that of the newest refusal', [refusal('g2', 8), refusal('g1', 7)], 'g2'],
    ['is not changed by a refusal of another slot', [refusal('g2', 6, 2)], 'g1'],
  ])('%s', async (_, refusals, owner) => {
    const { clock, owners } = open();
    for (const one of refusals) {
      const learned = owners.learn(one, owners.ownerOf(1) ?? '');
      await clock.advance(100);
      await learned;
    }
    expect(owners.ownerOf(1)).toBe(owner);
  });

  it('is that of the map again once that is as new as the refusal', async () => {
    const { cache, owners } = open();
    await owners.learn(refusal('g2', 7), 'g1');
    expect(owners.ownerOf(1)).toBe('g2');
    cache.take({ kind: 'whole', map: mapOf(['g1', 'g2'], 6), epoch: 6 });
    expect(owners.ownerOf(1)).toBe('g2');
    cache.take({ kind: 'whole', map: mapOf(['g1', 'g2'], 7), epoch: 7 });
    expect(owners.ownerOf(1)).toBe('g1');
  });

  it('is one of all: those of the map, and those that refusals name', async () => {
    const { cache, owners } = open();
    const { slots, ...rest } = mapOf(['g1', 'g2', 'g3'], 6);
    cache.take({
      kind: 'whole',
      map: { ...rest, slots: slots.filter(({ group }) => group !== 'g3') },
      epoch: 6,
    });
    expect([...owners.all()]).toEqual(['g1', 'g2']);
    await owners.learn(refusal('g3', 7), 'g1');
    expect([...owners.all()]).toEqual(['g1', 'g2', 'g3']);
  });

  it('is nobody without a map', async () => {
    const cache = new MapCache({
      clock: new VirtualClock(),
      ask: async () => undefined,
      onMap: () => undefined,
    });
    const owners = new SlotOwners(cache);
    await owners.learn(refusal('g2', 7), 'g1');
    expect(owners.ownerOf(1)).toBeUndefined();
  });

  it('is not asked for again by a call that was refused before another one was known', async () => {
    let asked = 0;
    const { cache, owners } = open(5, async () => {
      asked++;
      throw new Error('no coordinator answers');
    });
    await owners.learn(refusal('g2', 6), 'g1');
    expect([asked, owners.ownerOf(1)]).toEqual([1, 'g2']);
    await owners.learn(refusal('g2', 6), 'g1');
    expect(asked).toBe(1);
    cache.take({ kind: 'whole', map: mapOf(['g2', 'g1'], 8), epoch: 8 });
    await owners.learn(refusal('g2', 7), 'g1');
    expect([asked, owners.ownerOf(1)]).toEqual([1, 'g2']);
  });

  it('is that of the refusal after a second where a coordinator hangs', async () => {
    const { clock, owners } = open(5, () => new Promise(() => undefined));
    const learned = owners.learn(refusal('g2', 6), 'g1');
    await clock.advance(1_000);
    await learned;
    expect(owners.ownerOf(1)).toBe('g2');
  });
});
