/**
 * What a change of the map costs with 100 groups of three and 1,000 gateways that follow it: messages and
 * bytes, with the real feed of a coordinator and the real cache of a gateway. Prints the figures that
 * docs/performance.md has.
 */
import { create, toBinary } from '@bufbuild/protobuf';
import { expect, it } from 'vitest';
import type { MapNews } from '#cluster/coordinator-port.ts';
import { divideSlots, type Group, type ShardMap } from '#cluster/shard-map.ts';
import { Catalogue, type MapWrites } from '#coordinator/catalogue.ts';
import { MapFeed } from '#coordinator/map-feed.ts';
import { WatchShardMapResponseSchema } from '#gen/walnut/v1/coordinator_pb.ts';
import { makeEpoch, toLsn } from '#model/position.ts';
import { silentLogger } from '#platform/logger.ts';
import { MapCache } from '#routing/map-cache.ts';
import { createMemoryMetadata } from '#test/doubles/memory-metadata.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { fromMapNews } from '#wire/map-news-codec.ts';

const GROUPS = 100;
const GATEWAYS = 1_000;
const PREFIX = '/walnut/x/';
/** The longest silence on a stream, milliseconds. */
const MARK_MS = 5_000;
const IDLE_MS = 10_000;

function groupOf(index: number, term: number, leads: 1 | 2 | undefined): Group {
  const voters = [1, 2, 3].map((n) => ({ node: `node-${index}-${n}`, incarnation: 2 ** 52 + n }));
  const tail = { epoch: makeEpoch(term, 4_000_000_000), lsn: toLsn(123_456_789) };
  const leader = leads === undefined ? undefined : { ...(voters[leads - 1] as Group['voters'][0]), tail };
  const rest = { lastLeader: `node-${index}-1`, next: undefined, withdrawn: 0, grants: undefined };
  return { id: `g${index}`, logId: String(index).padStart(32, '7'), voters, term, leader, ...rest };
}

/** A change for each group, as they come. */
function* founded(): Generator<MapWrites> {
  const ids = Array.from({ length: GROUPS }, (_, index) => `g${index}`);
  yield { clusterId: 'c'.repeat(32), slots: divideSlots(ids) };
  for (let index = 0; index < GROUPS; index++) {
    const group = groupOf(index, 1, 1);
    const nodes = group.voters.map(({ node: name }, i) => {
      const address = `10.20.${index}.${i}:8080`;
      return { name, address, zone: `zone-${i}`, status: 'active' as const };
    });
    yield { groups: [group], nodes };
  }
}

class Gateways {
  messages = 0;
  bytes = 0;
  readonly caches: readonly MapCache[];
  readonly #sizes = new Map<string, number>();
  readonly #stop = new AbortController();

  constructor(clock: VirtualClock, feed: MapFeed) {
    const parts = { clock, ask: async () => {}, onMap: () => {} };
    this.caches = Array.from({ length: GATEWAYS }, () => new MapCache(parts));
    for (const cache of this.caches) void this.#follow(cache, feed);
  }

  stop(): void {
    this.#stop.abort();
  }

  /** As the coordinator streams it. */
  async #follow(cache: MapCache, feed: MapFeed): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const news = feed.newsFor(cache.map?.clusterId ?? '', cache.map?.epoch ?? 0);
      if (news !== undefined) {
        this.messages++;
        this.bytes += this.#sizeOf(news);
        cache.take(news);
      }
      await feed.nextChange(MARK_MS, signal);
    }
  }

  #sizeOf(news: MapNews): number {
    const key = `${news.kind} ${news.epoch} ${news.kind === 'changes' ? news.changes[0]?.fromEpoch : 0}`;
    const known = this.#sizes.get(key);
    if (known !== undefined) return known;
    const size = toBinary(
      WatchShardMapResponseSchema,
      create(WatchShardMapResponseSchema, fromMapNews(news)),
    ).length;
    this.#sizes.set(key, size);
    return size;
  }

  /** What was sent since the last call. */
  take(): { readonly messages: number; readonly bytes: number } {
    const { messages, bytes } = this;
    [this.messages, this.bytes] = [0, 0];
    return { messages, bytes };
  }
}

it('a failover with 100 groups and 1,000 gateways is two messages of some hundred bytes to each', async () => {
  const clock = new VirtualClock();
  const store = createMemoryMetadata(clock);
  const feed = new MapFeed({ store, prefix: PREFIX, clock, logger: silentLogger });
  const catalogue = new Catalogue({ store, prefix: PREFIX, monotonicMs: () => clock.monotonicMs() });
  const key = `${PREFIX}leader`;
  const { revision } = await store.transact({ compare: [], writes: [{ key, value: Uint8Array.of() }] });
  const change = async (writes: MapWrites): Promise<void> => {
    expect(await catalogue.change(revision, () => writes)).toBe(true);
    await clock.settle();
  };
  for (const writes of founded()) await change(writes);
  feed.start();
  await clock.settle();
  const gateways = new Gateways(clock, feed);
  await clock.settle();
  const whole = gateways.take();
  expect(whole.messages).toBe(GATEWAYS);

  // A coordinator raises the term, and then names the leader.
  await change({ groups: [groupOf(50, 2, undefined)] });
  await change({ groups: [groupOf(50, 2, 2)] });
  const failover = gateways.take();
  for (const { map } of gateways.caches) expect(map?.epoch).toBe(feed.map?.epoch);
  expect(gateways.caches.at(-1)?.map).toEqual(feed.map as ShardMap);
  expect(failover.messages).toBe(2 * GATEWAYS);
  expect(failover.bytes / failover.messages).toBeLessThan(400);

  await clock.advance(IDLE_MS);
  const idle = gateways.take();
  expect(idle.messages).toBeLessThanOrEqual((IDLE_MS / MARK_MS) * GATEWAYS);
  expect(idle.bytes / idle.messages).toBeLessThan(16);
  // A gateway that was away for a while gets the changes, and not the map.
  const late = feed.newsFor('c'.repeat(32), (feed.map?.epoch ?? 0) - 2);
  expect(late).toMatchObject({ kind: 'changes' });
  process.stdout.write(
    `map of ${GROUPS} groups: ${whole.bytes / whole.messages} bytes; a failover: ${failover.messages} messages, ` +
      `${failover.bytes} bytes; ${IDLE_MS / 1_000} s without a change: ${idle.messages} messages, ${idle.bytes} bytes\n`,
  );
  gateways.stop();
  await feed.stop();
});
