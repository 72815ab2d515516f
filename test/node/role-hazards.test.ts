/** What may come between the steps of a change of role: higher terms, full disks, doubts, repeated calls. */
import { describe, expect, it } from 'vitest';
import { termOf, toLsn } from '#model/position.ts';
import { collectEngines } from '#test/doubles/engines.ts';
import { MemoryFileSystem } from '#test/doubles/memory-file-system.ts';
import { setCommand, TestGroup, type TestNode } from '#test/doubles/test-group.ts';
import { separate, threeNodes } from '#test/node/three-nodes.ts';

const engines = collectEngines();

const roleOf = (node: TestNode) => node.node.status().role;
const isWriting = ({ node }: TestNode): boolean =>
  node.status().role === 'master' && node.status().state === 'serving';
const fill = ({ fileSystem }: TestNode): void => {
  fileSystem.bytesMax = fileSystem.usedBytes;
};
const free = ({ fileSystem }: TestNode): void => {
  fileSystem.bytesMax = Number.POSITIVE_INFINITY;
};

/** MANIFEST can be replaced, and the log takes nothing more. */
const FULL_LOG = { call: 'write', code: 'ENOSPC', path: /\.wal$/ } as const;

/** A push by which another master says that it leads `term`. */
function pushOf(master: TestNode, term: number) {
  return {
    masterNodeId: 'another',
    logId: master.node.status().logId,
    term,
    previous: { epoch: 0, lsn: toLsn(0), crc: 0 },
    frames: new Uint8Array(0),
    durableLsn: toLsn(0),
    logClockMs: 0,
    ackWhenDurable: false,
  };
}

describe('a failover', () => {
  it('is aborted where a higher term is seen before its commit, and the term is not forgotten', async () => {
    let early = 0;
    for (let waitMs = 300; waitMs < 1_500; waitMs += 100) {
      const { group, master, one } = await threeNodes();
      group.network.delay('master:1', 'one:1', 400);
      master.node.failover('one:1', 5_000).catch(() => undefined);
      await group.clock.advance(waitMs);
      const isEarly = roleOf(master) === 'master';
      await group.until(master.node.replicate(pushOf(master, 9)).catch(() => undefined));
      await group.clock.advance(3_000);
      if (!isEarly) break;
      early++;
      expect(master.node.status()).toMatchObject({ role: 'master', state: 'fenced', term: 9 });
      expect(roleOf(one)).toBe('replica');
    }
    // In the first check, in the wait for the replica, and in the second check.
    expect(early).toBeGreaterThan(4);
  });

  it('is complete where the replica committed and has no space to begin its epoch', async () => {
    const { group, master, one, two } = await threeNodes();
    // Its MANIFEST can be replaced, its log takes nothing more; and the first answer is lost.
    one.fileSystem.fail(FULL_LOG);
    group.network.delay('master:1', 'one:1', 50);
    const done = group.until(master.node.failover('one:1', 3_000)).catch((error: unknown) => error);
    await group.untilTrue(() => roleOf(master) === 'replica', 'it has committed');
    group.network.loseAnswers('master:1', 'one:1');
    await group.untilTrue(() => one.node.status().state === 'no_space', 'the log is full');
    await group.clock.advance(100);
    group.network.heal();
    expect(await done).toMatchObject({ term: 2 });
    expect(roleOf(master)).toBe('replica');
    await group.clock.advance(3_000);
    expect(one.node.status()).toMatchObject({ role: 'master', state: 'no_space' });
    one.fileSystem.clearFaults();
    await group.untilTrue(() => isWriting(one), 'it begins its epoch');
    await group.untilLevel([master, one, two]);
  });

  it('goes on by itself where this disk is full right after the commit', async () => {
    const { group, master, one, two } = await threeNodes();
    group.network.delay('master:1', 'one:1', 300);
    const failing = group.until(master.node.failover('one:1', 1_000)).catch((error: unknown) => error);
    await group.untilTrue(() => roleOf(master) === 'replica', 'it has committed');
    fill(master);
    const disk = group.kill(one);
    expect(await failing).toMatchObject({ code: 'unavailable', message: /goes on telling it/ });
    group.network.heal();
    const again = await group.replica('one', { fileSystem: disk });
    await group.untilTrue(() => isWriting(again), 'the replica leads');
    free(master);
    await group.untilLevel([master, again, two]);
    expect(roleOf(master)).toBe('replica');
  });
});

describe('a replica that is told to lead', () => {
  it('does so from exactly the last record that it is told, and a refusal is for good', async () => {
    const { group, master, one } = await threeNodes();
    await group.clock.advance(2_000);
    const { nodeId, logId } = master.node.status();
    const tail = engines[1]?.log.tail;
    if (tail === undefined) throw new Error('no engine');
    const tell = (term: number, from: typeof tail) =>
      group.until(one.node.takeOver({ nodeId, logId, term, tail: from, isCheck: false }));
    const others = [
      { ...tail, crc: tail.crc ^ 1 },
      { ...tail, lsn: toLsn(tail.lsn + 1) },
      { ...tail, lsn: toLsn(tail.lsn - 1) },
    ];
    for (const [index, other] of others.entries()) {
      expect(await tell(2 + index, other)).toMatchObject({ isAccepted: false });
      // The same term again, late and right.
      expect(await tell(2 + index, tail)).toMatchObject({ isAccepted: false });
    }
    expect(one.node.status()).toMatchObject({ role: 'replica', term: 4 });
    expect(await tell(5, tail)).toMatchObject({ isAccepted: true, reason: '' });
    // Repeated, it says that it does already.
    expect(await tell(5, tail)).toMatchObject({ isAccepted: true });
    expect(isWriting(one)).toBe(true);
  });
});

describe('a master without space for its epoch', () => {
  it('takes no writes in the old term once it granted a higher one', async () => {
    const { group, master, one, two } = await threeNodes();
    group.kill(master);
    one.fileSystem.fail(FULL_LOG);
    await group.until(one.node.promote(false));
    expect(one.node.status()).toMatchObject({ role: 'master', state: 'no_space' });
    // Granted, and nobody tells it that the term is led, nor refuses what it would push.
    separate(group, 'one', 'two');
    const { logId } = one.node.status();
    const claimed = await group.until(one.node.claim({ logId, term: 3, nodeId: 'f'.repeat(32) }));
    expect(claimed.isGranted).toBe(true);
    const { position } = one.node.status();
    one.fileSystem.clearFaults();
    await group.clock.advance(5_000);
    expect(one.node.status()).toMatchObject({ role: 'master', state: 'fenced', term: 3, position });
    await expect(async () => group.set(one, 'never', 'acknowledged')).rejects.toThrow(/term 3 was seen/);
    group.network.heal();
    await group.until(one.node.promote(false));
    await group.untilLevel([one, two]);
  });
});

describe('a promotion', () => {
  it('is refused where its term was seen while it was asked for', async () => {
    const { group, master, one } = await threeNodes();
    const upstream = master.node.status().nodeId;
    group.kill(master);
    group.network.delay('one:1', 'two:1', 500);
    const failing = group.until(one.node.promote(false)).catch((error: unknown) => error);
    // Asked, and the claim is on its way.
    await group.clock.advance(750);
    await one.node.replicate({ ...pushOf(one, 7), masterNodeId: upstream }).catch(() => undefined);
    expect(await failing).toBeInstanceOf(Error);
    expect(one.node.status()).toMatchObject({ role: 'replica', term: 7 });
  });
});

describe('a promotion of a replica whose memory turns out to be wrong', () => {
  it('is refused until the state is rebuilt, also where that shows while it is asked for', async () => {
    const { group, master, one, two } = await threeNodes();
    group.kill(master);
    group.network.delay('one:1', 'two:1', 500);
    const failing = group.until(one.node.promote(true)).catch((error: unknown) => error);
    await group.clock.advance(750);
    // The rebuild hangs on the disk.
    one.fileSystem.holdSyncs();
    engines[1]?.altered.tell('a test says so');
    const outcome = await failing;
    one.fileSystem.releaseSyncs();
    expect(outcome).toMatchObject({ code: 'unavailable', message: expect.stringMatching(/being rebuilt/) });
    expect(roleOf(one)).toBe('replica');
    await group.untilTrue(() => one.node.status().integrity.rebuilds === 1, 'rebuilt');
    await group.until(one.node.promote(true));
    await group.untilLevel([one, two]);
  });
});

describe('tokens and acks after a return to an older copy', () => {
  it('a master that is fenced because a replica has more does not call its token discarded', async () => {
    const { group, master, one, two } = await threeNodes();
    const disk = await group.stop(master);
    const older = new MemoryFileSystem();
    for (const path of disk.paths()) older.put(path, disk.content(path));
    const again = await group.master({ fileSystem: disk });
    const { position } = await group.set(again, 'a', '2');
    await group.untilLevel([again, one, two]);
    group.kill(again);
    const rolledBack = await group.master({ fileSystem: older });
    expect(rolledBack.node.status().state).toBe('fenced');
    await expect(
      group.until(Promise.resolve(rolledBack.node.get({ key: 'a', atLeast: position, waitMs: 100 }))),
    ).rejects.toMatchObject({ code: 'unavailable' });
  });

  it('a replica that came back with an older disk counts for what it has now', async () => {
    const { group, master, one } = await threeNodes();
    const disk = await group.stop(one);
    const older = new MemoryFileSystem();
    for (const path of disk.paths()) older.put(path, disk.content(path));
    const again = await group.replica('one', { fileSystem: disk });
    const { position, replicasAcked } = await group.set(master, 'a', '2', { minAcks: 2 });
    expect(replicasAcked).toBe(2);
    group.kill(again);
    await group.clock.advance(2_000);
    group.network.cut('master:1', 'one:1');
    const before = group.network.callCount('register', 'one:1', 'master:1');
    group.network.cut('one:1', 'master:1');
    await group.replica('one', { fileSystem: older });
    group.network.heal('one:1', 'master:1');
    await group.untilTrue(
      () => group.network.callCount('register', 'one:1', 'master:1') > before,
      'it has registered',
    );
    group.network.cut('one:1', 'master:1');
    await group.clock.advance(100);
    const count = await group.until(
      master.node.awaitDurable({ position, durability: 'local', minAcks: 2, timeoutMs: 100 }),
    );
    expect(count.replicasAcked).toBe(1);
  });
});

describe('a delayed replica', () => {
  it('compares no digest of a history that it set aside', async () => {
    const group = new TestGroup(3);
    const master = await group.master();
    const one = await group.replica('one');
    const late = await group.replica('late', { applyDelayMs: 60_000 });
    for (let i = 0; i < 5; i++) await group.set(master, `k${i}`, 'shared');
    await group.untilTrue(
      () => late.node.status().durableLsn === master.node.status().durableLsn,
      'the log is there',
    );
    await group.untilLevel([master, one]);
    separate(group, 'master', 'one');
    for (let i = 0; i < 10; i++) {
      await group.set(master, `lost${i}`, 'of the old master');
      await group.clock.advance(2_000);
    }
    await group.untilTrue(
      () => late.node.status().durableLsn === master.node.status().durableLsn,
      'the late one has what will be discarded',
    );
    group.kill(master);
    await group.until(one.node.promote(true));
    await group.untilTrue(() => late.node.status().upstream?.address === 'one:1', 'it follows');
    for (let i = 0; i < 20; i++) {
      await group.until(Promise.resolve(one.node.set(setCommand(`new${i}`, String(i)))));
      await group.clock.advance(1_000);
    }
    await group.clock.advance(120_000);
    expect(termOf(late.node.status().position.epoch)).toBe(2);
    expect(late.node.status().integrity).toMatchObject({ digestMismatches: 0, rebuilds: 0 });
  });
});
