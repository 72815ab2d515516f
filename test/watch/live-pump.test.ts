/** Telling through an outlet: at once, one message after the other, and never after the end. */
import { describe, expect, it } from 'vitest';
import { type ToldMessage, WATCH_PROGRESS_MS_MIN, type WatchOutlet } from '#model/watch.ts';
import { setCommand, TestGroup, type TestNode } from '#test/doubles/test-group.ts';
import { checkOrder, EVERYTHING, Following } from '#test/watch/following.ts';
import { PACE_MESSAGES, PACE_WINDOW_MS } from '#watch/message-pace.ts';
import { WAKE_BYTES } from '#watch/watch-hub.ts';

async function watched(changes = {}): Promise<{ group: TestGroup; master: TestNode; watch: Following }> {
  const group = new TestGroup();
  const master = await group.master();
  const watch = new Following(master.node, changes, 'outlet');
  await group.clock.advance(0);
  return { group, master, watch };
}

describe('an outlet', () => {
  it('gets everything but the first message', async () => {
    const { group, master, watch } = await watched();
    await group.set(master, 'a', '1');
    await group.set(master, 'b', '2');
    await group.clock.advance(2_000);
    expect(watch.told).toEqual(['a=1', 'b=2']);
    expect([watch.sent, watch.messages[0]?.events]).toEqual([watch.messages.length - 1, []]);
  });

  it('gets nothing before it is ready again, and then what happened meanwhile as one message', async () => {
    const { group, master, watch } = await watched();
    watch.isStuck = true;
    for (const key of ['a', 'b', 'c']) await group.set(master, key, '');
    await group.clock.advance(3_000);
    expect(watch.told).toEqual(['a=']);
    watch.unstick();
    expect(watch.messages.at(-1)?.events.map(({ key }) => key)).toEqual(['b', 'c']);
  });

  it('may keep a message: nothing of its events is in it any more', async () => {
    const { group, master } = await watched();
    const kept: ToldMessage[] = [];
    const counts: number[] = [];
    const outlet: WatchOutlet = {
      isOpen: true,
      send: (message) => {
        kept.push(message);
        counts.push(message.events.length);
        return false;
      },
    };
    const watch = master.node.watch(EVERYTHING, new AbortController().signal, outlet);
    await watch[Symbol.asyncIterator]().next();
    void watch[Symbol.asyncIterator]().next();
    await group.set(master, 'a', 'x'.repeat(3_000));
    await group.clock.advance(100);
    expect([counts, kept.map(({ events }) => events.length)]).toEqual([[1], [0]]);
  });

  it('gets marks while nothing happens, each when it is due', async () => {
    const { group, watch } = await watched({ progressEveryMs: WATCH_PROGRESS_MS_MIN });
    const before = watch.messages.length;
    await group.clock.advance(5 * WATCH_PROGRESS_MS_MIN);
    expect(watch.messages.length - before).toBe(5);
    expect(watch.events).toEqual([]);
  });

  it('gets what happens in a window as one message, once all watchers had so many in it', async () => {
    const { group, master, watch } = await watched();
    const others = Array.from({ length: PACE_MESSAGES - 1 }, () => {
      return new Following(master.node, { target: { kind: 'key', key: 'first' } }, 'outlet');
    });
    await group.clock.advance(PACE_WINDOW_MS - (group.clock.monotonicMs() % PACE_WINDOW_MS) + 1);
    await group.set(master, 'first', '');
    await group.clock.advance(10);
    expect(others.every(({ told }) => told.length === 1)).toBe(true);
    for (const key of ['x', 'y']) await group.set(master, key, '');
    expect(group.clock.monotonicMs() % PACE_WINDOW_MS).toBeGreaterThan(0);
    expect(watch.told).toEqual(['first=']);
    await group.clock.advance(PACE_WINDOW_MS);
    expect(watch.messages.at(-1)?.events.map(({ key }) => key)).toEqual(['x', 'y']);
  });

  it('has one fdatasync made for all that happens while it waits for the pace', async () => {
    const { group, master, watch } = await watched();
    for (let i = 1; i < PACE_MESSAGES; i++) new Following(master.node, {}, 'outlet');
    await group.clock.advance(PACE_WINDOW_MS - (group.clock.monotonicMs() % PACE_WINDOW_MS) + 1);
    await group.set(master, 'first', '');
    await group.clock.advance(20);
    const syncs = (): number => master.fileSystem.counts.get('datasync') ?? 0;
    await group.set(master, 'a', '');
    await group.clock.advance(10);
    const before = syncs();
    for (const key of ['b', 'c']) await group.set(master, key, '');
    await group.clock.advance(10);
    expect([syncs() - before, watch.told]).toEqual([0, ['first=']]);
    await group.clock.advance(PACE_WINDOW_MS - (group.clock.monotonicMs() % PACE_WINDOW_MS) + 5);
    expect([syncs() - before, watch.told]).toEqual([1, ['first=', 'a=', 'b=', 'c=']]);
  });

  it('that is ready again while others wait for the pace gets what became durable meanwhile', async () => {
    const { group, master, watch } = await watched();
    for (let i = 1; i < PACE_MESSAGES; i++) new Following(master.node, {}, 'outlet');
    await group.clock.advance(PACE_WINDOW_MS - (group.clock.monotonicMs() % PACE_WINDOW_MS) + 1);
    watch.isStuck = true;
    await group.set(master, 'first', '');
    await group.clock.advance(20);
    const { position } = await group.set(master, 'a', '');
    await group.until(
      master.node.awaitDurable({ position, durability: 'local', minAcks: 0, timeoutMs: 1_000 }),
    );
    watch.unstick();
    expect([group.clock.monotonicMs() % PACE_WINDOW_MS > 0, watch.told]).toEqual([true, ['first=', 'a=']]);
    await group.clock.advance(2_000);
    checkOrder(watch);
    expect(watch.told).toEqual(['first=', 'a=']);
  });

  it('waits for the pace with all others, on one timer', async () => {
    const { group, master } = await watched();
    const others = Array.from({ length: 2 * PACE_MESSAGES }, (_, i) => {
      return new Following(master.node, { target: { kind: 'key', key: `${i}` } }, 'outlet');
    });
    const setAll = (): Promise<unknown> =>
      group.until(Promise.all(others.map(async (_, i) => master.node.set(setCommand(`${i}`, '')))));
    await group.clock.advance(PACE_WINDOW_MS - (group.clock.monotonicMs() % PACE_WINDOW_MS) + 1);
    await setAll();
    await group.clock.advance(10);
    const before = group.clock.pendingTimers;
    await setAll();
    await group.clock.advance(10);
    expect(group.clock.pendingTimers).toBeLessThanOrEqual(before + 2);
    expect(others.some(({ told }) => told.length > 1)).toBe(false);
    await group.clock.advance(PACE_WINDOW_MS);
    expect(others.every(({ told }) => told.length === 2)).toBe(true);
  });

  it('gets a large value in a turn with few others, and all get it in the end', async () => {
    const group = new TestGroup();
    let turn = 0;
    const after = group.clock.after.bind(group.clock);
    group.clock.after = (ms, callback) =>
      after(ms, () => {
        turn++;
        callback();
      });
    const master = await group.master();
    const turns: number[] = [];
    const watches = Array.from({ length: 12 }, () => {
      const watch = new Following(master.node, {}, 'outlet');
      const push = watch.messages.push.bind(watch.messages);
      watch.messages.push = (...messages) => {
        if (messages.some(({ events }) => events.length > 0)) turns.push(turn);
        return push(...messages);
      };
      return watch;
    });
    await group.clock.advance(0);
    await group.set(master, 'large', 'x'.repeat(WAKE_BYTES / 2));
    await group.clock.advance(40);
    expect(watches.every(({ told }) => told.length === 1)).toBe(true);
    const most = Math.max(...turns.map((one) => turns.filter((other) => other === one).length));
    expect(most).toBeLessThanOrEqual(3);
  });

  it('gets nothing after the watch is over', async () => {
    const { group, master, watch } = await watched({ progressEveryMs: WATCH_PROGRESS_MS_MIN });
    await group.set(master, 'a', '1');
    watch.stop();
    const before = watch.messages.length;
    await group.set(master, 'b', '2');
    await group.clock.advance(2_000);
    expect([watch.messages.length, watch.isOver, watch.code]).toEqual([before, true, 'cancelled']);
  });
});
