/** Reads by position and by age, and GetUpdates. */
import { describe, expect, it } from 'vitest';
import type { UpdatesAnswer, UpdatesCommand } from '#model/commands.ts';
import { makeEpoch, NO_POSITION, termOf, toLsn } from '#model/position.ts';
import { MemoryFileSystem } from '#test/doubles/memory-file-system.ts';
import { setCommand, TestGroup, type TestNode } from '#test/doubles/test-group.ts';
import { decodeFrames } from '#wal/frame.ts';

async function pair() {
  const group = new TestGroup();
  const master = await group.master();
  const one = await group.replica('one');
  await group.set(master, 'a', '1');
  await group.untilLevel([master, one]);
  return { group, master, one };
}

function separate(group: TestGroup): void {
  group.network.cut('master:1', 'one:1');
  group.network.cut('one:1', 'master:1');
}

describe('at_least', () => {
  it('reads the own write on a replica, by waiting', async () => {
    const { group, master, one } = await pair();
    for (let i = 0; i < 10; i++) {
      const { position } = await group.set(master, 'a', `${i}`);
      const answer = await group.until(
        Promise.resolve(one.node.get({ key: 'a', atLeast: position, waitMs: 5_000 })),
      );
      expect(Buffer.from(answer.entry?.value ?? []).toString()).toBe(`${i}`);
      expect(answer.asOf.lsn).toBeGreaterThanOrEqual(position.lsn);
    }
  });

  it('is unavailable, with the master named, when the wait is over', async () => {
    const { group, master, one } = await pair();
    separate(group);
    const { position } = await group.set(master, 'a', '2');
    const before = group.clock.monotonicMs();
    const read = group.until(Promise.resolve(one.node.get({ key: 'a', atLeast: position, waitMs: 800 })));
    await expect(read).rejects.toMatchObject({ code: 'unavailable', details: { leaderHint: 'master:1' } });
    expect(group.clock.monotonicMs() - before).toBeGreaterThanOrEqual(800);
    await expect(async () => one.node.get({ key: 'a', atLeast: position, waitMs: 0 })).rejects.toMatchObject({
      code: 'unavailable',
    });
  });

  it('of an unknown epoch: a master knows it is gone, a replica waits for it', async () => {
    const { group, master, one } = await pair();
    const epoch = makeEpoch(termOf(master.node.status().position.epoch), 12_345);
    const atLeast = { epoch, lsn: toLsn(1) };
    expect(() => master.node.get({ key: 'a', atLeast, waitMs: 5_000 })).toThrow(
      expect.objectContaining({ code: 'discarded_history' }),
    );
    const before = group.clock.monotonicMs();
    await expect(
      group.until(Promise.resolve(one.node.get({ key: 'a', atLeast, waitMs: 1_000 }))),
    ).rejects.toMatchObject({ code: 'unavailable' });
    expect(group.clock.monotonicMs() - before).toBeGreaterThanOrEqual(1_000);
  });

  it('beyond the log of a master is gone, not to come: it may be an older copy of itself', async () => {
    const { group, master, one } = await pair();
    const disk = await group.stop(master);
    const older = new MemoryFileSystem();
    for (const path of disk.paths()) older.put(path, disk.content(path));
    const again = await group.master({ fileSystem: disk });
    await group.untilLevel([again, one]);
    const { position } = await group.set(again, 'a', '2');
    await group.stop(again);
    await group.stop(one);
    const rolledBack = await group.master({ fileSystem: older });
    expect(() => rolledBack.node.get({ key: 'a', atLeast: position, waitMs: 5_000 })).toThrow(
      expect.objectContaining({ code: 'discarded_history' }),
    );
  });

  it('of a higher term does not make a master that was replaced call it discarded', async () => {
    const { group, master } = await pair();
    const atLeast = { epoch: makeEpoch(7, 1), lsn: toLsn(1) };
    const read = group.until(Promise.resolve(master.node.get({ key: 'a', atLeast, waitMs: 500 })));
    await expect(read).rejects.toMatchObject({ code: 'unavailable' });
  });

  it('of an epoch that the replica is about to learn is waited for, however far its own log is', async () => {
    const { group, master, one } = await pair();
    separate(group);
    const disk = group.kill(master);
    const again = await group.master({ fileSystem: disk });
    const { position } = await group.set(again, 'a', '2');
    const read = one.node.get({ key: 'a', atLeast: position, waitMs: 10_000 });
    group.network.heal();
    const answer = await group.until(Promise.resolve(read));
    expect(Buffer.from(answer.entry?.value ?? []).toString()).toBe('2');
  });

  it('reads on across a replacement of the engine', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const one = await group.replica('one');
    await group.set(master, 'a', '1');
    await group.untilLevel([master, one]);
    await group.stop(master);
    const fresh = await group.master();
    await group.set(fresh, 'a', 'other log');
    const { position } = await group.set(fresh, 'a', 'the other log');
    await group.untilTrue(() => one.node.status().state === 'quarantined', 'quarantined');
    const read = one.node.get({ key: 'a', atLeast: position, waitMs: 20_000 });
    await group.until(one.node.quarantineRelease('discard_local'));
    const answer = await group.until(Promise.resolve(read).catch((error: Error) => error));
    // Between the two there is a moment with nothing to read: that is told, or the new log is read.
    if (answer instanceof Error) expect(answer).toMatchObject({ code: 'unavailable' });
    else expect(Buffer.from(answer.entry?.value ?? []).toString()).toBe('the other log');
    await group.untilLevel([fresh, one]);
    expect(await group.get(one, 'a', { atLeast: position })).toBe('the other log');
  });

  it('ends when its caller goes away', async () => {
    const { group, master, one } = await pair();
    separate(group);
    const { position } = await group.set(master, 'a', '2');
    const abort = new AbortController();
    const read = Promise.resolve(one.node.get({ key: 'a', atLeast: position, waitMs: 50_000 }, abort.signal));
    read.catch(() => undefined);
    abort.abort();
    await group.clock.settle();
    await expect(read).rejects.toMatchObject({ code: 'cancelled' });
  });
});

describe('max_staleness_ms', () => {
  it('refuses with the master named, and answers again when fresh', async () => {
    const { group, one } = await pair();
    await group.clock.advance(600);
    expect(await group.get(one, 'a', { maxStalenessMs: 600 })).toBe('1');
    separate(group);
    await group.clock.advance(2_000);
    expect(() => one.node.get({ key: 'a', waitMs: 0, maxStalenessMs: 600 })).toThrow(
      expect.objectContaining({ code: 'unavailable', details: { leaderHint: 'master:1', isNotYet: true } }),
    );
    expect(await group.get(one, 'a')).toBe('1');
    group.network.heal();
    await group.clock.advance(2_000);
    expect(await group.get(one, 'a', { maxStalenessMs: 600 })).toBe('1');
  });

  it('is 0 on a master, and at most a heartbeat on a linked replica', async () => {
    const { group, master, one } = await pair();
    for (let i = 0; i < 40; i++) {
      await group.clock.advance(77);
      expect((await master.node.get({ key: 'a', waitMs: 0 })).stalenessMs).toBe(0);
      expect((await one.node.get({ key: 'none', waitMs: 0 })).stalenessMs).toBeLessThanOrEqual(270);
    }
  });
});

describe('serve_stale off', () => {
  it('reads only while linked and within max_lag', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const one = await group.replica('one', { serveStale: false });
    await group.set(master, 'a', '1');
    await group.untilTrue(() => one.node.status().isReady, 'ready');
    await group.untilLevel([master, one]);
    expect(await group.get(one, 'a')).toBe('1');
    separate(group);
    await group.clock.advance(3_000);
    expect(() => one.node.get({ key: 'a', waitMs: 0 })).toThrow(/serve_stale is off/);
    group.network.heal();
    await group.clock.advance(2_000);
    expect(await group.get(one, 'a')).toBe('1');
  });
});

describe('GetUpdates', () => {
  const ask = (node: TestNode, changes: Partial<UpdatesCommand> = {}): Promise<UpdatesAnswer> =>
    node.node.getUpdates({ after: NO_POSITION, format: 'entries', bytesMax: 0, ...changes });

  it('tells every mutation with its position, time, cause and deadline', async () => {
    const { group, master, one } = await pair();
    await group.set(master, 'b', 'x', { expiry: { kind: 'ttl', ttlMs: 500 } });
    await group.delete(master, 'a');
    await group.clock.advance(2_000);
    await group.untilLevel([master, one]);
    for (const node of [master, one]) {
      const { updates, last, latest, frames } = await ask(node);
      expect(frames).toHaveLength(0);
      expect(updates.map(({ op, key, cause }) => [op, key, cause])).toEqual([
        ['set', 'a', 'client'],
        ['set', 'b', 'client'],
        ['delete', 'a', 'client'],
        ['delete', 'b', 'expired'],
      ]);
      expect(updates[1]?.expireAtMs).toBe((updates[1]?.timestampMs ?? 0) + 500);
      expect(last).toEqual(latest);
    }
    expect((await ask(master)).updates).toEqual((await ask(one)).updates);
  });

  it('gives frames verbatim, whole records, at least one, and continues from its own end', async () => {
    const { group, master, one } = await pair();
    for (let i = 0; i < 30; i++) await group.set(master, `k${i}`, 'v'.repeat(i * 20));
    await group.until(
      master.node.batch([
        { kind: 'set', command: setCommand('x', 'y'.repeat(300)) },
        { kind: 'set', command: setCommand('z', 'y'.repeat(300)) },
      ]),
    );
    await group.untilLevel([master, one]);
    // A replica's own disk follows by its own interval.
    await group.clock.advance(1_500);
    const collect = async (node: TestNode, bytesMax: number) => {
      const all: Uint8Array[] = [];
      let answer = await ask(node, { format: 'frames', bytesMax });
      while (answer.frames.length > 0) {
        const frames = decodeFrames(answer.frames);
        expect(answer.last.lsn).toBe(frames.at(-1)?.lsn);
        expect(frames.length === 1 || answer.frames.length <= bytesMax).toBe(true);
        all.push(answer.frames);
        answer = await ask(node, { format: 'frames', bytesMax, after: answer.last });
      }
      return Buffer.concat(all);
    };
    const whole = await collect(master, 1 << 20);
    expect((await collect(master, 1)).equals(whole)).toBe(true);
    expect((await collect(one, 500)).equals(whole)).toBe(true);
    expect(decodeFrames(whole).at(-1)?.lsn).toBe(master.node.status().position.lsn);
  });

  it('gives only what is durable', async () => {
    const group = new TestGroup();
    const master = await group.master({ fsync: 'never' });
    const before = master.node.status().durableLsn;
    await group.set(master, 'a', '1');
    expect(master.node.status().appliedLsn).toBeGreaterThan(before);
    const answer = await ask(master);
    expect(answer.updates).toEqual([]);
    expect(answer.latest.lsn).toBe(before);
    await group.set(master, 'a', '2', { durability: 'local' });
    expect((await ask(master)).updates).toHaveLength(2);
  });

  it('below what is kept is out of range, with the earliest given', async () => {
    const group = new TestGroup();
    const master = await group.master({ retentionBytes: 0, maxFileBytes: 4_096 });
    for (let i = 0; i < 50; i++) await group.set(master, `k${i}`, 'v'.repeat(200));
    await group.until(master.node.rotateWal());
    await group.until(master.node.checkpoint());
    const again = await group.master({ fileSystem: await group.stop(master), retentionBytes: 0 });
    const { earliestLsn } = again.node.status();
    expect(earliestLsn).toBeGreaterThan(1);
    await expect(ask(again)).rejects.toMatchObject({
      code: 'out_of_range',
      details: { earliest: { lsn: earliestLsn } },
    });
  });

  it('after a discarded position says so; after one still to come a replica cannot answer yet', async () => {
    const { group, master, one } = await pair();
    const { position } = await group.set(master, 'a', '2');
    const ahead = { ...position, lsn: toLsn(position.lsn + 50) };
    await expect(ask(one, { after: ahead })).rejects.toMatchObject({ code: 'unavailable' });
    await expect(ask(master, { after: ahead })).rejects.toMatchObject({ code: 'discarded_history' });
    const again = await group.master({ fileSystem: group.kill(master) });
    await group.untilLevel([again, one]);
    await expect(ask(again, { after: ahead })).rejects.toMatchObject({ code: 'discarded_history' });
    await expect(ask(one, { after: ahead })).rejects.toMatchObject({ code: 'discarded_history' });
    const unknown = { epoch: makeEpoch(1, 9), lsn: toLsn(1) };
    await expect(ask(again, { after: unknown })).rejects.toMatchObject({ code: 'discarded_history' });
    await expect(ask(one, { after: unknown })).rejects.toMatchObject({ code: 'unavailable' });
  });
});
