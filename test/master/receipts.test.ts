import { describe, expect, it } from 'vitest';
import { toLsn } from '#model/position.ts';
import { Rig, setOf, watch } from '#test/engine/rig.ts';

/** At `interval`, with nothing left to sync and no sync due by itself for a long while. */
async function quietRig(): Promise<Rig> {
  const rig = await Rig.open({ fsync: 'interval' });
  await rig.clock.advance(5_000);
  expect(rig.engine.durableLsn).toBe(rig.engine.applied.lsn);
  return rig;
}

describe('a write that asks for local durability', () => {
  it('makes a fdatasync happen now, and is answered after it', async () => {
    const rig = await quietRig();
    rig.fileSystem.holdSyncs();
    const plain = watch(rig.master.set(setOf('a', '1')));
    await rig.settle();
    expect(plain.value).toMatchObject({ durabilityReached: 'accepted' });
    expect(rig.fileSystem.heldSyncCount).toBe(0);
    const asked = watch(rig.master.set(setOf('a', '2', { durability: 'local' })));
    await rig.settle();
    expect(rig.fileSystem.heldSyncCount).toBe(1);
    expect(asked.value).toBeUndefined();
    expect(rig.get('a')).toBe('2');
    rig.fileSystem.releaseSyncs();
    await rig.settle();
    expect(asked.value).toMatchObject({ applied: true, durabilityReached: 'local' });
  });

  it('shares the fdatasync with what comes meanwhile', async () => {
    const rig = await quietRig();
    const before = rig.fileSystem.counts.get('datasync') ?? 0;
    const writes = Array.from({ length: 50 }, (_, i) =>
      watch(rig.master.set(setOf(`k${i}`, '1', { durability: 'local' }))),
    );
    await rig.settle();
    expect(writes.every(({ value }) => value?.durabilityReached === 'local')).toBe(true);
    expect((rig.fileSystem.counts.get('datasync') ?? 0) - before).toBe(1);
  });

  it('is told what was reached when time runs out', async () => {
    const rig = await quietRig();
    rig.fileSystem.holdSyncs();
    const asked = watch(rig.master.set(setOf('a', '1', { durability: 'local', timeoutMs: 50 })));
    const later = watch(rig.master.set(setOf('b', '1', { durability: 'local' })));
    await rig.clock.advance(49);
    expect(asked.value).toBeUndefined();
    await rig.clock.advance(1);
    expect(asked.value).toMatchObject({ applied: true, durabilityReached: 'accepted' });
    await rig.clock.advance(4_949);
    expect(later.value).toBeUndefined();
    await rig.clock.advance(1);
    expect(later.value).toMatchObject({ applied: true, durabilityReached: 'accepted' });
    rig.fileSystem.releaseSyncs();
    await rig.settle();
  });

  it('ends with its caller', async () => {
    const rig = await quietRig();
    rig.fileSystem.holdSyncs();
    const abort = new AbortController();
    const asked = watch(rig.master.set(setOf('a', '1', { durability: 'local' }), abort.signal));
    await rig.settle();
    abort.abort();
    await rig.settle();
    expect(asked.value).toMatchObject({ applied: true, durabilityReached: 'accepted' });
    rig.fileSystem.releaseSyncs();
    await rig.settle();
  });

  it('does not wait where nothing was written', async () => {
    const rig = await quietRig();
    await rig.set('a', '1');
    rig.fileSystem.holdSyncs();
    const condition = { kind: 'absent' } as const;
    const failed = watch(rig.master.set(setOf('a', '2', { durability: 'local', minAcks: 3, condition })));
    await rig.settle();
    expect(failed.value).toMatchObject({ applied: false, durabilityReached: 'accepted', replicasAcked: 0 });
    rig.fileSystem.releaseSyncs();
    await rig.settle();
  });
});

describe('a write that asks for acks', () => {
  it('waits for as many node ids whose disk covers it', async () => {
    const rig = await quietRig();
    const asked = watch(rig.master.set(setOf('a', '1', { minAcks: 2 })));
    await rig.settle();
    const { lsn } = rig.engine.applied;
    // The replicas are sent durable records only, so it is durable here.
    expect(rig.engine.durableLsn).toBe(lsn);
    rig.acks.ack('one', lsn);
    rig.acks.ack('one', toLsn(lsn + 5));
    rig.acks.ack('two', toLsn(lsn - 1));
    await rig.settle();
    expect(asked.value).toBeUndefined();
    rig.acks.ack('two', lsn);
    await rig.settle();
    expect(asked.value).toMatchObject({ applied: true, durabilityReached: 'local', replicasAcked: 2 });
  });

  it('answers what was reached when time runs out', async () => {
    const rig = await quietRig();
    const asked = watch(rig.master.set(setOf('a', '1', { minAcks: 2, timeoutMs: 300 })));
    await rig.settle();
    rig.acks.ack('one', rig.engine.applied.lsn);
    await rig.clock.advance(299);
    expect(asked.value).toBeUndefined();
    await rig.clock.advance(1);
    expect(asked.value).toMatchObject({ applied: true, durabilityReached: 'local', replicasAcked: 1 });
    expect(rig.acks.hasWaiters).toBe(false);
  });

  it('gets acks that it did not ask for', async () => {
    const rig = await quietRig();
    rig.acks.ack('ahead', toLsn(1_000));
    expect(await rig.set('a', '1')).toMatchObject({ replicasAcked: 1 });
  });
});
