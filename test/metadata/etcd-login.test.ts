/** Users of etcd: who is let in, and what becomes of a token that etcd no longer knows. */
import { Code, ConnectError } from '@connectrpc/connect';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EtcdLogin, isTokenOver } from '#metadata/etcd/etcd-login.ts';
import { EtcdStore } from '#metadata/etcd/etcd-store.ts';
import { createNodeClock } from '#platform/node-clock.ts';
import { type EtcdProcess, HAS_ETCD } from '#test/metadata/etcd-process.ts';
import { ETCD_USER, startGuardedEtcd } from '#test/metadata/guarded-etcd.ts';

type Auth = Parameters<EtcdLogin['token']>[0];

/** Answers the calls of `outcomes` in turn: with a token, or an error. */
function rig(...outcomes: (string | ConnectError)[]) {
  let nowMs = 0;
  let asked = 0;
  const auth = {
    authenticate: async () => {
      const outcome = outcomes[asked++];
      if (typeof outcome === 'string') return { token: outcome };
      throw outcome;
    },
  } as unknown as Auth;
  const login = new EtcdLogin({ name: 'u', password: () => 'p' }, () => nowMs);
  return {
    asked: () => asked,
    pass: (ms: number) => {
      nowMs += ms;
    },
    token: () => login.token(auth, 1_000),
    forget: (token: string) => login.forget(token),
  };
}

const WRONG = new ConnectError('authentication failed, invalid user ID or password', Code.InvalidArgument);

describe('the login of a user', () => {
  it('asks once for all calls, and once more when the token that it gave is over', async () => {
    const one = rig('t1', 't2');
    expect(await Promise.all([one.token(), one.token()])).toEqual(['t1', 't1']);
    await one.forget('t1');
    expect(await one.token()).toBe('t2');
    // A slow call that brought the first one says nothing of the second.
    await one.forget('t1');
    expect(await one.token()).toBe('t2');
    expect(one.asked()).toBe(2);
  });

  it('that was refused is tried again after a second, and one without an answer at once', async () => {
    const one = rig(WRONG, new ConnectError('gone', Code.Unavailable), 't');
    for (let tries = 0; tries < 5; tries++) await expect(one.token()).rejects.toThrow('invalid user ID');
    expect(one.asked()).toBe(1);
    one.pass(1_000);
    await expect(one.token()).rejects.toThrow('gone');
    expect(await one.token()).toBe('t');
  });

  it.each([
    [Code.Unauthenticated, 'etcdserver: invalid auth token', true],
    [Code.InvalidArgument, 'etcdserver: revision of auth store is old', true],
    [Code.InvalidArgument, 'etcdserver: authentication failed, invalid user ID or password', false],
    [Code.Unavailable, 'etcdserver: leader changed', false],
  ])('takes code %i with %j for the end of a token: %s', (code, message, expected) => {
    expect(isTokenOver(new ConnectError(message, code))).toBe(expected);
  });
});

describe('an etcd with users, over TLS', { timeout: 60_000 }, () => {
  const clock = createNodeClock();
  let etcd: EtcdProcess;
  let endpoints: Awaited<ReturnType<typeof startGuardedEtcd>>['endpoints'];
  const stores: EtcdStore[] = [];

  const open = (user: { name: string; password: string } | undefined): EtcdStore => {
    const store = new EtcdStore({
      endpoints,
      user: user && { name: user.name, password: () => user.password },
      monotonicMs: () => clock.monotonicMs(),
    });
    stores.push(store);
    return store;
  };

  beforeAll(async () => {
    if (HAS_ETCD) ({ etcd, endpoints } = await startGuardedEtcd());
  });
  afterAll(async () => {
    for (const store of stores) await store.close();
    await etcd?.stop();
  });

  it('lets nobody in without a name, with a wrong password, or in clear text', async (context) => {
    if (!HAS_ETCD) return context.skip('SKIPPED: no etcd here');
    // Its certificate names somebody whom etcd does not know.
    await expect(open(undefined).read('/')).rejects.toThrow('permission denied');
    const wrong = open({ ...ETCD_USER, password: 'wrong' });
    await expect(wrong.read('/')).rejects.toThrow('invalid user ID or password');
    const clear = new EtcdStore({
      endpoints: etcd.endpoints,
      callMs: 500,
      monotonicMs: () => clock.monotonicMs(),
    });
    stores.push(clear);
    await expect(clear.read('/')).rejects.toMatchObject({ code: 'unavailable' });
  });

  it('that was started anew forgot its tokens: the store logs in again, also for a transaction', async (context) => {
    if (!HAS_ETCD) return context.skip('SKIPPED: no etcd here');
    const store = open(ETCD_USER);
    const compare = [{ key: '/x', createRevision: 0 }];
    const write = () => store.transact({ compare, writes: [{ key: '/x', value: Uint8Array.of(1) }] });
    expect((await write()).isDone).toBe(true);
    await etcd.kill(0);
    etcd.restart(0);
    let done: boolean | undefined;
    for (let tries = 0; done === undefined && tries < 200; tries++) {
      done = (await write().catch(() => undefined))?.isDone;
      if (done === undefined) await clock.sleep(50);
    }
    expect(done).toBe(false);
    await expect(store.read('0')).rejects.toThrow('permission denied');
  });
});
