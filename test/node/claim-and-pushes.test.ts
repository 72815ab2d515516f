/** A term is granted while pushes of the one before are on their way: what is acked and what is refused. */
import { describe, expect, it } from 'vitest';
import type { ChainPoint, ReplicateRequest } from '#model/replication.ts';
import { TestGroup } from '#test/doubles/test-group.ts';
import { pointOf } from '#test/replication/chain.ts';
import { decodeFrames, type Frame } from '#wal/frame.ts';

/** A replica, and two pushes for it that its master has not sent. */
async function twoPushes() {
  const group = new TestGroup();
  const master = await group.master();
  const one = await group.replica('one');
  await group.set(master, 'a', '1');
  await group.untilLevel([master, one]);
  group.network.cut('master:1', 'one:1');
  group.network.cut('one:1', 'master:1');
  const after = one.node.status().position;
  await group.set(master, 'b', '2', { durability: 'local' });
  await group.set(master, 'c', '3', { durability: 'local' });
  const { frames } = await master.node.getUpdates({ after, format: 'frames', bytesMax: 1 << 20 });
  const [first, second] = decodeFrames(new Uint8Array(frames)) as [Frame, Frame];
  const { nodeId, logId } = master.node.status();
  const pushOf = (frame: Frame, previous: ChainPoint): ReplicateRequest => ({
    masterNodeId: nodeId,
    logId,
    term: 1,
    previous,
    frames: frame.bytes,
    durableLsn: frame.lsn,
    logClockMs: group.clock.wallMs(),
    ackWhenDurable: true,
  });
  const pushes = [pushOf(first, { ...after, crc: first.prevCrc }), pushOf(second, pointOf(first))] as const;
  return { group, one, logId, first, pushes };
}

describe('a term that is granted while one push is at work and another waits', () => {
  it('is answered when the first is in the log, and the second is refused', async () => {
    const { group, one, logId, first, pushes } = await twoPushes();
    const settled: string[] = [];
    const noted = <T>(name: string, done: Promise<T>): Promise<T> => done.finally(() => settled.push(name));
    one.fileSystem.holdSyncs(/\.wal$/);
    const atWork = noted('push', one.node.replicate(pushes[0]));
    await group.clock.advance(1);
    const waiting = noted('waiting push', one.node.replicate(pushes[1]));
    await group.clock.advance(1);
    const claim = noted('claim', one.node.claim({ logId, term: 2, nodeId: 'f'.repeat(32) }));
    await group.clock.advance(100);
    // The term is on the disk; what was taken before it is not yet.
    expect(one.node.status().term).toBe(2);
    expect(settled).toEqual([]);
    one.fileSystem.releaseSyncs();
    expect(await group.until(atWork)).toMatchObject({ verdict: { kind: 'ok' }, durable: { lsn: first.lsn } });
    expect(await group.until(waiting)).toMatchObject({ verdict: { kind: 'fenced', term: 2 } });
    expect(await group.until(claim)).toMatchObject({
      isGranted: true,
      tail: { epoch: first.epoch, lsn: first.lsn },
    });
    expect(one.node.status().position.lsn).toBe(first.lsn);
  });
});
