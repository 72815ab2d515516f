/** What the port MetadataStore promises, on every store. On etcd, over TLS and as a user, only where it is installed. */
import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EtcdStore } from '#metadata/etcd/etcd-store.ts';
import { openFileStore } from '#metadata/file/file-store.ts';
import type { MetadataStore, StoreChanges } from '#metadata/metadata-store.ts';
import { createNodeClock } from '#platform/node-clock.ts';
import { createMemoryMetadata } from '#test/doubles/memory-metadata.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { HAS_ETCD } from '#test/metadata/etcd-process.ts';
import { ETCD_USER, startGuardedEtcd } from '#test/metadata/guarded-etcd.ts';

interface Subject {
  readonly store: MetadataStore;
  /** Lets leases of one second be over. */
  readonly expire: () => Promise<void>;
  readonly close: () => Promise<void>;
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (value: Uint8Array | undefined): string | undefined =>
  value === undefined ? undefined : new TextDecoder().decode(value);

async function openMemory(): Promise<Subject> {
  const clock = new VirtualClock();
  const store = createMemoryMetadata(clock);
  return { store, expire: () => clock.advance(1_500), close: () => store.close() };
}

async function openFile(): Promise<Subject> {
  const directory = await fs.mkdtemp(join(tmpdir(), 'walnut-metadata-'));
  const clock = new VirtualClock();
  const store = await openFileStore(join(directory, 'metadata.db'), clock);
  const close = async (): Promise<void> => {
    await store.close();
    await fs.rm(directory, { recursive: true });
  };
  return { store, expire: () => clock.advance(1_500), close };
}

async function openEtcd(): Promise<Subject> {
  const { etcd, endpoints } = await startGuardedEtcd();
  const clock = createNodeClock();
  const user = { name: ETCD_USER.name, password: () => ETCD_USER.password };
  const store = new EtcdStore({ endpoints, user, monotonicMs: () => clock.monotonicMs() });
  for (let tries = 0; tries < 200; tries++) {
    if (
      await store.read('/').then(
        () => true,
        () => false,
      )
    )
      break;
    await clock.sleep(50);
  }
  // etcd looks for leases that are over twice a second.
  const expire = async (): Promise<void> => {
    for (let tries = 0; tries < 100 && (await store.read('/leased')).entries.length > 0; tries++)
      await clock.sleep(50);
  };
  const close = async (): Promise<void> => {
    await store.close();
    await etcd.stop();
  };
  return { store, expire, close };
}

const STORES = [
  ['memory', openMemory, true],
  ['file', openFile, true],
  ['etcd', openEtcd, HAS_ETCD],
] as const;

describe.each(STORES)('the metadata store in %s', (name, open, isThere) => {
  let subject: Subject;
  let store: MetadataStore;

  beforeAll(async () => {
    if (!isThere) return;
    subject = await open();
    store = subject.store;
  });
  afterAll(() => subject?.close());

  const test = (title: string, run: () => Promise<void>): void =>
    it(title, async (context) => {
      if (!isThere) return context.skip(`SKIPPED: no ${name} here`);
      await run();
    });
  const put = (key: string, value: string) =>
    store.transact({ compare: [], writes: [{ key, value: bytes(value) }] });
  const entryOf = async (key: string) => (await store.read(key)).entries[0];

  test('reads what was written, by prefix and in order, with both revisions', async () => {
    const first = await put('/a/2', 'x');
    await put('/a/1', 'y');
    const last = await put('/a/2', 'z');
    await put('/b', 'other');
    const { entries, revision } = await store.read('/a/');
    expect(entries.map(({ key, value }) => [key, text(value)])).toEqual([
      ['/a/1', 'y'],
      ['/a/2', 'z'],
    ]);
    expect([entries[1]?.createRevision, entries[1]?.modRevision]).toEqual([first.revision, last.revision]);
    expect(revision).toBeGreaterThan(last.revision);
  });

  test('does all writes of a transaction if every condition is true, else none', async () => {
    const { revision } = await put('/c/epoch', '1');
    const writes = [
      { key: '/c/epoch', value: bytes('2') },
      { key: '/c/group', value: bytes('g') },
    ];
    const compare = [
      { key: '/c/epoch', modRevision: revision },
      { key: '/c/leader', createRevision: 0 },
    ];
    expect(await store.transact({ compare, writes })).toEqual({ isDone: true, revision: revision + 1 });
    expect((await store.transact({ compare, writes })).isDone).toBe(false);
    const isFirst = { key: '/c/epoch', createRevision: revision };
    expect((await store.transact({ compare: [isFirst], writes: [] })).isDone).toBe(true);
    expect((await store.read('/c/')).entries.map(({ modRevision }) => modRevision)).toEqual([
      revision + 1,
      revision + 1,
    ]);
  });

  test('gives a key that was deleted and written again another create revision', async () => {
    const { revision } = await put('/d', '1');
    await store.transact({ compare: [], writes: [{ key: '/d', value: undefined }] });
    expect(await entryOf('/d')).toBeUndefined();
    await put('/d', '2');
    const compare = [{ key: '/d', createRevision: revision }];
    expect((await store.transact({ compare, writes: [] })).isDone).toBe(false);
  });

  test('tells a watch every change after a revision, in order, and ends it by its signal', async () => {
    const { revision } = await put('/w/a', '0');
    await put('/w/a', '1');
    const stop = new AbortController();
    const seen: [string, string | undefined][] = [];
    let last: StoreChanges | undefined;
    const watching = (async () => {
      for await (const found of store.watch('/w/', revision, stop.signal)) {
        last = found;
        for (const { key, value } of found.changes) seen.push([key, text(value)]);
        if (seen.length >= 4) stop.abort();
      }
    })();
    await put('/elsewhere', 'x');
    await put('/w/b', '2');
    const gone = await store.transact({ compare: [], writes: [{ key: '/w/a', value: undefined }] });
    const done = await put('/w/b', '3');
    await watching;
    expect(seen).toEqual([
      ['/w/a', '1'],
      ['/w/b', '2'],
      ['/w/a', undefined],
      ['/w/b', '3'],
    ]);
    expect([gone.revision, done.revision]).toContain(last?.revision);
  });

  test('deletes the keys of a lease that is revoked, and says that it is over', async () => {
    const lease = await store.grantLease(60_000);
    expect(lease.ttlMs).toBeGreaterThanOrEqual(60_000);
    await store.transact({ compare: [], writes: [{ key: '/r/leader', value: bytes('me'), lease }] });
    expect(await store.keepAlive(lease)).toBe(lease.ttlMs);
    await store.revoke(lease);
    await store.revoke(lease);
    expect(await entryOf('/r/leader')).toBeUndefined();
    expect(await store.keepAlive(lease)).toBe(0);
    const late = { compare: [], writes: [{ key: '/r/leader', value: bytes('me'), lease }] };
    await expect(store.transact(late)).rejects.toMatchObject({ code: 'unavailable' });
  });

  test('deletes the keys of a lease that nobody renews, unless they were written without it', async () => {
    const lease = await store.grantLease(1_000);
    const writes = ['/leased', '/kept'].map((key) => ({ key, value: bytes('me'), lease }));
    await store.transact({ compare: [], writes });
    await put('/kept', 'mine');
    await subject.expire();
    expect(await entryOf('/leased')).toBeUndefined();
    expect(text((await entryOf('/kept'))?.value)).toBe('mine');
  });
});
