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

  /** Asks again, 50 ms after each `false`. */
  const until = async (what: string, isSo: () => Promise<boolean>): Promise<void> => {
    for (let tries = 0; tries < 200; tries++) {
      if (await isSo()) return;
      await clock.sleep(50);
    }
    throw new Error(`not within 200 tries: ${what}`);
  };
  const isAnswered = (call: Promise<unknown>): Promise<boolean> =>
    call.then(
      () => true,
      () => false,
    );
  const answers = (): Promise<void> => until('etcd answers', () => isAnswered(store.read('/')));
  /** Calls until there is an answer. */
  const answerOf = async <T>(what: string, call: () => Promise<T>): Promise<T> => {
    let answer: T | undefined;
    await until(what, async () => {
      answer = await call().catch(() => undefined);
      return answer !== undefined;
    });
    return answer as T;
  };

  it('are asked in turn, so that one that hangs and one that was killed cost a call each, and all at once say nothing', async (context) => {
    if (!HAS_ETCD) return context.skip('SKIPPED: no etcd here');
    await answers();
    const value = Uint8Array.of(1);
    const put = { compare: [], writes: [{ key: '/a', value }] };
    await until('the key is written', () => isAnswered(store.transact(put)));
    const ends = store.watch('/', 1_000_000, new AbortController().signal)[Symbol.asyncIterator]();
    let ended: unknown;
    void ends.next().then((end) => {
      ended = end;
    });
    // A read that is answered before its member has stopped ends no watch: hence further rounds.
    let turn = 0;
    await until('each member has stopped, and the watch has ended', async () => {
      const member = turn++ % 3;
      etcd.signal(member, 'SIGSTOP');
      await answers();
      etcd.signal(member, 'SIGCONT');
      return turn >= 3 && ended !== undefined;
    });
    expect(ended).toEqual({ done: true, value: undefined });
    // The member that stopped last may have led: a call may meet the election of another.
    const lease = await answerOf('a lease is granted', () => store.grantLease(60_000));
    for (const member of [0, 1, 2]) etcd.signal(member, 'SIGSTOP');
    await until('no member answers', async () => !(await isAnswered(store.read('/'))));
    await expect(store.keepAlive(lease)).rejects.toMatchObject({ code: 'unavailable' });
    for (const member of [0, 1, 2]) etcd.signal(member, 'SIGCONT');
    expect(await answerOf('the lease is renewed', () => store.keepAlive(lease))).toBe(60_000);
    await etcd.kill(1);
    const { entries } = await answerOf('two members answer', () => store.read('/'));
    expect(entries.map(({ key }) => key)).toEqual(['/a']);
    await etcd.kill(2);
    // The member that is left may have led: it says so until it misses the others.
    await until('no lease is renewed', async () => !(await isAnswered(store.keepAlive(lease))));
    // Without a leader, what it says ends no lease.
    await expect(store.keepAlive(lease)).rejects.toMatchObject({ code: 'unavailable' });
    const compare = [{ key: '/a', createRevision: 2 }];
    await expect(store.transact({ compare, writes: [] })).rejects.toMatchObject({ code: 'unavailable' });
    await expect(store.read('/')).rejects.toMatchObject({ code: 'unavailable' });
    for await (const _ of store.watch('/', 0, new AbortController().signal))
      expect.fail('it has nothing to tell');
  });
});
