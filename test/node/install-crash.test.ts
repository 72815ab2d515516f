/**
 * The power goes at every single call that changes the replica's disk while it
 * installs a snapshot, cuts its tail or discards what it has. Whatever is left
 * boots unattended, and the replica ends up level; what was not to be given up
 * is still there until then.
 */
import { describe, expect, it } from 'vitest';
import { MemoryFileSystem } from '#test/doubles/memory-file-system.ts';
import { describeState, type NodeChanges, TestGroup, type TestNode } from '#test/doubles/test-group.ts';

interface Scene {
  readonly masterDisk: MemoryFileSystem;
  readonly replicaDisk: MemoryFileSystem;
  readonly masterChanges: NodeChanges;
  /** What begins it, once the replica runs. */
  readonly act?: (one: TestNode) => void;
}

const SMALL = { retentionBytes: 0, maxFileBytes: 4_096 };

function copyOf(fileSystem: MemoryFileSystem): MemoryFileSystem {
  const copy = new MemoryFileSystem();
  for (const path of fileSystem.paths()) if (!path.endsWith('LOCK')) copy.put(path, fileSystem.content(path));
  return copy;
}

/** The replica was away while the master's log was compacted past it. */
async function awayTooLong(): Promise<Scene> {
  const group = new TestGroup();
  const master = await group.master(SMALL);
  const one = await group.replica('one');
  await group.set(master, 'a', '1');
  await group.untilLevel([master, one]);
  const replicaDisk = await group.stop(one);
  for (let i = 0; i < 60; i++) await group.set(master, `k${i}`, 'v'.repeat(100));
  await group.until(master.node.rotateWal());
  await group.until(master.node.checkpoint());
  return { masterDisk: await group.stop(master), replicaDisk, masterChanges: SMALL };
}

/** The replica followed the old master further than the new one did. */
async function divergent(): Promise<Scene> {
  const group = new TestGroup();
  const master = await group.master();
  const one = await group.replica('one');
  const two = await group.replica('two');
  for (let i = 0; i < 10; i++) await group.set(master, `k${i}`, 'shared');
  await group.untilLevel([master, one, two]);
  const masterDisk = await group.stop(two);
  for (let i = 0; i < 5; i++) await group.set(master, `k${i}`, 'lost');
  await group.untilLevel([master, one]);
  return { masterDisk, replicaDisk: await group.stop(one), masterChanges: { forcedRole: 'master' } };
}

/** The operator discards what a quarantined replica has. */
async function discarded(): Promise<Scene> {
  const group = new TestGroup();
  const master = await group.master();
  const one = await group.replica('one');
  await group.set(master, 'a', '1');
  await group.untilLevel([master, one]);
  await group.stop(master);
  const fresh = await group.master();
  await group.set(fresh, 'b', '2');
  await group.untilTrue(() => one.node.status().state === 'quarantined', 'quarantined');
  return {
    masterDisk: await group.stop(fresh),
    replicaDisk: await group.stop(one),
    masterChanges: {},
    act: ({ node }) => {
      if (node.status().state === 'quarantined')
        node.quarantineRelease('discard_local').catch(() => undefined);
    },
  };
}

/** Runs the scene with a power cut at the replica's n-th call; false where it needed fewer. */
async function crashAt(scene: Scene, call: number): Promise<boolean> {
  const group = new TestGroup(call);
  const master = await group.master({ ...scene.masterChanges, fileSystem: copyOf(scene.masterDisk) });
  const disk = copyOf(scene.replicaDisk);
  disk.crashAtCall = call;
  const running = await group.replica('one', { fileSystem: disk }).catch(() => undefined);
  if (running !== undefined) scene.act?.(running);
  await group.clock.advance(2_500);
  if (!disk.isCrashed) {
    await group.clock.advance(2_500);
    if (running === undefined) throw new Error('the replica did not start');
    expect(describeState(running)).toBe(describeState(master));
    return false;
  }
  group.network.detach('one:1');
  running?.node.stop().catch(() => undefined);
  await group.clock.advance(1_000);
  const again = await group.replica('one', { fileSystem: disk.crash(call) });
  scene.act?.(again);
  await group.untilLevel([master, again]);
  expect(again.failures).toEqual([]);
  return true;
}

describe('a power cut at every call', () => {
  it.each([
    ['of installing a snapshot', awayTooLong],
    ['of cutting a divergent tail', divergent],
    ['of discarding the local data', discarded],
  ])(
    '%s leaves what boots and ends up level',
    async (_name, prepare) => {
      const scene = await prepare();
      let call = 1;
      while (await crashAt(scene, call)) call++;
      expect(call).toBeGreaterThan(10);
      expect(call).toBeLessThan(500);
    },
    30_000,
  );
});
