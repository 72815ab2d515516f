/** The map that a gateway has: what it takes, from whom, and what it says of those who give none. */
import { describe, expect, it } from 'vitest';
import type { MapNews } from '#cluster/coordinator-port.ts';
import { diffMaps } from '#cluster/map-diff.ts';
import type { ShardMap } from '#cluster/shard-map.ts';
import { silentLogger } from '#platform/logger.ts';
import { MapCache } from '#routing/map-cache.ts';
import { MapFollower, type MapSource } from '#routing/map-follower.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { mapOf } from '#test/routing/fake-cluster.ts';

const whole = (map: ShardMap): MapNews => ({ kind: 'whole', map, epoch: map.epoch });
const mapAt = (epoch: number): ShardMap => mapOf(['g1', 'g2'], epoch);

function openCache(ask: () => Promise<void> = async () => undefined) {
  const clock = new VirtualClock();
  const maps: number[] = [];
  const cache = new MapCache({ clock, ask, onMap: ({ epoch }) => maps.push(epoch) });
  return { clock, maps, cache };
}

describe('a cached map', () => {
  it('only moves forward, within one cluster', () => {
    const { cache, maps } = openCache();
    expect(cache.take({ kind: 'unchanged', epoch: 4 })).toBe('gap');
    expect(cache.take(whole(mapAt(5)))).toBe('new');
    expect(cache.take(whole(mapAt(4)))).toBe('known');
    expect(cache.take({ kind: 'unchanged', epoch: 5 })).toBe('known');
    expect(cache.take(whole({ ...mapAt(9), clusterId: 'd'.repeat(32) }))).toBe('foreign');
    expect(cache.take(whole({ ...mapAt(9), clusterId: '' }))).toBe('foreign');
    expect(maps).toEqual([5]);
  });

  it('takes changes in their order, those that it has again, and none after a gap', () => {
    const { cache, maps } = openCache();
    cache.take(whole(mapAt(1)));
    const change = (from: number, to: number) => diffMaps(mapAt(from), mapAt(to));
    const changes = [change(1, 2), change(2, 3)];
    expect(cache.take({ kind: 'changes', changes, epoch: 3 })).toBe('new');
    expect(cache.take({ kind: 'changes', changes, epoch: 3 })).toBe('known');
    expect(cache.take({ kind: 'changes', changes: [change(4, 5)], epoch: 5 })).toBe('gap');
    expect(maps).toEqual([1, 3]);
    expect(cache.map).toEqual(mapAt(3));
  });

  it('knows its age from the word of a coordinator, and before that from the disk', async () => {
    const { cache, clock } = openCache();
    expect(cache.ageMs).toBeUndefined();
    cache.start(mapAt(2), 7_000);
    await clock.advance(100);
    expect(cache.ageMs).toBe(7_100);
    cache.take({ kind: 'unchanged', epoch: 2 });
    await clock.advance(300);
    expect(cache.ageMs).toBe(300);
    cache.start(mapAt(1), 9_000);
    expect(cache.map?.epoch).toBe(2);
  });

  it('is asked for by one question at a time, at most every 100 ms', async () => {
    let asked = 0;
    const { cache, clock } = openCache(async () => {
      asked++;
      throw new Error('nobody answers');
    });
    await Promise.all([cache.refresh(), cache.refresh(), cache.refresh()]);
    expect(asked).toBe(1);
    const next = cache.refresh();
    await clock.advance(99);
    expect(asked).toBe(1);
    await clock.advance(1);
    await next;
    expect(asked).toBe(2);
  });
});

/** A stream that breaks before its first message. */
function refusing(): AsyncIterable<MapNews> {
  return { [Symbol.asyncIterator]: () => ({ next: async () => Promise.reject(new Error('refused')) }) };
}

function follow(source: Partial<MapSource>) {
  const { clock, cache, maps } = openCache();
  const follower = new MapFollower({
    coordinators: ['c1:1', 'c2:1'],
    source: { ask: async () => Promise.reject(new Error('refused')), follow: () => refusing(), ...source },
    cache: () => cache,
    clock,
    logger: silentLogger,
    advice: 'remove the map',
  });
  return { clock, cache, maps, follower };
}

describe('who follows the map', () => {
  it('streams from the next coordinator where one is gone, and tells what is wrong with it', async () => {
    const at: string[] = [];
    const { clock, follower, maps } = follow({
      follow: async function* (address, clusterId, epoch, signal) {
        at.push(`${address} ${clusterId.slice(0, 1)} ${epoch}`);
        if (address === 'c1:1') throw new Error('connection refused');
        yield whole(mapAt(7));
        await clock.sleep(60_000, signal);
      },
    });
    follower.start();
    await clock.advance(50);
    expect(at).toEqual(['c1:1  0', 'c2:1  0']);
    expect([maps, follower.isStreaming, follower.problems]).toEqual([
      [7],
      true,
      ['coordinator c1:1: connection refused'],
    ]);
    // A stream on which nothing comes is given up.
    await clock.advance(6_600);
    expect(at.slice(2)).toEqual(['c1:1 c 7', 'c2:1 c 7']);
    const stopped = follower.stop();
    await clock.settle();
    await stopped;
    expect(follower.isStreaming).toBe(false);
  });

  it('asks for the whole map where changes are missing, and the stream goes on', async () => {
    const asked: string[] = [];
    const { clock, follower, maps } = follow({
      ask: async (address, clusterId, epoch) => {
        asked.push(`${address} ${clusterId}${epoch}`);
        return whole(mapAt(5));
      },
      follow: async function* (_address, _clusterId, _epoch, signal) {
        yield { kind: 'changes', changes: [diffMaps(mapAt(4), mapAt(5))], epoch: 5 };
        yield { kind: 'changes', changes: [diffMaps(mapAt(5), mapAt(6))], epoch: 6 };
        await clock.sleep(60_000, signal);
      },
    });
    follower.start();
    await clock.settle();
    expect([asked, maps, follower.isStreaming, follower.problems]).toEqual([['c1:1 0'], [5, 6], true, []]);
    void follower.stop();
    await clock.settle();
  });

  it('waits on the stream while the cluster is not made yet, which is nothing wrong', async () => {
    const { clock, cache, follower, maps } = follow({
      follow: async function* (_address, _clusterId, _epoch, signal) {
        yield { kind: 'unchanged', epoch: 0 };
        await clock.sleep(1_000, signal);
        yield whole(mapAt(1));
        await clock.sleep(60_000, signal);
      },
    });
    follower.start();
    await clock.advance(500);
    expect([follower.isStreaming, follower.problems, cache.ageMs]).toEqual([true, [], undefined]);
    await clock.advance(600);
    expect(maps).toEqual([1]);
    void follower.stop();
    await clock.settle();
  });

  it('asks first who answered last, so that one that hangs is waited for once', async () => {
    const asked: string[] = [];
    const { clock, follower } = follow({
      ask: async (address) => {
        asked.push(address);
        if (address === 'c1:1') await clock.sleep(2_000);
        if (address === 'c1:1') throw new Error('it said nothing');
        return whole(mapAt(asked.length));
      },
    });
    const first = follower.ask();
    await clock.advance(2_000);
    await first;
    await follower.ask();
    expect(asked).toEqual(['c1:1', 'c2:1', 'c2:1']);
  });

  it('asks soon again at first, and every 2 s while none of them streams', async () => {
    const at: number[] = [];
    const one = follow({
      follow: () => {
        at.push(one.clock.monotonicMs());
        return refusing();
      },
    });
    one.follower.start();
    await one.clock.advance(8_000);
    const rounds = [0, 150, 400, 850, 1_700, 3_350, 5_400, 7_450];
    expect(at).toEqual(rounds.flatMap((ms) => [ms, ms + 50]));
    void one.follower.stop();
    await one.clock.settle();
  });

  it('says of a coordinator that hangs that it said nothing, and not how its stream was ended', async () => {
    const { clock, follower } = follow({
      follow: async function* (_address, _clusterId, _epoch, signal) {
        yield whole(mapAt(1));
        await clock.sleep(60_000, signal);
        signal.throwIfAborted();
      },
    });
    follower.start();
    await clock.advance(6_400);
    expect(follower.problems).toEqual([]);
    await clock.advance(200);
    expect(follower.problems).toEqual(['coordinator c1:1: it said nothing for 6.5 s']);
    void follower.stop();
    await clock.settle();
  });

  it('goes on soon where a coordinator takes the stream and says nothing, and names it', async () => {
    const { clock, follower, maps } = follow({
      follow: async function* (address, _clusterId, _epoch, signal) {
        if (address === 'c2:1') yield whole(mapAt(1));
        await clock.sleep(60_000, signal);
      },
    });
    follower.start();
    await clock.advance(1_600);
    expect(maps).toEqual([1]);
    expect(follower.problems).toEqual(['coordinator c1:1: it said nothing for 1.5 s']);
    void follower.stop();
    await clock.settle();
  });

  it('refuses a coordinator of another cluster and names both', async () => {
    const { clock, cache, follower } = follow({
      follow: async function* () {
        yield whole({ ...mapAt(9), clusterId: 'd'.repeat(32) });
      },
    });
    cache.start(mapAt(2), 0);
    follower.start();
    await clock.settle();
    expect(follower.problems[0]).toContain(`another cluster (${'d'.repeat(32)})`);
    expect(cache.map?.epoch).toBe(2);
    void follower.stop();
    await clock.settle();
  });
});
