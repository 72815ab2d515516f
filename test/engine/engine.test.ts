import { describe, expect, it } from 'vitest';
import { makeEpoch, toLsn } from '#model/position.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { deleteOf, Rig, setOf, watch } from '#test/engine/rig.ts';
import { whyNotNext } from '#wal/frame.ts';

describe('records that the engine writes', () => {
  it('bear the log clock, never going back, and form one chain', async () => {
    const clock = new VirtualClock();
    const rig = await Rig.open({ clock });
    await rig.set('a', '1');
    await clock.advance(5_000);
    await rig.set('a', '2');
    const nowMs = rig.engine.logClock.nowMs();
    clock.setWall(clock.wallMs() - 3_600_000);
    await rig.set('a', '3');
    const again = await Rig.open({ clock, fileSystem: await rig.close() });
    await again.set('a', '4');
    const records = await again.records();
    const stamps = records.map(({ timestampMs }) => timestampMs);
    expect(stamps.slice(-3)).toEqual([nowMs, expect.any(Number), expect.any(Number)]);
    expect(stamps).toEqual([...stamps].sort((a, b) => a - b));
    expect(stamps.at(-1)).toBeLessThan(nowMs + 1_000);
    expect((stamps.at(-3) ?? 0) - (stamps.at(-4) ?? 0)).toBe(5_000);
    expect(again.engine.lastTimestampMs).toBe(stamps.at(-1));
    records.slice(1).forEach(({ frame }, i) => {
      expect(whyNotNext({ lsn: i + 1, crc: records[i]?.frame.crc ?? 0 }, frame)).toBeUndefined();
    });
  });

  it('are told to appliedFrames once each, in order, and their durability to readers of the feed', async () => {
    const rig = await Rig.open({ fsync: 'interval' });
    const applied: number[] = [];
    const durable: number[] = [];
    rig.engine.appliedFrames.subscribe(({ lsn }) => applied.push(lsn));
    rig.engine.feed.subscribe({ reach: 'durable', bytesMax: 0, onMore: (lsn) => durable.push(lsn) });
    const first = rig.engine.nextLsn;
    for (let i = 0; i < 5; i++) void rig.master.set(setOf(`k${i}`, 'x'));
    await rig.clock.advance(1_000);
    expect(applied).toEqual([0, 1, 2, 3, 4].map((i) => first + i));
    expect(durable).toEqual([first + 4]);
  });
});

describe('waiting at the engine', () => {
  it('for a record ends when it is visible, or durable, or the time is over', async () => {
    const rig = await Rig.open({ fsync: 'interval' });
    const lsn = rig.engine.nextLsn;
    const visible = watch(rig.engine.waitApplied(lsn, 1_000));
    const late = watch(rig.engine.waitApplied(toLsn(lsn + 5), 1_000));
    expect(await rig.engine.waitApplied(rig.engine.applied.lsn, 0)).toBe(true);
    rig.fileSystem.holdSyncs();
    void rig.master.set(setOf('a', 'x'));
    const durable = watch(rig.engine.waitDurable(lsn, 10_000));
    await rig.settle();
    expect([visible.value, late.value, durable.value]).toEqual([true, undefined, undefined]);
    await rig.clock.advance(1_000);
    expect(late.value).toBe(false);
    rig.fileSystem.releaseSyncs();
    await rig.settle();
    expect(durable.value).toBe(true);
    expect(await rig.engine.waitDurable(lsn, 0)).toBe(true);
  });
});

describe('positions', () => {
  it('name the epoch that wrote them, over several epochs', async () => {
    const rig = await Rig.open();
    await rig.set('a', '1');
    const old = rig.engine.position;
    const epoch = makeEpoch(2, 5);
    await rig.logged((done) => rig.engine.submitEpoch(epoch, done));
    await rig.set('a', '2');
    await rig.delete('a');
    expect(rig.engine.position).toEqual({ epoch, lsn: old.lsn + 3 });
    expect(rig.engine.durablePosition).toEqual(rig.engine.position);
    expect(rig.engine.epochAt(old.lsn)).toBe(old.epoch);
    expect(rig.engine.epochAt(toLsn(old.lsn + 1))).toBe(epoch);
    expect(rig.engine.epochAt(rig.engine.nextLsn)).toBe(epoch);
    expect(rig.engine.earliestPosition).toEqual({ epoch: old.epoch, lsn: 1 });
    const again = await Rig.open({ fileSystem: await rig.close() });
    expect(again.engine.epochs.starts()).toEqual([
      { epoch: old.epoch, firstLsn: 1 },
      { epoch, firstLsn: old.lsn + 1 },
    ]);
    expect((await again.set('a', '3')).position.epoch).toBe(epoch);
  });

  it('are not given to an epoch while records of the one before are on their way', async () => {
    const rig = await Rig.open();
    void rig.master.set(setOf('a', 'x'));
    void rig.master.delete(deleteOf('a'));
    expect(() => rig.engine.submitEpoch(makeEpoch(2, 5))).toThrow('quiet log');
    await rig.settle();
    expect(rig.engine.submitEpoch(makeEpoch(2, 5))).toBe(rig.engine.applied.lsn + 1);
    await rig.settle();
  });
});
