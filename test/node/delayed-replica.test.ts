/** `replication.apply_delay`: logged, fdatasynced and acked at once, applied late. */
import { describe, expect, it } from 'vitest';
import { NO_POSITION, toLsn } from '#model/position.ts';
import { type NodeChanges, setCommand, TestGroup, type TestNode } from '#test/doubles/test-group.ts';

const DELAY_MS = 60_000;
/** A heartbeat, the way there, and the pump. */
const GRACE_MS = 1_000;
const LATE: NodeChanges = { applyDelayMs: DELAY_MS };

async function pair(changes: NodeChanges = {}) {
  const group = new TestGroup();
  const master = await group.master(changes);
  const late = await group.replica('late', { ...changes, ...LATE });
  await group.untilTrue(() => late.node.status().state === 'delayed', 'linked');
  return { group, master, late };
}

function separate(group: TestGroup): void {
  group.network.cut('master:1', 'late:1');
  group.network.cut('late:1', 'master:1');
}

const at = (node: TestNode) => node.node.status().appliedLsn;

async function shown(node: TestNode, key: string): Promise<string | undefined> {
  const { entry } = await node.node.get({ key, waitMs: 0 });
  return entry === undefined ? undefined : Buffer.from(entry.value).toString();
}

async function untilReceived(group: TestGroup, master: TestNode, late: TestNode): Promise<void> {
  await group.untilTrue(
    () => late.node.status().durableLsn === master.node.status().durableLsn,
    'everything is on the disk of the replica',
  );
}

describe('a delayed replica', () => {
  it('acks from its disk at once and shows the record when its time has come', async () => {
    const { group, master, late } = await pair();
    const before = group.clock.monotonicMs();
    const { replicasAcked, position } = await group.set(master, 'a', '1', { minAcks: 1 });
    expect(replicasAcked).toBe(1);
    expect(group.clock.monotonicMs() - before).toBeLessThanOrEqual(100);
    expect(at(late)).toBeLessThan(position.lsn);
    await group.clock.advance(DELAY_MS - GRACE_MS);
    expect(at(late)).toBeLessThan(position.lsn);
    await group.clock.advance(2 * GRACE_MS);
    expect(await shown(late, 'a')).toBe('1');
    expect(late.node.digest()).toEqual(master.node.digest());
  });

  it('shows at any moment what the master showed a delay ago, expiry included', async () => {
    const { group, master, late } = await pair();
    const keys = ['a', 'b', 'c'];
    let looks = 0;
    for (let step = 0; step < 300; step++) {
      const key = keys[step % 3] ?? 'a';
      const expiry =
        step % 10 === 0
          ? { kind: 'ttl' as const, ttlMs: 1_500 + 700 * (step % 7) }
          : { kind: 'default' as const };
      if (step % 10 === 0 || step % 17 === 0) void master.node.set(setCommand(key, `${step}`, { expiry }));
      await group.clock.advance(500);
      const nowMs = group.clock.wallMs();
      const { updates } = await master.node.getUpdates({
        after: NO_POSITION,
        format: 'entries',
        bytesMax: 0,
      });
      const applied = updates.filter(({ position }) => position.lsn <= at(late));
      const thenMs = applied.at(-1)?.timestampMs;
      if (thenMs === undefined) continue;
      expect(thenMs + DELAY_MS).toBeLessThanOrEqual(nowMs);
      const next = updates[applied.length];
      if (next !== undefined) expect(next.timestampMs + DELAY_MS + GRACE_MS).toBeGreaterThan(nowMs);
      for (const one of keys) {
        const last = applied.findLast((update) => update.key === one);
        const isThere =
          last?.op === 'set' && (last.expireAtMs === 0 || thenMs < last.expireAtMs) ? last : undefined;
        const expected = isThere === undefined ? undefined : Buffer.from(isThere.value).toString();
        expect(await shown(late, one), `${one} at step ${step}`).toBe(expected);
        if (isThere?.expireAtMs !== 0 && isThere !== undefined) looks++;
      }
    }
    expect(looks).toBeGreaterThan(50);
  });

  it('says DELAYED, what waits and for how long, and is ready by its log', async () => {
    const { group, master, late } = await pair();
    await group.clock.advance(DELAY_MS + 2 * GRACE_MS);
    for (let i = 0; i < 5; i++) await group.set(master, `k${i}`, 'v');
    await untilReceived(group, master, late);
    await group.clock.advance(10_000);
    const status = late.node.status();
    expect(status).toMatchObject({ state: 'delayed', isReady: true });
    expect(status.delay).toMatchObject({ delayMs: DELAY_MS, isHeld: false, waitingRecords: 5 });
    expect(status.delay?.nextDueInMs).toBeGreaterThan(DELAY_MS - 15_000);
    expect(status.delay?.nextDueInMs).toBeLessThanOrEqual(DELAY_MS - 9_000);
    expect(status.upstream).toMatchObject({ isLinked: true, lagRecords: 5 });
    expect(status.durableLsn - status.appliedLsn).toBe(5);
    expect(master.node.status().replicas[0]).toMatchObject({
      state: 'delayed',
      applyDelayMs: DELAY_MS,
      lagRecords: 0,
      lagMs: 0,
    });
    separate(group);
    await group.clock.advance(20_000);
    expect(late.node.status()).toMatchObject({ isReady: false });
  });

  it('is as stale as it says: within max_staleness_ms or refused', async () => {
    const { group, master, late } = await pair();
    await group.set(master, 'a', '1');
    await group.clock.advance(DELAY_MS + 2 * GRACE_MS);
    expect((await late.node.get({ key: 'a', waitMs: 0 })).stalenessMs).toBeLessThanOrEqual(GRACE_MS);
    await group.set(master, 'a', '2');
    await group.clock.advance(20_000);
    const { stalenessMs } = await late.node.get({ key: 'a', waitMs: 0 });
    expect(stalenessMs).toBeGreaterThanOrEqual(20_000);
    expect(stalenessMs).toBeLessThanOrEqual(20_000 + GRACE_MS);
    expect(() => late.node.get({ key: 'a', waitMs: 0, maxStalenessMs: 10_000 })).toThrow(/stale/);
  });

  it('with serve_stale off serves nothing that is over max_lag', async () => {
    const { group, master, late } = await pair({ serveStale: false });
    await group.set(master, 'a', '1');
    await group.clock.advance(20_000);
    expect(() => late.node.get({ key: 'a', waitMs: 0 })).toThrow(/serve_stale is off/);
    await group.clock.advance(DELAY_MS);
    expect(await shown(late, 'a')).toBe('1');
  });

  it('waits for a token as long as asked, and answers for its disk at once', async () => {
    const { group, master, late } = await pair();
    const { position } = await group.set(master, 'a', '1');
    await untilReceived(group, master, late);
    const short = group.until(Promise.resolve(late.node.get({ key: 'a', atLeast: position, waitMs: 2_000 })));
    await expect(short).rejects.toMatchObject({ code: 'unavailable' });
    const durable = { position, durability: 'local' as const, minAcks: 0, timeoutMs: 1_000 };
    expect(await group.until(late.node.awaitDurable(durable))).toMatchObject({ durabilityReached: 'local' });
    await group.clock.advance(DELAY_MS - 10_000);
    const long = group.until(Promise.resolve(late.node.get({ key: 'a', atLeast: position, waitMs: 30_000 })));
    expect(Buffer.from((await long).entry?.value ?? []).toString()).toBe('1');
  });

  it('applies nothing that its master has not said is due, whatever its own clocks say', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const clock = group.clock.skewed({ offsetMs: 10 * DELAY_MS });
    const late = await group.replica('late', { ...LATE, clock });
    await group.untilTrue(() => late.node.status().state === 'delayed', 'linked');
    const { position } = await group.set(master, 'a', '1');
    await untilReceived(group, master, late);
    separate(group);
    await group.clock.advance(3 * DELAY_MS);
    expect(at(late)).toBeLessThan(position.lsn);
    const again = await group.replica('late', { ...LATE, clock, fileSystem: group.kill(late) });
    await group.clock.advance(DELAY_MS / 2);
    expect(at(again)).toBeLessThan(position.lsn);
    group.network.heal();
    await group.untilLevel([master, again]);
  });

  it('keeps the log behind what is applied, over checkpoints and restarts', async () => {
    const { group, master, late } = await pair({ retentionBytes: 0, maxFileBytes: 4_096 });
    await group.set(master, 'early', '1');
    await group.clock.advance(DELAY_MS + 2 * GRACE_MS);
    const earlyLsn = at(late);
    for (let i = 0; i < 40; i++) await group.set(master, `k${i}`, 'v'.repeat(1_000));
    await untilReceived(group, master, late);
    await group.until(late.node.rotateWal());
    const { position } = await group.until(late.node.checkpoint());
    expect(position.lsn).toBe(earlyLsn);
    expect(late.node.status().earliestLsn).toBeLessThanOrEqual(earlyLsn + 1);
    const again = await group.replica('late', { ...LATE, retentionBytes: 0, fileSystem: group.kill(late) });
    expect(at(again)).toBe(earlyLsn);
    expect(again.node.digest().entries).toBe(1);
    await group.clock.advance(DELAY_MS + 10_000);
    await group.untilLevel([master, again]);
    expect(master.node.status().replicas[0]).toMatchObject({ fullResyncs: 0 });
  });

  it('started anew shows at most what was due by the newest record of its log', async () => {
    const { group, master, late } = await pair();
    const lsns: number[] = [];
    for (let i = 0; i < 10; i++) {
      lsns.push((await group.set(master, `k${i}`, 'v')).position.lsn);
      await group.clock.advance(10_000);
    }
    await untilReceived(group, master, late);
    separate(group);
    const again = await group.replica('late', { ...LATE, fileSystem: group.powerCut(late, 3) });
    // Ten seconds lie between two, so those from the sixth before the newest on were due.
    expect(lsns.slice(2, 5)).toContain(at(again));
  });

  it('is gone when the delay is: a start without it applies everything', async () => {
    const { group, master, late } = await pair();
    await group.set(master, 'a', '1');
    await untilReceived(group, master, late);
    const plain = await group.replica('late', { fileSystem: await group.stop(late) });
    expect(await shown(plain, 'a')).toBe('1');
    expect(plain.node.status().delay).toBeUndefined();
    await group.untilTrue(() => plain.node.status().state === 'streaming', 'streaming');
  });
});

describe('what a delayed replica does not apply yet', () => {
  async function held() {
    const setup = await pair();
    const { group, master, late } = setup;
    await group.clock.advance(DELAY_MS + 2 * GRACE_MS);
    await group.set(master, 'a', 'good');
    const good = await group.set(master, 'a', 'better');
    const bad = await group.set(master, 'a', 'dropped by mistake');
    await untilReceived(group, master, late);
    return { ...setup, good: good.position.lsn, bad: bad.position.lsn };
  }

  it('is stopped by a pause, over a restart too, and goes on when resumed', async () => {
    const { group, master, late, good } = await held();
    const before = at(late);
    expect(await group.until(late.node.controlDelay({ kind: 'pause' }))).toMatchObject({
      delay: { isHeld: true, waitingRecords: 3 },
    });
    await group.clock.advance(2 * DELAY_MS);
    expect(at(late)).toBe(before);
    expect(late.node.status().reasons.join()).toMatch(/paused by an operator: 3 records wait/);
    const again = await group.replica('late', { ...LATE, fileSystem: await group.stop(late) });
    await group.clock.advance(GRACE_MS * 2);
    expect(at(again)).toBe(before);
    expect(before).toBeLessThan(good);
    await group.until(again.node.controlDelay({ kind: 'resume' }));
    await group.untilLevel([master, again]);
  });

  it('is let through up to an LSN and held there, over a restart too', async () => {
    const { group, master, late, good } = await held();
    const answer = await group.until(
      late.node.controlDelay({ kind: 'release_to', lsn: toLsn(good), goesOn: false }),
    );
    expect(answer).toMatchObject({ position: { lsn: good }, delay: { isHeld: true, waitingRecords: 1 } });
    expect(await shown(late, 'a')).toBe('better');
    const again = await group.replica('late', { ...LATE, fileSystem: group.powerCut(late, 5) });
    expect(await shown(again, 'a')).toBe('better');
    await group.clock.advance(3 * DELAY_MS);
    expect(await shown(again, 'a')).toBe('better');
    await group.until(again.node.controlDelay({ kind: 'release_all' }));
    await group.untilLevel([master, again]);
  });

  it('goes on by the delay from there where that is asked', async () => {
    const { group, late, good, bad } = await held();
    await group.until(late.node.controlDelay({ kind: 'release_to', lsn: toLsn(good), goesOn: true }));
    expect(at(late)).toBe(good);
    await group.clock.advance(DELAY_MS / 2);
    expect(at(late)).toBe(good);
    await group.clock.advance(DELAY_MS);
    expect(at(late)).toBe(bad);
  });

  it('is all let through at once; what follows is delayed again', async () => {
    const { group, master, late } = await held();
    await group.until(late.node.controlDelay({ kind: 'release_all' }));
    expect(late.node.digest()).toEqual(master.node.digest());
    await group.set(master, 'b', '1');
    await group.clock.advance(DELAY_MS / 2);
    expect(await shown(late, 'b')).toBeUndefined();
  });

  it('cannot be released where it is not, or anywhere else', async () => {
    const { late, master, bad } = await held();
    for (const lsn of [at(late) - 1, bad + 1]) {
      const released = late.node.controlDelay({ kind: 'release_to', lsn: toLsn(lsn), goesOn: false });
      await expect(released).rejects.toMatchObject({ code: 'out_of_range' });
    }
    await expect(master.node.controlDelay({ kind: 'pause' })).rejects.toMatchObject({
      code: 'failed_precondition',
    });
  });

  it('is kept by a full resync that would replace it, until the operator lets go', async () => {
    const { group, master, late } = await held();
    await group.until(late.node.controlDelay({ kind: 'pause' }));
    const before = late.node.digest();
    const disk = await group.stop(late);
    for (let i = 0; i < 40; i++) await group.set(master, `k${i}`, 'v'.repeat(1_000));
    await group.until(master.node.rotateWal());
    await group.until(master.node.checkpoint());
    const options = { retentionBytes: 0, fileSystem: await group.stop(master) };
    const compacted = await group.master(options);
    await group.until(compacted.node.checkpoint());
    const again = await group.replica('late', { ...LATE, fileSystem: disk });
    await group.clock.advance(5_000);
    expect(again.node.status()).toMatchObject({ state: 'catching_up' });
    expect(again.node.status().reasons.join()).toMatch(/walnut delay resume/);
    expect(again.node.digest()).toEqual(before);
    await group.until(again.node.controlDelay({ kind: 'resume' }));
    await group.untilLevel([compacted, again]);
  });

  it('is applied by a start as master, which loses none of it', async () => {
    const { group, late, bad } = await held();
    const promoted = await group.start('late', 'replica', {
      ...LATE,
      forcedRole: 'master',
      fileSystem: await group.stop(late),
    });
    expect(promoted.node.status()).toMatchObject({ role: 'master', state: 'serving' });
    expect(promoted.node.status().appliedLsn).toBeGreaterThan(bad);
    expect(await shown(promoted, 'a')).toBe('dropped by mistake');
  });

  it('is applied by a promotion in place, after which nothing is late, until it follows again', async () => {
    const { group, master, late, bad } = await held();
    const disk = await group.stop(master);
    await group.until(late.node.promote(false));
    expect(await shown(late, 'a')).toBe('dropped by mistake');
    expect(at(late)).toBeGreaterThan(bad);
    const { position } = await group.set(late, 'b', '1');
    expect(at(late)).toBe(position.lsn);
    expect(late.node.status()).toMatchObject({ state: 'serving', delay: undefined });
    const follower = await group.master({ fileSystem: disk });
    await group.untilTrue(() => follower.node.status().role === 'replica', 'the old master follows');
    await group.untilLevel([late, follower]);
    await group.until(late.node.failover('master:1', 10_000));
    await group.untilTrue(() => late.node.status().state === 'delayed', 'delayed again');
    await group.set(follower, 'b', '2');
    await group.clock.advance(DELAY_MS / 2);
    expect(await shown(late, 'b')).toBe('1');
    await group.clock.advance(DELAY_MS);
    expect(await shown(late, 'b')).toBe('2');
  });

  it('is applied by a planned failover, which loses nothing', async () => {
    const { group, master, late } = await held();
    await group.until(master.node.failover('late:1', 10_000));
    expect(late.node.status()).toMatchObject({ role: 'master', state: 'serving' });
    expect(await shown(late, 'a')).toBe('dropped by mistake');
    await group.untilLevel([master, late]);
  });

  it('by an operator’s word is not applied by a promotion, unless forced', async () => {
    const { group, master, late } = await held();
    await group.until(late.node.controlDelay({ kind: 'pause' }));
    await expect(group.until(master.node.failover('late:1', 5_000))).rejects.toThrow(/delay resume/);
    expect((await group.set(master, 'b', '1')).applied).toBe(true);
    await group.stop(master);
    await expect(group.until(late.node.promote(false))).rejects.toThrow(/delay resume/);
    await group.until(late.node.promote(true));
    expect(await shown(late, 'a')).toBe('dropped by mistake');
  });

  it('that was never shown is cut off where it was never history', async () => {
    const { group, master, late, bad } = await held();
    const two = await group.replica('two');
    await group.untilLevel([master, two]);
    // The master goes on alone with the delayed one, and is replaced by the other.
    group.network.cut('master:1', 'two:1');
    group.network.cut('two:1', 'master:1');
    const lost = await group.set(master, 'a', 'lost', { minAcks: 1 });
    expect(lost.replicasAcked).toBe(1);
    group.network.heal();
    const disks = [await group.stop(master), await group.stop(two)];
    const promoted = await group.start('two', 'replica', {
      forcedRole: 'master',
      fileSystem: disks[1] as (typeof disks)[0],
    });
    const again = await group.replica('late', {
      ...LATE,
      upstream: 'two:1',
      fileSystem: await group.stop(late),
    });
    await group.set(promoted, 'b', '1');
    await group.clock.advance(5_000);
    const read = async () => again.node.get({ key: 'a', atLeast: lost.position, waitMs: 20_000 });
    await expect(group.until(read())).rejects.toMatchObject({ code: 'discarded_history' });
    expect(at(again)).toBeLessThan(bad);
    await group.clock.advance(DELAY_MS);
    await group.untilLevel([promoted, again]);
    expect(await shown(again, 'a')).toBe('dropped by mistake');
  });
});
