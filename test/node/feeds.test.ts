/** Every node has a feed of its log: masters, replicas and delayed ones. */
import { describe, expect, it } from 'vitest';
import { FeedGap, type FeedReach } from '#engine/feed/feed.ts';
import { NO_LSN } from '#model/position.ts';
import { collectEngines } from '#test/doubles/engines.ts';
import { TestGroup } from '#test/doubles/test-group.ts';
import { decodeFrames } from '#wal/frame.ts';

const DELAY_MS = 60_000;

const engines = collectEngines();

/** A group whose replica is `changes`, with both engines. */
async function pair(applyDelayMs = 0) {
  const group = new TestGroup();
  const master = await group.master();
  const replica = await group.replica('one', { applyDelayMs });
  await group.untilTrue(() => replica.node.status().upstream?.isLinked === true, 'linked');
  await group.set(master, 'a', '1');
  const [ofMaster, ofReplica] = engines;
  if (ofMaster === undefined || ofReplica === undefined) throw new Error('two engines are open');
  return { group, master, replica, ofMaster, ofReplica };
}

type Opened = Awaited<ReturnType<typeof pair>>['ofMaster'];

function read(engine: Opened, reach: FeedReach) {
  const run = engine.feed.read(NO_LSN, 1 << 20, reach);
  return run instanceof Promise ? run : Promise.resolve(run);
}

async function lastOf(engine: Opened, reach: FeedReach): Promise<number> {
  const run = await read(engine, reach);
  if (run instanceof FeedGap) throw new Error('the log has all of it');
  return decodeFrames(run?.bytes ?? new Uint8Array(0)).at(-1)?.lsn ?? 0;
}

describe('the feed of a replica', () => {
  it('wakes the readers that wait there, and gives the records in memory without the log', async () => {
    const { group, master, replica, ofReplica } = await pair();
    await group.untilLevel([master, replica]);
    const { feed } = ofReplica;
    const woken: number[] = [];
    const end = feed.subscribe({ reach: 'applied', bytesMax: 1 << 20, onMore: (lsn) => woken.push(lsn) });
    const before = ofReplica.applied.lsn;
    await group.set(master, 'b', '2');
    await group.untilLevel([master, replica]);
    await group.untilTrue(() => ofReplica.durableLsn > before, 'on its disk');
    expect(woken.at(-1)).toBe(before + 1);
    expect(feed.read(before, 1 << 20)).toMatchObject({ last: ofReplica.applied });
    end();
    await group.set(master, 'c', '3');
    await group.untilLevel([master, replica]);
    await group.untilTrue(() => ofReplica.durableLsn > before + 1, 'on its disk');
    expect(woken.at(-1)).toBe(before + 1);
  });

  it('that applies late gives readers of applied records none that waits', async () => {
    const { group, master, replica, ofReplica } = await pair(DELAY_MS);
    const wanted = master.node.status().durableLsn;
    const woken: number[] = [];
    ofReplica.feed.subscribe({ reach: 'applied', bytesMax: 1 << 20, onMore: (lsn) => woken.push(lsn) });
    await group.untilTrue(() => replica.node.status().durableLsn >= wanted, 'on its disk');
    expect(await lastOf(ofReplica, 'durable')).toBe(wanted);
    expect(await lastOf(ofReplica, 'applied')).toBe(ofReplica.applied.lsn);
    expect(ofReplica.applied.lsn).toBeLessThan(wanted);
    expect(woken.every((lsn) => lsn <= ofReplica.applied.lsn)).toBe(true);
    await group.clock.advance(DELAY_MS + 2_000);
    expect(await lastOf(ofReplica, 'applied')).toBeGreaterThanOrEqual(wanted);
    expect(woken.at(-1)).toBeGreaterThanOrEqual(wanted);
  });
});

describe('the feed of a master', () => {
  it('keeps records in memory for its replicas, and gives that up when it is no master any more', async () => {
    const { group, master, replica, ofMaster, ofReplica } = await pair();
    await group.untilLevel([master, replica]);
    expect(ofMaster.feed.bytesMax).toBeGreaterThan(1 << 20);
    expect(ofReplica.feed.bytesMax).toBe(0);
    await group.until(master.node.failover('one:1', 0));
    await group.untilTrue(() => replica.node.status().replicas.length === 1, 'the old master follows');
    expect(ofMaster.feed.bytesMax).toBe(0);
    expect(ofReplica.feed.bytesMax).toBeGreaterThan(1 << 20);
  });
});
