/** What a master may forget, or do twice, between two starts: each of these once lost or split history. */
import { describe, expect, it } from 'vitest';
import { makeEpoch, termOf, toLsn } from '#model/position.ts';
import { TestGroup, type TestNode } from '#test/doubles/test-group.ts';

/** A master that was replaced by a promoted replica while it was down, and the disk it left. */
async function promoted(seed: number) {
  const group = new TestGroup(seed);
  const master = await group.master();
  const replica = await group.replica('r');
  await group.set(master, 'a', '1');
  await group.untilLevel([master, replica]);
  const masterDisk = group.kill(master);
  const replicaDisk = await group.stop(replica);
  const successor = await group.start('r', 'replica', { fileSystem: replicaDisk, forcedRole: 'master' });
  await group.set(successor, 'p', '2');
  return { group, masterDisk, successor };
}

describe('a master that learnt of a higher term by asking', () => {
  it('stays fenced at the next start, although nobody answers then', async () => {
    const { group, masterDisk } = await promoted(8);
    const old = await group.master({ fileSystem: masterDisk });
    expect(old.node.status().state).toBe('fenced');
    await group.stop(old);
    group.network.cut('master:1', 'r:1');
    const again = await group.master({ fileSystem: masterDisk });
    expect(again.node.status().state).toBe('fenced');
    await expect(async () => group.set(again, 'split', 'brain')).rejects.toMatchObject({
      code: 'not_master',
    });
  });

  it('begins above that term where the operator forces it, and fences the other', async () => {
    const { group, masterDisk, successor } = await promoted(9);
    const forced = await group.master({ fileSystem: masterDisk, forcedRole: 'master' });
    expect(termOf(forced.node.status().position.epoch)).toBe(3);
    await group.untilLevel([forced, successor]);
    expect(successor.node.status().role).toBe('replica');
    expect(await group.get(successor, 'p')).toBeUndefined();
  });
});

describe('a start after an unclean stop that ends before its epoch began', () => {
  it('leaves the epoch to the next start: no position is given to two records', async () => {
    let lostOnce = false;
    for (let seed = 1; seed < 20 && !lostOnce; seed++) lostOnce = await loseAndReuse(seed);
    expect(lostOnce).toBe(true);
  });
});

/** False where the power cut happened to keep the write. */
async function loseAndReuse(seed: number): Promise<boolean> {
  const group = new TestGroup(seed);
  const master = await group.master();
  await group.until(master.node.addReplica('r:1'));
  await group.set(master, 'a', '1');
  await group.clock.advance(3_000);
  const lost = await group.set(master, 'lost', 'x');
  const disk = group.powerCut(master, seed);
  group.network.attach('r:1', master.node.ports);
  group.network.stall('master:1', 'r:1');
  const starting = group.master({ fileSystem: disk });
  await group.clock.advance(1_000);
  const asking = group.started.at(-1);
  await group.until(asking?.stop() ?? Promise.reject(new Error('nothing is starting')));
  await starting.catch(() => undefined);
  group.network.detach('master:1');
  group.network.heal();
  group.network.detach('r:1');
  const again = await group.master({ fileSystem: disk });
  if ((await group.get(again, 'lost')) !== undefined) return false;
  const other = await group.set(again, 'other', 'y');
  expect(other.position).not.toEqual(lost.position);
  const read = Promise.resolve().then(() => again.node.get({ key: 'a', waitMs: 0, atLeast: lost.position }));
  await expect(group.until(read)).rejects.toMatchObject({ code: 'discarded_history' });
  return true;
}

describe('a full disk', () => {
  const fill = (one: TestNode | TestNode['fileSystem']): void => {
    const disk = 'fileSystem' in one ? one.fileSystem : one;
    disk.bytesMax = disk.usedBytes;
  };

  it('under a master that restarts uncleanly quarantines no level replica', async () => {
    const group = new TestGroup(4);
    const master = await group.master();
    const replica = await group.replica('r');
    for (let i = 0; i < 5; i++) await group.set(master, `k${i}`, 'v');
    await group.untilLevel([master, replica]);
    const disk = group.kill(master);
    fill(disk);
    const again = await group.master({ fileSystem: disk });
    await group.clock.advance(5_000);
    expect(again.node.status().state).toBe('no_space');
    expect(replica.node.status().state).not.toBe('quarantined');
    disk.bytesMax = Number.POSITIVE_INFINITY;
    await group.untilTrue(() => again.node.status().state === 'serving', 'serving');
    await group.set(again, 'after', 'it');
    await group.untilLevel([again, replica]);
    expect(again.node.status().replicas[0]?.fullResyncs).toBe(0);
  });

  it('does not end a master that is fenced meanwhile, and the term is saved later', async () => {
    const group = new TestGroup(5);
    const master = await group.master();
    await group.set(master, 'a', '1');
    await group.clock.advance(3_000);
    fill(master);
    const tail = { epoch: makeEpoch(5, 1), lsn: toLsn(1), crc: 1 };
    const { logId } = master.node.status();
    const request = {
      nodeId: 'n',
      incarnation: 'i',
      advertise: 'x:1',
      logId,
      tail,
      upstreamPath: ['n'],
      applyDelayMs: 0,
      term: 0,
    };
    await group.until(master.node.register(request, '10.0.0.1').catch(() => undefined));
    await group.clock.advance(1_000);
    expect(master.failures).toEqual([]);
    expect(master.node.status().state).toBe('fenced');
    master.fileSystem.bytesMax = Number.POSITIVE_INFINITY;
    await group.clock.advance(1_000);
    const again = await group.master({ fileSystem: await group.stop(master) });
    expect(again.node.status().reasons[0]).toContain('term 5 was seen');
  });

  it('keeps no new replica from following', async () => {
    const group = new TestGroup(10);
    const master = await group.master();
    await group.set(master, 'a', '1');
    await group.clock.advance(3_000);
    fill(master);
    const replica = await group.replica('r');
    await group.untilTrue(() => replica.node.status().state === 'streaming', 'streaming');
  });

  it('where even MANIFEST finds no room while retained log is released is no failure', async () => {
    const group = new TestGroup(6);
    const master = await group.master({ maxFileBytes: 4_096, retentionBytes: 1 << 20 });
    for (let i = 0; i < 40; i++) await group.set(master, `k${i % 3}`, 'v'.repeat(400));
    await group.until(master.node.checkpoint());
    await group.clock.advance(3_000);
    master.fileSystem.fail({ call: 'write', code: 'ENOSPC', path: /\.wal$/, times: 1 });
    master.fileSystem.fail({ call: 'write', code: 'ENOSPC', path: /MANIFEST/, times: 2 });
    await group.set(master, 'z', 'v');
    expect(master.failures).toEqual([]);
    const again = await group.master({ fileSystem: await group.stop(master) });
    expect(await group.get(again, 'z')).toBe('v');
  });
});
