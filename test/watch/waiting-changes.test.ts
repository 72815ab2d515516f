/** Changes that wait for a watcher, to be matched or for room: none is skipped, and no position is made of others. */
import { describe, expect, it } from 'vitest';
import type { WalnutError } from '#model/errors.ts';
import type { Position } from '#model/position.ts';
import { setCommand, TestGroup } from '#test/doubles/test-group.ts';
import { checkOrder, Following, WAYS } from '#test/watch/following.ts';
import { PACE_MESSAGES, PACE_WINDOW_MS } from '#watch/message-pace.ts';

const WATCH_BYTES_MAX = 200_000;
const NO_LIMITS = { entriesMax: 0, bytesMax: 0, policy: 'lru' as const };

type Master = Awaited<ReturnType<TestGroup['master']>>;

/** Sets many keys of a prefix under way at once. */
const setMany = (
  group: TestGroup,
  { node }: Master,
  prefix: string,
  count: number,
  valueBytes: number,
  digits = 3,
) =>
  group.until(
    Promise.all(
      Array.from({ length: count }, (_, i) =>
        node.set(setCommand(`${prefix}${String(i).padStart(digits, '0')}`, 'x'.repeat(valueBytes))),
      ),
    ),
  );

describe.each(WAYS)('a watcher that is ended as too slow while it takes changes, by %s', (way) => {
  it.each([
    ['before a progress mark is due', 0],
    ['when a progress mark is due', 3_000],
  ])('goes on from the last that it was told, %s', async (_, waitMs) => {
    const group = new TestGroup();
    const master = await group.master({ watchBytesMax: WATCH_BYTES_MAX });
    const slow = new Following(master.node, { target: { kind: 'prefix', prefix: 's' } }, way);
    for (let i = 0; i < PACE_MESSAGES; i++)
      new Following(master.node, { target: { kind: 'key', key: 'first' } }, 'outlet');
    await group.clock.advance(PACE_WINDOW_MS);
    slow.isStuck = true;
    await group.set(master, 's', 'x');
    for (let i = 0; i < 30; i++) await group.set(master, `sk${i}`, 'x'.repeat(1_000));
    await group.clock.advance(PACE_WINDOW_MS + waitMs);
    await group.clock.advance(PACE_WINDOW_MS - (group.clock.monotonicMs() % PACE_WINDOW_MS) + 1);
    // The window is full of messages: what comes now is matched when somebody takes changes.
    await group.set(master, 'first', '');
    await group.clock.advance(20);
    await setMany(group, master, 'sm', 30, 1_000);
    slow.unstick();
    await group.clock.advance(5_000);
    expect(slow.code).toBe('resource_exhausted');
    const missedFrom = async (after: Position | undefined): Promise<string[]> => {
      const again = new Following(master.node, { after, target: { kind: 'prefix', prefix: 's' } }, way);
      await group.clock.advance(500);
      const told = new Set([...slow.events, ...again.events].map(({ key }) => key));
      return Array.from({ length: 30 }, (__, i) => `sk${i}`).filter((key) => !told.has(key));
    };
    expect(await missedFrom((slow.error as WalnutError).details.resumeAfter)).toEqual([]);
    expect(await missedFrom(slow.resumeAfter)).toEqual([]);
  });
});

it('a message that waits for room keeps its position while other changes are packed', async () => {
  const group = new TestGroup();
  const master = await group.master({ watchBytesMax: 1_000_000, limits: NO_LIMITS });
  const open = (prefix: string, way: (typeof WAYS)[number] = 'iteration'): Following =>
    new Following(master.node, { target: { kind: 'prefix', prefix }, keysOnly: true }, way);
  const fill = async (prefix: string, count: number, valueBytes: number, digits?: number): Promise<void> => {
    await setMany(group, master, prefix, count, valueBytes, digits);
    await group.clock.advance(150);
  };
  const others = ['a', 'b', 'c', 'd', 'e'].map((prefix) => ({ prefix, watch: open(prefix) }));
  const waiting = open('g');
  open('z', 'outlet');
  await group.clock.advance(200);
  for (const { prefix, watch } of others) {
    watch.isStuck = true;
    await fill(prefix, 1, 1);
    await fill(prefix, 90, 1_900);
    watch.unstick();
    watch.isStuck = true;
    await group.clock.advance(150);
  }
  waiting.isStuck = true;
  await fill('g', 1, 1, 900);
  await fill('g', 75, 1_100, 900);
  waiting.unstick();
  await group.clock.advance(150);
  const before = waiting.events.length;
  for (let round = 0; round < 12; round++) await fill('z', 60, 1_900);
  expect(waiting.events.length).toBe(before);
  for (const { watch } of others) watch.unstick();
  await group.clock.advance(2_000);
  checkOrder(waiting);
  expect(waiting.events.length).toBe(76);
});
