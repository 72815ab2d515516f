/** Watches that begin with what is there. */
import { describe, expect, it } from 'vitest';
import type { WatchEvent } from '#model/watch.ts';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { deleteCommand, setCommand, TestGroup } from '#test/doubles/test-group.ts';
import { checkOrder, Following, shortOf } from '#test/watch/following.ts';

describe('initial', () => {
  it('tells the entries, then that they are complete, then goes on', async () => {
    const group = new TestGroup();
    const master = await group.master();
    for (const key of ['user:a', 'user:b', 'other']) await group.set(master, key, key);
    await group.set(master, 'user:gone', 'x', { expiry: { kind: 'ttl', ttlMs: 5 } });
    await group.clock.advance(10);
    const target = { kind: 'prefix', prefix: 'user:' } as const;
    const watch = new Following(master.node, {
      target,
      isInitial: true,
      withPrevious: true,
      progressEveryMs: 600_000,
    });
    await group.clock.advance(500);
    expect(watch.told.filter((one) => one.startsWith('(')).sort()).toEqual([
      '(user:a=user:a)',
      '(user:b=user:b)',
    ]);
    const done = watch.messages.findIndex(({ isInitialDone }) => isInitialDone);
    expect(done).toBeGreaterThan(0);
    expect(watch.messages.slice(0, done).some(({ canResume }) => canResume)).toBe(false);
    expect(watch.messages[done]?.canResume).toBe(true);
    expect(watch.events[0]).toMatchObject({ isInitial: true, timestampMs: 0, isPreviousUnknown: false });
    await group.set(master, 'user:c', 'new');
    await group.clock.advance(100);
    expect(watch.told.at(-1)).toBe('user:c=new');
  });

  it('tells what values are, of what is there and of what comes', async () => {
    const group = new TestGroup();
    const master = await group.master();
    await group.set(master, 'a', '<p>', { contentType: 'text/html' });
    const watch = new Following(master.node, { isInitial: true, withPrevious: true });
    const keys = new Following(master.node, { keysOnly: true });
    await group.clock.advance(100);
    await group.set(master, 'a', '{}', { contentType: 'application/json' });
    await group.set(master, 'a', 'plain');
    await group.delete(master, 'a');
    await group.clock.advance(100);
    const types = (one: Following) => one.events.map(({ contentType }) => contentType);
    expect(types(watch)).toEqual(['text/html', 'application/json', undefined, undefined]);
    expect(types(keys)).toEqual(['application/json', undefined, undefined]);
    expect(watch.events.map(({ previous }) => previous?.contentType)).toEqual([
      undefined,
      'text/html',
      'application/json',
      undefined,
    ]);
  });

  it('of one key tells it, or that there is nothing', async () => {
    const group = new TestGroup();
    const master = await group.master();
    await group.set(master, 'a', '1');
    const a = new Following(master.node, { target: { kind: 'key', key: 'a' }, isInitial: true });
    const b = new Following(master.node, { target: { kind: 'key', key: 'b' }, isInitial: true });
    await group.clock.advance(200);
    expect(a.told).toEqual(['(a=1)']);
    expect(b.told).toEqual([]);
    expect([a, b].map((one) => one.messages.filter(({ isInitialDone }) => isInitialDone).length)).toEqual([
      1, 1,
    ]);
  });

  it('gives exactly the state at its end, whatever happens meanwhile', async () => {
    for (let seed = 1; seed <= 6; seed++) await walkUnderLoad(seed);
  });
});

async function walkUnderLoad(seed: number): Promise<void> {
  const random = new SeededRandom(seed);
  const group = new TestGroup(seed);
  const master = await group.master({ limits: { entriesMax: 0, bytesMax: 0, policy: 'lru' } });
  const fill = Array.from({ length: 1_000 }, (_, i) => ({
    kind: 'set' as const,
    command: setCommand(`k${i}`, 'old'),
  }));
  for (let i = 0; i < 3; i++) {
    const more = fill.map(({ command }) => ({
      kind: 'set' as const,
      command: { ...command, key: `${i}${command.key}` },
    }));
    await group.until(master.node.batch(more));
  }
  const watch = new Following(master.node, { isInitial: true });
  const writes: Promise<unknown>[] = [];
  for (let step = 0; step < 60; step++) {
    for (let i = 0; i < 20; i++) {
      const key = `${random.below(3)}k${random.below(1_100)}`;
      const isSet = random.chance(0.6);
      const written = isSet
        ? master.node.set(setCommand(key, `s${step}`))
        : master.node.delete(deleteCommand(key));
      writes.push(Promise.resolve(written));
    }
    await group.clock.advance(random.pick([0, 1, 5]));
  }
  await group.until(Promise.all(writes));
  await group.clock.advance(500);
  checkExact(watch, await expectedAt(group, master, watch));
}

/** The log folded up to `initial_done`. */
async function expectedAt(
  group: TestGroup,
  master: Awaited<ReturnType<TestGroup['master']>>,
  watch: Following,
): Promise<Map<string, string>> {
  const done = watch.messages.find(({ isInitialDone }) => isInitialDone);
  const replay = new Following(master.node, { after: { epoch: 0, lsn: 0 as never } });
  await group.clock.advance(1_000);
  const upTo = replay.events.filter(({ version }) => version.lsn <= (done?.position.lsn ?? 0));
  return folded(upTo);
}

function folded(events: readonly WatchEvent[]): Map<string, string> {
  const state = new Map<string, string>();
  for (const { op, key, value } of events) {
    if (op === 'set') state.set(key, Buffer.from(value).toString());
    else state.delete(key);
  }
  return state;
}

function checkExact(watch: Following, expected: ReadonlyMap<string, string>): void {
  const done = watch.messages.findIndex(({ isInitialDone }) => isInitialDone);
  const before = watch.messages.slice(0, done + 1).flatMap(({ events }) => events);
  expect(folded(before)).toEqual(expected);
  // Each entry once, and each change once, in order.
  const initial = before.filter(({ isInitial }) => isInitial).map(({ key }) => key);
  expect(new Set(initial).size).toBe(initial.length);
  checkOrder(watch);
  const startLsn = watch.messages[0]?.position.lsn ?? 0;
  const newer = before.filter(({ isInitial, version }) => isInitial && version.lsn > startLsn);
  expect(newer).toEqual([]);
  const changes = watch.events.filter(({ isInitial }) => !isInitial);
  const lsns = changes.map(({ version }) => version.lsn as number);
  expect(lsns).toEqual([...lsns].sort((a, b) => a - b));
  expect(new Set(changes.map((one) => `${one.version.lsn} ${shortOf(one)}`)).size).toBe(changes.length);
  expect(changes.length).toBeGreaterThan(100);
}
