import { describe, expect, it } from 'vitest';
import { LocalStore } from '#metadata/local-store.ts';
import { createMemoryMetadata } from '#test/doubles/memory-metadata.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';

const value = Uint8Array.of(1);

describe('a store in this process', () => {
  it('ends a watch whose revision it no longer keeps', async () => {
    const store = createMemoryMetadata(new VirtualClock());
    const { revision } = await store.transact({ compare: [], writes: [{ key: '/a', value }] });
    for (let i = 0; i < 1_030; i++) await store.transact({ compare: [], writes: [{ key: '/a', value }] });
    const watched = [];
    for await (const found of store.watch('/', revision, new AbortController().signal)) watched.push(found);
    expect(watched).toEqual([]);
  });

  it('ends its watches when it is closed', async () => {
    const clock = new VirtualClock();
    const store = createMemoryMetadata(clock);
    let isOver = false;
    const watching = (async () => {
      for await (const _ of store.watch('/', 1, new AbortController().signal));
      isOver = true;
    })();
    await clock.settle();
    expect(isOver).toBe(false);
    await store.close();
    await watching;
    expect(clock.pendingTimers).toBe(0);
  });

  it('does nothing more after a change that could not be kept', async () => {
    const keeper = {
      keep: () => {
        throw new Error('disk I/O error');
      },
      close: () => {},
    };
    const store = new LocalStore({ clock: new VirtualClock(), keeper, entries: [], revision: 1 });
    const transaction = { compare: [], writes: [{ key: '/a', value }] };
    await expect(store.transact(transaction)).rejects.toThrow('the metadata store failed: disk I/O error');
    await expect(store.read('/')).rejects.toThrow('the metadata store is not usable: disk I/O error');
  });

  it('lets a lease go on for its time from the last renewal', async () => {
    const clock = new VirtualClock();
    const store = createMemoryMetadata(clock);
    const lease = await store.grantLease(5_000);
    await store.transact({ compare: [], writes: [{ key: '/leader', value, lease }] });
    await clock.advance(4_999);
    await store.keepAlive(lease);
    await clock.advance(4_999);
    expect((await store.read('/')).entries).toHaveLength(1);
    await clock.advance(1);
    expect((await store.read('/')).entries).toHaveLength(0);
  });
});
