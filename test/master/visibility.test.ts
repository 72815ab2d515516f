import { describe, expect, it } from 'vitest';
import { deleteOf, type LoggedRecord, Rig, setOf, toRecord, watch } from '#test/engine/rig.ts';

const read = (rig: Rig) => (command: { readonly key: string }) => ({
  entry: rig.engine.store.get(command.key, rig.engine.logClock.nowMs()),
  asOf: rig.engine.position,
  stalenessMs: 0,
});

describe('at fsync always', () => {
  it('nothing is visible, answered or told to pushers before its fdatasync has returned', async () => {
    const rig = await Rig.open({ fsync: 'always' });
    const { engine, fileSystem } = rig;
    const told: LoggedRecord[] = [];
    engine.appliedFrames.subscribe((frame) => told.push(toRecord(frame)));
    const before = engine.position;
    fileSystem.holdSyncs();
    const set = watch(rig.master.set(setOf('a', '1')));
    const removed = watch(rig.master.delete(deleteOf('missing')));
    await rig.settle();
    expect(fileSystem.heldSyncCount).toBe(1);
    expect([set.value, rig.get('a'), told.length, engine.position]).toEqual([
      undefined,
      undefined,
      0,
      before,
    ]);
    // What depends on nothing in flight is answered at once.
    expect(removed.value).toMatchObject({ applied: false, position: before });
    const second = watch(rig.master.set(setOf('a', '2', { returnPrevious: true })));
    await rig.clock.advance(10_000);
    expect([set.value, second.value, rig.get('a')]).toEqual([undefined, undefined, undefined]);
    fileSystem.releaseSyncs();
    await rig.settle();
    expect(set.value).toMatchObject({
      applied: true,
      position: { epoch: before.epoch, lsn: before.lsn + 1 },
    });
    expect(set.value?.durabilityReached).toBe('local');
    expect(second.value?.position.lsn).toBe(before.lsn + 2);
    expect(second.value?.previous?.version).toEqual(set.value?.position);
    expect(rig.get('a')).toBe('2');
    expect(told.map(({ position }) => position.lsn)).toEqual([before.lsn + 1, before.lsn + 2]);
    expect(engine.store.peek('a')?.version).toEqual(second.value?.position);
  });

  it('what was visible is on the disk, whichever moment the power goes', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const rig = await Rig.open({ fsync: 'always' });
      const writes = Array.from({ length: 30 }, (_, i) => watch(rig.master.set(setOf(`k${i % 7}`, `${i}`))));
      rig.fileSystem.crashAtCall = rig.fileSystem.callCount + 1 + (seed % 3);
      await rig.clock.advance(0);
      const seen = Array.from({ length: 7 }, (_, i) => rig.get(`k${i}`));
      const acked = writes.filter(({ value }) => value !== undefined).length;
      const again = await Rig.open({ fileSystem: rig.powerCut(seed) });
      for (let i = 0; i < 7; i++) {
        if (seen[i] === undefined) continue;
        expect(Number(again.get(`k${i}`))).toBeGreaterThanOrEqual(Number(seen[i]));
      }
      expect(again.engine.position.lsn).toBeGreaterThanOrEqual(acked);
    }
  });
});

describe('at fsync interval', () => {
  it('a write is visible and answered once it is written, and durable within the interval', async () => {
    const rig = await Rig.open({ fsync: 'interval' });
    await rig.until(rig.engine.waitDurable(rig.engine.applied.lsn, 5_000));
    await rig.clock.advance(2_000);
    rig.fileSystem.holdSyncs();
    const set = watch(rig.master.set(setOf('a', '1')));
    await rig.settle();
    expect(set.value).toMatchObject({ applied: true, durabilityReached: 'accepted' });
    expect(rig.get('a')).toBe('1');
    expect(rig.engine.durableLsn).toBe(rig.engine.applied.lsn - 1);
    rig.fileSystem.releaseSyncs();
    await rig.clock.advance(999);
    expect(rig.engine.durableLsn).toBe(rig.engine.applied.lsn - 1);
    await rig.clock.advance(1);
    expect(rig.engine.durableLsn).toBe(rig.engine.applied.lsn);
  });
});

describe('a condition', () => {
  it('is judged against writes still on their way, and its failure waits for them', async () => {
    const rig = await Rig.open();
    rig.fileSystem.holdSyncs();
    const first = watch(rig.master.set(setOf('a', '1', { condition: { kind: 'absent' } })));
    const second = watch(rig.master.set(setOf('a', '2', { condition: { kind: 'absent' } })));
    const third = watch(rig.master.delete(deleteOf('a', { returnPrevious: true })));
    const fourth = watch(rig.master.set(setOf('a', '4', { condition: { kind: 'present' } })));
    const other = watch(rig.master.set(setOf('b', '1', { condition: { kind: 'present' } })));
    await rig.settle();
    expect([first.value, second.value, third.value, fourth.value]).toEqual(Array(4).fill(undefined));
    expect(other.value).toMatchObject({ applied: false });
    rig.fileSystem.releaseSyncs();
    await rig.settle();
    expect(first.value?.applied).toBe(true);
    expect(second.value).toMatchObject({ applied: false, position: first.value?.position });
    expect(second.value?.current?.version).toEqual(first.value?.position);
    expect(third.value?.applied).toBe(true);
    expect(third.value?.previous?.version).toEqual(first.value?.position);
    expect(fourth.value).toMatchObject({
      applied: false,
      current: undefined,
      position: third.value?.position,
    });
    expect(rig.get('a')).toBeUndefined();
  });

  it('on a version is met by exactly that version, also one on its way', async () => {
    const rig = await Rig.open();
    const { position } = await rig.set('a', '1');
    rig.fileSystem.holdSyncs();
    const nextLsn = rig.engine.nextLsn;
    const swap = watch(
      rig.master.set(setOf('a', '2', { condition: { kind: 'version', version: position } })),
    );
    const stale = watch(
      rig.master.set(setOf('a', '3', { condition: { kind: 'version', version: position } })),
    );
    const next = { epoch: position.epoch, lsn: nextLsn };
    const chained = watch(rig.master.set(setOf('a', '4', { condition: { kind: 'version', version: next } })));
    const foreign = { epoch: position.epoch + 1, lsn: nextLsn };
    const removed = watch(
      rig.master.delete(deleteOf('a', { condition: { kind: 'version', version: foreign } })),
    );
    rig.fileSystem.releaseSyncs();
    await rig.settle();
    expect([swap, stale, chained, removed].map(({ value }) => value?.applied)).toEqual([
      true,
      false,
      true,
      false,
    ]);
    expect(removed.value?.current?.version).toEqual(chained.value?.position);
    expect(rig.get('a')).toBe('4');
  });
});

describe('a batch', () => {
  it('is one record, whose later operations see the earlier ones', async () => {
    const rig = await Rig.open();
    await rig.set('old', '0');
    const get = (key: string) => ({ kind: 'get' as const, command: { key, waitMs: 0 } });
    const results = await rig.until(
      rig.master.batch(
        [
          get('a'),
          { kind: 'set', command: setOf('a', '1') },
          get('a'),
          { kind: 'set', command: setOf('a', '2', { condition: { kind: 'absent' } }) },
          { kind: 'delete', command: deleteOf('a', { returnPrevious: true }) },
          get('a'),
          get('old'),
          { kind: 'set', command: setOf('b', '3') },
        ],
        read(rig),
      ),
    );
    const { position } = rig.engine;
    expect(results.map((result) => (result.kind === 'error' ? result : result.answer))).toMatchObject([
      { entry: undefined },
      { applied: true, position },
      { entry: { key: 'a', version: position }, asOf: position },
      { applied: false, current: { version: position }, position },
      { applied: true, previous: { version: position }, position },
      { entry: undefined, asOf: position },
      { entry: { key: 'old' } },
      { applied: true, position },
    ]);
    const records = await rig.records();
    expect(records.at(-1)?.mutations.map(({ op, key }) => `${op} ${key}`)).toEqual([
      'set a',
      'delete a',
      'set b',
    ]);
  });

  it('shows writes of others only when they are visible', async () => {
    const rig = await Rig.open();
    await rig.set('a', 'visible');
    rig.fileSystem.holdSyncs();
    const other = watch(rig.master.set(setOf('a', 'on its way')));
    const get = { kind: 'get' as const, command: { key: 'a', waitMs: 0 } };
    const pending = watch(rig.master.batch([get], read(rig)));
    await rig.settle();
    const [result] = pending.value ?? [];
    expect(result).toMatchObject({
      kind: 'get',
      answer: { entry: { value: new Uint8Array(Buffer.from('visible')) } },
    });
    expect(other.value).toBeUndefined();
    rig.fileSystem.releaseSyncs();
    await rig.settle();
  });

  it('gives an operation that is refused its own error, and carries out the others', async () => {
    const rig = await Rig.open({ limits: { entriesMax: 1, bytesMax: 0, policy: 'none' } });
    const results = await rig.until(
      rig.master.batch(
        [
          { kind: 'set', command: setOf('a', '1') },
          { kind: 'set', command: setOf('b', '1') },
          { kind: 'set', command: setOf('a', '2') },
        ],
        read(rig),
      ),
    );
    expect(results).toMatchObject([
      { kind: 'set' },
      { kind: 'error', error: { code: 'resource_exhausted' } },
      { kind: 'set' },
    ]);
    expect(rig.get('a')).toBe('2');
  });
});
