/** Which directories a node accepts, and when a directory counts as another one. */
import { describe, expect, it } from 'vitest';
import { unavailable } from '#model/errors.ts';
import type { MemberOptions } from '#node/member/member-options.ts';
import { whyElsewhere } from '#node/member-place.ts';
import { MemoryFileSystem } from '#test/doubles/memory-file-system.ts';
import { TestGroup, type TestNode } from '#test/doubles/test-group.ts';
import type { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { type Manifest, tryDecodeManifest } from '#wal/manifest.ts';

const NAME = { cluster: 'prod', node: 'a' };
const PLACE = { ...NAME, clusterId: '', group: '' };

/** No coordinator answers. */
function memberOptions(clock: VirtualClock): MemberOptions {
  return {
    ...NAME,
    zone: '',
    coordinators: ['coordinator:1'],
    heartbeat: () => Promise.reject(unavailable('no coordinator')),
    leaseMs: 1_500,
    readClocks: () => ({ monotonicMs: clock.monotonicMs(), wallMs: clock.wallMs(), uptimeMs: 0 }),
  };
}

function manifestIn({ fileSystem }: Pick<TestNode, 'fileSystem'>): Manifest {
  const manifest = tryDecodeManifest(fileSystem.content('/data/MANIFEST'));
  if (typeof manifest === 'string') throw new Error(manifest);
  return manifest;
}

describe('the place of a directory', () => {
  it.each([
    ['a plain directory and a plain node', undefined, undefined, undefined],
    ['a member and its own name', PLACE, NAME, undefined],
    ['a member and a plain node', PLACE, undefined, /node a of cluster prod: start it with walnut-node/],
    ['a plain directory and a member', undefined, NAME, /plain group/],
    ['another name', PLACE, { ...NAME, node: 'b' }, /the configuration says node b of cluster prod/],
    ['another cluster', PLACE, { ...NAME, cluster: 'test' }, /node a of cluster test/],
  ])('%s', (_, member, name, expected) => {
    const why = whyElsewhere(member, name);
    if (expected === undefined) expect(why).toBeUndefined();
    else expect(why).toMatch(expected);
  });

  it('is written at the first start, and a plain node refuses the directory', async () => {
    const group = new TestGroup();
    const one = await group.start('one', 'replica', { member: memberOptions(group.clock), upstream: '' });
    const fileSystem = await group.stop(one);
    expect(manifestIn({ fileSystem }).member).toEqual(PLACE);
    await expect(group.replica('one', { fileSystem })).rejects.toMatchObject({
      kind: 'foreign',
      message: expect.stringMatching(/walnut-node/),
    });
  });
});

describe('the incarnation of a directory', () => {
  it('stays over restarts, and is another one after discard_local', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const one = await group.replica('one');
    await group.set(master, 'a', '1');
    await group.untilLevel([master, one]);
    const { incarnation } = manifestIn(one);
    expect(incarnation).toBeGreaterThan(0);
    expect(incarnation).not.toBe(manifestIn(master).incarnation);
    await group.stop(master);
    await group.master({ fileSystem: new MemoryFileSystem() });
    await group.untilTrue(() => one.node.status().state === 'quarantined', 'quarantined');
    const again = await group.replica('one', { fileSystem: await group.stop(one) });
    expect(manifestIn(again).incarnation).toBe(incarnation);
    await group.until(again.node.quarantineRelease('discard_local'));
    expect(manifestIn(again).incarnation).not.toBe(incarnation);
  });
});
