/** Many watchers that read what was before: each gets its turn, whoever does not read. */
import { describe, expect, it } from 'vitest';
import type { WatchCommand } from '#model/watch.ts';
import { TestGroup } from '#test/doubles/test-group.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { checkOrder, Following } from '#test/watch/following.ts';
import { Turns } from '#watch/turns.ts';
import { HELD_UP_MS_MAX } from '#watch/watches.ts';

const LARGE = 'x'.repeat(50_000);
const RECORDS = 12;
const LIMITS = { entriesMax: 0, bytesMax: 0, policy: 'lru' as const };

const WAYS: readonly [string, Partial<WatchCommand>][] = [
  ['resumes', { after: { epoch: 0, lsn: 0 } as NonNullable<WatchCommand['after']> }],
  ['walks what is there', { isInitial: true }],
];

/** A master whose log and store have more than one slice, with little room for watchers. */
async function filled(
  watchBytesMax: number,
): Promise<{ group: TestGroup; node: Awaited<ReturnType<TestGroup['master']>>['node'] }> {
  const group = new TestGroup();
  const master = await group.master({ limits: LIMITS, watchBytesMax, retentionBytes: 1 << 30 });
  for (let i = 0; i < RECORDS; i++) await group.set(master, `k${i}`, LARGE);
  await group.clock.advance(100);
  return { group, node: master.node };
}

describe.each(WAYS)('a watcher that %s', (_name, way) => {
  it('gets its turn although many others read nothing of what was read for them', async () => {
    const { group, node } = await filled(1_000_000);
    const stuck = Array.from({ length: 10 }, () => {
      const one = new Following(node, way);
      one.isStuck = true;
      return one;
    });
    await group.clock.advance(100);
    // Each has taken the first message; now each takes one with events, and no more.
    for (const one of stuck) {
      one.unstick();
      one.isStuck = true;
    }
    await group.clock.advance(100);
    const honest = new Following(node, way);
    await group.clock.advance(HELD_UP_MS_MAX + 2_000);
    expect(honest.code).toBeUndefined();
    expect(honest.events).toHaveLength(RECORDS);
    expect(node.status().watch?.slow).toBeGreaterThan(0);
    for (const one of stuck) one.stop();
    honest.stop();
    await group.clock.advance(100);
    expect(node.status().watch).toMatchObject({ watchers: 0, bytes: 0 });
  });

  it('hears how far it is while it waits for its turn', async () => {
    const { group, node } = await filled(100_000);
    const stuck = new Following(node, way);
    stuck.isStuck = true;
    await group.clock.advance(100);
    stuck.unstick();
    stuck.isStuck = true;
    await group.clock.advance(100);
    const waits = new Following(node, { ...way, progressEveryMs: 500 });
    await group.clock.advance(2_200);
    expect(waits.events).toEqual([]);
    expect(waits.messages.length).toBeGreaterThanOrEqual(4);
    stuck.stop();
    await group.clock.advance(500);
    expect(waits.events).toHaveLength(RECORDS);
    checkOrder(waits);
  });
});

describe('a thousand watchers that resume', () => {
  it('all get everything, while a few of them read nothing', async () => {
    const group = new TestGroup();
    const master = await group.master({ limits: LIMITS, retentionBytes: 1 << 30 });
    for (let i = 0; i < 20; i++) await group.set(master, `k${i}`, `${i}`);
    await group.clock.advance(100);
    const after = WAYS[0]?.[1] as Partial<WatchCommand>;
    const all = Array.from({ length: 1_000 }, (_, i) => {
      const one = new Following(master.node, after);
      one.isStuck = i < 8;
      return one;
    });
    await group.clock.advance(2_000);
    expect(all.slice(8).every(({ events }) => events.length === 20)).toBe(true);
    for (const one of all) one.stop();
    await group.clock.advance(100);
    expect(master.node.status().watch).toMatchObject({ watchers: 0, bytes: 0 });
  });
});

describe('turns', () => {
  it('go round in order; who leaves or is busy is passed over, and keeps its position', () => {
    const turns = new Turns({ clock: new VirtualClock(), places: 1, mayServe: () => true });
    const order: string[] = [];
    const join = (name: string) => turns.join(() => order.push(name));
    const [first, left, busy, second, third] = ['first', 'left', 'busy', 'second', 'third'].map(join);
    for (const turn of [first, left, busy, second, third]) turn?.listen();
    left?.end();
    busy?.pause();
    first?.end();
    first?.end();
    busy?.listen();
    second?.end();
    expect(order).toEqual(['first', 'second', 'busy']);
    busy?.end();
    third?.end();
    join('last').listen();
    expect(order).toEqual(['first', 'second', 'busy', 'third', 'last']);
  });

  it('are left by a waiter whose signal aborts', async () => {
    const turns = new Turns({ clock: new VirtualClock(), places: 1, mayServe: () => true });
    const [stays, leaves] = [new AbortController(), new AbortController()];
    const first = await turns.take(stays.signal);
    const [left, second] = [turns.take(leaves.signal), turns.take(stays.signal)];
    leaves.abort();
    first?.();
    expect([await left, typeof (await second)]).toEqual([undefined, 'function']);
    expect(await turns.take(leaves.signal)).toBeUndefined();
  });

  it('wait while nobody may be served, and say for how long', async () => {
    const clock = new VirtualClock();
    let mayServe = false;
    const turns = new Turns({ clock, places: 1, mayServe: () => mayServe });
    const turn = turns.join(() => {});
    turn.listen();
    await clock.advance(300);
    expect([turn.hasPlace, turns.heldUpMs]).toEqual([false, 300]);
    mayServe = true;
    await clock.advance(50);
    expect([turn.hasPlace, turns.heldUpMs]).toEqual([true, 0]);
  });
});
