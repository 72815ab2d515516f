import { expect, it } from 'vitest';
import { TestGroup } from '#test/doubles/test-group.ts';

it('evicts what is over limits that were lowered, without waiting for a write', async () => {
  const group = new TestGroup();
  const master = await group.master({ limits: { entriesMax: 10, bytesMax: 0, policy: 'lru' } });
  const one = await group.replica('one');
  for (let i = 0; i < 10; i++) await group.set(master, `k${i}`, 'v');
  await group.untilLevel([master, one]);
  const disk = await group.stop(master);
  const again = await group.master({
    fileSystem: disk,
    limits: { entriesMax: 4, bytesMax: 0, policy: 'lru' },
  });
  await group.untilTrue(() => again.node.status().store.entries === 4, 'four entries');
  await group.untilLevel([again, one]);
  expect(await group.get(again, 'k9')).toBe('v');
  expect(await group.get(again, 'k5')).toBeUndefined();
});

it('refuses writes while too few replicas take pushes, and says so', async () => {
  const group = new TestGroup();
  const master = await group.master({ minReplicasToWrite: 1 });
  const why = '0 replicas take pushes: replication.min_replicas_to_write is 1, so writes are refused';
  expect(master.node.status()).toMatchObject({ state: 'serving', isReady: true, reasons: [why] });
  await expect(async () => group.set(master, 'a', '1')).rejects.toMatchObject({ code: 'unavailable' });
  const one = await group.replica('one');
  await group.untilTrue(() => master.node.status().replicas[0]?.state === 'streaming', 'streaming');
  await group.set(master, 'a', '1');
  expect(master.node.status().reasons).toEqual([]);
  await group.stop(one);
  await group.clock.advance(5_000);
  await expect(async () => group.set(master, 'a', '2')).rejects.toThrow('min_replicas_to_write is 1');
  expect(master.node.status().reasons).toContain(why);
});

it('answers no updates after a position that it does not have', async () => {
  const group = new TestGroup();
  const master = await group.master();
  const { position } = await group.set(master, 'a', '1');
  const after = { epoch: position.epoch, lsn: (position.lsn + 50) as typeof position.lsn };
  const asking = master.node.getUpdates({ after, format: 'entries', bytesMax: 0 });
  await expect(asking).rejects.toMatchObject({ code: 'discarded_history' });
});
