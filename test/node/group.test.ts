import { describe, expect, it } from 'vitest';
import { TestGroup } from '#test/doubles/test-group.ts';

describe('a master and two replicas', () => {
  it('replicate sets and deletes, values, versions and deadlines', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const one = await group.replica('one');
    const two = await group.replica('two');
    const answer = await group.set(master, 'a', 'hello', { expiry: { kind: 'ttl', ttlMs: 60_000 } });
    await group.set(master, 'b', 'gone');
    await group.delete(master, 'b');
    await group.untilLevel([master, one, two]);
    for (const replica of [one, two]) {
      expect(await group.get(replica, 'a')).toBe('hello');
      expect(await group.get(replica, 'b')).toBeUndefined();
      const read = await replica.node.get({ key: 'a', waitMs: 0 });
      expect(read.entry?.version).toEqual(answer.position);
      expect(read.entry?.expireAtMs).toBe((await master.node.get({ key: 'a', waitMs: 0 })).entry?.expireAtMs);
      expect(replica.node.status()).toMatchObject({ state: 'streaming', isReady: true, role: 'replica' });
    }
    expect(master.node.status().replicas.map((r) => r.state)).toEqual(['streaming', 'streaming']);
  });

  it('are found again after a stop of everything', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const one = await group.replica('one');
    for (let i = 0; i < 500; i++) await group.set(master, `k${i % 70}`, `v${i}`);
    await group.untilLevel([master, one]);
    const before = master.node.digest();
    const disks = [await group.stop(one), await group.stop(master)];
    const masterAgain = await group.master({ fileSystem: disks[1] as never });
    const again = masterAgain.node.digest();
    expect(again).toMatchObject({ entries: before.entries, digest: before.digest });
    // The epoch of the start.
    expect(again.position.lsn).toBe(before.position.lsn + 1);
    const oneAgain = await group.replica('one', { fileSystem: disks[0] as never });
    await group.untilLevel([masterAgain, oneAgain]);
    expect(oneAgain.node.digest()).toEqual(again);
  });

  it('refuse writes on a replica and name the master', async () => {
    const group = new TestGroup();
    await group.master();
    const one = await group.replica('one');
    await expect(async () => group.set(one, 'a', 'x')).rejects.toMatchObject({
      code: 'not_master',
      details: { leaderHint: 'master:1' },
    });
  });
});

describe('a replica that was away', () => {
  it('catches up from its own log, without a snapshot', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const one = await group.replica('one');
    await group.set(master, 'a', '1');
    await group.untilLevel([master, one]);
    const disk = group.kill(one);
    for (let i = 0; i < 100; i++) await group.set(master, `k${i}`, `v${i}`);
    const again = await group.replica('one', { fileSystem: disk });
    await group.untilLevel([master, again]);
    expect(group.network.calls.get('fetchSnapshot one:1>master:1')).toBeUndefined();
    expect(master.node.status().replicas[0]).toMatchObject({ fullResyncs: 0, partialResyncs: 1 });
  });

  it('comes back by snapshot when the log was compacted past it', async () => {
    const group = new TestGroup();
    const master = await group.master({ retentionBytes: 0, maxFileBytes: 4_096 });
    const one = await group.replica('one');
    await group.set(master, 'a', '1');
    await group.untilLevel([master, one]);
    const disk = await group.stop(one);
    for (let i = 0; i < 300; i++) await group.set(master, `k${i}`, `value ${i}`);
    await group.until(master.node.rotateWal());
    const checkpoint = await group.until(master.node.checkpoint());
    expect(checkpoint.deletedSegments).toBeGreaterThan(0);
    await group.set(master, 'after', 'it');
    // A new process has none of the compacted records in memory either.
    const masterDisk = await group.stop(master);
    const newMaster = await group.master({ retentionBytes: 0, maxFileBytes: 4_096, fileSystem: masterDisk });
    const again = await group.replica('one', { fileSystem: disk });
    await group.untilLevel([newMaster, again]);
    expect(group.network.calls.get('fetchSnapshot one:1>master:1')).toBe(1);
    expect(newMaster.node.status().replicas[0]).toMatchObject({ fullResyncs: 1 });
    await group.set(newMaster, 'later', 'too');
    await group.untilLevel([newMaster, again]);
    const restarted = await group.replica('one', { fileSystem: await group.stop(again) });
    await group.untilLevel([newMaster, restarted]);
  });
});

describe('a master on an empty directory', () => {
  it('does not empty its replicas: they are quarantined and keep serving', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const one = await group.replica('one');
    await group.set(master, 'precious', 'data');
    await group.untilLevel([master, one]);
    await group.stop(master);
    const fresh = await group.master();
    await group.untilTrue(() => one.node.status().state === 'quarantined', 'quarantined');
    expect(await group.get(one, 'precious')).toBe('data');
    expect(one.node.status()).toMatchObject({ isReady: false });
    expect(one.node.status().reasons[0]).toMatch(/has log .*, the master log/);
    expect(one.node.quarantineList()).toHaveLength(1);
    await group.set(fresh, 'new', 'world');
    expect(await group.get(one, 'precious')).toBe('data');

    // It survives a restart, until the operator decides.
    const again = await group.replica('one', { fileSystem: await group.stop(one) });
    expect(again.node.status().state).toBe('quarantined');
    expect(await group.get(again, 'precious')).toBe('data');
    await group.until(again.node.quarantineRelease('discard_local'));
    await group.untilLevel([fresh, again]);
    expect(await group.get(again, 'precious')).toBeUndefined();
    expect(await group.get(again, 'new')).toBe('world');
    expect(again.fileSystem.paths('/data/aside').length).toBeGreaterThan(0);
  });
});
