/** Making room by deadline, and among entries with a deadline only. */
import { describe, expect, it } from 'vitest';
import type { EvictionPolicy, EvictionScope, StoreLimits } from '#model/entry.ts';
import { deleteOf, Rig, setOf, ttl, watch } from '#test/engine/rig.ts';

function limits(policy: EvictionPolicy, scope: EvictionScope, entriesMax = 3): StoreLimits {
  return { entriesMax, bytesMax: 0, policy, scope };
}

const keysIn = (rig: Rig): string =>
  rig.engine.store
    .scan({ prefix: '', cursor: '', limit: 100, keysOnly: true }, rig.engine.logClock.nowMs())
    .entries.map(({ key }) => key)
    .sort()
    .join('');

describe('with the policy ttl', () => {
  it('the entry that expires first makes room, however recently it was used', async () => {
    const rig = await Rig.open({ limits: limits('ttl', 'all') });
    await rig.set('a', 'v');
    await rig.set('b', 'v', { expiry: ttl(900) });
    await rig.set('c', 'v', { expiry: ttl(800) });
    rig.get('c');
    await rig.set('d', 'v', { expiry: ttl(700) });
    expect(keysIn(rig)).toBe('abd');
    await rig.set('e', 'v');
    expect(keysIn(rig)).toBe('abe');
    await rig.set('f', 'v');
    // None has a deadline: by recency.
    rig.get('a');
    await rig.set('g', 'v');
    expect(keysIn(rig)).toBe('afg');
  });

  it('a write never evicts its own key, although that expires first', async () => {
    const rig = await Rig.open({ limits: { entriesMax: 0, bytesMax: 400, policy: 'ttl' } });
    await rig.set('a', 'x', { expiry: ttl(10) });
    await rig.set('b', 'x'.repeat(100), { expiry: ttl(900) });
    await rig.set('a', 'x'.repeat(200), { expiry: ttl(5) });
    expect(keysIn(rig)).toBe('a');
    const last = (await rig.records()).at(-1)?.mutations.map(({ op, key }) => `${op} ${key}`);
    expect(last).toEqual(['delete b', 'set a']);
    // It can be evicted by another write as before.
    await rig.set('c', 'x'.repeat(200));
    expect(keysIn(rig)).toBe('c');
  });

  it('what is in flight is spared while something else expires first', async () => {
    const rig = await Rig.open({ limits: limits('ttl', 'all') });
    for (const [key, ms] of [
      ['a', 300],
      ['b', 100],
      ['c', 200],
    ] as const)
      await rig.set(key, 'v', { expiry: ttl(ms) });
    rig.fileSystem.holdSyncs();
    const writes = [
      watch(rig.master.set(setOf('b', 'new', { expiry: ttl(900) }))),
      watch(rig.master.set(setOf('d', 'v'))),
      watch(rig.master.delete(deleteOf('a'))),
      watch(rig.master.set(setOf('e', 'v'))),
    ];
    rig.fileSystem.releaseSyncs();
    await rig.until(Promise.all(writes.map(({ promise }) => promise)));
    expect([keysIn(rig), rig.get('b')]).toEqual(['bde', 'new']);
  });
});

describe('with the scope with_ttl', () => {
  it.each<EvictionPolicy>(['lru', 'ttl'])('only entries with a deadline make room, by %s', async (policy) => {
    const rig = await Rig.open({ limits: limits(policy, 'with_ttl') });
    await rig.set('a', 'v');
    await rig.set('b', 'v', { expiry: ttl(900) });
    await rig.set('c', 'v', { expiry: ttl(800) });
    await rig.set('d', 'v');
    expect(keysIn(rig)).toBe(policy === 'lru' ? 'acd' : 'abd');
    await rig.set('e', 'v');
    expect(keysIn(rig)).toBe('ade');
    const refused = rig.set('f', 'v', { expiry: ttl(10) });
    await expect(refused).rejects.toMatchObject({
      code: 'resource_exhausted',
      message: expect.stringContaining(
        'storage.eviction_scope is with_ttl, and no other entry has a deadline',
      ),
    });
    expect(keysIn(rig)).toBe('ade');
    // What is there may be replaced and deleted.
    await rig.set('a', 'w', { expiry: ttl(900) });
    await rig.set('f', 'v');
    expect(keysIn(rig)).toBe('def');
  });

  it('an entry in flight without a deadline is none of them', async () => {
    const rig = await Rig.open({ limits: limits('lru', 'with_ttl', 1) });
    rig.fileSystem.holdSyncs();
    const first = watch(rig.master.set(setOf('a', 'v')));
    const second = watch(rig.master.set(setOf('b', 'v')));
    rig.fileSystem.releaseSyncs();
    await rig.settle();
    expect(first.value).toMatchObject({ applied: true });
    expect(second.error).toMatchObject({ code: 'resource_exhausted' });
    expect(keysIn(rig)).toBe('a');
  });

  it('lowered limits are trimmed as far as deadlines allow', async () => {
    const rig = await Rig.open({ limits: limits('lru', 'all', 10) });
    for (const key of ['a', 'b', 'c']) await rig.set(key, 'v');
    for (const key of ['x', 'y']) await rig.set(key, 'v', { expiry: ttl(9_000) });
    const again = await Rig.open({ fileSystem: await rig.close(), limits: limits('lru', 'with_ttl', 2) });
    expect(again.master.tick()).toBe(false);
    await again.settle();
    expect(keysIn(again)).toBe('abc');
  });
});
