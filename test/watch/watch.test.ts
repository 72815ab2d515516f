/** Watches of whole nodes: what they tell, in which order, and how they end. */
import { describe, expect, it, vi } from 'vitest';
import { NO_POSITION } from '#model/position.ts';
import { deleteCommand, setCommand, TestGroup } from '#test/doubles/test-group.ts';
import { checkOrder, Following, WAYS } from '#test/watch/following.ts';
import { EventBytes } from '#watch/event-bytes.ts';

async function oneNode(changes = {}) {
  const group = new TestGroup();
  const master = await group.master(changes);
  return { group, master };
}

describe.each(WAYS)('a watch from now on, by %s', (way) => {
  it('tells at once where it begins, then every change in order, once', async () => {
    const { group, master } = await oneNode();
    await group.set(master, 'a', 'before');
    const watch = new Following(master.node, {}, way);
    await group.clock.advance(0);
    expect(watch.messages).toMatchObject([{ events: [], canResume: true, isFragment: false }]);
    await group.set(master, 'a', '1');
    await group.set(master, 'b', '2', { expiry: { kind: 'ttl', ttlMs: 5_000 } });
    await group.delete(master, 'a');
    await group.clock.advance(100);
    expect(watch.told).toEqual(['a=1', 'b=2', '-a']);
    const [first, second, third] = watch.events;
    expect(first).toMatchObject({
      cause: 'client',
      expireAtMs: 0,
      isInitial: false,
      isPreviousUnknown: false,
    });
    expect(second?.expireAtMs).toBe((second?.timestampMs ?? 0) + 5_000);
    expect(third?.version.lsn).toBe((first?.version.lsn ?? 0) + 2);
    expect(watch.position).toEqual(third?.version);
  });

  it('tells what expires and what is evicted, with its cause and what was there', async () => {
    const { group, master } = await oneNode({ limits: { entriesMax: 2, bytesMax: 0, policy: 'lru' } });
    const watch = new Following(master.node, { withPrevious: true }, way);
    await group.clock.advance(0);
    await group.set(master, 'a', '1', { expiry: { kind: 'ttl', ttlMs: 500 } });
    await group.clock.advance(3_000);
    for (const key of ['b', 'c', 'd']) await group.set(master, key, key);
    await group.clock.advance(100);
    const deletes = watch.events.filter(({ op }) => op === 'delete');
    expect(deletes.map(({ key, cause, previous }) => [key, cause, String(previous?.value)])).toEqual([
      ['a', 'expired', '49'],
      ['b', 'evicted', '98'],
    ]);
  });

  it('tells only what was asked for: one key, a prefix, one kind of change, no values', async () => {
    const { group, master } = await oneNode();
    const key = new Following(master.node, { target: { kind: 'key', key: 'user:1' } }, way);
    const prefix = new Following(
      master.node,
      {
        target: { kind: 'prefix', prefix: 'user:' },
        ops: ['delete'],
      },
      way,
    );
    const keys = new Following(master.node, { keysOnly: true, withPrevious: true }, way);
    await group.clock.advance(0);
    await group.set(master, 'user:1', 'x');
    await group.set(master, 'user:12', 'y');
    await group.set(master, 'user:1', 'z');
    await group.delete(master, 'user:12');
    await group.delete(master, 'user:1');
    await group.set(master, 'use', '');
    await group.clock.advance(100);
    expect(key.told).toEqual(['user:1=x', 'user:1=z', '-user:1']);
    expect(prefix.told).toEqual(['-user:12', '-user:1']);
    expect(keys.told).toEqual(['user:1=', 'user:12=', 'user:1=', '-user:12', '-user:1', 'use=']);
    expect(keys.events[2]?.previous).toMatchObject({ key: 'user:1', value: new Uint8Array(0) });
    expect(key.events[1]?.previous).toBeUndefined();
    // Of no interest, and past all the same.
    await group.clock.advance(1_100);
    expect(prefix.position).toEqual(keys.position);
  });

  it('gives the entry before each change, that of the same record too', async () => {
    const { group, master } = await oneNode();
    await group.set(master, 'a', '0');
    const watch = new Following(master.node, { withPrevious: true }, way);
    await group.clock.advance(0);
    const contentType = 'text/plain';
    const sets = ['1', '2'].map((value) => ({
      kind: 'set' as const,
      command: setCommand('a', value, { contentType }),
    }));
    await group.until(master.node.batch([...sets, { kind: 'set', command: setCommand('b', 'x') }]));
    await group.delete(master, 'a');
    await group.set(master, 'a', '3');
    await group.clock.advance(100);
    const before = watch.events.map(({ key, previous }) => [
      key,
      previous && Buffer.from(previous.value).toString(),
    ]);
    expect(before).toEqual([
      ['a', '0'],
      ['a', '1'],
      ['b', undefined],
      ['a', '2'],
      ['a', undefined],
    ]);
    expect(watch.events[1]?.previous).toMatchObject({ version: watch.events[0]?.version, contentType });
  });

  it('gives what a change left that is not told itself', async () => {
    const { group, master } = await oneNode();
    await group.set(master, 'a', '0');
    const watch = new Following(master.node, { withPrevious: true, ops: ['delete'] }, way);
    await group.clock.advance(0);
    await group.until(
      master.node.batch([
        { kind: 'set', command: setCommand('a', '1') },
        { kind: 'delete', command: deleteCommand('a') },
      ]),
    );
    await group.clock.advance(100);
    expect(watch.events.map(({ op, previous }) => [op, String(previous?.value)])).toEqual([['delete', '1']]);
  });

  it('makes no event of a change that nobody wants', async () => {
    const place = vi.spyOn(EventBytes.prototype, 'place');
    const { group, master } = await oneNode();
    const watch = new Following(master.node, { ops: ['delete'] }, way);
    await group.clock.advance(0);
    await group.set(master, 'a', 'x');
    await group.clock.advance(100);
    const calls = place.mock.calls.length;
    await group.delete(master, 'a');
    await group.clock.advance(100);
    expect([calls, place.mock.calls.length, watch.told]).toEqual([0, 1, ['-a']]);
    place.mockRestore();
  });

  it('counts an expired entry as missing before a set', async () => {
    const { group, master } = await oneNode();
    await group.set(master, 'a', 'old', { expiry: { kind: 'ttl', ttlMs: 5 } });
    const watch = new Following(master.node, { withPrevious: true }, way);
    await group.clock.advance(6);
    await group.set(master, 'a', 'new', { condition: { kind: 'absent' } });
    await group.clock.advance(100);
    const set = watch.events.find(({ op, value }) => op === 'set' && Buffer.from(value).toString() === 'new');
    expect(set).toMatchObject({ previous: undefined });
  });

  it('tells nothing and no position that is not durable', async () => {
    const { group, master } = await oneNode({ fsync: 'interval' });
    const watch = new Following(master.node, {}, way);
    await group.clock.advance(50);
    const target = { kind: 'key', key: 'quiet' } as const;
    const quiet = new Following(master.node, { target, progressEveryMs: 100 }, way);
    await group.clock.advance(53);
    let toldEarly = 0;
    for (let i = 0; i < 200; i++) {
      // One after the other, faster than the disk is synced.
      void master.node.set(setCommand(`k${i}`, 'v'));
      await group.clock.advance(1);
      const { durableLsn } = master.node.status();
      for (const { position } of [watch, quiet]) if ((position?.lsn ?? 0) > durableLsn) toldEarly++;
      if ((watch.events.at(-1)?.version.lsn ?? 0) > durableLsn) toldEarly++;
    }
    await group.clock.advance(100);
    expect(toldEarly).toBe(0);
    expect(watch.events).toHaveLength(200);
  });

  it('is never ahead of its events, where they are more than one message', async () => {
    const { group, master } = await oneNode({ fsync: 'interval' });
    const start = master.node.status().position;
    const live = new Following(master.node, {}, way);
    await group.clock.advance(50);
    live.isStuck = true;
    const writes = Array.from({ length: 60 }, (_, i) =>
      master.node.set(setCommand(`k${i}`, 'v'.repeat(9_000))),
    );
    await group.until(Promise.all(writes));
    await group.clock.advance(300);
    live.unstick();
    const replayed = new Following(master.node, { after: start }, way);
    await group.clock.advance(500);
    for (const watch of [live, replayed]) {
      expect(watch.events).toHaveLength(60);
      expect(watch.messages.filter(({ events }) => events.length > 0).length).toBeGreaterThan(3);
      checkOrder(watch);
    }
  });

  it('tells how far it is although nothing happens', async () => {
    const { group, master } = await oneNode();
    const watch = new Following(
      master.node,
      { target: { kind: 'key', key: 'quiet' }, progressEveryMs: 500 },
      way,
    );
    await group.clock.advance(0);
    await group.set(master, 'loud', 'x');
    await group.clock.advance(1_600);
    expect(watch.messages.length).toBeGreaterThanOrEqual(3);
    expect(watch.messages.every(({ canResume }) => canResume)).toBe(true);
    expect(watch.position).toEqual(master.node.status().position);
  });
});

describe.each(WAYS)('a watch from a position, by %s', (way) => {
  it('tells what was logged since, then goes on without a gap', async () => {
    const { group, master } = await oneNode({ fsync: 'interval' });
    const { position } = await group.set(master, 'a', '1');
    await group.set(master, 'b', '2');
    await group.delete(master, 'a');
    const watch = new Following(master.node, { after: position, withPrevious: true }, way);
    // Not waited for: applied, and not durable while the watch begins.
    const writes = ['c', 'd', 'e'].map((key) => master.node.set(setCommand(key, key)));
    await group.until(Promise.all(writes));
    await group.clock.advance(200);
    await group.set(master, 'f', 'f');
    await group.clock.advance(100);
    expect(watch.told).toEqual(['b=2', '-a', 'c=c', 'd=d', 'e=e', 'f=f']);
    expect(watch.events[0]).toMatchObject({ isPreviousUnknown: true, previous: undefined });
    expect(watch.events.at(-1)).toMatchObject({ isPreviousUnknown: false });
    expect(watch.messages[0]).toMatchObject({ events: [], position });
  });

  it('tells everything after the beginning of the log', async () => {
    const { group, master } = await oneNode();
    for (let i = 0; i < 5; i++) await group.set(master, `k${i}`, String(i));
    const watch = new Following(master.node, { after: NO_POSITION }, way);
    await group.clock.advance(100);
    expect(watch.told).toEqual(['k0=0', 'k1=1', 'k2=2', 'k3=3', 'k4=4']);
  });

  it('is refused where the log no longer reaches back, with the earliest position', async () => {
    const { group, master } = await oneNode({ maxFileBytes: 4_096, retentionBytes: 0 });
    const { position } = await group.set(master, 'a', 'x');
    for (let i = 0; i < 50; i++) await group.set(master, `k${i}`, 'x'.repeat(500));
    await group.until(master.node.checkpoint());
    // Without what is in memory for replicas.
    const again = await group.master({ fileSystem: await group.stop(master), retentionBytes: 0 });
    const watch = new Following(again.node, { after: position }, way);
    await group.clock.advance(100);
    expect(watch.code).toBe('out_of_range');
    expect(watch.error).toMatchObject({ details: { earliest: { lsn: again.node.status().earliestLsn } } });
    // A message would have a place that an EventSource goes on from for ever.
    expect(watch.messages).toEqual([]);
  });

  it('of a discarded history is refused for good', async () => {
    const { group, master } = await oneNode();
    const { position } = await group.set(master, 'a', 'x');
    const lost = { ...position, lsn: (position.lsn + 100) as typeof position.lsn };
    const watch = new Following(master.node, { after: lost }, way);
    await group.clock.advance(6_000);
    expect(watch.code).toBe('discarded_history');
  });
});

describe.each(WAYS)('a large record, by %s', (way) => {
  it('comes in fragments that cannot be gone on from', async () => {
    const { group, master } = await oneNode();
    const live = new Following(master.node, {}, way);
    await group.clock.advance(0);
    const start = master.node.status().position;
    await group.set(master, 'first', 'x');
    const sets = Array.from({ length: 400 }, (_, i) => ({
      kind: 'set' as const,
      command: setCommand(`k${i}`, 'v'.repeat(1_000)),
    }));
    await group.until(master.node.batch(sets));
    await group.clock.advance(200);
    const replayed = new Following(master.node, { after: start }, way);
    await group.clock.advance(200);
    for (const watch of [live, replayed]) {
      expect(watch.events).toHaveLength(401);
      const fragments = watch.messages.filter(({ isFragment }) => isFragment);
      expect(fragments.length).toBeGreaterThan(1);
      for (const { canResume, position } of fragments) {
        expect(canResume).toBe(false);
        expect(position.lsn).toBe(master.node.status().position.lsn - 1);
      }
      expect(watch.resumeAfter).toEqual(master.node.status().position);
    }
  });
});
