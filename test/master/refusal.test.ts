import { describe, expect, it } from 'vitest';
import type { StoreLimits } from '#model/entry.ts';
import { TestGroup } from '#test/doubles/test-group.ts';
import { deleteOf, drainVictims, Rig, setOf, stateOf, watch } from '#test/engine/rig.ts';

const noGet = (): never => {
  throw new Error('no gets here');
};
const LRU3: StoreLimits = { entriesMax: 3, bytesMax: 0, policy: 'lru' };

/** A master with three entries on a disk that has no room for more than small records. */
async function fullRig(fsync: 'always' | 'interval'): Promise<Rig> {
  const rig = await Rig.open({ fsync, limits: LRU3 });
  for (const key of ['a', 'b', 'c']) await rig.set(key, 'old');
  rig.fileSystem.bytesMax = rig.fileSystem.usedBytes + 20;
  return rig;
}

describe.each(['always', 'interval'] as const)('a full disk, at fsync %s', (fsync) => {
  it('refuses what is on its way and leaves no trace of it', async () => {
    const rig = await fullRig(fsync);
    const before = stateOf(rig.engine);
    const nextLsn = rig.engine.nextLsn;
    const writes = [
      watch(rig.master.set(setOf('d', 'new'))),
      watch(rig.master.set(setOf('e', 'new', { condition: { kind: 'absent' } }))),
      watch(rig.master.set(setOf('e', 'newer', { condition: { kind: 'absent' } }))),
      watch(rig.master.delete(deleteOf('c'))),
      watch(rig.master.set(setOf('a', 'back', { condition: { kind: 'absent' } }))),
      watch(rig.master.delete(deleteOf('a'))),
    ];
    const batch = watch(
      rig.master.batch(
        [
          { kind: 'set', command: setOf('f', '1') },
          { kind: 'get', command: { key: 'f', waitMs: 0 } },
        ],
        () => ({ entry: undefined, asOf: rig.engine.position, stalenessMs: 0 }),
      ),
    );
    await rig.settle();
    expect(writes.map(({ error }) => (error as { code?: string } | undefined)?.code)).toEqual(
      Array(6).fill('resource_exhausted'),
    );
    // What a get has seen of its own batch was never written either.
    expect(batch.value).toMatchObject([
      { kind: 'error', error: { code: 'resource_exhausted' } },
      { kind: 'error', error: { code: 'resource_exhausted' } },
    ]);
    expect(stateOf(rig.engine)).toBe(before);
    expect(rig.engine.nextLsn).toBe(nextLsn);
    expect(['a', 'b', 'c', 'd', 'e'].map((key) => rig.get(key))).toEqual([
      'old',
      'old',
      'old',
      undefined,
      undefined,
    ]);
    expect(rig.failures).toEqual([]);
  });

  it('is over when there is room: conditions, victims and LSNs are as if nothing had been tried', async () => {
    const rig = await fullRig(fsync);
    const nextLsn = rig.engine.nextLsn;
    const refused = ['d', 'e', 'f', 'g'].map((key) => watch(rig.master.set(setOf(key, 'new'))));
    await rig.settle();
    expect(refused.every(({ error }) => error !== undefined)).toBe(true);
    rig.fileSystem.bytesMax = Number.POSITIVE_INFINITY;
    const present = await rig.set('a', 'newer', { condition: { kind: 'present' }, returnPrevious: true });
    expect(present).toMatchObject({ applied: true, position: { lsn: nextLsn }, previous: { key: 'a' } });
    expect(await rig.set('d', 'x', { condition: { kind: 'present' } })).toMatchObject({ applied: false });
    expect(await rig.set('d', 'x', { condition: { kind: 'absent' } })).toMatchObject({ applied: true });
    expect(rig.engine.store.entries).toBe(3);
    await rig.set('e', 'x');
    await rig.set('f', 'x');
    expect(rig.engine.store.entries).toBe(3);
    const after = stateOf(rig.engine);
    const again = await Rig.open({ fileSystem: await rig.close(), fsync, limits: LRU3 });
    expect(stateOf(again.engine)).toBe(after);
    expect(drainVictims(again.engine)).toEqual(['d', 'e', 'f']);
  });

  it('frees the places and bytes that refused writes were to take', async () => {
    const limits: StoreLimits = { entriesMax: 6, bytesMax: 6_000, policy: 'lru' };
    const rig = await Rig.open({ fsync, limits });
    for (const key of ['a', 'b', 'c']) await rig.set(key, 'old');
    const room = rig.fileSystem.usedBytes;
    for (let round = 0; round < 3; round++) {
      rig.fileSystem.bytesMax = room + 20;
      const refused = [
        ...['d', 'e', 'f'].map((key) => watch(rig.master.set(setOf(key, 'x'.repeat(500))))),
        watch(rig.master.delete(deleteOf('a'))),
      ];
      await rig.settle();
      expect(refused.every(({ error }) => error !== undefined)).toBe(true);
      rig.fileSystem.bytesMax = Number.POSITIVE_INFINITY;
    }
    for (const key of ['d', 'e', 'f']) await rig.set(key, 'x'.repeat(500));
    expect(['a', 'b', 'c'].map((key) => rig.get(key))).toEqual(['old', 'old', 'old']);
    await rig.set('g', 'x');
    expect(rig.engine.store.entries).toBe(6);
  });

  it('gives all victims back, so that all of them can be one again', async () => {
    const rig = await fullRig(fsync);
    for (let round = 0; round < 5; round++) {
      const refused = ['d', 'e', 'f', 'g', 'h'].map((key) => watch(rig.master.set(setOf(key, 'new'))));
      await rig.settle();
      expect(refused.every(({ error }) => error !== undefined)).toBe(true);
    }
    expect(drainVictims(rig.engine).sort()).toEqual(['a', 'b', 'c']);
  });

  it('refuses what comes behind a refused batch too, and nothing before it', async () => {
    const rig = await fullRig(fsync);
    rig.fileSystem.bytesMax = rig.fileSystem.usedBytes + 200;
    rig.fileSystem.holdSyncs();
    const fits = watch(rig.master.set(setOf('a', 'fits')));
    await rig.settle();
    const tooLarge = watch(rig.master.set(setOf('b', 'x'.repeat(500))));
    const behind = watch(rig.master.set(setOf('c', 'y')));
    await rig.settle();
    rig.fileSystem.releaseSyncs();
    await rig.settle();
    expect(fits.value?.applied).toBe(true);
    expect([tooLarge, behind].map(({ error }) => (error as { code?: string })?.code)).toEqual(
      Array(2).fill('resource_exhausted'),
    );
    expect((await rig.set('c', 'z')).position.lsn).toBe((fits.value?.position.lsn ?? 0) + 1);
  });

  it('does not stop expiry for good: it goes on when there is room', async () => {
    const rig = await Rig.open({ fsync });
    await rig.set('a', 'x', { expiry: { kind: 'ttl', ttlMs: 1_000 } });
    rig.fileSystem.bytesMax = rig.fileSystem.usedBytes;
    await rig.clock.advance(2_000);
    rig.master.tick();
    await rig.settle();
    expect(rig.engine.store.entries).toBe(1);
    rig.fileSystem.bytesMax = Number.POSITIVE_INFINITY;
    rig.master.tick();
    await rig.settle();
    expect(rig.engine.store.entries).toBe(0);
  });
});

describe('a disk that fails', () => {
  it('at fsync always: every call on its way rejects, nothing is acknowledged ever again', async () => {
    const rig = await Rig.open({ fsync: 'always' });
    await rig.set('a', 'old');
    const before = stateOf(rig.engine);
    rig.fileSystem.fail({ call: 'datasync', code: 'EIO' });
    const calls = [
      watch(rig.master.set(setOf('a', 'new'))),
      watch(rig.master.set(setOf('b', 'new', { durability: 'local', minAcks: 1 }))),
      watch(rig.master.set(setOf('a', 'newer', { condition: { kind: 'absent' } }))),
      watch(rig.master.delete(deleteOf('a'))),
    ];
    const batch = watch(rig.master.batch([{ kind: 'set', command: setOf('c', '1') }], noGet));
    await rig.settle();
    expect(calls.map(({ error }) => (error as { code?: string } | undefined)?.code)).toEqual(
      Array(4).fill('storage_failed'),
    );
    expect(batch.value ?? batch.error).toMatchObject([{ kind: 'error', error: { code: 'storage_failed' } }]);
    expect(stateOf(rig.engine)).toBe(before);
    rig.fileSystem.clearFaults();
    await expectDead(rig);
  });

  it('at fsync interval: also what is visible but waits for its fdatasync or for acks', async () => {
    const rig = await Rig.open({ fsync: 'interval' });
    await rig.clock.advance(5_000);
    await rig.set('a', 'old');
    rig.fileSystem.fail({ call: 'datasync', code: 'EIO' });
    const calls = [
      watch(rig.master.set(setOf('a', 'new', { durability: 'local' }))),
      watch(rig.master.set(setOf('b', 'new', { minAcks: 1 }))),
    ];
    await rig.settle();
    expect(calls.map(({ error }) => (error as { code?: string } | undefined)?.code)).toEqual(
      Array(2).fill('storage_failed'),
    );
    rig.fileSystem.clearFaults();
    await expectDead(rig);
  });

  it('is told to the process once, through the node', async () => {
    const group = new TestGroup();
    const master = await group.master({ fsync: 'always' });
    master.fileSystem.fail({ call: 'datasync', code: 'EIO' });
    const calls = [1, 2, 3].map((i) =>
      watch(Promise.resolve(master.node.set(setOf(`k${i}`, 'x', { expiry: { kind: 'ttl', ttlMs: 500 } })))),
    );
    await group.clock.advance(5_000);
    expect(calls.every(({ error }) => (error as { code?: string })?.code === 'storage_failed')).toBe(true);
    expect(master.failures).toHaveLength(1);
    await expect(group.set(master, 'more', 'x')).rejects.toMatchObject({ code: 'storage_failed' });
    expect(master.failures).toHaveLength(1);
  });

  async function expectDead(rig: Rig): Promise<void> {
    const storageFailed = { code: 'storage_failed' };
    await expect(rig.set('z', 'x')).rejects.toMatchObject(storageFailed);
    await expect(rig.set('a', 'x', { condition: { kind: 'absent' } })).rejects.toMatchObject(storageFailed);
    await expect(rig.delete('missing')).rejects.toMatchObject(storageFailed);
    await expect(
      rig.until(rig.master.batch([{ kind: 'delete', command: deleteOf('a') }], noGet)),
    ).rejects.toMatchObject(storageFailed);
    expect(() => rig.master.tick()).not.toThrow();
    expect(await rig.until(rig.engine.waitDurable(rig.engine.nextLsn, 60_000_000))).toBe(false);
    expect(rig.failures).toHaveLength(1);
  }
});
