/** What a master's start adds to the log: an epoch, and limits that changed. */
import { describe, expect, it } from 'vitest';
import { decodeConfig } from '#engine/records/config-record.ts';
import { decodeEpochParent } from '#engine/records/epoch-record.ts';
import { RECORD_TYPE } from '#engine/records/record-kind.ts';
import type { StoreLimits } from '#model/entry.ts';
import { termOf } from '#model/position.ts';
import type { MemoryFileSystem } from '#test/doubles/memory-file-system.ts';
import { TestGroup, type TestNode } from '#test/doubles/test-group.ts';
import { decodeFrames, type Frame } from '#wal/frame.ts';

const LIMITS: StoreLimits = { entriesMax: 1_000, bytesMax: 0, policy: 'lru' };

async function framesOf(group: TestGroup, master: TestNode): Promise<Frame[]> {
  await group.clock.advance(2_000);
  const after = { epoch: 0, lsn: 0 } as never;
  const answer = await group.until(master.node.getUpdates({ after, format: 'frames', bytesMax: 1 << 20 }));
  return decodeFrames(answer.frames);
}

async function epochsOf(group: TestGroup, master: TestNode): Promise<number[]> {
  return (await framesOf(group, master))
    .filter(({ type }) => type === RECORD_TYPE.epoch)
    .map(({ epoch }) => epoch);
}

async function started(group: TestGroup, fileSystem?: MemoryFileSystem, limits = LIMITS): Promise<TestNode> {
  return group.master({ limits, ...(fileSystem === undefined ? {} : { fileSystem }) });
}

describe('a fresh master', () => {
  it('begins its log with an epoch of term 1 that has no parent, then its limits', async () => {
    const group = new TestGroup();
    const master = await started(group);
    const [epoch, config, ...rest] = await framesOf(group, master);
    expect(rest).toEqual([]);
    expect(epoch).toMatchObject({ lsn: 1, type: RECORD_TYPE.epoch });
    expect(termOf(epoch?.epoch ?? 0)).toBe(1);
    expect(decodeEpochParent(epoch?.payload ?? Buffer.alloc(0))).toEqual({ epoch: 0, lsn: 0, crc: 0 });
    expect(decodeConfig(config?.payload ?? Buffer.alloc(0)).limits).toEqual(LIMITS);
  });
});

describe('a master that starts again', () => {
  it('after a clean stop begins an epoch under the same term and logs nothing else', async () => {
    const group = new TestGroup();
    const master = await started(group);
    await group.set(master, 'a', 'x');
    const before = master.node.digest();
    const again = await started(group, await group.stop(master));
    const { position, ...state } = again.node.digest();
    expect(state).toEqual({ entries: before.entries, digest: before.digest });
    expect(position.lsn).toBe(before.position.lsn + 1);
    const third = await started(group, await group.stop(again));
    const epochs = await epochsOf(group, third);
    expect(new Set(epochs).size).toBe(3);
    expect(epochs.map(termOf)).toEqual([1, 1, 1]);
    expect((await group.set(third, 'b', 'x')).position.lsn).toBe(before.position.lsn + 3);
  });

  it('after a kill begins an epoch with a new nonce under the same term, which names its parent', async () => {
    const group = new TestGroup();
    const master = await started(group);
    const { position } = await group.set(master, 'a', 'x');
    await group.clock.advance(3_000);
    const again = await started(group, group.kill(master));
    const epochs = await epochsOf(group, again);
    expect(epochs).toHaveLength(2);
    expect(new Set(epochs).size).toBe(2);
    expect(epochs.map(termOf)).toEqual([1, 1]);
    const frames = await framesOf(group, again);
    const begun = frames.at(-1) as Frame;
    const before = frames.at(-2) as Frame;
    expect(before).toMatchObject(position);
    expect(decodeEpochParent(begun.payload)).toEqual({ ...position, crc: before.crc });
    expect(await group.get(again, 'a')).toBe('x');
    // Limits are the same: they are not logged again.
    expect(frames.filter(({ type }) => type === RECORD_TYPE.config)).toHaveLength(1);
    const third = await started(group, group.kill(again));
    expect(await epochsOf(group, third)).toHaveLength(3);
  });

  it('after a clean stop and then a kill begins one each time, however idle it was', async () => {
    const group = new TestGroup();
    const master = await started(group);
    const again = await started(group, await group.stop(master));
    await group.clock.advance(10_000);
    const third = await started(group, group.kill(again));
    expect(await epochsOf(group, third)).toHaveLength(3);
  });

  it('after a power cut at any call has all that was acknowledged as durable, and a new epoch', async () => {
    for (let k = 1; k <= 40; k += 3) {
      const group = new TestGroup(k);
      const fsync = 'always' as const;
      const master = await group.master({ fsync });
      const before = await epochsOf(group, master);
      master.fileSystem.crashAtCall = master.fileSystem.callCount + k;
      let acked = -1;
      for (let i = 0; i < 40 && !master.fileSystem.isCrashed; i++) {
        const isDone = await group.set(master, 'count', `${i}`).then(
          () => true,
          () => false,
        );
        if (isDone) acked = i;
      }
      const again = await group.master({ fsync, fileSystem: group.powerCut(master, k) });
      const found = Number((await group.get(again, 'count')) ?? -1);
      expect(found).toBeGreaterThanOrEqual(acked);
      expect(found).toBeLessThanOrEqual(acked + 1);
      const epochs = await epochsOf(group, again);
      expect(epochs.slice(0, 1)).toEqual(before);
      expect(epochs).toHaveLength(2);
    }
  });

  it('with other limits logs them, and they apply', async () => {
    const group = new TestGroup();
    const master = await started(group);
    for (let i = 0; i < 30; i++) await group.set(master, `k${i}`, 'x');
    const lower: StoreLimits = { entriesMax: 10, bytesMax: 1 << 20, policy: 'lru' };
    const again = await started(group, await group.stop(master), lower);
    await group.clock.advance(500);
    expect(again.node.digest().entries).toBe(10);
    const configs = (await framesOf(group, again)).filter(({ type }) => type === RECORD_TYPE.config);
    expect(configs.map(({ payload }) => decodeConfig(payload).limits)).toEqual([LIMITS, lower]);
    const none: StoreLimits = { entriesMax: 10, bytesMax: 0, policy: 'none' };
    const third = await started(group, await group.stop(again), none);
    await expect(group.set(third, 'more', 'x')).rejects.toMatchObject({ code: 'resource_exhausted' });
    expect(await group.get(third, 'k29')).toBe('x');
  });

  it('answers tokens of the history it lost', async () => {
    const group = new TestGroup();
    const master = await group.master({ fsync: 'never' });
    await group.set(master, 'a', 'kept', { durability: 'local' });
    const lost = await group.set(master, 'a', 'lost');
    let again: TestNode | undefined;
    for (let seed = 1; again === undefined; seed++) {
      const disk = group.powerCut(master, seed);
      const candidate = await group.master({ fileSystem: disk });
      if ((await group.get(candidate, 'a')) === 'kept') again = candidate;
      else await group.stop(candidate);
    }
    const get = (async () => again.node.get({ key: 'a', atLeast: lost.position, waitMs: 0 }))();
    await expect(get).rejects.toMatchObject({ code: 'discarded_history' });
  });
});
