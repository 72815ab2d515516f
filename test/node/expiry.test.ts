/** The master alone expires and evicts; replicas hide and follow. */
import { describe, expect, it } from 'vitest';
import { TestGroup } from '#test/doubles/test-group.ts';

describe('expiry and eviction', () => {
  it('are the master’s alone: a replica cut off hides what expired and deletes nothing', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const one = await group.replica('one');
    await group.set(master, 'short', '1', { expiry: { kind: 'ttl', ttlMs: 3_000 } });
    await group.set(master, 'long', '1', { expiry: { kind: 'ttl', ttlMs: 600_000 } });
    await group.untilLevel([master, one]);
    const before = one.node.digest();
    group.network.cut('master:1', 'one:1');
    group.network.cut('one:1', 'master:1');
    await group.clock.advance(20_000);
    expect(await group.get(one, 'short')).toBeUndefined();
    expect(await group.get(one, 'long')).toBe('1');
    expect(one.node.digest()).toEqual(before);
    expect(one.node.status().store).toMatchObject({ entries: 2, expired: 0 });
    expect(master.node.status().store).toMatchObject({ entries: 1, expired: 1 });
    const restarted = await group.replica('one', { fileSystem: await group.stop(one) });
    expect(await group.get(restarted, 'short')).toBeUndefined();
    expect(restarted.node.digest()).toEqual(before);
    group.network.heal();
    await group.untilLevel([master, restarted]);
    expect(restarted.node.status().store).toMatchObject({ entries: 1 });
  });

  it('evict the same victims everywhere, by the limits of the master', async () => {
    const group = new TestGroup();
    const master = await group.master({ limits: { entriesMax: 10, bytesMax: 0, policy: 'lru' } });
    // Its own configuration does not matter.
    const one = await group.replica('one', { limits: { entriesMax: 3, bytesMax: 0, policy: 'none' } });
    for (let i = 0; i < 40; i++) {
      await group.set(master, `k${i}`, `${i}`);
      await group.get(master, `k${i - (i % 5)}`);
      await group.get(one, `k${i % 3}`);
    }
    await group.untilLevel([master, one]);
    expect(one.node.status().store.entries).toBe(10);
  });

  it.each([
    [60_000, 0],
    [-60_000, 0],
    [0, 60_000],
    [0, -60_000],
    [60_000, -60_000],
  ])('follow one clock: master %i ms off, replica %i ms off', async (masterMs, replicaMs) => {
    const group = new TestGroup();
    const clockOf = (offsetMs: number) => group.clock.skewed({ offsetMs });
    const clocks = [clockOf(masterMs), clockOf(replicaMs)] as const;
    const master = await group.master({ clock: clocks[0] });
    const one = await group.replica('one', { clock: clocks[1] });
    await group.untilLevel([master, one]);
    await group.set(master, 'a', '1', { expiry: { kind: 'ttl', ttlMs: 5_000 } });
    await group.untilLevel([master, one]);
    // Each answers in its own wall time, and both mean the same moment.
    const leftMs = [master, one].map(async ({ node }, i) => {
      const { entry } = await node.get({ key: 'a', waitMs: 0 });
      return (entry?.expireAtMs ?? Number.NaN) - (clocks[i]?.wallMs() ?? Number.NaN);
    });
    const [there = 0, here] = await Promise.all(leftMs);
    expect(here).toBe(there);
    expect(there).toBeGreaterThan(4_900);
    expect(there).toBeLessThanOrEqual(5_000);
    const endMs = group.clock.monotonicMs() + 7_000;
    let differ = 0;
    let shown = 0;
    let hidden = 0;
    while (group.clock.monotonicMs() < endMs) {
      await group.clock.advance(20);
      const [isThere, isHere] = await Promise.all(
        [master, one].map(async ({ node }) => (await node.get({ key: 'a', waitMs: 0 })).entry !== undefined),
      );
      if (isThere !== isHere) differ++;
      else if (isThere) shown++;
      else hidden++;
    }
    // They agree but for the moment of the deadline itself.
    expect(shown).toBeGreaterThan(240);
    expect(hidden).toBeGreaterThan(90);
    expect(differ).toBeLessThanOrEqual(1);
  });
});
