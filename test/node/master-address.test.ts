/** Where a replica looks for its master: what it learned never puts its configuration out of force. */
import { describe, expect, it } from 'vitest';
import { TestGroup, type TestNode } from '#test/doubles/test-group.ts';
import { threeNodes } from './three-nodes.ts';

const upstreamOf = (one: TestNode) => one.node.status().upstream?.address;
const reasonsOf = (one: TestNode) => one.node.status().reasons.join('; ');

/** `two` has learned that `one:1` leads; its configuration names `master:1`. */
async function handedOver() {
  const { group, master, one, two } = await threeNodes();
  await group.until(master.node.failover('one:1', 0));
  await group.set(one, 'of', 'one');
  await group.untilLevel([master, one, two]);
  expect(upstreamOf(two)).toBe('one:1');
  return { group, master, one, two };
}

describe('a master that announces an address at which it is not', () => {
  it('is found where it is configured', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const one = await group.replica('one');
    await group.set(master, 'a', '1');
    await group.untilLevel([master, one]);
    const disk = await group.stop(master);
    await group.clock.advance(5_000);
    const again = await group.master({ fileSystem: disk, advertise: 'guess:1' });
    await group.clock.advance(20_000);
    await group.set(again, 'a', '2');
    await group.untilLevel([again, one]);
    expect(upstreamOf(one)).toBe('master:1');
  });

  it('does not draw a linked replica away from the address it has', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const one = await group.replica('one');
    await group.untilLevel([master, one]);
    const { nodeId, logId, term } = master.node.status();
    // It answers there too, as a node does that is known by a name and by an address.
    group.network.attach('10.0.0.7:9', master.node.ports);
    const announced = one.node.announce({ nodeId, logId, term, advertise: ':9' }, '10.0.0.7');
    expect(await group.until(announced)).toEqual({ fencedBy: undefined });
    await group.clock.advance(5_000);
    expect(upstreamOf(one)).toBe('master:1');
    expect(one.node.status().state).toBe('streaming');
  });
});

describe('a learned address that does not answer', () => {
  it('gives way to the configured one, also after a restart', async () => {
    const { group, master, one, two } = await handedOver();
    group.kill(one);
    const disks = { master: await group.stop(master), two: await group.stop(two) };
    const forced = await group.master({ fileSystem: disks.master, forcedRole: 'master' });
    const again = await group.replica('two', { fileSystem: disks.two });
    await group.set(forced, 'a', '2');
    await group.untilLevel([forced, again]);
    expect(upstreamOf(again)).toBe('master:1');
    const disk = await group.stop(again);
    expect(disk.content('/data/MANIFEST').toString()).toContain('"upstream":"master:1"');
  });

  it('gives way to whom the node at the configured one follows', async () => {
    const { group, master, one, two } = await handedOver();
    const disk = await group.stop(two);
    const three = await group.replica('three', { upstream: 'one:1' });
    await group.untilLevel([one, three]);
    await group.until(one.node.failover('three:1', 0));
    await group.set(three, 'of', 'three');
    await group.untilLevel([three, master]);
    group.kill(one);
    group.network.cut('three:1', 'two:1');
    const again = await group.replica('two', { fileSystem: disk });
    await group.untilLevel([three, again]);
    expect(upstreamOf(again)).toBe('three:1');
  });

  it('is told together with what is wrong at the configured one, and nobody is said to lead nobody', async () => {
    const { group, one, two } = await handedOver();
    group.kill(one);
    await group.clock.advance(10_000);
    expect(reasonsOf(two)).toMatch(/cannot follow one:1: one:1 cannot be reached; .*replica/);
    expect(reasonsOf(two)).not.toMatch(/follow each other/);
    expect(upstreamOf(two)).toBe('one:1');
  });

  it('leads to no quarantine where another group’s master is at the configured one', async () => {
    const { group, master, one, two } = await handedOver();
    await group.stop(master);
    const foreign = await group.master();
    await group.set(foreign, 'other', 'group');
    group.kill(one);
    await group.clock.advance(20_000);
    expect(two.node.status().state).toBe('catching_up');
    expect(reasonsOf(two)).toMatch(/master:1 leads another log, or a term that is over/);
    expect(upstreamOf(two)).toBe('one:1');
  });
});

describe('a master that has moved', () => {
  it('is followed to where it announces itself, over restarts of both', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const one = await group.replica('one');
    await group.set(master, 'a', '1');
    await group.untilLevel([master, one]);
    const moved = await group.start('moved', 'master', { fileSystem: await group.stop(master) });
    await group.set(moved, 'a', '2');
    await group.untilLevel([moved, one]);
    expect(upstreamOf(one)).toBe('moved:1');
    const disks = { master: await group.stop(moved), one: await group.stop(one) };
    const again = await group.replica('one', { fileSystem: disks.one });
    const further = await group.start('further', 'master', { fileSystem: disks.master });
    await group.set(further, 'a', '3');
    await group.untilLevel([further, again]);
    expect(upstreamOf(again)).toBe('further:1');
  });
});
