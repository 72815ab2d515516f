/** The store under Keyv itself, in each version that it is for. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Keyv as Keyv6 } from 'keyv';
import { Keyv as Keyv5 } from 'keyv5';
import { expect, it, onTestFinished } from 'vitest';
import { RunningMaster } from '#test/cli/running-node.ts';
import { connect } from '../../client/connect.ts';
import { type KeyvEntry, KeyvWalnut, KeyvWalnut5 } from '../../client/keyv.ts';
import type { WalnutClient } from '../../client/walnut-client.ts';

interface AnyKeyv {
  get(key: string): Promise<unknown>;
  getMany(keys: string[]): Promise<unknown[]>;
  set(key: string, value: unknown, ttl?: number): Promise<boolean>;
  setMany(entries: { key: string; value: unknown; ttl?: number }[]): Promise<unknown>;
  has(key: string): Promise<boolean>;
  delete(key: string): Promise<boolean>;
  deleteMany(keys: string[]): Promise<unknown>;
  clear(): Promise<void>;
  iterator?: unknown;
}

it.each([
  [
    '5',
    (client: WalnutClient, namespace: string): AnyKeyv =>
      new Keyv5({ store: new KeyvWalnut5(client), namespace }) as unknown as AnyKeyv,
  ],
  [
    '6',
    (client: WalnutClient, namespace: string): AnyKeyv =>
      new Keyv6({ store: new KeyvWalnut(client), namespace }) as unknown as AnyKeyv,
  ],
])('works under Keyv %s: values, deadlines, namespaces, many at once, iteration', async (_, open) => {
  const directory = mkdtempSync(join(tmpdir(), 'walnut-keyv-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const master = await RunningMaster.start(directory);
  onTestFinished(() => master.stop());
  const client = connect(master.address);
  onTestFinished(() => client.close());
  const [cache, other] = ['a', 'b'].map((namespace) => open(client, namespace));
  if (cache === undefined || other === undefined) throw new Error('two caches');
  expect(await cache.set('k', { list: [1, 'ü'] }, 60_000)).toBe(true);
  expect(await cache.get('k')).toEqual({ list: [1, 'ü'] });
  expect([await other.get('k'), await cache.has('k'), await other.has('k')]).toEqual([
    undefined,
    true,
    false,
  ]);
  const stored: bigint[] = [];
  for await (const { expireAtMs } of client.scan('keyv:')) stored.push(expireAtMs);
  expect(stored).toEqual([expect.toSatisfy((ms: bigint) => ms > 0n)]);
  await cache.setMany([
    { key: 'l', value: 1 },
    { key: 'm', value: 'text' },
  ]);
  await other.set('k', 'of the other');
  expect(await cache.getMany(['l', 'm', 'none'])).toEqual([1, 'text', undefined]);
  const { iterator } = cache;
  const pairs = (typeof iterator === 'function' ? iterator.call(cache) : iterator) as AsyncIterable<unknown>;
  expect((await Array.fromAsync(pairs)).sort()).toEqual([
    ['k', { list: [1, 'ü'] }],
    ['l', 1],
    ['m', 'text'],
  ]);
  expect([await cache.delete('l'), await cache.delete('l')]).toEqual([true, false]);
  await cache.deleteMany(['m', 'none']);
  expect(await cache.has('m')).toBe(false);
  await cache.clear();
  expect([await cache.get('k'), await other.get('k')]).toEqual([undefined, 'of the other']);
});

it('lets Keyv 6 choose the moment at which an entry expires, and deletes what is past', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'walnut-keyv-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const master = await RunningMaster.start(directory);
  onTestFinished(() => master.stop());
  const client = connect(master.address);
  onTestFinished(() => client.close());
  const store = new KeyvWalnut(client);
  const expires = Date.now() + 60_000;
  expect(await store.setMany([{ key: 'k', value: 'v', expires: expires + 0.5 }])).toEqual([true]);
  expect((await client.get('keyv:k')).expireAtMs).toBe(BigInt(expires + 1));
  await store.set('k', 'v', Date.now() - 1_000);
  expect(await store.get('k')).toBeUndefined();
  expect(await store.deleteMany(['k', 'l'])).toEqual([false, false]);
  for (const each of [Number.NaN, Number.POSITIVE_INFINITY]) {
    await expect(store.set('k', 'v', each)).rejects.toThrow(`expires is ${each}: expected milliseconds`);
    const older = new KeyvWalnut5(client);
    await expect(older.set('k', 'v', each)).rejects.toThrow(`ttl is ${each}: expected milliseconds`);
  }
  expect(() => new KeyvWalnut(client, { prefix: '' })).toThrow('prefix is empty');
});

it('refuses under Keyv 5 the store that is for Keyv 6, by name, where an entry has a time to live', async () => {
  const store = new KeyvWalnut({} as WalnutClient);
  const refused = [
    store.set('k', 'v', 60_000),
    store.setMany([{ key: 'k', value: 'v', ttl: 60_000 } as KeyvEntry]),
  ];
  for (const each of refused) await expect(each).rejects.toThrow('use KeyvWalnut5');
  const cache = new Keyv5({ store, throwOnErrors: true });
  await expect(cache.set('k', 'v', 60_000)).rejects.toThrow('expires is 60000: expected');
});

it.each([
  ['6', KeyvWalnut],
  ['5', KeyvWalnut5],
])('says of each entry of setMany under Keyv %s if it was written', async (_, Store) => {
  const set = async (key: string) => {
    if (key.endsWith('bad')) throw new Error('no');
    return { applied: true };
  };
  const store = new Store({ set } as unknown as WalnutClient);
  const entry = (key: string) => ({ key, value: 'v' });
  expect(await store.setMany([entry('bad'), entry('good')])).toEqual([false, true]);
  await expect(store.setMany([entry('bad')])).rejects.toThrow('no');
  expect(await store.setMany([])).toEqual([]);
});
