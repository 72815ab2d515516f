/** `--force-role` on a node that has told another to lead and not heard of it since. */
import { describe, expect, it } from 'vitest';
import type { MemoryFileSystem } from '#test/doubles/memory-file-system.ts';
import { TestGroup, type TestNode } from '#test/doubles/test-group.ts';

const roleOf = (node: TestNode) => node.node.status().role;
const manifestOf = (node: TestNode) => node.fileSystem.content('/data/MANIFEST').toString();

/** A master that handed over to a replica which died before it heard of it; a third node leads, by force. */
async function handedOverToTheDead() {
  const group = new TestGroup();
  const master = await group.master();
  const one = await group.replica('one');
  const two = await group.replica('two');
  for (let i = 0; i < 10; i++) await group.set(master, `k${i}`, 'before');
  await group.untilLevel([master, one, two]);
  group.network.delay('master:1', 'one:1', 100);
  const failing = group.until(master.node.failover('one:1', 1_000)).catch((error: unknown) => error);
  await group.untilTrue(() => roleOf(master) === 'replica', 'it has committed');
  const oneDisk = group.kill(one);
  expect(await failing).toMatchObject({ code: 'unavailable' });
  group.network.heal();
  expect(manifestOf(master)).toContain('handover');
  const masterDisk = await group.stop(master);
  // What it has said arrives, at nobody.
  await group.clock.advance(1_000);
  return { group, two, oneDisk, masterDisk };
}

/** True if the one that was told to lead would be told again, once it is back. */
async function leadsWhenBack(group: TestGroup, oneDisk: MemoryFileSystem): Promise<boolean> {
  // It cannot find out first who leads.
  group.network.cut('two:1', 'one:1');
  group.network.cut('one:1', 'two:1');
  const one = await group.replica('one', { fileSystem: oneDisk });
  for (let i = 0; i < 100; i++) {
    await group.clock.advance(100);
    if (roleOf(one) === 'master') return true;
  }
  return false;
}

async function forceTwo(group: TestGroup, two: TestNode): Promise<TestNode> {
  const leader = await group.replica('two', { fileSystem: await group.stop(two), forcedRole: 'master' });
  await group.set(leader, 'new', 'of two');
  return leader;
}

describe('a node that told another to lead, and is forced', () => {
  it('to be the master: forgets that, also when it is a replica again', async () => {
    const { group, two, oneDisk, masterDisk } = await handedOverToTheDead();
    const forced = await group.master({ fileSystem: masterDisk, forcedRole: 'master' });
    await group.set(forced, 'forced', 'yes');
    await group.untilLevel([forced, two]);
    expect(manifestOf(forced)).not.toContain('handover');
    const fileSystem = await group.stop(forced);
    await forceTwo(group, two);
    await group.start('master', 'replica', { fileSystem, forcedRole: 'replica', upstream: 'two:1' });
    expect(await leadsWhenBack(group, oneDisk)).toBe(false);
  });

  it('to follow a third: tells it no more', async () => {
    const { group, two, oneDisk, masterDisk } = await handedOverToTheDead();
    await forceTwo(group, two);
    const options = { fileSystem: masterDisk, forcedRole: 'replica', upstream: 'two:1' } as const;
    const follower = await group.start('master', 'replica', options);
    expect(manifestOf(follower)).not.toContain('handover');
    expect(await leadsWhenBack(group, oneDisk)).toBe(false);
  });

  it('to follow the one it told: goes on telling it', async () => {
    const { group, oneDisk, masterDisk } = await handedOverToTheDead();
    const options = { fileSystem: masterDisk, forcedRole: 'replica', upstream: 'one:1' } as const;
    await group.start('master', 'replica', options);
    expect(await leadsWhenBack(group, oneDisk)).toBe(true);
  });
});

describe('a node that told another to lead, and whose configuration names a third', () => {
  it('tells it no more', async () => {
    const { group, two, oneDisk, masterDisk } = await handedOverToTheDead();
    await forceTwo(group, two);
    const follower = await group.start('master', 'replica', { fileSystem: masterDisk, upstream: 'two:1' });
    expect(manifestOf(follower)).not.toContain('handover');
    expect(await leadsWhenBack(group, oneDisk)).toBe(false);
  });
});
