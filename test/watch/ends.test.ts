/** How watches end, and that they go on elsewhere. */
import { describe, expect, it } from 'vitest';
import type { WalnutError } from '#model/errors.ts';
import { WATCH_QUEUE_BYTES_MAX, WATCHERS_MAX, type WatchEvent } from '#model/watch.ts';
import { setCommand, TestGroup } from '#test/doubles/test-group.ts';
import { separate, threeNodes } from '#test/node/three-nodes.ts';
import { Following, WAYS } from '#test/watch/following.ts';

const LARGE = 'x'.repeat(100_000);
const LIMITS = { entriesMax: 0, bytesMax: 0, policy: 'lru' as const };

describe.each(WAYS)('a slow watcher, by %s', (way) => {
  it('costs bounded memory, and is ended with the position to go on from', async () => {
    const group = new TestGroup();
    const master = await group.master({ retentionBytes: 1 << 30, maxFileBytes: 1 << 20 });
    const slow = new Following(master.node, {}, way);
    const quick = new Following(master.node, {}, way);
    await group.clock.advance(100);
    await group.set(master, 'seen', 'x');
    await group.clock.advance(100);
    slow.isStuck = true;
    let bytesMax = 0;
    for (let i = 0; i < 60; i++) {
      await group.set(master, `k${i}`, LARGE);
      bytesMax = Math.max(bytesMax, master.node.status().watch?.bytes ?? 0);
    }
    await group.clock.advance(100);
    expect(bytesMax).toBeLessThan(WATCH_QUEUE_BYTES_MAX + 2 * LARGE.length);
    expect(master.node.status().watch).toMatchObject({ bytes: 0, slow: 1 });
    const { resumeAfter } = slow;
    slow.unstick();
    await group.clock.advance(100);
    expect(slow.code).toBe('resource_exhausted');
    expect((slow.error as WalnutError).details.resumeAfter).toEqual(resumeAfter);
    expect(quick.events).toHaveLength(61);
    const again = new Following(master.node, { after: resumeAfter }, way);
    await group.clock.advance(500);
    const keys = [...slow.events, ...again.events].map(({ key }) => key);
    expect(keys).toEqual(quick.events.map(({ key }) => key));
  });

  it('is not one that took its large value before the next came, however many others took one', async () => {
    const group = new TestGroup();
    const master = await group.master({ limits: LIMITS, watchBytesMax: 1_000_000 });
    const watchers = Array.from({ length: 8 }, () => new Following(master.node, {}, way));
    await group.clock.advance(100);
    for (let i = 0; i < 4; i++) {
      await group.set(master, `k${i}`, LARGE.repeat(3));
      await group.clock.advance(1_500);
    }
    expect(watchers.map(({ code, events }) => [code, events.length])).toEqual(
      Array(watchers.length).fill([undefined, 4]),
    );
  });

  it('is the one with the longest queue, where all together are beyond their room', async () => {
    const group = new TestGroup();
    const master = await group.master({ limits: LIMITS, watchBytesMax: 1_000_000 });
    const prefixes = ['a', 'b', 'c', 'd', 'e', 'f'];
    const watchers = prefixes.map(
      (prefix) => new Following(master.node, { target: { kind: 'prefix', prefix } }, way),
    );
    await group.clock.advance(100);
    for (const one of watchers) one.isStuck = true;
    // Each takes a message first, and is stuck with it.
    for (const key of prefixes) await group.set(master, key, 'x');
    await group.clock.advance(100);
    let bytesMax = 0;
    for (let i = 0; i < 12; i++) {
      await group.set(master, `${prefixes[i % 6]}${i}`, LARGE);
      bytesMax = Math.max(bytesMax, master.node.status().watch?.bytes ?? 0);
    }
    expect(bytesMax).toBeLessThanOrEqual(1_000_000);
    for (const one of watchers) one.unstick();
    await group.clock.advance(200);
    const ended = watchers.filter(({ code }) => code === 'resource_exhausted');
    expect([ended.length > 0, ended.length < 4]).toEqual([true, true]);
  });

  it('is the one that keeps the most in memory, by small changes among many of others too', async () => {
    const group = new TestGroup();
    const master = await group.master({ limits: LIMITS, watchBytesMax: 1_000_000 });
    const target = (prefix: string) => ({ target: { kind: 'prefix', prefix } as const });
    const [pinning, honest] = [target('small'), target('large')].map(
      (one) => new Following(master.node, one, way),
    ) as [Following, Following];
    const quick = new Following(master.node, target('other'), way);
    await group.clock.advance(100);
    for (const one of [pinning, honest]) one.isStuck = true;
    // Each takes a message first, and is stuck with it.
    for (const key of ['small', 'large']) await group.set(master, key, 'x');
    await group.clock.advance(100);
    await group.set(master, 'large', LARGE);
    const others = Array.from({ length: 5 }, (_, i) => ({
      kind: 'set' as const,
      command: setCommand(`other${i}`, LARGE.slice(0, 2_000)),
    }));
    const small = { kind: 'set' as const, command: setCommand('small', 'x') };
    for (let i = 0; i < 150; i++) {
      await group.until(master.node.batch([small, ...others]));
      if (i % 10 === 0) await group.clock.advance(100);
    }
    await group.clock.advance(200);
    for (const one of [pinning, honest]) one.unstick();
    await group.clock.advance(200);
    expect([pinning, honest, quick].map(({ code }) => code)).toEqual([
      'resource_exhausted',
      undefined,
      undefined,
    ]);
  });

  it('keeps no copies of a change that others needed', async () => {
    const group = new TestGroup();
    const master = await group.master({ limits: LIMITS });
    const [slow, quick] = [new Following(master.node, {}, way), new Following(master.node, {}, way)];
    await group.clock.advance(100);
    slow.isStuck = true;
    await group.set(master, 'first', 'x');
    await group.clock.advance(100);
    await group.set(master, 'k', LARGE.repeat(2));
    await group.clock.advance(300);
    const change = quick.events.at(-1) as WatchEvent;
    // One that waited for room encodes it late.
    change.json = { shiftMs: 0, bytes: Buffer.alloc(0) };
    await group.clock.advance(300);
    expect([change.key, change.json]).toEqual(['k', undefined]);
    slow.unstick();
    await group.clock.advance(300);
    expect(slow.events.at(-1)).toBe(change);
  });

  it('that is not slow may have one record that is larger than its queue', async () => {
    const group = new TestGroup();
    const master = await group.master({ limits: { entriesMax: 0, bytesMax: 0, policy: 'lru' } });
    const watch = new Following(master.node, {}, way);
    await group.clock.advance(100);
    const sets = Array.from({ length: 60 }, (_, i) => ({
      kind: 'set' as const,
      command: setCommand(`k${i}`, LARGE),
    }));
    await group.until(master.node.batch(sets));
    await group.clock.advance(200);
    expect(watch.code).toBeUndefined();
    expect(watch.events).toHaveLength(60);
  });
});

describe.each(WAYS)('a watch that is left, by %s', (way) => {
  it('leaves nothing behind, whether it waits or is not read', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const waiting = new Following(master.node, {}, way);
    const stuck = new Following(master.node, {}, way);
    stuck.isStuck = true;
    await group.clock.advance(100);
    await group.set(master, 'a', LARGE);
    await group.clock.advance(10);
    expect(master.node.status().watch).toMatchObject({ watchers: 2 });
    waiting.stop();
    stuck.stop();
    await group.clock.advance(10);
    expect(master.node.status().watch).toMatchObject({ watchers: 0, bytes: 0 });
    await group.set(master, 'b', 'x');
  });

  it('counts: there are so many and no more', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const all = Array.from({ length: WATCHERS_MAX }, () => new Following(master.node, {}, way));
    await group.clock.advance(100);
    const more = new Following(master.node, {}, way);
    await group.clock.advance(10);
    expect(more.code).toBe('resource_exhausted');
    for (const one of all) one.stop();
    await group.clock.advance(10);
    expect(new Following(master.node, {}, way).code).toBeUndefined();
  });
});

describe.each(WAYS)('a change of the node, by %s', (way) => {
  it('ends watches with the way to the master, and they go on at another node', async () => {
    const { group, master, one } = await threeNodes();
    const atMaster = new Following(master.node, {}, way);
    const atReplica = new Following(one.node, {}, way);
    await group.clock.advance(200);
    await group.set(master, 'before', 'x');
    await group.untilLevel([master, one]);
    await group.until(master.node.failover('one:1', 0));
    await group.clock.advance(1_000);
    expect([atMaster.code, atReplica.code]).toEqual(['unavailable', 'unavailable']);
    expect((atMaster.error as WalnutError).details.resumeAfter).toEqual(atMaster.resumeAfter);
    await group.set(one, 'after', 'y');
    await group.untilLevel([master, one]);
    const again = new Following(master.node, { after: atReplica.resumeAfter }, way);
    await group.clock.advance(500);
    expect([...atReplica.told, ...again.told]).toEqual(['before=x', 'after=y']);
  });

  it('ends them when it stops', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const watch = new Following(master.node, {}, way);
    await group.clock.advance(100);
    master.node.beginDrain();
    await group.clock.advance(300);
    expect(watch.code).toBe('unavailable');
    expect(watch.error).toMatchObject({ message: expect.stringContaining('stopping') });
  });

  it('that jumps by a snapshot past a watcher ends it with OUT_OF_RANGE', async () => {
    const group = new TestGroup();
    const limits = { entriesMax: 0, bytesMax: 0, policy: 'lru' as const };
    const master = await group.master({ limits, retentionBytes: 0, maxFileBytes: 4_096 });
    const one = await group.replica('one');
    await group.set(master, 'a', 'x');
    await group.untilLevel([master, one]);
    const watch = new Following(one.node, {}, way);
    await group.clock.advance(200);
    separate(group, 'master', 'one');
    for (let i = 0; i < 60; i++) await group.set(master, `k${i}`, 'x'.repeat(1_000));
    await group.until(master.node.checkpoint());
    const again = await group.master({ fileSystem: await group.stop(master), limits, retentionBytes: 0 });
    group.network.heal();
    await group.untilLevel([again, one]);
    await group.clock.advance(1_000);
    expect(watch.code).toBe('out_of_range');
    expect(watch.error).toMatchObject({ details: { earliest: { lsn: one.node.status().earliestLsn } } });
  });

  it('that cuts off what a watcher was told ends it with DATA_LOSS', async () => {
    const { group, master, one, two } = await threeNodes();
    separate(group, 'master', 'one');
    separate(group, 'master', 'two');
    const watch = new Following(master.node, {}, way);
    await group.clock.advance(200);
    await group.set(master, 'alone', 'x');
    await group.clock.advance(200);
    expect(watch.told).toEqual(['alone=x']);
    await group.until(one.node.promote(true));
    await group.set(one, 'other', 'y');
    group.network.heal();
    await group.untilLevel([one, two, master]);
    await group.clock.advance(1_000);
    // Fenced first, which is no change of role yet; then the tail is cut.
    expect(watch.isOver).toBe(true);
    expect(['unavailable', 'discarded_history']).toContain(watch.code);
    const again = new Following(master.node, { after: watch.resumeAfter }, way);
    await group.clock.advance(6_000);
    expect(again.code).toBe('discarded_history');
  });

  it('shows a delayed replica’s watchers a change when it is applied there', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const late = await group.replica('late', { applyDelayMs: 60_000 });
    await group.untilTrue(() => late.node.status().upstream?.isLinked === true, 'linked');
    await group.clock.advance(61_000);
    const watch = new Following(late.node, {}, way);
    await group.clock.advance(2_000);
    const { position } = await group.set(master, 'a', '1');
    await group.clock.advance(30_000);
    expect(late.node.status().durableLsn).toBeGreaterThanOrEqual(position.lsn);
    expect(watch.told).toEqual([]);
    expect(watch.position?.lsn).toBeLessThan(position.lsn);
    await group.clock.advance(40_000);
    expect(watch.told).toEqual(['a=1']);
  });
});
