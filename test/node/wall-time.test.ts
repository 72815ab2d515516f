/**
 * Deadlines that clients name are in wall time, however far the log clock is
 * from it: each node answers them by its own wall clock, and time to live and
 * what the log holds do not change by that.
 */
import { describe, expect, it } from 'vitest';
import { NOT_FOUND } from '#model/bulk.ts';
import type { Expiry, SetCommand } from '#model/commands.ts';
import { NO_POSITION } from '#model/position.ts';
import { setCommand, TestGroup, type TestNode } from '#test/doubles/test-group.ts';

const HOUR = 3_600_000;
const YEAR = 365 * 24 * HOUR;
/** The log clock is slewed by at most 5 %, so it gains or loses that much meanwhile. */
const slewed = (ms: number): number => 0.05 * ms + 30;

const at = (expireAtMs: number): Expiry => ({ kind: 'at', expireAtMs });

function shownAt(node: TestNode, key: string): number | undefined {
  const answer = node.node.get({ key, waitMs: 0 });
  if (answer instanceof Promise) throw new Error('nothing to wait for');
  return answer.entry?.expireAtMs;
}

/** What the log of the master holds of a key. */
async function loggedAt(group: TestGroup, node: TestNode, key: string): Promise<number | undefined> {
  const command = { after: NO_POSITION, format: 'entries', bytesMax: 0 } as const;
  await group.untilTrue(() => node.node.status().durableLsn === node.node.status().appliedLsn, 'durable');
  const { updates } = await node.node.getUpdates(command);
  return updates.findLast((update) => update.key === key)?.expireAtMs;
}

describe.each([
  ['8 h ahead', 8 * HOUR],
  ['1 h back', -HOUR],
  ['3 s back', -3_000],
  ['half a second ahead', 500],
  ['not at all', 0],
])('the wall clock is set %s while the master runs', (_what, jumpMs) => {
  async function jumped(): Promise<{ group: TestGroup; master: TestNode; replica: TestNode }> {
    const group = new TestGroup();
    const master = await group.master();
    const replica = await group.replica('one');
    await group.set(master, 'ttl', 'v', { expiry: { kind: 'ttl', ttlMs: 60_000 } });
    await group.untilLevel([master, replica]);
    group.clock.setWall(group.clock.wallMs() + jumpMs);
    return { group, master, replica };
  }

  it('an absolute deadline keeps its distance from now', async () => {
    const { group, master, replica } = await jumped();
    const fromMs = group.clock.wallMs();
    await group.set(master, 'soon', 'v', { expiry: at(fromMs + 5_000) });
    const spentMs = group.clock.wallMs() - fromMs;
    await group.untilLevel([master, replica]);
    for (const node of [master, replica]) {
      const shown = shownAt(node, 'soon') ?? 0;
      expect(Math.abs(shown - (fromMs + 5_000)), node.name).toBeLessThanOrEqual(
        Math.abs(jumpMs) <= 1_000 ? 0 : slewed(1_000),
      );
    }
    const leewayMs = Math.abs(jumpMs) <= 1_000 ? 600 : slewed(5_000);
    await group.clock.advance(5_000 - spentMs - 1_000 - leewayMs);
    expect(await group.get(master, 'soon')).toBe('v');
    await group.clock.advance(1_000 + 2 * leewayMs);
    for (const node of [master, replica]) expect(await group.get(node, 'soon'), node.name).toBeUndefined();
  });

  it('a deadline of the past deletes, and one of the future does not', async () => {
    const { group, master } = await jumped();
    const writes = [
      ['set', (command: SetCommand): Promise<unknown> => master.node.set(command)],
      ['batch', (command: SetCommand): Promise<unknown> => master.node.batch([{ kind: 'set', command }])],
    ] as const;
    for (const [name, write] of writes) {
      await group.until(
        write(setCommand(`${name} ahead`, 'v', { expiry: at(group.clock.wallMs() + 2_000) })),
      );
      expect(await group.get(master, `${name} ahead`), name).toBe('v');
      await group.until(write(setCommand(`${name} past`, 'v', { expiry: at(group.clock.wallMs() - 2_000) })));
      expect(await group.get(master, `${name} past`), name).toBeUndefined();
    }
  });

  it('a time to live is shown in wall time, and is what it was', async () => {
    const { group, master } = await jumped();
    const logged = (await loggedAt(group, master, 'ttl')) ?? 0;
    const shown = shownAt(master, 'ttl') ?? 0;
    const leftMs = shown - group.clock.wallMs();
    expect(leftMs).toBeLessThanOrEqual(60_000 + (Math.abs(jumpMs) <= 1_000 ? Math.abs(jumpMs) : 0));
    expect(leftMs).toBeGreaterThan(50_000);
    if (Math.abs(jumpMs) <= 1_000) expect(shown).toBe(logged);
    // However it is read.
    const { entries } = master.node.scan({ prefix: 'ttl', cursor: '', limit: 10, keysOnly: false });
    expect(entries[0]?.expireAtMs).toBe(shown);
    const { entries: reads } = master.node.moment();
    const found = reads.find(Buffer.from('ttl'), 0, 3);
    expect(found).not.toBe(NOT_FOUND);
    expect(reads.expireAtMsOf(found)).toBe(shown);
    const kept = await group.set(master, 'ttl', 'w', { expiry: { kind: 'keep' }, returnPrevious: true });
    expect(Math.abs((kept.previous?.expireAtMs ?? 0) - shown)).toBeLessThanOrEqual(slewed(100));
    expect(await loggedAt(group, master, 'ttl')).toBe(logged);
    const refused = await group.set(master, 'ttl', 'x', { condition: { kind: 'absent' } });
    expect(Math.abs((refused.current?.expireAtMs ?? 0) - shown)).toBeLessThanOrEqual(slewed(200));
  });
});

it('a restore brings deadlines back as they stood in the log', async () => {
  const group = new TestGroup();
  const master = await group.master();
  await group.set(master, 'k', 'v', { expiry: { kind: 'ttl', ttlMs: HOUR } });
  const logged = (await loggedAt(group, master, 'k')) ?? 0;
  await group.until(Promise.resolve(master.node.delete({ key: 'k', ...OPTIONS })));
  group.clock.setWall(group.clock.wallMs() + 8 * HOUR);
  const expiry = { kind: 'logged', expireAtMs: logged } as const;
  const command = setCommand('k', 'v', { expiry, condition: { kind: 'absent' } });
  await group.until(master.node.restore([{ kind: 'set', command }]));
  expect(await loggedAt(group, master, 'k')).toBe(logged);
  expect(await group.get(master, 'k')).toBe('v');
});

it('one start with a clock ten years ahead spoils no absolute deadline afterwards', async () => {
  const group = new TestGroup();
  const rightMs = group.clock.wallMs();
  let disk = await group.stop(await group.master());
  group.clock.setWall(rightMs + 10 * YEAR);
  const wrong = await restart(group, disk);
  await group.set(wrong, 'a', 'v');
  disk = await group.stop(wrong);
  group.clock.setWall(rightMs + 60_000);
  const master = await restart(group, disk);
  await group.set(master, 'soon', 'v', { expiry: at(group.clock.wallMs() + 5_000) });
  expect(await group.get(master, 'soon')).toBe('v');
  await group.clock.advance(6_000);
  expect(await group.get(master, 'soon')).toBeUndefined();
});

const OPTIONS = { returnPrevious: false, minAcks: 0, timeoutMs: 0 };

function restart(group: TestGroup, fileSystem: TestNode['fileSystem']): Promise<TestNode> {
  return group.master({ fileSystem });
}
