/** Digests stated with pushes, compared on replicas, and what a difference leads to. */
import { describe, expect, it } from 'vitest';
import { toLsn } from '#model/position.ts';
import { collectEngines, sabotageApply } from '#test/doubles/engines.ts';
import { deleteCommand, TestGroup, type TestNode } from '#test/doubles/test-group.ts';

const engines = collectEngines();

/** A master with `a`, `b` and `c`, and a level replica: engines 0 and 1. */
async function pair() {
  const group = new TestGroup();
  const master = await group.master();
  const one = await group.replica('one');
  for (const key of ['a', 'b', 'c']) await group.set(master, key, `${key}1`);
  await group.untilLevel([master, one]);
  return { group, master, one };
}

const integrity = (one: TestNode) => one.node.status().integrity;
const replicaOf = (master: TestNode) => master.node.status().replicas[0];

describe('digests', () => {
  it('are stated with pushes and heartbeats, compared, and equal', async () => {
    const { group, master, one } = await pair();
    const before = integrity(one).digestComparisons;
    expect(before).toBeGreaterThan(0);
    await group.set(master, 'a', '2');
    await group.delete(master, 'b');
    await group.untilLevel([master, one]);
    await group.clock.advance(1_000);
    expect(integrity(one).digestComparisons).toBeGreaterThanOrEqual(before + 4);
    expect(integrity(one)).toMatchObject({ digestMismatches: 0, rebuilds: 0 });
    expect(replicaOf(master)).toMatchObject({ isDifferent: false, fullResyncs: 0 });
  });

  it('are compared after a restart too, at the last record', async () => {
    const { group, master, one } = await pair();
    const disk = await group.stop(one);
    const again = await group.replica('one', { fileSystem: disk });
    await group.untilTrue(() => integrity(again).digestComparisons > 0, 'a comparison');
    expect(integrity(again)).toMatchObject({ digestMismatches: 0 });
    await group.untilLevel([master, again]);
  });
});

describe('a replica that skipped a delete', () => {
  it('notices at that record, serves nothing wrong, and rebuilds from its own log', async () => {
    const { group, master, one } = await pair();
    const replica = engines[1];
    if (replica === undefined) throw new Error('no engine');
    sabotageApply(replica, ({ op }) => op === 'delete');
    const { release } = replica;
    let refusals = 0;
    replica.release = () => {
      // The engine is about to be replaced.
      expect(() => one.node.get({ key: 'a', waitMs: 0 })).toThrow(
        expect.objectContaining({ code: 'unavailable', details: { leaderHint: 'master:1' } }),
      );
      expect(one.node.status()).toMatchObject({ state: 'loading', isReady: false });
      expect(one.node.status().reasons.join()).toContain('digest_mismatch: at LSN');
      refusals++;
      release.call(replica);
    };
    await group.delete(master, 'b');
    await group.untilTrue(() => integrity(one).rebuilds === 1 && one.node.status().isReady, 'rebuilt');
    expect(refusals).toBe(1);
    await group.untilLevel([master, one]);
    expect(await group.get(one, 'b')).toBeUndefined();
    expect(await group.get(one, 'a')).toBe('a1');
    await group.clock.advance(60_000);
    expect(integrity(one)).toMatchObject({ digestMismatches: 1, rebuilds: 1 });
    expect(one.node.status()).toMatchObject({ state: 'streaming', isReady: true, reasons: [] });
    expect(replicaOf(master)).toMatchObject({ isDifferent: false, fullResyncs: 0 });
  });

  it('and wrote that into its snapshot takes the master’s, with the reason told', async () => {
    const { group, master, one } = await pair();
    const replica = engines[1];
    if (replica === undefined) throw new Error('no engine');
    sabotageApply(replica, ({ op }) => op === 'delete');
    // Nothing is compared until the wrong state is on the disk.
    replica.digests.at = () => undefined;
    await group.until(master.node.checkpoint());
    await group.delete(master, 'b');
    await group.clock.advance(1_000);
    await group.until(one.node.checkpoint());
    expect(await group.get(one, 'b')).toBe('b1');
    Reflect.deleteProperty(replica.digests, 'at');
    await group.untilTrue(() => replicaOf(master)?.isDifferent === true, 'the master is told');
    await group.untilTrue(() => replicaOf(master)?.fullResyncs === 1, 'a full resync');
    await group.untilLevel([master, one]);
    await group.untilTrue(() => one.node.status().isReady, 'ready');
    expect(await group.get(one, 'b')).toBeUndefined();
    expect(replicaOf(master)?.lastFullResyncReason).toMatch(
      /^digest_mismatch: at LSN \d+ the digest here was/,
    );
    expect(integrity(one)).toMatchObject({ rebuilds: 1 });
    await group.clock.advance(120_000);
    expect(replicaOf(master)).toMatchObject({ fullResyncs: 1, isDifferent: false });
  });
});

describe('a master that is the one in the wrong', () => {
  it('is told, and its replica keeps to the log and does not ask for snapshots for ever', async () => {
    const { group, master, one } = await pair();
    await group.until(master.node.checkpoint());
    const engine = engines[0];
    if (engine === undefined) throw new Error('no engine');
    sabotageApply(engine, ({ op }) => op === 'delete');
    await group.delete(master, 'b');
    await group.untilTrue(() => replicaOf(master)?.isDifferent === true, 'the master is told');
    await group.clock.advance(3_600_000);
    expect(replicaOf(master)?.fullResyncs).toBe(4);
    expect(one.node.status().isReady).toBe(false);
    expect(one.node.status().reasons.join()).toContain('did not help');
    expect(await group.get(one, 'b')).toBeUndefined();
    expect(await group.get(master, 'b')).toBe('b1');
    // The log is right: a restart of the master puts everything right.
    const again = await group.master({ fileSystem: await group.stop(master) });
    await group.untilLevel([again, one]);
    await group.untilTrue(() => one.node.status().isReady, 'ready');
    expect(await group.get(again, 'b')).toBeUndefined();
    expect(toLsn(one.node.status().position.lsn)).toBe(again.node.status().position.lsn);
  });
});

describe('the digest at a position', () => {
  it('is that of both nodes at that record, while writes go on', async () => {
    const { group, master, one } = await pair();
    for (let i = 0; i < 20; i++) {
      const { position } = await group.set(master, 'a', `${i}`);
      const there = one.node.digestAt(position, 5_000);
      group.until(Promise.resolve(master.node.delete(deleteCommand('a')))).catch(() => undefined);
      const here = await group.until(master.node.digestAt(position, 0));
      expect(await group.until(there)).toEqual(here);
      expect(here.position).toEqual(position);
    }
    await group.untilLevel([master, one]);
    const { position, digest, entries } = master.node.digest();
    expect(await group.until(one.node.digestAt(position, 0))).toEqual({ position, digest, entries });
  });

  it('is waited for, and is an error where it never comes, is long ago, or of another history', async () => {
    const { group, master, one } = await pair();
    const { position } = master.node.digest();
    const next = { epoch: position.epoch, lsn: toLsn(position.lsn + 1) };
    const before = group.clock.monotonicMs();
    await expect(group.until(one.node.digestAt(next, 700))).rejects.toMatchObject({ code: 'unavailable' });
    expect(group.clock.monotonicMs() - before).toBeGreaterThanOrEqual(700);
    const other = { epoch: position.epoch + 1, lsn: position.lsn };
    await expect(group.until(one.node.digestAt(other, 700))).rejects.toMatchObject({
      code: 'discarded_history',
    });
    await group.until(one.node.checkpoint());
    const again = await group.replica('one', { fileSystem: await group.stop(one) });
    const past = { epoch: position.epoch, lsn: toLsn(position.lsn - 1) };
    await expect(group.until(again.node.digestAt(past, 700))).rejects.toMatchObject({ code: 'out_of_range' });
    expect(await group.until(again.node.digestAt(position, 0))).toMatchObject({ position });
  });
});
