import { expect, it } from 'vitest';
import { TestGroup } from '#test/doubles/test-group.ts';

it('keeps the limits of the log after a promotion, whatever the replica’s own file says', async () => {
  const group = new TestGroup();
  const limits = { entriesMax: 3, bytesMax: 0, policy: 'lru' } as const;
  const master = await group.master({ limits });
  const one = await group.replica('one', { limits: { entriesMax: 0, bytesMax: 0, policy: 'none' } });
  await group.set(master, 'a', '1');
  await group.untilLevel([master, one]);
  await group.stop(master);
  const disk = await group.stop(one);
  const ownLimits = { entriesMax: 0, bytesMax: 0, policy: 'none' } as const;
  const promoted = await group.replica('one', { fileSystem: disk, limits: ownLimits, forcedRole: 'master' });
  for (let i = 0; i < 10; i++) await group.set(promoted, `k${i}`, 'v');
  expect(promoted.node.status().store).toMatchObject({ entries: 3, evicted: 8 });
});
