/** The limits of a group are those of its log, default time to live included: no failover changes them, an operator does. */
import { afterEach, describe, expect, it } from 'vitest';
import type { StoreLimits } from '#model/entry.ts';
import { silentLogger } from '#platform/logger.ts';
import { planMemory } from '#platform/memory-plan.ts';
import { TestCluster } from '#test/doubles/test-cluster.ts';
import type { TestNode } from '#test/doubles/test-group.ts';
import { describeNoRoom } from '../../../cmd/node/group-keys.ts';

const MIB = 1 << 20;
const LIMITS: StoreLimits = { entriesMax: 5, bytesMax: 0, policy: 'lru' };
let cluster: TestCluster;
afterEach(() => cluster.stop());

async function begin(changes: Readonly<Record<string, object>>): Promise<void> {
  cluster = new TestCluster(1);
  const names = Object.keys(changes);
  for (const name of names) await cluster.start(name, changes[name]);
  await cluster.group.untilTrue(() => cluster.coordinator.isActive, 'an active coordinator');
  await cluster.group.clock.advance(1_000);
  const plans = [{ id: 'g1', nodes: names }];
  await cluster.group.until(cluster.coordinator.requests.initCluster({ kind: 'given', groups: plans }));
  await cluster.untilLed();
  await cluster.group.clock.advance(2_000);
}

const limitsOf = ({ node }: TestNode) => node.limits.inForce;

/** The deadline of a new entry that asks for none, as milliseconds from now; undefined: it has none. */
async function deadline(): Promise<number | undefined> {
  const { group, master } = cluster;
  await group.set(master, 'k', 'v');
  const answer = await group.until(Promise.resolve(master.node.get({ key: 'k', waitMs: 0 })));
  const { expireAtMs = 0 } = answer.entry ?? {};
  return expireAtMs === 0 ? undefined : Math.round((expireAtMs - group.clock.wallMs()) / 1_000) * 1_000;
}

describe('the limits of a group', () => {
  it('are set by the file of its first leader, and stay over restarts with another one', async () => {
    await begin({ a: { limits: LIMITS, defaultTtlMs: 20_000 } });
    expect(limitsOf(cluster.master)).toEqual({ ...LIMITS, defaultTtlMs: 20_000 });
    const other = { limits: { ...LIMITS, entriesMax: 7 }, defaultTtlMs: 0 };
    const why = 'storage.max_entries 7 (its group has 5)';
    const member = { ...cluster.memberOptions('a'), whyOtherLimits: () => why };
    await cluster.start('a', { fileSystem: cluster.kill('a'), ...other, member });
    await cluster.untilLed();
    expect(limitsOf(cluster.master)).toEqual({ ...LIMITS, defaultTtlMs: 20_000 });
    expect(await deadline()).toBe(20_000);
    const { reasons, limits } = cluster.master.node.status();
    expect([reasons.includes(why), limits]).toEqual([true, { areOthers: true, lackRoom: false }]);
  });

  it('are changed at its leader for all members, and outlive failovers and restarts', async () => {
    await begin({ a: { limits: LIMITS }, b: { limits: LIMITS }, c: { limits: LIMITS } });
    for (let i = 0; i < 5; i++) await cluster.group.set(cluster.master, `k${i}`, 'v');
    const changed: StoreLimits = { entriesMax: 2, bytesMax: 1 << 20, policy: 'lru', defaultTtlMs: 60_000 };
    await cluster.group.until(cluster.master.node.limits.change(changed));
    await cluster.group.untilLevel([...cluster.nodes.values()]);
    for (const one of cluster.nodes.values()) expect(limitsOf(one)).toEqual(changed);
    await cluster.group.untilTrue(() => cluster.master.node.status().store.entries === 2, 'two entries');
    const { name } = cluster.master;
    const disk = cluster.kill(name);
    await cluster.untilLed();
    expect(limitsOf(cluster.master)).toEqual(changed);
    expect(await deadline()).toBe(60_000);
    const again = await cluster.start(name, { fileSystem: disk, limits: LIMITS });
    await cluster.group.untilTrue(() => again.node.status().state === 'streaming', 'it follows');
    expect(limitsOf(again)).toEqual(changed);
  });

  it('leave no member with a default time to live of its own', async () => {
    await begin({ a: {}, b: { defaultTtlMs: 20_000 }, c: { defaultTtlMs: 20_000 } });
    const ttlMs = limitsOf(cluster.master)?.defaultTtlMs;
    expect(await deadline()).toBe(ttlMs);
    cluster.kill(cluster.master.name);
    await cluster.untilLed();
    expect(await deadline()).toBe(ttlMs);
  });

  it('are changed by nobody else, and that is said so with its leader', async () => {
    await begin({ a: {}, b: {}, c: {} });
    const replica = [...cluster.nodes.values()].find((one) => one !== cluster.master) as TestNode;
    await expect(cluster.group.until(replica.node.limits.change(LIMITS))).rejects.toMatchObject({
      code: 'not_master',
      details: { nothingDone: true, leaderHint: cluster.master.address },
    });
    const alone = await cluster.start('d');
    expect(limitsOf(alone)).toBeUndefined();
    await expect(cluster.group.until(alone.node.limits.change(LIMITS))).rejects.toMatchObject({
      details: { nothingDone: true },
    });
  });

  it('that a machine has no room for are told there, and so is the end of that', async () => {
    const told: string[] = [];
    const logger = { ...silentLogger, warn: note, info: note };
    function note(_: object, message: string): void {
      if (message.includes('this machine')) told.push(message);
    }
    const memory = planMemory(256 * MIB);
    const whyNoRoom = (bytesMax: number) => describeNoRoom(memory, bytesMax);
    await begin({ a: { limits: LIMITS } });
    const member = { ...cluster.memberOptions('a'), whyNoRoom };
    await cluster.start('a', { fileSystem: cluster.kill('a'), limits: LIMITS, logger, member });
    await cluster.untilLed();
    const { group, master } = cluster;
    const reasons = () => master.node.status().reasons;
    expect([told, reasons()]).toEqual([[], []]);
    await group.until(master.node.limits.change({ ...LIMITS, bytesMax: 400 * MIB }));
    await group.clock.advance(5_000);
    expect(reasons()).toEqual([
      expect.stringMatching(
        /max_memory of 400 MiB and .* under load it may be killed.*walnut config lowers those at its leader$/,
      ),
    ]);
    await group.until(master.node.limits.change(LIMITS));
    await group.clock.advance(5_000);
    expect(reasons()).toEqual([]);
    expect(told).toEqual([
      'the limits of the group do not fit this machine',
      'the limits of the group fit this machine again',
    ]);
  });

  it('that do not reach a majority are in force, and the answer says that a failover may undo them', async () => {
    await begin({ a: {}, b: {} });
    const [replica] = [...cluster.nodes.values()].filter((one) => one !== cluster.master);
    cluster.kill(replica?.name ?? '');
    const change = () => cluster.group.until(cluster.master.node.limits.change(LIMITS));
    await expect(change()).rejects.toThrow('a failover may undo them');
    expect(limitsOf(cluster.master)).toEqual(LIMITS);
    // A repeat finds them in force, which says nothing of a majority.
    await expect(change()).rejects.toThrow('a failover may undo them');
  });

  it('that a leader logs and then loses its lease have an unknown outcome, and the answer says so', async () => {
    await begin({ a: {}, b: {}, c: {} });
    const { master } = cluster;
    for (const name of ['a', 'b', 'c']) cluster.group.network.cut(master.address, `${name}:1`);
    cluster.cutOff.add(master.name);
    await expect(cluster.group.until(master.node.limits.change(LIMITS))).rejects.toThrow(
      'the outcome is unknown',
    );
  });

  it('stay as they were changed while the log clock is mended, and the clock stays mended', async () => {
    await begin({ a: { limits: LIMITS } });
    const { group, master } = cluster;
    group.clock.setWall(group.clock.wallMs() - 3_600_000);
    await group.clock.advance(3_000);
    await cluster.untilLed();
    const changed = { ...LIMITS, entriesMax: 9 };
    const mend = () => master.node.mendClock({ shouldApply: true, expectedAheadMs: undefined });
    await group.until(Promise.all([master.node.limits.change(changed), mend()]));
    expect(limitsOf(master)).toEqual(changed);
    expect(master.node.status().clock?.aheadMs).toBe(0);
  });
});
