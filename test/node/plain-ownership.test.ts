/** A plain group whose log is that of a group of a cluster, as after a restore from its backup. */
import { expect, it } from 'vitest';
import { collectEngines } from '#test/doubles/engines.ts';
import { TestGroup } from '#test/doubles/test-group.ts';

const engines = collectEngines();

it('owns every key from the start of its master on, on its replicas too', async () => {
  const group = new TestGroup(5);
  const first = await group.master();
  const [engine] = engines;
  await group.until(engine?.formats.take() ?? Promise.reject(new Error('no engine')));
  engine?.submitOwnership({ mapEpoch: 3, owned: [{ first: 0, last: 5_460 }] });
  await group.clock.advance(10);
  // In slot 12182.
  await expect((async () => group.set(first, 'foo', 'v'))()).rejects.toMatchObject({ code: 'shard_moved' });
  const disk = group.kill(first);
  const master = await group.start('master', 'master', { fileSystem: disk });
  await group.set(master, 'foo', 'v');
  const replica = await group.replica('replica');
  await group.untilLevel([master, replica]);
  expect(await group.get(replica, 'foo')).toBe('v');
});
