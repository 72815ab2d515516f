/** How the store copes with members of etcd that die or hang, and what it asks them. */
import { once } from 'node:events';
import { createServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Endpoint, tryEndpoint } from '#dial/endpoint.ts';
import { toTxnRequest } from '#metadata/etcd/etcd-messages.ts';
import { EtcdStore } from '#metadata/etcd/etcd-store.ts';
import { createNodeClock } from '#platform/node-clock.ts';
import { EtcdProcess, HAS_ETCD } from '#test/metadata/etcd-process.ts';

it('a transaction that only compares has a read in it, which makes etcd answer linearizably', () => {
  const { success } = toTxnRequest({ compare: [{ key: '/leader', createRevision: 7 }], writes: [] });
  expect(success.map(({ request }) => request.case)).toEqual(['requestRange']);
});

it('a store without a member is refused', () => {
  expect(() => new EtcdStore({ endpoints: [], monotonicMs: () => 0 })).toThrow(
    'etcd needs the address of at least one member',
  );
});

it('any error is no answer: it neither confirms nor ends a lease, nor says what became of a transaction', async () => {
  let status = 0;
  const server = createServer((_, response) => {
    response.writeHead(200, { 'content-type': 'application/grpc', 'grpc-status': String(status) }).end();
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  const endpoints = [tryEndpoint(`127.0.0.1:${port}`) as Endpoint];
  const store = new EtcdStore({ endpoints, monotonicMs: () => 0 });
  const unknown = { code: 'unavailable' };
  // All that gRPC has, and one that it does not have.
  for (status = 0; status <= 17; status++) {
    await expect(store.keepAlive({ id: '1', ttlMs: 5_000 }), `${status}`).rejects.toMatchObject(unknown);
    await expect(store.read('/'), `${status}`).rejects.toMatchObject(unknown);
    await expect(store.transact({ compare: [], writes: [] }), `${status}`).rejects.toMatchObject(unknown);
  }
  await store.close();
  server.close();
});

describe('three members of etcd', { timeout: 60_000 }, () => {
  const clock = createNodeClock();
  let etcd: EtcdProcess;
  let store: EtcdStore;

  beforeAll(async () => {
    if (!HAS_ETCD) return;
    etcd = await EtcdProcess.start(3);
    store = new EtcdStore({ endpoints: etcd.endpoints, callMs: 500, monotonicMs: () => clock.monotonicMs() });
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

  it('are asked in turn, so that one that hangs and one that was killed cost a call each, and all at once say nothing', async (context) => {
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
    const lease = await store.grantLease(60_000);
    for (const member of [0, 1, 2]) etcd.signal(member, 'SIGSTOP');
    await expect(store.keepAlive(lease)).rejects.toMatchObject({ code: 'unavailable' });
    for (const member of [0, 1, 2]) etcd.signal(member, 'SIGCONT');
    await answers();
    expect(await store.keepAlive(lease)).toBe(60_000);
    etcd.signal(1, 'SIGKILL');
    await answers();
    expect((await store.read('/')).entries.map(({ key }) => key)).toEqual(['/a']);
    etcd.signal(2, 'SIGKILL');
    const compare = [{ key: '/a', createRevision: 2 }];
    await expect(store.transact({ compare, writes: [] })).rejects.toMatchObject({ code: 'unavailable' });
    // The member that is left has no leader: what it says ends no lease.
    await expect(store.keepAlive(lease)).rejects.toMatchObject({ code: 'unavailable' });
    await expect(store.read('/')).rejects.toMatchObject({ code: 'unavailable' });
    for await (const _ of store.watch('/', 0, new AbortController().signal))
      expect.fail('it has nothing to tell');
  });
});
