/** A log clock that differs from wall time is told, and mended without touching a deadline, on every node. */
import { describe, expect, it } from 'vitest';
import { type Logger, silentLogger } from '#platform/logger.ts';
import { describeState, TestGroup, type TestNode } from '#test/doubles/test-group.ts';

const HOUR = 3_600_000;
const YEAR = 365 * 24 * HOUR;
const APPLY = { shouldApply: true, expectedAheadMs: undefined };
const DRY = { shouldApply: false, expectedAheadMs: undefined };

const offsetReasons = ({ node }: TestNode): string[] =>
  node.status().reasons.filter((reason) => reason.includes('log clock'));
const clockOf = ({ node }: TestNode) => {
  const { clock } = node.status();
  if (clock === undefined) throw new Error('it is loading');
  return clock;
};
const deadlineOf = async (group: TestGroup, { node }: TestNode, key: string): Promise<number | undefined> =>
  (await group.until(Promise.resolve(node.get({ key, waitMs: 0 })))).entry?.expireAtMs;

/** A master that once started with its clock ten years ahead, and is right again. */
async function spoiled(
  group: TestGroup,
  changes: Parameters<TestGroup['master']>[0] = {},
): Promise<TestNode> {
  group.clock.setWall(group.clock.wallMs() + 10 * YEAR);
  const disk = await group.stop(await group.master());
  group.clock.setWall(group.clock.wallMs() - 10 * YEAR);
  return group.master({ ...changes, fileSystem: disk });
}

describe('an offset of the log clock', () => {
  it('is told on every node once it is beyond the bound, and when it is over', async () => {
    const told: string[] = [];
    const note = (_fields: object, message: string) =>
      void (message.includes('log clock') && told.push(message));
    const logger: Logger = { ...silentLogger, warn: note, info: note };
    const group = new TestGroup();
    const master = await group.master({ logger });
    const replica = await group.replica('one');
    await group.set(master, 'k', 'v');
    await group.untilLevel([master, replica]);
    for (const node of [master, replica]) expect(offsetReasons(node)).toEqual([]);
    group.clock.setWall(group.clock.wallMs() + 9_000);
    await group.clock.advance(6_000);
    expect([offsetReasons(master), told]).toEqual([[], []]);
    group.clock.setWall(group.clock.wallMs() - 40_000);
    await group.clock.advance(6_000);
    for (const node of [master, replica]) {
      expect(offsetReasons(node)).toEqual([
        expect.stringMatching(
          /^the log clock is 3\d\.\ds ahead of this machine's wall clock: .*walnut clock$/,
        ),
      ]);
      expect(node.node.status()).toMatchObject({ isReady: true });
    }
    await group.clock.advance(20_000);
    expect(told).toHaveLength(1);
    group.clock.setWall(group.clock.wallMs() + clockOf(master).aheadMs);
    await group.clock.advance(6_000);
    expect(offsetReasons(master)).toEqual([]);
    expect(told[1]).toContain('agrees with the wall clock again');
  });
});

describe('mending the clock', () => {
  it('only tells without apply, and is refused where there is nothing to mend or the offset is another', async () => {
    const group = new TestGroup();
    const master = await spoiled(group);
    const before = describeState(master);
    const told = await master.node.mendClock(DRY);
    expect(told).toMatchObject({ isApplied: false });
    expect(told.clock.aheadMs).toBeGreaterThan(9.9 * YEAR);
    expect(told.wallOffsetMs).toBe(-told.clock.aheadMs);
    expect(describeState(master)).toBe(before);
    const other = { shouldApply: true, expectedAheadMs: told.clock.aheadMs + HOUR };
    await expect(group.until(master.node.mendClock(other))).rejects.toThrow('as expected');
    const same = { shouldApply: true, expectedAheadMs: told.clock.aheadMs + 500 };
    expect(await group.until(master.node.mendClock(same))).toMatchObject({ isApplied: true });
    await expect(group.until(master.node.mendClock(APPLY))).rejects.toThrow('nothing to mend');
    expect(await master.node.mendClock(DRY)).toMatchObject({ isApplied: false });
    const replica = await group.replica('one');
    await group.untilLevel([master, replica]);
    await expect(replica.node.mendClock(APPLY)).rejects.toThrow('only a master can mend the clock');
  });

  it.each([
    ['ten years ahead', 10 * YEAR],
    ['eight hours behind', -8 * HOUR],
  ])('of a log clock %s keeps every deadline, digest and position in order', async (_what, aheadMs) => {
    const group = new TestGroup();
    const master = await group.master();
    const replica = await group.replica('one');
    await group.set(master, 'ttl', 'v', { expiry: { kind: 'ttl', ttlMs: HOUR } });
    group.clock.setWall(group.clock.wallMs() - aheadMs);
    await group.set(master, 'at', 'v', { expiry: { kind: 'at', expireAtMs: group.clock.wallMs() + HOUR } });
    await group.untilLevel([master, replica]);
    const { digest } = master.node.digest();
    const leftMs = (await deadlineOf(group, master, 'ttl')) ?? 0;
    const { position } = await group.until(master.node.mendClock(APPLY));
    await group.untilLevel([master, replica]);
    expect(master.node.digest()).toMatchObject({ digest, position });
    for (const node of [master, replica]) {
      expect(offsetReasons(node)).toEqual([]);
      expect(Math.abs(clockOf(node).aheadMs)).toBeLessThan(1_000);
      const shownMs = (await deadlineOf(group, node, 'ttl')) ?? 0;
      expect(Math.abs(shownMs - leftMs), node.name).toBeLessThan(1_000);
    }
    // From here on deadlines come back on every node as they were given.
    const expireAtMs = group.clock.wallMs() + 5_000;
    await group.set(master, 'soon', 'v', { expiry: { kind: 'at', expireAtMs } });
    await group.untilLevel([master, replica]);
    for (const node of [master, replica]) expect(await deadlineOf(group, node, 'soon')).toBe(expireAtMs);
    await group.clock.advance(6_500);
    for (const node of [master, replica]) expect(await group.get(node, 'soon'), node.name).toBeUndefined();
    expect(await group.get(master, 'ttl')).toBe('v');
  });

  it('stays over a restart from the log, one from a snapshot, a full resync and a promotion', async () => {
    const group = new TestGroup();
    let master = await spoiled(group);
    await group.until(master.node.mendClock(APPLY));
    const expireAtMs = group.clock.wallMs() + HOUR;
    await group.set(master, 'k', 'v', { expiry: { kind: 'at', expireAtMs } });
    for (const makesSnapshot of [false, true]) {
      if (makesSnapshot) await group.until(master.node.checkpoint());
      const disk = await group.stop(master);
      // Time went on while it was down.
      group.clock.setWall(group.clock.wallMs() + 60_000);
      const limits = { entriesMax: makesSnapshot ? 500 : 400, bytesMax: 0, policy: 'lru' } as const;
      master = await group.master({ fileSystem: disk, retentionBytes: 0, limits });
      await group.untilTrue(() => master.node.status().store.entriesMax === limits.entriesMax, 'new limits');
      expect(Math.abs(clockOf(master).aheadMs)).toBeLessThan(1_000);
      expect(offsetReasons(master)).toEqual([]);
      expect(await deadlineOf(group, master, 'k')).toBe(expireAtMs);
    }
    const replica = await group.replica('one');
    await group.untilLevel([master, replica]);
    expect(await deadlineOf(group, replica, 'k')).toBe(expireAtMs);
    group.kill(master);
    await group.until(replica.node.promote(true));
    await group.untilTrue(() => replica.node.status().state === 'serving', 'promoted');
    await group.set(replica, 'new', 'v', { expiry: { kind: 'at', expireAtMs } });
    expect(await deadlineOf(group, replica, 'new')).toBe(expireAtMs);
    expect(Math.abs(clockOf(replica).aheadMs)).toBeLessThan(1_000);
  });

  it('changes nothing that a delayed replica waits for, which knows of it at once', async () => {
    const group = new TestGroup();
    const master = await spoiled(group);
    const late = await group.replica('late', { applyDelayMs: 30_000 });
    await group.untilTrue(() => late.node.status().state === 'delayed', 'delayed');
    await group.set(master, 'k', 'v');
    await group.until(master.node.mendClock(APPLY));
    await group.clock.advance(3_000);
    expect(offsetReasons(late)).toEqual([]);
    expect(await group.get(late, 'k')).toBeUndefined();
    await group.clock.advance(20_000);
    expect(await group.get(late, 'k')).toBeUndefined();
    await group.clock.advance(10_000);
    expect(await group.get(late, 'k')).toBe('v');
  });
});
