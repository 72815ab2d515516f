/** The log from a time on: GetUpdates and Watch begin with the first record at or after it. */
import { describe, expect, it } from 'vitest';
import { type Lsn, NO_POSITION, toLsn } from '#model/position.ts';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { TestGroup, type TestNode } from '#test/doubles/test-group.ts';
import { touchOf, ttl } from '#test/engine/rig.ts';
import { Following } from '#test/watch/following.ts';
import { decodeFrames, type Frame } from '#wal/frame.ts';

const PACES = [1, 700, 1_000, 9_000];
const KEPT = { retentionBytes: 1 << 30 };

async function updatesSince(group: TestGroup, { node }: TestNode, sinceMs: number): Promise<Frame[]> {
  const frames: Frame[] = [];
  let command = { after: NO_POSITION, sinceMs, format: 'frames', bytesMax: 0 } as const as Parameters<
    typeof node.getUpdates
  >[0];
  for (;;) {
    const answer = await group.until(node.getUpdates(command));
    if (answer.frames.length === 0) return frames;
    frames.push(...decodeFrames(answer.frames));
    command = { after: answer.last, format: 'frames', bytesMax: 0 };
  }
}

/** Records of many paces, from within a millisecond to seconds. */
async function filled(group: TestGroup, master: TestNode, records: number, seed: number): Promise<void> {
  const random = new SeededRandom(seed);
  for (let i = 0; i < records; i++) {
    await group.set(master, `k${random.below(9)}`, 'x'.repeat(300));
    await group.clock.advance(random.below(PACES[random.below(PACES.length)] as number));
  }
}

describe('GetUpdates since a time', () => {
  it('begins with the first record at or after it, wherever that is', async () => {
    const group = new TestGroup();
    const master = await group.master(KEPT);
    await filled(group, master, 60, 5);
    const all = await updatesSince(group, master, 0);
    expect(all[0]?.lsn).toBe(1);
    for (const { timestampMs } of all.filter((_, i) => i % 5 === 0)) {
      for (const sinceMs of [timestampMs - 1, timestampMs, timestampMs + 1]) {
        const expected = all.filter((one) => one.timestampMs >= sinceMs).map(({ lsn }) => lsn);
        const found = (await updatesSince(group, master, sinceMs)).map(({ lsn }) => lsn);
        expect(found, `since ${sinceMs}`).toEqual(expected);
      }
    }
  });

  it('of a time to come is empty, and goes on with the next record', async () => {
    const group = new TestGroup();
    const master = await group.master(KEPT);
    await filled(group, master, 3, 6);
    const sinceMs = group.clock.wallMs() + 5_000;
    const command = { after: NO_POSITION, sinceMs, format: 'entries', bytesMax: 0 } as const;
    const none = await group.until(master.node.getUpdates(command));
    expect([none.updates, none.last]).toEqual([[], none.latest]);
    await group.set(master, 'next', 'x');
    await group.clock.advance(1_500);
    const next = await group.until(
      master.node.getUpdates({ ...command, sinceMs: undefined, after: none.last }),
    );
    expect(next.updates.map(({ key }) => key)).toEqual(['next']);
  });

  it.each([false, true])(
    'of a time that the log may not reach is OUT_OF_RANGE (level 1: %s)',
    async (isLevel1) => {
      const group = new TestGroup();
      const small = { retentionBytes: 0, maxFileBytes: 4_096 };
      const first = await group.master(small);
      if (isLevel1) {
        await group.set(first, 'touched', 'x');
        await group.until(first.node.touch(touchOf('touched', ttl(1e12))));
      }
      const startMs = group.clock.wallMs();
      await filled(group, first, 40, 7);
      await group.clock.advance(60_000);
      const quietMs = group.clock.wallMs();
      await group.clock.advance(300_000);
      await group.until(first.node.checkpoint());
      const master = await group.master({ fileSystem: await group.stop(first), ...small });
      const betweenMs = group.clock.wallMs();
      await group.clock.advance(2_000);
      await group.set(master, 'k', 'after the restart');
      await expect(updatesSince(group, master, startMs)).rejects.toMatchObject({
        code: 'out_of_range',
        message: expect.stringMatching(/may not reach back to \d{4}-.*: it begins at \d/),
        details: { earliest: { lsn: master.node.status().earliestLsn } },
      });
      const found = await updatesSince(group, master, betweenMs + 1_000);
      expect(found.map(({ lsn }) => lsn)).toEqual([master.node.status().position.lsn]);
      // What a full resync installs has no record before it: only the table says when the last one was made.
      const replica = await group.replica('one');
      await group.untilLevel([master, replica]);
      const { earliestLsn, position } = replica.node.status();
      const inThatHour = updatesSince(group, replica, quietMs);
      if (!isLevel1) await expect(inThatHour).rejects.toMatchObject({ code: 'out_of_range' });
      else expect((await inThatHour).map(({ lsn }) => lsn)).toEqual([earliestLsn, position.lsn]);
    },
  );

  it('waits for what is visible to be durable, so that nothing older is told', async () => {
    const group = new TestGroup();
    const master = await group.master({ ...KEPT, walSyncIntervalMs: 60_000 });
    await group.set(master, 'older', 'x');
    await group.clock.advance(50);
    const sinceMs = group.clock.wallMs();
    await group.set(master, 'k', 'x');
    const found = await updatesSince(group, master, sinceMs);
    expect(found.map(({ lsn }) => lsn)).toEqual([master.node.status().position.lsn]);
  });
});

describe('a watch since a time', () => {
  it('tells every change from then on, and what follows', async () => {
    const group = new TestGroup();
    const master = await group.master(KEPT);
    await filled(group, master, 20, 8);
    const sinceMs = group.clock.wallMs();
    await filled(group, master, 20, 9);
    const all = await updatesSince(group, master, sinceMs);
    const following = new Following(master.node, { sinceMs });
    await group.clock.advance(1_000);
    await group.set(master, 'live', 'x');
    await group.clock.advance(1_000);
    const lsns = all.map(({ lsn }) => lsn as Lsn);
    expect(following.events.map(({ version }) => version.lsn)).toEqual([
      ...lsns,
      toLsn((lsns.at(-1) as number) + 1),
    ]);
    following.stop();
    await group.clock.advance(100);
  });

  it('on a delayed replica begins with what becomes visible next, at the latest', async () => {
    const group = new TestGroup();
    const master = await group.master(KEPT);
    const late = await group.replica('late', { ...KEPT, applyDelayMs: 10_000 });
    await group.set(master, 'a', 'x');
    await group.clock.advance(2_000);
    const sinceMs = group.clock.wallMs();
    await group.set(master, 'b', 'x');
    await group.clock.advance(1_000);
    const following = new Following(late.node, { sinceMs });
    await group.clock.advance(12_000);
    expect(following.code).toBeUndefined();
    expect(following.events.map(({ key }) => key)).toEqual(['a', 'b']);
    following.stop();
    await group.clock.advance(100);
  });
});
