import { describe, expect, it } from 'vitest';
import type { StoreLimits } from '#model/entry.ts';
import { ENTRY_OVERHEAD_BYTES } from '#storage/entry-cost.ts';
import { deleteOf, drainVictims, Rig, setOf, stateOf, watch } from '#test/engine/rig.ts';
import { linesOf } from '#test/master/model.ts';

const noGet = (): never => {
  throw new Error('no gets here');
};

function entriesMax(max: number): StoreLimits {
  return { entriesMax: max, bytesMax: 0, policy: 'lru' };
}

function bytesMax(max: number): StoreLimits {
  return { entriesMax: 0, bytesMax: max, policy: 'lru' };
}

async function lines(rig: Rig): Promise<string[][]> {
  return (await rig.records())
    .map(({ mutations }) => linesOf(mutations))
    .filter((record) => record.length > 0);
}

describe('the victim', () => {
  it('is the entry touched longest ago, by a get that hit or a set that applied', async () => {
    const rig = await Rig.open({ limits: entriesMax(4) });
    for (const key of ['a', 'b', 'c', 'd']) await rig.set(key, '1');
    rig.get('a');
    await rig.set('b', '2');
    // None of these touches: a miss, a look, a failed condition, a scan.
    rig.get('missing');
    rig.engine.store.peek('c');
    await rig.set('c', 'x', { condition: { kind: 'absent' } });
    rig.engine.store.scan(
      { prefix: '', cursor: '', limit: 10, keysOnly: false },
      rig.engine.logClock.nowMs(),
    );
    await rig.set('e', '1');
    await rig.set('f', '1');
    await rig.set('g', '1');
    expect((await lines(rig)).slice(-3)).toEqual([
      ['delete c evicted', 'set e client'],
      ['delete d evicted', 'set f client'],
      ['delete a evicted', 'set g client'],
    ]);
    expect(drainVictims(rig.engine)).toEqual(['b', 'e', 'f', 'g']);
  });

  it('stands in the same record before the set, and only as many as needed', async () => {
    const rig = await Rig.open({ limits: bytesMax(4 * (ENTRY_OVERHEAD_BYTES + 101)) });
    for (const key of ['a', 'b', 'c', 'd']) await rig.set(key, 'x'.repeat(100));
    await rig.set('e', 'x'.repeat(100 + ENTRY_OVERHEAD_BYTES));
    expect((await lines(rig)).at(-1)).toEqual(['delete a evicted', 'delete b evicted', 'set e client']);
  });

  it('of a single place is what keeps it', async () => {
    const rig = await Rig.open({ limits: entriesMax(1) });
    await rig.set('a', '1');
    await rig.set('a', '2');
    await rig.set('b', '1');
    expect(await lines(rig)).toEqual([
      ['set a client'],
      ['set a client'],
      ['delete a evicted', 'set b client'],
    ]);
    expect(rig.engine.store.entries).toBe(1);
  });

  it('may be on its way to disk itself', async () => {
    const rig = await Rig.open({ limits: entriesMax(1) });
    rig.fileSystem.holdSyncs();
    const writes = ['a', 'b', 'c'].map((key) => watch(rig.master.set(setOf(key, '1'))));
    await rig.settle();
    expect(writes.map(({ value }) => value)).toEqual([undefined, undefined, undefined]);
    rig.fileSystem.releaseSyncs();
    await rig.settle();
    expect(writes.map(({ value }) => value?.applied)).toEqual([true, true, true]);
    expect(await lines(rig)).toEqual([
      ['set a client'],
      ['delete a evicted', 'set b client'],
      ['delete b evicted', 'set c client'],
    ]);
    expect(rig.engine.store.entries).toBe(1);
  });

  it('is chosen once, however many writes are on their way', async () => {
    const rig = await Rig.open({ limits: entriesMax(3) });
    for (const key of ['a', 'b', 'c']) await rig.set(key, '1');
    rig.fileSystem.holdSyncs();
    const writes = ['d', 'a', 'e', 'f'].map((key) => watch(rig.master.set(setOf(key, '2'))));
    const removed = watch(rig.master.delete(deleteOf('b')));
    await rig.settle();
    rig.fileSystem.releaseSyncs();
    await rig.settle();
    expect(writes.every(({ value }) => value?.applied)).toBe(true);
    expect(removed.value?.applied).toBe(false);
    const evicted = (await lines(rig))
      .slice(3)
      .flat()
      .filter((line) => line.startsWith('delete'));
    expect(new Set(evicted).size).toBe(evicted.length);
    expect(rig.engine.store.entries).toBe(3);
  });

  it('of writes in one record that crowd each other out is the earliest of them', async () => {
    const rig = await Rig.open({ limits: entriesMax(2) });
    await rig.set('stored', '1');
    const set = (key: string) => ({ kind: 'set' as const, command: setOf(key, '1') });
    await rig.until(rig.master.batch([set('a'), set('stored'), set('b'), set('c')], noGet));
    expect((await lines(rig)).at(-1)).toEqual([
      'set a client',
      'set stored client',
      'delete a evicted',
      'set b client',
      'delete stored evicted',
      'set c client',
    ]);
    expect(rig.engine.store.entries).toBe(2);
  });

  it('makes room also where all that is stored is the key itself', async () => {
    // The two entries do not fit together, the larger alone does.
    const room = ENTRY_OVERHEAD_BYTES + 750;
    const rig = await Rig.open({ limits: bytesMax(room) });
    await rig.set('a', '1');
    const set = (key: string, bytes: number) => ({
      kind: 'set' as const,
      command: setOf(key, 'x'.repeat(bytes)),
    });
    await rig.until(rig.master.batch([set('b', 10), set('a', 700)], noGet));
    expect((await lines(rig)).at(-1)).toEqual(['set b client', 'delete b evicted', 'set a client']);
    expect(rig.engine.store.bytes).toBeLessThanOrEqual(room);
  });
});

describe('a value among far smaller ones', () => {
  it('takes 1,024 victims with it, and the rest go at the next tick', async () => {
    const rig = await Rig.open({ limits: bytesMax(3_000 * (ENTRY_OVERHEAD_BYTES + 5)), fsync: 'never' });
    for (let i = 0; i < 3_000; i++) void rig.master.set(setOf(`k${1_000 + i}`, ''));
    await rig.settle();
    expect(rig.engine.store.entries).toBe(3_000);
    await rig.set('huge', 'x'.repeat(2_000 * (ENTRY_OVERHEAD_BYTES + 5)));
    const record =
      (await rig.until(rig.engine.waitDurable(rig.engine.applied.lsn, 1_000))) && (await lines(rig)).at(-1);
    expect(record).toHaveLength(1_025);
    expect(record).toContain('delete k2023 evicted');
    expect(rig.engine.store.bytes).toBeGreaterThan(rig.engine.store.limits.bytesMax);
    while (rig.master.tick()) await rig.settle();
    await rig.settle();
    expect(rig.engine.store.bytes).toBeLessThanOrEqual(rig.engine.store.limits.bytesMax);
    expect(rig.engine.store.entries).toBe(1_000);
    expect(rig.get('huge')).toBeDefined();
    expect(rig.get('k3999')).toBeDefined();
    expect(rig.get('k3000')).toBeUndefined();
  });

  it('is refused where it alone is over storage.max_memory, and nothing else changes', async () => {
    const rig = await Rig.open({ limits: bytesMax(2_000) });
    await rig.set('a', '1');
    const before = stateOf(rig.engine);
    await expect(rig.set('big', 'x'.repeat(2_000))).rejects.toMatchObject({ code: 'resource_exhausted' });
    await expect(rig.set('a', 'x'.repeat(2_000))).rejects.toThrow('storage.max_memory is 2000');
    expect(stateOf(rig.engine)).toBe(before);
  });
});

describe('limits lowered at a restart', () => {
  it('are logged, trimmed down to by the tick, oldest first, and apply after another restart', async () => {
    const rig = await Rig.open({ limits: entriesMax(0) });
    for (let i = 0; i < 50; i++) await rig.set(`k${10 + i}`, '1');
    const again = await Rig.open({ fileSystem: await rig.close(), limits: entriesMax(20) });
    expect(again.engine.store.limits).toEqual(entriesMax(20));
    expect(again.engine.store.entries).toBe(50);
    expect(again.master.tick()).toBe(false);
    await again.settle();
    expect(again.engine.store.entries).toBe(20);
    expect((await lines(again)).at(-1)?.[0]).toBe('delete k10 evicted');
    const trimmed = stateOf(again.engine);
    const third = await Rig.open({ fileSystem: await again.close(), limits: entriesMax(20) });
    expect(stateOf(third.engine)).toBe(trimmed);
    expect(drainVictims(third.engine)[0]).toBe('k40');
  });

  it('with the policy none stay exceeded, but only smaller overwrites get in', async () => {
    const rig = await Rig.open({ limits: entriesMax(0) });
    for (const key of ['a', 'b', 'c']) await rig.set(key, 'long value');
    const limits: StoreLimits = { entriesMax: 2, bytesMax: 0, policy: 'none' };
    const again = await Rig.open({ fileSystem: await rig.close(), limits });
    expect(again.master.tick()).toBe(false);
    await again.settle();
    expect(again.engine.store.entries).toBe(3);
    await again.set('a', 'short');
    await expect(again.set('d', 'x')).rejects.toMatchObject({ code: 'resource_exhausted' });
    await again.delete('b');
    await expect(again.set('d', 'x')).rejects.toThrow(/2 of storage.max_entries 2/);
    await again.delete('c');
    expect((await again.set('d', 'x')).applied).toBe(true);
  });
});

describe('a batch larger than a record of the log', () => {
  it('has what does not fit refused, and the rest written', async () => {
    const rig = await Rig.open({ fsync: 'never' });
    const value = Buffer.alloc(1 << 20, 'x');
    const operations = Array.from({ length: 70 }, (_, i) => ({
      kind: 'set' as const,
      command: setOf(`k${i}`, value),
    }));
    const results = await rig.until(rig.master.batch(operations, noGet));
    const refused = results.filter((result) => result.kind === 'error');
    expect(refused.length).toBeGreaterThanOrEqual(6);
    expect(refused.length).toBeLessThanOrEqual(10);
    expect(refused[0]).toMatchObject({ error: { code: 'resource_exhausted' } });
    expect(rig.engine.store.entries).toBe(70 - refused.length);
    expect((await rig.set('after', '1', { condition: { kind: 'absent' } })).applied).toBe(true);
    expect((await rig.set('k69', '1', { condition: { kind: 'absent' } })).applied).toBe(true);
  });
});
