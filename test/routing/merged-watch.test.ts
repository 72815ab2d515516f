/** A watch of two groups, told as one, through breaks and within records of several messages. */
import { describe, expect, it } from 'vitest';
import type { WalnutError } from '#model/errors.ts';
import { NO_POSITION, toLsn } from '#model/position.ts';
import type { WatchCommand, WatchEvent, WatchMessage } from '#model/watch.ts';
import { FakeCluster, type FakeGroup, mapOf } from '#test/routing/fake-cluster.ts';

const WATCH: WatchCommand = {
  target: { kind: 'prefix', prefix: '' },
  after: undefined,
  ops: undefined,
  withPrevious: false,
  keysOnly: false,
  progressEveryMs: 0,
  isInitial: false,
};

function message(
  group: FakeGroup,
  lsn: number,
  keys: readonly string[],
  more: Partial<WatchMessage> = {},
): WatchMessage {
  const position = { epoch: group.epoch, lsn: toLsn(lsn) };
  const events = keys.map((key): WatchEvent => {
    const rest = {
      expireAtMs: 0,
      timestampMs: 0,
      previous: undefined,
      isPreviousUnknown: false,
      isInitial: false,
    };
    return { op: 'set', cause: 'client', key, value: new Uint8Array(), version: position, ...rest };
  });
  const flags = { canResume: true, isFragment: false, isInitialDone: false };
  return { events, position, ...flags, wallShiftMs: 0, ...more };
}

const part = { canResume: false, isFragment: true };

/** Reads so many events, and the places of the last message. */
async function read(cluster: FakeCluster, count: number, command: Partial<WatchCommand> = {}) {
  const caller = new AbortController();
  const keys: string[] = [];
  let last: WatchMessage | undefined;
  const reading = (async () => {
    for await (const each of cluster.keys.watch({ ...WATCH, ...command }, caller.signal)) {
      last = each;
      keys.push(...each.events.map(({ key }) => key));
      if (keys.length >= count) break;
    }
  })();
  const error = await cluster.settled(reading);
  caller.abort();
  return { keys, last, error: error as WalnutError | undefined };
}

describe('a watch of a cluster', () => {
  it('ends where a group tells no first message within 10 s', async () => {
    const cluster = new FakeCluster(['g1', 'g2']);
    cluster.group('g1').watched.push([message(cluster.group('g1'), 2, [])]);
    cluster.group('g2').isSilent = true;
    const { error } = await read(cluster, 1);
    expect(error).toMatchObject({ code: 'unavailable' });
    expect(error?.message).toContain('group g2 began no watch within 10000 ms');
    expect(cluster.clock.monotonicMs()).toBeLessThan(10_500);
  });

  it('says why a group began none, and not only that there was no time left', async () => {
    const cluster = new FakeCluster(['g1', 'g2']);
    const [g1, g2] = cluster.groups as [FakeGroup, FakeGroup];
    g1.watched.push([message(g1, 2, [])]);
    g1.isQuietAfter = true;
    g2.watched.push(...Array.from({ length: 1_000 }, () => []));
    void cluster.clock.sleep(9_000).then(() => {
      g2.isSilent = true;
    });
    const { error } = await read(cluster, 1);
    expect(error?.message).toBe('group g2 began no watch within 10000 ms: dead');
  });

  it.each([['g1'], ['g1', 'g1'], ['g1', 'g3'], ['g1', 'g2', 'g3']])(
    'refuses a resume of %j %j %j',
    async (...ids) => {
      const cluster = new FakeCluster(['g1', 'g2']);
      const places = ids.map((group) => ({ group, position: { epoch: 1, lsn: toLsn(1) } }));
      const { error } = await read(cluster, 1, { places });
      expect(error).toMatchObject({ code: 'invalid_argument' });
      expect(error?.message).toContain(`is of the groups ${ids.join(', ')}, and this watch of g1, g2`);
    },
  );

  it('is refused where it begins after a position, or the resume of a node, and other groups have none', async () => {
    const cluster = new FakeCluster(['g1', 'g2']);
    const { error } = await read(cluster, 1, { after: cluster.group('g1').position });
    expect(error).toMatchObject({ code: 'invalid_argument', details: { nothingDone: true } });
    expect(error?.message).toMatch(/^after is a position of one group.*this watch is of g1, g2/);
  });

  it('goes on from its places when a group was added that owns no slots yet, and does not ask that one', async () => {
    const cluster = new FakeCluster(['g1', 'g2', 'g3']);
    const [g1, g2] = cluster.groups as [FakeGroup, FakeGroup];
    const { slots } = mapOf(['g1', 'g2'], 2);
    cluster.routed.cache.take({ kind: 'whole', map: { ...mapOf(['g1', 'g2', 'g3'], 2), slots }, epoch: 2 });
    // Gateways of before watched that group, too.
    const places = [...cluster.groups].map(({ id, position }) => ({ group: id, position }));
    g1.watched.push([message(g1, 5, []), message(g1, 6, ['a'])]);
    g2.watched.push([message(g2, 8, []), message(g2, 9, ['b'])]);
    const { keys, last } = await read(cluster, 2, { places });
    expect(keys.sort()).toEqual(['a', 'b']);
    expect(last?.places?.map(({ group }) => group)).toEqual(['g1', 'g2']);
  });

  it('begins with the first record of each group where it is to', async () => {
    const cluster = new FakeCluster(['g1', 'g2']);
    const [g1, g2] = cluster.groups as [FakeGroup, FakeGroup];
    g1.watched.push([message(g1, 5, []), message(g1, 6, ['a'])]);
    g2.watched.push([message(g2, 8, []), message(g2, 9, ['b'])]);
    expect((await read(cluster, 2, { after: NO_POSITION })).keys.sort()).toEqual(['a', 'b']);
  });

  it('of one key begins after a position of the group that owns it, and of no other', async () => {
    const cluster = new FakeCluster(['g1', 'g2']);
    const [g1, g2] = cluster.groups as [FakeGroup, FakeGroup];
    const target = { kind: 'key', key: 'bar' } as const;
    g1.watched.push([message(g1, 5, []), message(g1, 6, ['bar'])]);
    expect((await read(cluster, 1, { target, after: g1.position })).keys).toEqual(['bar']);
    const { error } = await read(cluster, 1, { target, after: g2.position });
    expect(error).toMatchObject({ code: 'invalid_argument' });
    expect(error?.message).toMatch(/^after is a position of group g2.*this watch is of g1:/);
  });

  it('tells the changes of every group, with the place of each', async () => {
    const cluster = new FakeCluster(['g1', 'g2']);
    const [g1, g2] = cluster.groups as [FakeGroup, FakeGroup];
    g1.watched.push([message(g1, 5, []), message(g1, 6, ['a'])]);
    g2.watched.push([message(g2, 8, []), message(g2, 9, ['b'])]);
    const { keys, last } = await read(cluster, 2);
    expect(keys.sort()).toEqual(['a', 'b']);
    expect(last?.places).toEqual([
      { group: 'g1', position: { epoch: g1.epoch, lsn: 6 } },
      { group: 'g2', position: { epoch: g2.epoch, lsn: 9 } },
    ]);
    expect(last?.canResume).toBe(true);
    expect(last?.position).toEqual({ epoch: g2.epoch, lsn: 9, group: 'g2' });
  });

  it('tells every change once where a watch breaks within a record', async () => {
    const cluster = new FakeCluster(['g1']);
    const [g1] = cluster.groups as [FakeGroup];
    g1.watched.push([message(g1, 5, []), message(g1, 6, ['a', 'b'], part)]);
    g1.watched.push([
      message(g1, 5, []),
      message(g1, 6, ['a'], part),
      message(g1, 6, ['b', 'c'], part),
      message(g1, 6, ['d']),
    ]);
    const { keys } = await read(cluster, 4);
    expect(keys).toEqual(['a', 'b', 'c', 'd']);
  });

  it('tells a record whole before another group goes on', async () => {
    const cluster = new FakeCluster(['g1', 'g2']);
    const [g1, g2] = cluster.groups as [FakeGroup, FakeGroup];
    g1.watched.push([
      message(g1, 5, []),
      message(g1, 6, ['a'], part),
      message(g1, 6, ['b'], part),
      message(g1, 6, ['c']),
    ]);
    g2.watched.push([message(g2, 8, []), message(g2, 9, ['x'])]);
    const { keys } = await read(cluster, 4);
    expect(keys.join('')).toMatch(/^x?abcx?$/);
  });

  it('says that the entries that are there are told once every group has told its own', async () => {
    const cluster = new FakeCluster(['g1', 'g2']);
    const [g1, g2] = cluster.groups as [FakeGroup, FakeGroup];
    const walk = { canResume: false };
    const done = { isInitialDone: true };
    g1.watched.push([message(g1, 5, ['a'], walk), message(g1, 5, [], done), message(g1, 6, ['later'])]);
    g2.watched.push([message(g2, 8, ['b'], walk), message(g2, 8, ['c'], walk), message(g2, 8, ['d'], done)]);
    const told: [string, boolean, boolean][] = [];
    const caller = new AbortController();
    const reading = (async () => {
      for await (const each of cluster.keys.watch({ ...WATCH, isInitial: true }, caller.signal)) {
        told.push([each.events.map(({ key }) => key).join(''), each.canResume, each.isInitialDone]);
        if (told.flatMap(([keys]) => keys).join('').length >= 9) break;
      }
    })();
    await cluster.settled(reading);
    const doneAt = told.findIndex(([, , isDone]) => isDone);
    expect(told.filter(([, , isDone]) => isDone).length).toBe(1);
    expect(
      told
        .slice(0, doneAt + 1)
        .map(([keys]) => keys)
        .join(''),
    ).toContain('d');
    expect(told.slice(0, doneAt).every(([, canResume]) => !canResume)).toBe(true);
  });

  it('ends where the entries that are there cannot be told to the end', async () => {
    const cluster = new FakeCluster(['g1']);
    const [g1] = cluster.groups as [FakeGroup];
    g1.watched.push([message(g1, 5, ['a'], { canResume: false })]);
    const { error } = await read(cluster, 9, { isInitial: true });
    expect(error?.message).toContain('start over');
    expect(error?.details.resumePlaces).toBeUndefined();
  });

  it('that begins while a master hangs begins at the next one as soon as the map names it', async () => {
    const cluster = new FakeCluster(['g1', 'g2']);
    const [g1, g2] = cluster.groups as [FakeGroup, FakeGroup];
    g1.watched.push([message(g1, 5, []), message(g1, 6, ['a'])]);
    g2.watched.push([message(g2, 8, [])]);
    g2.isQuietAfter = true;
    cluster.fate = (address) => (address === 'g1-1:1' ? 'hung' : 'answer');
    void cluster.clock.sleep(3_000).then(() => {
      cluster.map = mapOf(['g1', 'g2'], 2, { g1: 'g1-2' });
      cluster.routed.cache.take({ kind: 'whole', map: cluster.map, epoch: 2 });
    });
    const { keys, error } = await read(cluster, 1);
    expect([keys, error]).toEqual([['a'], undefined]);
    expect(cluster.clock.monotonicMs()).toBeLessThan(5_200);
  });

  it('of a prefix with a tag watches the owner of its slot only, and goes on there', async () => {
    const cluster = new FakeCluster(['g1', 'g2']);
    const [, g2] = cluster.groups as [FakeGroup, FakeGroup];
    cluster.fate = (address) => (address.startsWith('g1') ? 'dead' : 'answer');
    const target = { kind: 'prefix', prefix: '{foo}' } as const;
    let places: WatchMessage['places'];
    for (const lsn of [9, 10]) {
      g2.watched.push([message(g2, lsn - 1, []), message(g2, lsn, ['{foo}1'])]);
      const { last, error } = await read(cluster, 1, { target, places });
      expect(error).toBeUndefined();
      ({ places } = last as WatchMessage);
      expect(places).toEqual([{ group: 'g2', position: { epoch: g2.epoch, lsn } }]);
    }
  });

  it('of a prefix with a tag goes on from the place of its owner in a resume of all groups, and not without one', async () => {
    const cluster = new FakeCluster(['g1', 'g2']);
    const [g1, g2] = cluster.groups as [FakeGroup, FakeGroup];
    const target = { kind: 'prefix', prefix: '{foo}' } as const;
    g2.watched.push([message(g2, 8, []), message(g2, 9, ['{foo}1'])]);
    const places = [g1, g2].map(({ id, epoch }) => ({ group: id, position: { epoch, lsn: toLsn(8) } }));
    const { last } = await read(cluster, 1, { target, places });
    expect(last?.places).toEqual([{ group: 'g2', position: { epoch: g2.epoch, lsn: 9 } }]);
    const { error } = await read(cluster, 1, { target, places: places.slice(0, 1) });
    expect(error).toMatchObject({ code: 'invalid_argument' });
  });

  it('of a prefix with a tag is refused where no group says that it owns its slot', async () => {
    const cluster = new FakeCluster(['g1', 'g2']);
    cluster.fate = () => 'moved';
    for (const { watched } of cluster.groups) watched.push([]);
    const { error } = await read(cluster, 1, { target: { kind: 'prefix', prefix: '{foo}' } });
    expect(error).toMatchObject({ code: 'unavailable', details: { nothingDone: true } });
  });

  it('of a key watches its group only', async () => {
    const cluster = new FakeCluster(['g1', 'g2']);
    const [g1] = cluster.groups as [FakeGroup, FakeGroup];
    g1.watched.push([message(g1, 5, []), message(g1, 6, ['bar'])]);
    const { last } = await read(cluster, 1, { target: { kind: 'key', key: 'bar' } });
    expect(last?.places?.map(({ group }) => group)).toEqual(['g1']);
  });
});
