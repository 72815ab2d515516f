/** How the store copes with members of etcd that die or hang, and what it asks them. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { toTxnRequest } from '#metadata/etcd/etcd-messages.ts';
import { EtcdStore } from '#metadata/etcd/etcd-store.ts';
import { createNodeClock } from '#platform/node-clock.ts';
import { EtcdProcess, HAS_ETCD } from '#test/metadata/etcd-process.ts';

it('a transaction that only compares has a read in it, which makes etcd answer linearizably', () => {
  const { success } = toTxnRequest({ compare: [{ key: '/leader', createRevision: 7 }], writes: [] });
  expect(success.map(({ request }) => request.case)).toEqual(['requestRange']);
});

it('a store without a member is refused', () => {
  expect(() => new EtcdStore([])).toThrow('etcd needs the address of at least one member');
});

describe('three members of etcd', { timeout: 60_000 }, () => {
  const clock = createNodeClock();
  let etcd: EtcdProcess;
  let store: EtcdStore;

  beforeAll(async () => {
    if (!HAS_ETCD) return;
    etcd = await EtcdProcess.start(3);
    store = new EtcdStore(etcd.endpoints, 500);
  });
  afterAll(async () => {
    await store?.close();
    await etcd?.stop();
  });

  const answers = async (): Promise<void> => {
    for (let tries = 0; tries < 200; tries++) {
      if (
        await store.read('/').then(
          () => true,
          () => false,
        )
      )
        return;
      await clock.sleep(50);
    }
    throw new Error('etcd does not answer');
  };

  it('are asked in turn, so that one that hangs and one that was killed cost a call each', async (context) => {
    if (!HAS_ETCD) return context.skip('SKIPPED: no etcd here');
    await answers();
    const value = Uint8Array.of(1);
    expect((await store.transact({ compare: [], writes: [{ key: '/a', value }] })).isDone).toBe(true);
    const ends = store.watch('/', 1_000_000, new AbortController().signal)[Symbol.asyncIterator]();
    const ended = ends.next();
    for (const member of [0, 1, 2]) {
      etcd.signal(member, 'SIGSTOP');
      await answers();
      etcd.signal(member, 'SIGCONT');
    }
    expect(await ended).toEqual({ done: true, value: undefined });
    etcd.signal(1, 'SIGKILL');
    await answers();
    expect((await store.read('/')).entries.map(({ key }) => key)).toEqual(['/a']);
    etcd.signal(2, 'SIGKILL');
    const compare = [{ key: '/a', createRevision: 2 }];
    await expect(store.transact({ compare, writes: [] })).rejects.toMatchObject({ code: 'unavailable' });
  });
});
