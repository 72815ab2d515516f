import { describe, expect, it } from 'vitest';
import type { StoreLimits } from '#model/entry.ts';
import { ENTRY_OVERHEAD_BYTES } from '#storage/entry-cost.ts';
import { TestGroup } from '#test/doubles/test-group.ts';
import { Rig, setOf, ttl, UNLIMITED, watch } from '#test/engine/rig.ts';
import { linesOf } from '#test/master/model.ts';

describe('an expired key', () => {
  it('counts as missing before its delete is logged: for gets, conditions, keep and previous values', async () => {
    const rig = await Rig.open();
    for (const key of ['a', 'b', 'c', 'd', 'e']) await rig.set(key, 'old', { expiry: ttl(1_000) });
    const { position } = await rig.set('f', 'old', { expiry: ttl(1_000) });
    await rig.clock.advance(999);
    expect(rig.get('a')).toBe('old');
    await rig.clock.advance(1);
    expect(rig.get('a')).toBeUndefined();
    expect(rig.engine.store.entries).toBe(6);

    expect(await rig.set('a', 'x', { condition: { kind: 'present' } })).toMatchObject({
      applied: false,
      current: undefined,
    });
    expect(await rig.delete('a')).toMatchObject({ applied: false });
    expect(await rig.delete('f', { condition: { kind: 'version', version: position } })).toMatchObject({
      applied: false,
    });
    expect(await rig.set('f', 'x', { condition: { kind: 'version', version: position } })).toMatchObject({
      applied: false,
    });
    const fresh = await rig.set('b', 'new', { condition: { kind: 'absent' }, returnPrevious: true });
    expect(fresh).toMatchObject({ applied: true, previous: undefined });
    await rig.set('c', 'new', { expiry: { kind: 'keep' } });
    expect(rig.engine.store.peek('c')?.expireAtMs).toBe(0);
    expect([rig.get('b'), rig.get('c')]).toEqual(['new', 'new']);
    expect(rig.engine.store.entries).toBe(6);
  });

  it('is deleted by the tick, with its cause in the log, while a key set anew is not', async () => {
    const rig = await Rig.open();
    for (const key of ['a', 'b', 'c']) await rig.set(key, 'old', { expiry: ttl(1_000) });
    await rig.set('later', 'x', { expiry: ttl(1_001) });
    await rig.clock.advance(1_000);
    rig.fileSystem.holdSyncs();
    const again = watch(rig.master.set(setOf('b', 'new')));
    expect(rig.master.tick()).toBe(false);
    // What is on its way is not deleted twice.
    expect(rig.master.tick()).toBe(false);
    await rig.settle();
    rig.fileSystem.releaseSyncs();
    await rig.settle();
    expect(again.value?.applied).toBe(true);
    const logged = (await rig.records())
      .map(({ mutations }) => linesOf(mutations))
      .filter((one) => one.length > 0);
    expect(logged.slice(4).map((one) => one.sort())).toEqual([
      ['set b client'],
      ['delete a expired', 'delete c expired'],
    ]);
    expect(rig.get('b')).toBe('new');
    expect(rig.engine.store.entries).toBe(2);
    expect(rig.engine.store.stats().expired).toBe(2);
  });

  it('set with a deadline that has passed is deleted, and nothing is logged where nothing was stored', async () => {
    const rig = await Rig.open();
    await rig.set('a', 'x');
    const before = rig.engine.position;
    const past = { kind: 'at', expireAtMs: rig.engine.logClock.nowMs() } as const;
    expect(await rig.set('missing', 'x', { expiry: past })).toMatchObject({
      applied: true,
      position: before,
    });
    expect(rig.engine.position).toEqual(before);
    const answer = await rig.set('a', 'y', { expiry: past, returnPrevious: true });
    expect(answer).toMatchObject({ applied: true, position: { lsn: before.lsn + 1 } });
    expect(Buffer.from(answer.previous?.value ?? []).toString()).toBe('x');
    expect(rig.engine.store.entries).toBe(0);
    await rig.set('b', 'x', { expiry: ttl(100) });
    await rig.clock.advance(200);
    // Stored still, though expired: the delete goes into the log.
    await rig.set('b', 'y', { expiry: past });
    expect(linesOf((await rig.records()).at(-1)?.mutations ?? [])).toEqual(['delete b client']);
    await rig.set('c', 'x', { expiry: { kind: 'at', expireAtMs: 0 } });
    expect(rig.engine.store.peek('c')?.expireAtMs).toBe(0);
  });
});

describe('the default time to live', () => {
  it('applies where nothing else is asked, and only there', async () => {
    const rig = await Rig.open({ defaultTtlMs: 60_000 });
    const nowMs = rig.engine.logClock.nowMs();
    await rig.set('default', 'x');
    await rig.set('never', 'x', { expiry: { kind: 'at', expireAtMs: 0 } });
    await rig.set('own', 'x', { expiry: ttl(5) });
    await rig.set('kept', 'x', { expiry: { kind: 'keep' } });
    const deadlines = ['default', 'never', 'own', 'kept'].map(
      (key) => rig.engine.store.peek(key)?.expireAtMs,
    );
    expect(deadlines).toEqual([nowMs + 60_000, 0, nowMs + 5, 0]);
    await rig.set('default', 'y', { expiry: { kind: 'keep' } });
    expect(rig.engine.store.peek('default')?.expireAtMs).toBe(nowMs + 60_000);
  });

  it('that leads beyond 2^53 milliseconds is refused', async () => {
    const rig = await Rig.open();
    await expect(rig.set('a', 'x', { expiry: ttl(Number.MAX_SAFE_INTEGER) })).rejects.toMatchObject({
      code: 'invalid_argument',
    });
    expect(rig.engine.store.entries).toBe(0);
  });
});

describe('expiry of many entries at once', () => {
  it('keeps each record to 1,024 deletes, and does not fall behind a second', async () => {
    const rig = await Rig.open({ fsync: 'interval' });
    const entries = 5_000;
    for (let i = 0; i < entries; i++) void rig.master.set(setOf(`k${i}`, 'x', { expiry: ttl(2_000) }));
    await rig.settle();
    await rig.clock.advance(2_000);
    for (let waitedMs = 0; waitedMs < 300; waitedMs += 100) {
      while (rig.master.tick()) await rig.settle();
      await rig.clock.advance(100);
    }
    expect(rig.engine.store.entries).toBe(0);
    await rig.until(rig.engine.waitDurable(rig.engine.applied.lsn, 5_000));
    const sizes = (await rig.records())
      .slice(entries)
      .map(({ mutations }) => mutations.length)
      .filter((size) => size > 0);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(1_024);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeGreaterThanOrEqual(entries);
  });

  it('happens by itself in a node, within a second of log time', async () => {
    const group = new TestGroup();
    const master = await group.master();
    await group.set(master, 'a', 'x', { expiry: ttl(5_000) });
    await group.clock.advance(4_900);
    expect(master.node.digest().entries).toBe(1);
    await group.clock.advance(1_100);
    expect(master.node.digest().entries).toBe(0);
    expect(master.node.status().store.expired).toBe(1);
  });
});

describe('a full store with the policy none', () => {
  const limits: StoreLimits = { entriesMax: 2, bytesMax: 0, policy: 'none' };

  it('lets go of what has expired, and of nothing else', async () => {
    const rig = await Rig.open({ limits });
    await rig.set('a', 'x', { expiry: ttl(1_000) });
    await rig.set('b', 'x');
    await expect(rig.set('c', 'x')).rejects.toMatchObject({ code: 'resource_exhausted' });
    await rig.clock.advance(1_000);
    await rig.set('c', 'x');
    expect(linesOf((await rig.records()).at(-1)?.mutations ?? [])).toEqual([
      'delete a expired',
      'set c client',
    ]);
    await expect(rig.set('d', 'x')).rejects.toThrow('storage.eviction_policy is none');
  });

  it('keeps what was dropped in the record though the set it was dropped for is refused', async () => {
    const cost = ENTRY_OVERHEAD_BYTES + 2;
    const rig = await Rig.open({ limits: { entriesMax: 0, bytesMax: 2 * cost, policy: 'none' } });
    await rig.set('a', 'x', { expiry: ttl(1_000) });
    await rig.set('b', 'x');
    await rig.clock.advance(1_000);
    await expect(rig.set('c', 'x'.repeat(cost))).rejects.toMatchObject({ code: 'resource_exhausted' });
    await rig.settle();
    expect(linesOf((await rig.records()).at(-1)?.mutations ?? [])).toEqual(['delete a expired']);
    expect(rig.engine.store.entries).toBe(1);
    expect((await rig.set('c', 'x')).applied).toBe(true);
  });

  it('is not exceeded by overwriting an expired entry with a larger one', async () => {
    const cost = (bytes: number): number => ENTRY_OVERHEAD_BYTES + 1 + bytes;
    const bytesMax = cost(100) + cost(50);
    const rig = await Rig.open({ limits: { ...UNLIMITED, bytesMax, policy: 'none' } });
    await rig.set('a', 'x'.repeat(100), { expiry: ttl(1_000) });
    await rig.set('b', 'x'.repeat(50));
    await rig.clock.advance(1_000);
    await expect(rig.set('a', 'x'.repeat(300))).rejects.toMatchObject({ code: 'resource_exhausted' });
    await rig.settle();
    expect(rig.engine.store.bytes).toBeLessThanOrEqual(bytesMax);
  });
});
