/** What a group does while links break, nodes restart and logs are compacted. */
import { describe, expect, it } from 'vitest';
import { termOf } from '#model/position.ts';
import { UNKNOWN_LAG_MS } from '#model/status.ts';
import { MemoryFileSystem } from '#test/doubles/memory-file-system.ts';
import { describeState, setCommand, TestGroup, type TestNode } from '#test/doubles/test-group.ts';

const only = (master: TestNode) => master.node.status().replicas[0];

describe('lag', () => {
  it('is told in records and milliseconds by both sides, and is 0 when level', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const one = await group.replica('one');
    await group.set(master, 'a', '1');
    await group.untilLevel([master, one]);
    await group.clock.advance(1_000);
    expect(only(master)).toMatchObject({ lagRecords: 0, lagMs: 0, state: 'streaming' });
    expect(one.node.status()).toMatchObject({
      isReady: true,
      upstream: { isLinked: true, lagRecords: 0, lagMs: 0 },
    });

    group.network.cut('master:1', 'one:1');
    group.network.cut('one:1', 'master:1');
    for (let i = 0; i < 5; i++) await group.set(master, 'a', `${i}`);
    await group.clock.advance(4_000);
    expect(only(master)?.lagRecords).toBe(5);
    expect(only(master)?.lagMs).toBeGreaterThanOrEqual(4_000);
    expect(only(master)?.lagMs).toBeLessThan(4_500);
    const { upstream, isReady, reasons } = one.node.status();
    expect(upstream?.isLinked).toBe(false);
    expect(upstream?.lagMs).toBeGreaterThanOrEqual(4_000);
    expect(isReady).toBe(false);
    expect(reasons.join()).toMatch(/cannot follow master:1/);
    expect((await one.node.get({ key: 'a', waitMs: 0 })).stalenessMs).toBeGreaterThanOrEqual(4_000);

    await group.clock.advance(2_000);
    expect(one.node.status().reasons.join()).toMatch(/replication.max_lag is 5000 ms/);
    group.network.heal();
    await group.clock.advance(2_000);
    expect(describeState(one)).toBe(describeState(master));
    expect(one.node.status()).toMatchObject({ isReady: true, reasons: [], upstream: { lagMs: 0 } });
    expect(only(master)).toMatchObject({ fullResyncs: 0, partialResyncs: 1, state: 'streaming' });
  });

  it('is not feigned by a replica that has just started: its data is as old as its newest record', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const one = await group.replica('one');
    await group.set(master, 'a', '1');
    await group.untilLevel([master, one]);
    const disk = await group.stop(one);
    await group.clock.advance(60_000);
    group.network.cut('one:1', 'master:1');
    const again = await group.replica('one', { fileSystem: disk });
    expect((await again.node.get({ key: 'a', waitMs: 0 })).stalenessMs).toBeGreaterThanOrEqual(60_000);
    expect(() => again.node.get({ key: 'a', waitMs: 0, maxStalenessMs: 1_000 })).toThrow(
      /max_staleness_ms is 1000/,
    );
    expect(again.node.status().isReady).toBe(false);
    group.network.heal();
    await group.untilTrue(() => again.node.status().isReady, 'ready');
    expect(await group.get(again, 'a', { maxStalenessMs: 1_000 })).toBe('1');
  });

  it('is not known on a replica that has no record and has not caught up since its start', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const one = await group.replica('one');
    await group.set(master, 'a', '1');
    await group.untilLevel([master, one]);
    await group.until(one.node.checkpoint());
    const disk = await group.stop(one);
    group.network.cut('one:1', 'master:1');
    group.network.cut('empty:1', 'master:1');
    const again = await group.replica('one', { fileSystem: disk });
    const empty = await group.replica('empty');
    await group.clock.advance(1_000);
    for (const { node } of [again, empty]) {
      const { upstream, isReady } = node.status();
      expect([upstream?.lagMs, isReady]).toEqual([UNKNOWN_LAG_MS, false]);
    }
    expect(again.node.status().reasons.join()).toContain(
      'the age of the data is not known before it has caught',
    );
    expect(() => again.node.get({ key: 'a', waitMs: 0, maxStalenessMs: 1e14 })).toThrow(
      /would be of an age that is not known/,
    );
    group.network.heal();
    await group.untilTrue(() => [again, empty].every(({ node }) => node.status().isReady), 'ready');
    expect(again.node.status()).toMatchObject({ reasons: [], upstream: { lagMs: 0 } });
  });

  it('does not call itself fresh by a push that was long on its way', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const one = await group.replica('one');
    await group.set(master, 'a', '1');
    await group.untilLevel([master, one]);
    await group.clock.advance(1_000);
    group.network.delay('master:1', 'one:1', 4_000);
    group.network.cut('one:1', 'master:1');
    await group.clock.advance(4_300);
    const { stalenessMs } = await one.node.get({ key: 'a', waitMs: 0 });
    expect(stalenessMs).toBeGreaterThanOrEqual(3_700);
  });
});

describe('a broken link', () => {
  it('from master to replica only: the replica pulls', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const one = await group.replica('one');
    await group.set(master, 'a', '1');
    await group.untilLevel([master, one]);
    group.network.cut('master:1', 'one:1');
    await group.set(master, 'a', '2');
    await group.clock.advance(2_000);
    expect(await group.get(one, 'a')).toBe('2');
    expect(one.node.status().isReady).toBe(true);
  });

  it('that makes a master silent is a reason of its replica at every moment', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const one = await group.replica('one');
    await group.untilLevel([master, one]);
    group.network.stall('master:1', 'one:1');
    group.network.stall('one:1', 'master:1');
    const unready: (readonly string[])[] = [];
    for (let at = 0; at < 4_000; at += 100) {
      await group.clock.advance(100);
      const { isReady, reasons } = one.node.status();
      if (!isReady) unready.push(reasons);
    }
    expect(unready[0]).toEqual(['its master master:1 is silent']);
    expect(unready.filter((reasons) => reasons.length === 0)).toEqual([]);
  });

  it('from replica to master only: pushes still come', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const one = await group.replica('one');
    group.network.cut('one:1', 'master:1');
    await group.set(master, 'a', '2');
    await group.untilLevel([master, one]);
    expect(one.node.status()).toMatchObject({ state: 'streaming', isReady: true });
  });

  it('that loses answers: every record takes effect once', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const one = await group.replica('one');
    await group.untilLevel([master, one]);
    group.network.loseAnswers('master:1', 'one:1');
    for (let i = 0; i < 20; i++) await group.set(master, `k${i}`, `${i}`);
    await group.clock.advance(3_000);
    expect(describeState(one)).toBe(describeState(master));
    group.network.heal();
    await group.clock.advance(2_000);
    expect(only(master)).toMatchObject({ state: 'streaming', fullResyncs: 0, lagRecords: 0 });
  });

  it('that makes pushes overtake each other changes nothing', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const one = await group.replica('one');
    await group.untilLevel([master, one]);
    // Longer than a push is waited for: repeats are on their way at the same time, and pulls come between.
    group.network.delay('master:1', 'one:1', 7_000);
    for (let i = 0; i < 30; i++) {
      await group.set(master, `k${i % 4}`, `${i}`);
      await group.clock.advance(400);
    }
    group.network.heal();
    await group.clock.advance(2_000);
    expect(describeState(one)).toBe(describeState(master));
    await group.clock.advance(10_000);
    expect(describeState(one)).toBe(describeState(master));
    expect(only(master)).toMatchObject({ fullResyncs: 0, state: 'streaming' });
  });

  it('does not make a refused replica hammer its master', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const one = await group.replica('one');
    await group.untilLevel([master, one]);
    await group.until(master.node.removeReplica('one:1'));
    await group.clock.advance(5_000);
    const before = group.network.callCount('register', 'one:1', 'master:1');
    await group.clock.advance(60_000);
    expect(group.network.callCount('register', 'one:1', 'master:1') - before).toBeLessThanOrEqual(61);
    expect(one.node.status().reasons.join()).toMatch(/replica one:1 was removed; .*walnut .*add.*one:1/);
    expect(await group.get(one, 'x')).toBeUndefined();
  });
});

describe('min_acks', () => {
  it('answers as soon as the replicas have it on disk', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const one = await group.replica('one');
    const two = await group.replica('two');
    await group.untilLevel([master, one, two]);
    const before = group.clock.monotonicMs();
    const answer = await group.set(master, 'a', '1', { minAcks: 2, timeoutMs: 5_000 });
    expect(answer).toMatchObject({ durabilityReached: 'local', replicasAcked: 2 });
    expect(group.clock.monotonicMs() - before).toBeLessThanOrEqual(100);
    const survived = group.powerCut(one, 5);
    const again = await group.replica('one', { fileSystem: survived });
    expect(again.node.status().position.lsn).toBeGreaterThanOrEqual(answer.position.lsn);
  });

  it('is also reached by a record that was pushed before anyone waited', async () => {
    const group = new TestGroup();
    const master = await group.master({ fsync: 'always' });
    const one = await group.replica('one', { fsync: 'never' });
    await group.untilLevel([master, one]);
    for (let i = 0; i < 5; i++) {
      const before = group.clock.monotonicMs();
      expect(await group.set(master, 'a', `${i}`, { minAcks: 1, timeoutMs: 5_000 })).toMatchObject({
        replicasAcked: 1,
      });
      expect(group.clock.monotonicMs() - before).toBeLessThanOrEqual(100);
      await group.clock.advance(300);
    }
  });

  it('says what was reached when time runs out', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const one = await group.replica('one');
    await group.untilLevel([master, one]);
    group.network.cut('master:1', 'one:1');
    group.network.cut('one:1', 'master:1');
    expect(await group.set(master, 'a', '1', { minAcks: 1, timeoutMs: 700 })).toMatchObject({
      applied: true,
      durabilityReached: 'local',
      replicasAcked: 0,
    });
  });
});

describe('resync', () => {
  it('is never full within retention, whatever restarts', async () => {
    const group = new TestGroup();
    let master = await group.master();
    let one = await group.replica('one');
    for (let round = 0; round < 4; round++) {
      for (let i = 0; i < 20; i++) await group.set(master, `k${i}`, `${round} ${i}`);
      await group.untilLevel([master, one]);
      const disk = round % 2 === 0 ? group.kill(one) : await group.stop(one);
      for (let i = 0; i < 20; i++) await group.set(master, `k${i}`, `${round} ${i} more`);
      if (round > 1) master = await group.master({ fileSystem: await group.stop(master) });
      one = await group.replica('one', { fileSystem: disk });
      await group.untilLevel([master, one]);
    }
    expect(group.network.callCount('fetchSnapshot', 'one:1', 'master:1')).toBe(0);
    expect(only(master)).toMatchObject({ fullResyncs: 0, lastFullResyncReason: '' });
  });

  it('is full, once, with its reason told, when the log is gone', async () => {
    const group = new TestGroup();
    const master = await group.master({ retentionBytes: 0, maxFileBytes: 4_096 });
    const one = await group.replica('one');
    await group.untilLevel([master, one]);
    const disk = await group.stop(one);
    for (let i = 0; i < 100; i++) await group.set(master, `k${i}`, 'v'.repeat(100));
    await group.until(master.node.rotateWal());
    await group.until(master.node.checkpoint());
    // Without what it had in memory.
    const again = await group.master({ fileSystem: await group.stop(master), retentionBytes: 0 });
    const oneAgain = await group.replica('one', { fileSystem: disk });
    await group.untilLevel([again, oneAgain]);
    expect(only(again)).toMatchObject({
      fullResyncs: 1,
      lastFullResyncReason: expect.stringMatching(/tail is \d+-\d+ and the log begins at \d+/),
    });
    expect(oneAgain.fileSystem.paths('/data/aside').length).toBeGreaterThan(0);
  });

  it('is full where the log kept for replicas is damaged, and the master says so', async () => {
    const group = new TestGroup();
    const master = await group.master({ retentionBytes: 1 << 20, maxFileBytes: 4_096 });
    const one = await group.replica('one');
    await group.untilLevel([master, one]);
    const disk = await group.stop(one);
    for (let i = 0; i < 100; i++) await group.set(master, `k${i}`, 'v'.repeat(100));
    await group.until(master.node.rotateWal());
    await group.until(master.node.checkpoint());
    const masterDisk = await group.stop(master);
    const second = masterDisk.paths('/data').filter((path) => path.endsWith('.wal'))[1] ?? '';
    flipBit(masterDisk, second, 2_000);
    const again = await group.master({ fileSystem: masterDisk, retentionBytes: 1 << 20 });
    await group.clock.advance(100);
    expect(again.node.status().reasons.join()).toMatch(/the log kept for replicas is damaged/);
    const oneAgain = await group.replica('one', { fileSystem: disk });
    await group.untilLevel([again, oneAgain]);
    expect(only(again)).toMatchObject({
      fullResyncs: 1,
      lastFullResyncReason: expect.stringMatching(/damaged at \d+/),
    });
    await group.set(again, 'on', 'and on');
    await group.untilLevel([again, oneAgain]);
  });

  it('waits between snapshots that do not help', async () => {
    const group = new TestGroup();
    const master = await group.master({ retentionBytes: 0, maxFileBytes: 4_096 });
    for (let i = 0; i < 100; i++) await group.set(master, `k${i}`, 'v'.repeat(100));
    await group.until(master.node.rotateWal());
    await group.until(master.node.checkpoint());
    const again = await group.master({ fileSystem: await group.stop(master), retentionBytes: 0 });
    const fileSystem = new MemoryFileSystem();
    const one = await group.replica('one', { fileSystem });
    await group.untilLevel([again, one]);
    const fresh = new MemoryFileSystem();
    fresh.fail({ call: 'datasync', code: 'EIO', path: /incoming/ });
    const broken = await group.replica('two', { fileSystem: fresh });
    await group.clock.advance(120_000);
    const tries = group.network.callCount('fetchSnapshot', 'two:1', 'master:1');
    expect(tries).toBeGreaterThanOrEqual(4);
    expect(tries).toBeLessThanOrEqual(8);
    expect(broken.node.status().reasons.join()).toMatch(
      /\d full resyncs in a row did not bring it up to date/,
    );
    fresh.clearFaults();
    await group.clock.advance(61_000);
    expect(describeState(broken)).toBe(describeState(again));
  });

  it('asks for room before it loads its master with a snapshot', async () => {
    const group = new TestGroup();
    const master = await group.master({ retentionBytes: 0, maxFileBytes: 4_096 });
    for (let i = 0; i < 100; i++) await group.set(master, `k${i}`, 'v'.repeat(100));
    await group.until(master.node.rotateWal());
    await group.until(master.node.checkpoint());
    const again = await group.master({ fileSystem: await group.stop(master), retentionBytes: 0 });
    const fileSystem = new MemoryFileSystem({ bytesMax: 3_000 });
    const one = await group.replica('one', { fileSystem });
    await group.clock.advance(20_000);
    expect(one.node.status().reasons.join()).toMatch(
      /the snapshot takes \d+ bytes and the disk under wal.directory has/,
    );
    fileSystem.bytesMax = Number.POSITIVE_INFINITY;
    await group.clock.advance(2_000);
    expect(describeState(one)).toBe(describeState(again));
  });

  it('by snapshot is not left stuck when the log is compacted behind a slow replica', async () => {
    const group = new TestGroup();
    const master = await group.master({ retentionBytes: 0, maxFileBytes: 4_096 });
    const one = await group.replica('one');
    await group.untilLevel([master, one]);
    group.network.stall('master:1', 'one:1');
    group.network.cut('one:1', 'master:1');
    for (let i = 0; i < 20; i++) await group.set(master, `k${i}`, 'v'.repeat(3_000));
    await group.until(master.node.rotateWal());
    await group.until(master.node.checkpoint());
    group.network.heal();
    await group.clock.advance(2_000 + 5_000);
    expect(describeState(one)).toBe(describeState(master));
  });
});

describe('a node that stops', () => {
  it('does not wait for pushes, pulls or registrations that hang', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const one = await group.replica('one');
    await group.untilLevel([master, one]);
    group.network.stall('master:1', 'one:1');
    group.network.stall('one:1', 'master:1');
    void master.node.set(setCommand('a', '1'));
    await group.clock.advance(2_500);
    const before = group.clock.monotonicMs();
    await group.stop(one);
    await group.stop(master);
    expect(group.clock.monotonicMs() - before).toBeLessThanOrEqual(1_000);
  });

  it('while it still asks its replicas, does not wait for them and writes nothing', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const one = await group.replica('one');
    await group.set(master, 'a', '1');
    await group.untilLevel([master, one]);
    const disk = group.kill(master);
    group.network.stall('master:1', 'one:1');
    const starting = group.master({ fileSystem: disk });
    await group.clock.advance(500);
    const node = group.started.at(-1);
    const before = group.clock.monotonicMs();
    await group.until(Promise.resolve(node?.stop()));
    expect(group.clock.monotonicMs() - before).toBeLessThanOrEqual(100);
    expect((await starting).failures).toEqual([]);
    group.network.heal();
    group.network.detach('master:1');
    const again = await group.master({ fileSystem: disk });
    await group.untilLevel([again, one]);
  });

  it('leaves no push behind', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const one = await group.replica('one');
    await group.untilLevel([master, one]);
    await group.stop(master);
    const before = group.network.callCount('replicate', 'master:1', 'one:1');
    await group.clock.advance(10_000);
    expect(group.network.callCount('replicate', 'master:1', 'one:1')).toBe(before);
  });
});

describe('a master whose power is cut at fsync interval', () => {
  it.each([1, 2, 3, 4, 5, 6])(
    'is not behind its replicas, and begins a new epoch (seed %i)',
    async (seed) => {
      const group = new TestGroup(seed * 100);
      const master = await group.master();
      const one = await group.replica('one');
      const two = await group.replica('two');
      await group.untilLevel([master, one, two]);
      for (let i = 0; i < 40; i++) {
        master.node.set(setCommand(`k${i}`, `${i}`)).catch(() => undefined);
        if (i % 7 === seed) await group.clock.advance(9);
      }
      const held = [one, two].map((replica) => replica.node.status().position.lsn);
      const before = master.node.status().position;
      const disk = group.powerCut(master, seed);
      const again = await group.master({ fileSystem: disk });
      const after = again.node.status();
      expect(after.state).toBe('serving');
      expect(after.position.epoch).not.toBe(before.epoch);
      expect(termOf(after.position.epoch)).toBe(termOf(before.epoch));
      for (const lsn of held) expect(after.position.lsn - 1).toBeGreaterThanOrEqual(lsn);
      await group.untilLevel([again, one, two]);
      await group.set(again, 'after', 'it');
      await group.untilLevel([again, one, two]);
      for (const replica of again.node.status().replicas) expect(replica).toMatchObject({ fullResyncs: 0 });
      expect([one, two].map((replica) => replica.node.quarantineList())).toEqual([[], []]);
    },
  );
});

describe('a replica with a full disk', () => {
  it('says so, keeps serving, and catches up by itself', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const one = await group.replica('one');
    await group.set(master, 'a', '1');
    await group.untilLevel([master, one]);
    one.fileSystem.bytesMax = one.fileSystem.usedBytes + 200;
    for (let i = 0; i < 20; i++) await group.set(master, `k${i}`, 'v'.repeat(200));
    await group.clock.advance(5_000);
    expect(one.node.status().reasons.join()).toMatch(/full/);
    expect(await group.get(one, 'a')).toBe('1');
    expect(master.node.status().state).toBe('serving');
    one.fileSystem.bytesMax = Number.POSITIVE_INFINITY;
    await group.clock.advance(4_000);
    expect(describeState(one)).toBe(describeState(master));
    expect(one.failures).toEqual([]);
    expect(only(master)).toMatchObject({ fullResyncs: 0 });
  });
});

function flipBit(fileSystem: MemoryFileSystem, path: string, byte: number): void {
  const bytes = Buffer.from(fileSystem.content(path));
  bytes[byte] = (bytes[byte] ?? 0) ^ 1;
  fileSystem.put(path, bytes);
}
