import { afterEach, beforeEach, expect, it } from 'vitest';
import { applyChange } from '#cluster/map-change.ts';
import type { ShardMap } from '#cluster/shard-map.ts';
import { Catalogue } from '#coordinator/catalogue.ts';
import { MapFeed } from '#coordinator/map-feed.ts';
import type { LocalStore } from '#metadata/local-store.ts';
import { silentLogger } from '#platform/logger.ts';
import { createMemoryMetadata } from '#test/doubles/memory-metadata.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';

const PREFIX = '/walnut/x/';
let clock: VirtualClock;
let store: LocalStore;
let feed: MapFeed;
let change: (address: string) => Promise<unknown>;

beforeEach(async () => {
  clock = new VirtualClock();
  store = createMemoryMetadata(clock);
  feed = new MapFeed({ store, prefix: PREFIX, clock, logger: silentLogger });
  const catalogue = new Catalogue({ store, prefix: PREFIX, monotonicMs: () => clock.monotonicMs() });
  const key = `${PREFIX}leader`;
  const { revision } = await store.transact({ compare: [], writes: [{ key, value: Uint8Array.of() }] });
  change = (address) =>
    catalogue.change(revision, () => ({
      clusterId: 'c',
      nodes: [{ name: 'a', address, zone: '', status: 'active' }],
    }));
});

afterEach(() => feed.stop());

it('has the map as soon as it was read, and each change as soon as it is made', async () => {
  expect(feed.newsFor('', 0)).toBeUndefined();
  feed.start();
  await clock.settle();
  expect(feed.newsFor('', 0)).toEqual({ kind: 'unchanged', epoch: 0 });
  let changes = 0;
  feed.nextChange(60_000, new AbortController().signal).then(() => {
    changes += 1;
  }, expect.fail);
  await change('first:1');
  await clock.settle();
  expect([changes, feed.map?.epoch, feed.map?.nodes.get('a')?.address]).toEqual([1, 1, 'first:1']);
});

it('gives a reader the changes since its epoch, and the whole map where they are not kept', async () => {
  await change('first:1');
  feed.start();
  await clock.settle();
  const first = feed.map as ShardMap;
  for (const address of ['second:1', 'third:1']) {
    await change(address);
    await clock.settle();
  }
  const news = feed.newsFor('c', 1);
  const changes = news?.kind === 'changes' ? news.changes : [];
  expect(changes.map(({ fromEpoch, epoch }) => [fromEpoch, epoch])).toEqual([
    [1, 2],
    [2, 3],
  ]);
  expect(changes.reduce(applyChange, first)).toEqual(feed.map);
  expect(feed.newsFor('c', 3)).toEqual({ kind: 'unchanged', epoch: 3 });
  for (const [id, epoch] of [
    ['c', 0],
    ['c', 9],
    ['another', 3],
  ] as const)
    expect(feed.newsFor(id, epoch)).toMatchObject({ kind: 'whole', map: feed.map });
});

it('keeps 1,024 changes', async () => {
  feed.start();
  for (let i = 0; i < 1_026; i++) {
    await change(`${i}:1`);
    await clock.settle();
  }
  expect([1, 2].map((epoch) => feed.newsFor('c', epoch)?.kind)).toEqual(['whole', 'changes']);
});

it('keeps the last map while the store does not answer, and forgets changes of a store that was restored', async () => {
  await change('first:1');
  feed.start();
  await clock.settle();
  await change('second:1');
  await clock.settle();
  const { read } = store;
  store.read = () => Promise.reject(new Error('no answer'));
  const { entries } = await read.call(store, PREFIX);
  const writes = entries.map(({ key }) => ({ key, value: undefined }));
  await store.transact({ compare: [], writes });
  await clock.advance(5_000);
  expect(feed.map?.epoch).toBe(2);
  store.read = read;
  await clock.advance(1_000);
  expect(feed.newsFor('c', 1)).toMatchObject({ kind: 'whole', map: feed.map });
  expect(feed.map?.epoch).toBe(0);
});
