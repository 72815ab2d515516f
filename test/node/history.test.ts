/** Histories that part: promotion, rolled-back masters, quarantine, removal, node ids. */
import { describe, expect, it } from 'vitest';
import { formatPosition, termOf } from '#model/position.ts';
import { MemoryFileSystem } from '#test/doubles/memory-file-system.ts';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { describeState, TestGroup, type TestNode } from '#test/doubles/test-group.ts';

const replicaOf = (master: TestNode, address: string) =>
  master.node.status().replicas.find((one) => one.address === address);

const asideOf = (one: TestNode) =>
  one.fileSystem.paths('/data/aside').filter((path) => path.endsWith('.wal'));

/** The bytes of a disk as they are now, for a later start from this old state. */
function copyOf(fileSystem: MemoryFileSystem): MemoryFileSystem {
  const copy = new MemoryFileSystem();
  for (const path of fileSystem.paths()) {
    if (!path.endsWith('LOCK')) copy.put(path, fileSystem.content(path));
  }
  return copy;
}

async function isolate(group: TestGroup, one: TestNode, others: readonly TestNode[]): Promise<void> {
  for (const other of others) {
    group.network.cut(one.address, other.address);
    group.network.cut(other.address, one.address);
  }
  await group.clock.advance(100);
}

/**
 * Master, `one` and `two` share some records; then the master goes on alone and
 * so does `one`, promoted by force.
 */
async function parted(changes = {}) {
  const group = new TestGroup();
  const master = await group.master();
  const one = await group.replica('one');
  const two = await group.replica('two', changes);
  for (let i = 0; i < 10; i++) await group.set(master, `k${i}`, 'shared');
  await group.untilLevel([master, one, two]);
  const common = master.node.status().position;
  await isolate(group, one, [master, two]);
  return { group, master, one, two, common };
}

describe('after a forced promotion', () => {
  it('the old master and its replica set their own tails aside and converge', async () => {
    const { group, master, one, two, common } = await parted();
    await group.set(master, 'k1', 'only on the old master');
    await group.set(master, 'lost', 'too');
    await group.untilLevel([master, two]);
    const discarded = master.node.status().position;
    const promoted = await group.start('one', 'replica', {
      fileSystem: await group.stop(one),
      forcedRole: 'master',
    });
    expect(promoted.node.status()).toMatchObject({ role: 'master', state: 'serving', isReady: true });
    expect(termOf(promoted.node.status().position.epoch)).toBe(termOf(common.epoch) + 1);
    await group.set(promoted, 'k2', 'of the new master');
    const oldDisk = await group.stop(master);
    const twoDisk = await group.stop(two);
    group.network.heal();
    const changes = { upstream: 'one:1' };
    const old = await group.start('master', 'master', {
      ...changes,
      fileSystem: oldDisk,
      forcedRole: 'replica',
    });
    const twoAgain = await group.replica('two', { ...changes, fileSystem: twoDisk });
    await group.untilLevel([promoted, old, twoAgain]);
    for (const node of [old, twoAgain]) {
      expect(await group.get(node, 'k1')).toBe('shared');
      expect(await group.get(node, 'lost')).toBeUndefined();
      expect(await group.get(node, 'k2')).toBe('of the new master');
      expect(asideOf(node).length).toBeGreaterThan(0);
      expect(node.node.quarantineList()).toEqual([]);
      // A token of the discarded tail says so.
      const token = { key: 'k1', waitMs: 0, atLeast: discarded };
      await expect(async () => node.node.get(token)).rejects.toMatchObject({ code: 'discarded_history' });
      expect(await group.get(node, 'k1', { atLeast: common })).toBe('shared');
    }
    // By the cut, not by a snapshot.
    expect(group.network.callCount('fetchSnapshot', 'master:1', 'one:1')).toBe(0);
    expect(group.network.callCount('fetchSnapshot', 'two:1', 'one:1')).toBe(0);
    // It holds over restarts of everything.
    const disks = [await group.stop(old), await group.stop(twoAgain), await group.stop(promoted)];
    const masterNow = await group.start('one', 'replica', { fileSystem: disks[2] as MemoryFileSystem });
    const oldNow = await group.start('master', 'master', {
      ...changes,
      fileSystem: disks[0] as MemoryFileSystem,
    });
    const twoNow = await group.replica('two', { ...changes, fileSystem: disks[1] as MemoryFileSystem });
    expect(masterNow.node.status().role).toBe('master');
    expect(oldNow.node.status().role).toBe('replica');
    await group.set(masterNow, 'again', 'fine');
    await group.untilLevel([masterNow, oldNow, twoNow]);
  });

  it('a tail whose base snapshot is beyond the common record takes a full resync', async () => {
    const { group, master, one, two } = await parted();
    await group.set(master, 'k1', 'only on the old master');
    await group.untilLevel([master, two]);
    await group.until(two.node.checkpoint());
    const promoted = await group.start('one', 'replica', {
      fileSystem: await group.stop(one),
      forcedRole: 'master',
    });
    await group.set(promoted, 'k2', 'of the new master');
    await group.stop(master);
    const disk = await group.stop(two);
    group.network.heal();
    const again = await group.replica('two', { fileSystem: disk, upstream: 'one:1' });
    await group.untilLevel([promoted, again]);
    expect(await group.get(again, 'k1')).toBe('shared');
    expect(group.network.callCount('fetchSnapshot', 'two:1', 'one:1')).toBe(1);
    expect(asideOf(again).length).toBeGreaterThan(0);
  });

  it('the old master, still running, is fenced, sets its tail aside and follows by itself', async () => {
    const { group, master, one, two } = await parted();
    const promoted = await group.start('one', 'replica', {
      fileSystem: await group.stop(one),
      forcedRole: 'master',
    });
    await group.set(master, 'k1', 'only on the old master');
    group.network.heal();
    // Nobody tells `two` either: the new master finds both.
    await group.untilTrue(() => master.node.status().role === 'replica', 'the old master follows');
    await group.untilLevel([promoted, master, two]);
    expect(await group.get(master, 'k1')).toBe('shared');
    expect(asideOf(master).length).toBeGreaterThan(0);
    await expect(async () => group.set(master, 'x', 'y')).rejects.toMatchObject({
      code: 'not_master',
      details: { leaderHint: 'one:1' },
    });
    // And remembers it.
    const disk = await group.stop(master);
    const restarted = await group.master({ fileSystem: disk });
    await group.untilLevel([promoted, restarted, two]);
    expect(restarted.node.status()).toMatchObject({ role: 'replica', term: 2 });
  });

  it('the old master that was down is kept read only by what its replicas say', async () => {
    const { group, master, one } = await parted();
    const disk = await group.stop(master);
    const promoted = await group.start('one', 'replica', {
      fileSystem: await group.stop(one),
      forcedRole: 'master',
    });
    await group.set(promoted, 'k2', 'of the new master');
    group.network.heal();
    // What the new one says does not reach it: it asks.
    group.network.cut('one:1', 'master:1');
    const old = await group.master({ fileSystem: disk });
    expect(old.node.status()).toMatchObject({ state: 'fenced', isReady: false });
    expect(old.node.status().reasons.join()).toMatch(
      /replica one:1 is at .* a higher term than this master's/,
    );
    await expect(async () => group.set(old, 'x', 'y')).rejects.toMatchObject({ code: 'not_master' });
    await group.untilTrue(() => old.node.status().role === 'replica', 'the old master follows');
    await group.untilLevel([promoted, old]);
  });

  it('a replica of a higher term that registers with the old master fences it', async () => {
    const { group, master, one } = await parted();
    const promoted = await group.start('one', 'replica', {
      fileSystem: await group.stop(one),
      forcedRole: 'master',
    });
    await group.set(promoted, 'k2', 'of the new master');
    const disk = await group.stop(promoted);
    group.network.heal();
    // Demoted again, and pointed at the old master, whose pushes do not reach it.
    group.network.cut('master:1', 'one:1');
    const demoted = await group.start('one', 'replica', { fileSystem: disk, forcedRole: 'replica' });
    await group.clock.advance(3_000);
    expect(master.node.status().state).toBe('fenced');
    expect(demoted.node.status().reasons.join()).toMatch(/term 1 is over: this node saw 2/);
    expect(await group.get(demoted, 'k2')).toBe('of the new master');
  });
});

describe('a master rolled back to an older copy of its disk', () => {
  async function rolledBack(isCut: boolean) {
    const group = new TestGroup();
    const master = await group.master();
    const one = await group.replica('one');
    await group.set(master, 'a', 'old');
    await group.untilLevel([master, one]);
    const copy = copyOf(await group.stop(master));
    const on = await group.master({ fileSystem: master.fileSystem });
    for (let i = 0; i < 5; i++) await group.set(on, 'a', `new ${i}`);
    await group.untilLevel([on, one]);
    await group.stop(on);
    if (isCut) {
      group.network.cut('master:1', 'one:1');
      group.network.cut('one:1', 'master:1');
    }
    const back = await group.master({ fileSystem: copy });
    return { group, back, one };
  }

  it('asks its replicas, stays read only and says so', async () => {
    const { group, back, one } = await rolledBack(false);
    expect(back.node.status()).toMatchObject({ state: 'fenced', isReady: false });
    expect(back.node.status().reasons.join()).toMatch(/replica one:1 is at .*, ahead of this master's/);
    await expect(async () => group.set(back, 'a', 'x')).rejects.toMatchObject({
      code: 'not_master',
    });
    expect(await group.get(back, 'a')).toBe('old');
    await group.clock.advance(3_000);
    expect(one.node.status().state).toBe('quarantined');
    expect(await group.get(one, 'a')).toBe('new 4');
  });

  it('and could not ask: the replica that is ahead is quarantined and keeps its data', async () => {
    const { group, back, one } = await rolledBack(true);
    expect(back.node.status().state).toBe('serving');
    const position = one.node.status().position;
    group.network.heal();
    await group.untilTrue(() => one.node.status().state === 'quarantined', 'quarantined');
    expect(await group.get(one, 'a')).toBe('new 4');
    const [quarantine] = one.node.quarantineList();
    expect(quarantine?.reason).toContain(formatPosition(position));
    expect(quarantine?.reason).toContain(formatPosition(back.node.status().position));
    expect(quarantine).toMatchObject({
      upstream: 'master:1',
      upstreamLogId: back.node.status().logId,
      localLogId: one.node.status().logId,
      localPosition: position,
    });
  });

  it('and wrote on past its replicas: another record at the same place is a conflict, too', async () => {
    const { group, back, one } = await rolledBack(true);
    for (let i = 0; i < 20; i++) await group.set(back, 'a', `other ${i}`);
    await group.clock.advance(1_500);
    group.network.heal();
    await group.untilTrue(() => one.node.status().state === 'quarantined', 'quarantined');
    expect(await group.get(one, 'a')).toBe('new 4');
    expect(one.node.quarantineList()[0]?.reason).toMatch(/the replica has .* the master/);
    await group.clock.advance(2_000);
    expect(replicaOf(back, 'one:1')?.state).toBe('quarantined');
  });
});

describe('one epoch with two histories, of which one was promoted', () => {
  // Every start draws a nonce; here chance gives the original and its copy the same one.
  const random = () => new SeededRandom(77);

  it('is no endless cutting: the tables lie, so the replica takes a full resync', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const one = await group.replica('one');
    await group.set(master, 'a', 'old');
    await group.untilLevel([master, one]);
    const copy = copyOf(await group.stop(master));
    const on = await group.master({ fileSystem: master.fileSystem, random: random() });
    for (let i = 0; i < 5; i++) await group.set(on, 'a', `one way ${i}`);
    await group.untilLevel([on, one]);
    await group.stop(on);
    group.network.cut('master:1', 'one:1');
    group.network.cut('one:1', 'master:1');
    const back = await group.master({ fileSystem: copy, random: random() });
    for (let i = 0; i < 15; i++) await group.set(back, 'a', `other way ${i}`);
    const promoted = await group.master({ fileSystem: await group.stop(back), forcedRole: 'master' });
    group.network.heal();
    await group.untilLevel([promoted, one]);
    expect(await group.get(one, 'a')).toBe('other way 14');
    expect(asideOf(one).length).toBeGreaterThan(0);
    expect(group.network.callCount('fetchSnapshot', 'one:1', 'master:1')).toBe(1);
  });
});

describe('a quarantined replica', () => {
  async function quarantined() {
    const group = new TestGroup();
    const master = await group.master();
    const one = await group.replica('one');
    await group.set(master, 'precious', 'data');
    await group.untilLevel([master, one]);
    await group.stop(master);
    const fresh = await group.master();
    await group.set(fresh, 'new', 'world');
    await group.untilTrue(() => one.node.status().state === 'quarantined', 'quarantined');
    return { group, fresh, one };
  }

  it('makes its master no work, takes no pushes and does not follow again by itself', async () => {
    const { group, fresh, one } = await quarantined();
    const count = (isStatus: boolean): number =>
      [...group.network.calls]
        .filter(([call]) => call.startsWith('status ') === isStatus)
        .reduce((sum, [, calls]) => sum + calls, 0);
    const [others, looks] = [count(false), count(true)];
    await group.clock.advance(60_000);
    expect(count(false) - others).toBe(0);
    // It looks whether another master leads by now, less and less often.
    expect(count(true) - looks).toBeLessThanOrEqual(10);
    const disk = group.kill(one);
    const again = await group.replica('one', { fileSystem: disk });
    await group.clock.advance(5_000);
    expect(again.node.status()).toMatchObject({ state: 'quarantined', isReady: false, role: 'replica' });
    expect(again.node.status().reasons[0]).toMatch(/quarantined: the replica has log/);
    expect(await group.get(again, 'precious')).toBe('data');
    expect(fresh.node.status().replicas).toHaveLength(1);
  });

  it('is released by discarding: what it had lies aside, and it follows, whatever the terms were', async () => {
    const { group, fresh, one } = await quarantined();
    const before = describeState(one);
    await group.until(one.node.quarantineRelease('discard_local'));
    await group.untilLevel([fresh, one]);
    expect(describeState(one)).not.toBe(before);
    expect(one.node.quarantineList()).toEqual([]);
    expect(asideOf(one).length).toBeGreaterThan(0);
    await group.clock.advance(1_000);
    expect(one.node.status()).toMatchObject({ state: 'streaming', isReady: true });
  });

  it('of a higher term than the new master can follow it after discarding', async () => {
    const group = new TestGroup();
    const first = await group.master();
    await group.set(first, 'a', '1');
    const promoted = await group.master({ fileSystem: await group.stop(first), forcedRole: 'master' });
    const one = await group.replica('one');
    await group.untilLevel([promoted, one]);
    await group.stop(promoted);
    const fresh = await group.master();
    await group.untilTrue(() => one.node.status().state === 'quarantined', 'quarantined');
    await group.until(one.node.quarantineRelease('discard_local'));
    await group.untilLevel([fresh, one]);
  });

  it('is released by keeping: it serves what it has and follows no more until restarted', async () => {
    const { group, fresh, one } = await quarantined();
    await group.until(one.node.quarantineRelease('keep'));
    expect(one.node.quarantineList()).toEqual([]);
    expect(one.node.status().reasons.join()).toMatch(/kept the local data/);
    await group.clock.advance(5_000);
    expect(await group.get(one, 'precious')).toBe('data');
    expect(await group.get(one, 'new')).toBeUndefined();
    // After a restart its history fits no better.
    const again = await group.replica('one', { fileSystem: await group.stop(one) });
    await group.untilTrue(() => again.node.status().state === 'quarantined', 'quarantined again');
    expect(fresh.node.status().state).toBe('serving');
  });

  it('cannot be released twice, nor a node that is not quarantined', async () => {
    const { group, fresh, one } = await quarantined();
    const both = await group.until(
      Promise.allSettled([
        one.node.quarantineRelease('discard_local'),
        one.node.quarantineRelease('discard_local'),
      ]),
    );
    expect(both.map((result) => result.status)).toEqual(['fulfilled', 'rejected']);
    await group.untilLevel([fresh, one]);
    for (const node of [one, fresh]) {
      await expect(node.node.quarantineRelease('keep')).rejects.toMatchObject({
        code: 'failed_precondition',
      });
    }
  });

  it('with serve_stale off reads are refused, Status and Digest are not', async () => {
    const { group, one } = await quarantined();
    const again = await group.replica('one', { fileSystem: await group.stop(one), serveStale: false });
    expect(() => again.node.get({ key: 'precious', waitMs: 0 })).toThrow(
      expect.objectContaining({ code: 'unavailable', details: { leaderHint: 'master:1' } }),
    );
    expect(() => again.node.scan({ prefix: '', cursor: '', limit: 0, keysOnly: false })).toThrow(
      /serve_stale/,
    );
    expect(again.node.digest().entries).toBe(1);
    expect(again.node.status().state).toBe('quarantined');
  });

  it('made a master by force serves its own data', async () => {
    const { group, fresh, one } = await quarantined();
    await group.stop(fresh);
    const master = await group.start('one', 'replica', {
      fileSystem: await group.stop(one),
      forcedRole: 'master',
    });
    expect(await group.get(master, 'precious')).toBe('data');
    await group.set(master, 'more', 'data');
    expect(master.node.quarantineList()).toEqual([]);
  });
});
