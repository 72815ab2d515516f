import { expect, it } from 'vitest';
import { TestGroup } from '#test/doubles/test-group.ts';

it('a promoted replica that never syncs by itself does so for those who come to follow it', async () => {
  const group = new TestGroup();
  const master = await group.master({ fsync: 'never' });
  const one = await group.replica('one', { fsync: 'never' });
  const two = await group.replica('two', { fsync: 'never' });
  for (let i = 0; i < 5; i++) await group.set(master, `k${i}`, 'v');
  await group.untilLevel([master, one, two]);
  group.network.cut('master:1', 'one:1');
  for (let i = 0; i < 10; i++) await group.set(master, `only the master and two have ${i}`, 'v');
  await group.untilLevel([master, two]);
  group.kill(master);
  const fsync = 'never';
  const promoted = await group.replica('one', { fileSystem: group.kill(one), fsync, forcedRole: 'master' });
  // More records than what diverged, and none of them on disk for sure.
  for (let i = 0; i < 20; i++) await group.set(promoted, `new ${i}`, 'x');
  const follower = await group.replica('two', {
    fileSystem: await group.stop(two),
    fsync,
    upstream: 'one:1',
  });
  await group.untilLevel([promoted, follower]);
  expect(await group.get(follower, 'new 19')).toBe('x');
  expect(await group.get(follower, 'only the master and two have 3')).toBeUndefined();
});
