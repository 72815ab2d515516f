/** Atomic batches: all operations or none, judged in one state, as one record. */
import { describe, expect, it } from 'vitest';
import type { AtomicBatchAnswer, AtomicBatchCommand, BatchOperation } from '#model/commands.ts';
import type { StoreLimits } from '#model/entry.ts';
import { deleteOf, incrementOf, Rig, requestId, setOf, ttl, watch } from '#test/engine/rig.ts';

const set = (...args: Parameters<typeof setOf>): BatchOperation => ({ kind: 'set', command: setOf(...args) });
const del = (...args: Parameters<typeof deleteOf>): BatchOperation => ({
  kind: 'delete',
  command: deleteOf(...args),
});
const add = (...args: Parameters<typeof incrementOf>): BatchOperation => ({
  kind: 'increment',
  command: incrementOf(...args),
});
const touch = (key: string): BatchOperation => ({
  kind: 'touch',
  command: { ...deleteOf(key), expiry: ttl(1_000), returnValue: false },
});
const get = (key: string): BatchOperation => ({ kind: 'get', command: { key, waitMs: 0 } });
const ABSENT = { condition: { kind: 'absent' } } as const;
const PRESENT = { condition: { kind: 'present' } } as const;

function run(
  rig: Rig,
  operations: BatchOperation[],
  changes: Partial<AtomicBatchCommand> = {},
): Promise<AtomicBatchAnswer> {
  const command = { operations, answerBytesMax: 10_000, minAcks: 0, timeoutMs: 0, ...changes };
  return rig.master.atomicBatch(command, () => {});
}
const settled = (rig: Rig, ...args: [BatchOperation[], Partial<AtomicBatchCommand>?]) =>
  rig.until(run(rig, ...args));

async function open(limits?: Partial<StoreLimits>): Promise<Rig> {
  return Rig.open(limits && { limits: { entriesMax: 0, bytesMax: 0, policy: 'lru', ...limits } });
}

const text = (result: unknown): string | undefined => {
  const { entry } = (result as { answer: { entry?: { value: Uint8Array } } }).answer;
  return entry && Buffer.from(entry.value).toString();
};

describe('an atomic batch', () => {
  it('sets 16 MiB of values, or one value, which is what one turn of the event loop may take', async () => {
    const rig = await open();
    const mib = (count: number): Uint8Array => Buffer.alloc(count * 1_024 * 1_024);
    const large = (key: string, value: Uint8Array): BatchOperation => ({
      kind: 'set',
      command: { ...setOf(key, ''), value },
    });
    const refused = await settled(rig, [large('a', mib(8)), large('b', mib(9))]).catch((error) => error);
    expect(refused).toMatchObject({ code: 'resource_exhausted' });
    expect(refused.message).toMatch(/^the values of this atomic batch have 17825802 bytes: expected at most/);
    expect(rig.get('a')).toBeUndefined();
    expect(await settled(rig, [large('a', mib(17))])).toMatchObject({ isCommitted: true });
    expect(await settled(rig, [large('a', mib(7)), large('b', mib(8))])).toMatchObject({ isCommitted: true });
    await rig.close();
  });

  it('makes all writes as one record, and later operations see earlier ones', async () => {
    const rig = await open();
    await rig.set('a', '1');
    await rig.set('gone', 'x');
    const lsn = rig.engine.nextLsn;
    const answer = await settled(rig, [
      get('a'),
      add('a', { delta: 4n }),
      get('a'),
      set('b', 'two', ABSENT),
      get('b'),
      del('gone'),
      get('gone'),
      del('never'),
      set('gone', 'back', ABSENT),
    ]);
    expect(answer).toMatchObject({ isCommitted: true, position: { lsn }, durabilityReached: 'local' });
    expect(rig.engine.nextLsn).toBe(lsn + 1);
    const { results } = answer;
    expect([0, 2, 4, 6].map((i) => text(results[i]))).toEqual(['1', '5', 'two', undefined]);
    expect(results.map((one) => one?.kind).join(' ')).toBe('get increment get set get delete get delete set');
    expect(results[1]).toMatchObject({ answer: { value: 5n, position: { lsn } } });
    expect([results[5], results[7]]).toMatchObject([
      { answer: { applied: true } },
      { answer: { applied: false, position: { lsn } } },
    ]);
    expect([rig.get('a'), rig.get('b'), rig.get('gone')]).toEqual(['5', 'two', 'back']);
  });

  it('writes nothing if one condition is not met, and tells which with what is there', async () => {
    const rig = await open();
    await rig.set('a', 'old');
    const state = rig.engine.store.stateDigest();
    const lsn = rig.engine.nextLsn;
    const answer = await settled(rig, [
      set('b', 'new'),
      set('a', 'new', ABSENT),
      get('a'),
      set('missing', 'new', PRESENT),
      del('a', { condition: { kind: 'version', version: { ...rig.engine.position, lsn: lsn as never } } }),
      add('n'),
    ]);
    expect(answer).toMatchObject({ isCommitted: false, position: rig.engine.position });
    expect(answer.results).toMatchObject([
      undefined,
      { kind: 'set', answer: { applied: false, current: { key: 'a' } } },
      undefined,
      { kind: 'set', answer: { applied: false, current: undefined } },
      { kind: 'delete', answer: { applied: false, current: { key: 'a' } } },
      undefined,
    ]);
    expect([rig.engine.nextLsn, rig.engine.store.stateDigest()]).toEqual([lsn, state]);
  });

  it('shows what is there, and not what an uncommitted batch would have written', async () => {
    const rig = await open();
    await rig.set('a', 'old');
    const { version } = rig.engine.store.peek('a') ?? {};
    const answer = await settled(rig, [
      set('new', 'x'),
      set('new', 'y', ABSENT),
      add('new', { condition: { kind: 'absent' } }),
      set('a', 'newer'),
      set('a', 'newest', ABSENT),
      touch('a'),
      del('a', { condition: { kind: 'version', version: { ...rig.engine.position, lsn: 99 as never } } }),
      del('a'),
      set('a', 'back', PRESENT),
    ]);
    const unmet = (kind: string, current: unknown) => ({ kind, answer: { applied: false, current } });
    const there = { key: 'a', value: Uint8Array.from(Buffer.from('old')), expireAtMs: 0, version };
    expect(answer.results).toMatchObject([
      undefined,
      unmet('set', undefined),
      unmet('increment', undefined),
      undefined,
      unmet('set', there),
      undefined,
      unmet('delete', there),
      undefined,
      unmet('set', there),
    ]);
  });

  it.each<[string, BatchOperation, string, string]>([
    ['a value that is no number', add('text'), 'failed_precondition', 'operations[2]: key "text"'],
    ['a sum that is too large', add('max'), 'out_of_range', 'operations[2]: key "max"'],
    [
      'a deadline that is too far',
      set('c', 'c', { expiry: ttl(2 ** 53 - 1) }),
      'invalid_argument',
      'operations[2]: ttl_ms',
    ],
  ])('refuses the whole for %s, naming its index', async (_name, bad, code, message) => {
    const rig = await open();
    await rig.set('text', 'many');
    await rig.set('max', `${2n ** 63n - 1n}`);
    const lsn = rig.engine.nextLsn;
    await expect(settled(rig, [set('a', '1'), set('b', '2'), bad])).rejects.toMatchObject({
      code,
      message: expect.stringContaining(message),
    });
    expect([rig.engine.nextLsn, rig.get('a'), rig.get('text')]).toEqual([lsn, undefined, 'many']);
  });

  it('reads what is accepted, and is answered when that is visible', async () => {
    const rig = await open();
    rig.fileSystem.holdSyncs();
    const before = watch(rig.master.set(setOf('a', '1')));
    const deleted = watch(rig.master.delete(deleteOf('a')));
    const unmet = watch(run(rig, [set('b', 'x'), set('a', '2', PRESENT)]));
    const reading = watch(run(rig, [del('none'), get('a')]));
    const writing = watch(run(rig, [set('a', '3', ABSENT)]));
    await rig.settle();
    for (const one of [before, deleted, unmet, reading, writing]) expect(one.value).toBeUndefined();
    rig.fileSystem.releaseSyncs();
    await rig.until(
      Promise.all([before.promise, deleted.promise, unmet.promise, reading.promise, writing.promise]),
    );
    expect(unmet.value).toMatchObject({ isCommitted: false, position: deleted.value?.position });
    expect(reading.value).toMatchObject({ isCommitted: true, position: deleted.value?.position });
    expect(writing.value).toMatchObject({ isCommitted: true });
    expect(rig.get('a')).toBe('3');
  });

  it('evicts other keys only, the least recently touched first', async () => {
    const rig = await open({ entriesMax: 4 });
    for (const key of ['a', 'b', 'c', 'd']) await rig.set(key, key);
    await settled(rig, [set('a', 'A'), set('x', 'X'), set('y', 'Y')]);
    expect(['a', 'b', 'c', 'd', 'x', 'y'].map((key) => rig.get(key))).toEqual([
      'A',
      undefined,
      undefined,
      'd',
      'X',
      'Y',
    ]);
  });

  it('spares its own keys among those in flight too', async () => {
    const rig = await open({ entriesMax: 2 });
    rig.fileSystem.holdSyncs();
    const before = [rig.master.set(setOf('a', '1')), rig.master.set(setOf('b', '1'))];
    const batch = run(rig, [set('a', '2'), set('x', 'X')]);
    rig.fileSystem.releaseSyncs();
    await rig.until(Promise.all([...before, batch]));
    expect([rig.get('a'), rig.get('b'), rig.get('x')]).toEqual(['2', undefined, 'X']);
  });

  it('counts what it deletes and replaces before it evicts', async () => {
    const rig = await open({ entriesMax: 3 });
    for (const key of ['a', 'b', 'c']) await rig.set(key, key);
    // One by one, the first set would have to evict something.
    await settled(rig, [set('x', 'X'), del('b')]);
    expect(['a', 'b', 'c', 'x'].map((key) => rig.get(key))).toEqual(['a', undefined, 'c', 'X']);
    await settled(rig, [set('p', '1'), set('q', '2'), set('r', '3'), del('p'), del('q')]);
    expect(['c', 'x', 'r'].map((key) => rig.get(key))).toEqual(['c', 'X', '3']);
  });

  it.each([
    ['entries', { entriesMax: 2 }, ['1', '2', '3']],
    ['memory', { bytesMax: 400 }, ['x'.repeat(100), 'y'.repeat(100), 'z'.repeat(100)]],
  ])('refuses what cannot fit into the %s, evicting nothing', async (_name, limits, values) => {
    const rig = await open(limits);
    await rig.set('stays', 's');
    const lsn = rig.engine.nextLsn;
    const operations = values.map((value, i) => set(`k${i}`, value));
    await expect(settled(rig, operations)).rejects.toMatchObject({ code: 'resource_exhausted' });
    expect([rig.engine.nextLsn, rig.get('stays')]).toEqual([lsn, 's']);
    // The same entries fit one after the other.
    await settled(rig, operations.slice(0, 2));
    expect(rig.get('k1')).toBe(values[1]);
  });

  it('makes none of its writes where the policy is none and the store is full', async () => {
    const rig = await open({ entriesMax: 2, policy: 'none' });
    await rig.set('a', 'a');
    await expect(settled(rig, [set('b', 'b'), set('c', 'c')])).rejects.toMatchObject({
      code: 'resource_exhausted',
    });
    expect([rig.get('b'), rig.get('c')]).toEqual([undefined, undefined]);
    expect(rig.engine.store.stats().refused).toBeGreaterThan(0);
    await settled(rig, [set('b', 'b'), set('c', 'c'), del('a')]);
    expect([rig.get('a'), rig.get('b'), rig.get('c')]).toEqual([undefined, 'b', 'c']);
  });

  it('refuses an answer that would be too large, before it writes', async () => {
    const rig = await open();
    await rig.set('a', 'x'.repeat(60));
    const operations = [set('a', '1', { returnPrevious: true }), get('a')];
    await expect(settled(rig, operations, { answerBytesMax: 60 })).rejects.toMatchObject({
      code: 'resource_exhausted',
    });
    expect(rig.get('a')).toHaveLength(60);
    expect(await settled(rig, operations, { answerBytesMax: 61 })).toMatchObject({ isCommitted: true });
  });

  it('with a request id is carried out once, reads included', async () => {
    const rig = await open();
    await rig.set('a', '1');
    const operations = [get('a'), add('a'), set('b', 'x', { returnPrevious: true })];
    const first = await settled(rig, operations, requestId('r'));
    await rig.set('a', '40');
    expect(await settled(rig, operations, requestId('r'))).toEqual({ ...first, isRepeat: true });
    expect(rig.get('a')).toBe('40');
    await expect(settled(rig, [add('a')], requestId('r'))).rejects.toMatchObject({
      code: 'invalid_argument',
    });
    const unmet = await settled(rig, [set('b', 'y', ABSENT)], requestId('s'));
    await rig.delete('b');
    expect(await settled(rig, [set('b', 'y', ABSENT)], requestId('s'))).toEqual({ ...unmet, isRepeat: true });
  });

  it('waits for what it asks, as a whole', async () => {
    const rig = await Rig.open({ fsync: 'interval' });
    await rig.clock.advance(5_000);
    rig.fileSystem.holdSyncs();
    const safe = watch(run(rig, [set('a', '1')], { durability: 'local' }));
    const quick = watch(run(rig, [set('b', '1')]));
    await rig.settle();
    expect([safe.value, quick.value?.durabilityReached]).toEqual([undefined, 'accepted']);
    rig.fileSystem.releaseSyncs();
    await rig.settle();
    expect(safe.value).toMatchObject({
      durabilityReached: 'local',
      results: [{ answer: { durabilityReached: 'local' } }],
    });
    const acked = await settled(rig, [set('a', '2')], { minAcks: 1, timeoutMs: 10 });
    expect(acked).toMatchObject({ isCommitted: true, replicasAcked: 0 });
  });

  it('is undone as a whole where the disk refuses its record', async () => {
    const rig = await open();
    await rig.set('a', '1');
    rig.fileSystem.bytesMax = rig.fileSystem.usedBytes + 20;
    const refused = watch(run(rig, [add('a'), set('b', 'x')]));
    await rig.settle();
    expect(refused.error).toMatchObject({ code: 'resource_exhausted' });
    rig.fileSystem.bytesMax = Number.POSITIVE_INFINITY;
    await rig.clock.advance(2_000);
    expect(await settled(rig, [add('a'), get('b')])).toMatchObject({
      results: [{ answer: { value: 2n } }, { answer: { entry: undefined } }],
    });
  });

  it('is the same after a restart', async () => {
    const rig = await open();
    await settled(rig, [set('a', '1'), add('a'), set('b', 'x'), del('b')]);
    const digest = rig.engine.store.stateDigest();
    const again = await Rig.open({ fileSystem: await rig.close() });
    expect([again.engine.store.stateDigest(), again.get('a')]).toEqual([digest, '2']);
  });
});
