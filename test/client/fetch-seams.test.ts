/** The client on `fetch`: against a real node, and what becomes of a call where `fetch` fails. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Code, createClient } from '@connectrpc/connect';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Fetch } from '#dial/fetch-transport.ts';
import { KVStore } from '#gen/walnut/v1/kv_store_pb.ts';
import { RunningMaster } from '#test/cli/running-node.ts';
import type { WalnutClientOptions } from '../../client/client-options.ts';
import { connect } from '../../client/connect-fetch.ts';
import { createFetchSeams } from '../../client/fetch-seams.ts';

it('calls and watches a real node', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'walnut-fetch-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const master = await RunningMaster.start(directory);
  onTestFinished(() => master.stop());
  const client = connect(master.address);
  onTestFinished(() => client.close());
  const changes = client.watch({ prefix: '' })[Symbol.asyncIterator]();
  const first = changes.next();
  await first;
  await Promise.all([client.set('a', Buffer.from('1')), client.increment('n')]);
  expect(Buffer.from((await client.get('a')).value).toString()).toBe('1');
  const next = await changes.next();
  expect((next.value as { events: { key: string }[] }).events.map(({ key }) => key)).toEqual(['a', 'n']);
  await expect(client.get('')).rejects.toMatchObject({ code: Code.InvalidArgument, outcome: 'not_done' });
});

describe('a call by fetch', () => {
  const open = (call: Fetch, options: WalnutClientOptions = {}) => {
    const { transport, close } = createFetchSeams(options, call).open('a:1');
    return { store: createClient(KVStore, transport), close };
  };
  const never: Fetch = (_, { signal }) =>
    new Promise((_, reject) => {
      if (signal?.aborted === true) reject(signal.reason);
      signal?.addEventListener('abort', () => reject(signal.reason));
    });

  it('is UNAVAILABLE where the node does not answer, at once or in the middle', async () => {
    const gone = open(() => Promise.reject(new TypeError('fetch failed')));
    await expect(gone.store.get({ key: 'k' })).rejects.toMatchObject({
      code: Code.Unavailable,
      rawMessage: 'the node did not answer: fetch failed',
    });
    const body = new ReadableStream({ pull: () => Promise.reject(new TypeError('network error')) });
    const headers = { 'content-type': 'application/proto' };
    const cut = open(async () => new Response(body, { headers }));
    await expect(cut.store.get({ key: 'k' })).rejects.toMatchObject({ code: Code.Unavailable });
  });

  it('ends with the client, with its signal, and with its time', async () => {
    const { store, close } = open(never);
    const aborter = new AbortController();
    const calls = [store.get({ key: 'a' }), store.get({ key: 'b' }, { signal: aborter.signal })];
    aborter.abort();
    await expect(calls[1]).rejects.toMatchObject({ code: Code.Canceled });
    close();
    await expect(calls[0]).rejects.toMatchObject({ code: Code.Canceled });
    await expect(open(never).store.get({ key: 'a' }, { timeoutMs: 1 })).rejects.toMatchObject({
      code: Code.DeadlineExceeded,
    });
  });

  it('carries its token, and neither cookies nor what a cache has', async () => {
    const sent: [string, RequestInit][] = [];
    const call: Fetch = (url, init) => {
      sent.push([url, init]);
      return Promise.reject(new TypeError('enough'));
    };
    const { store } = open(call, { token: 'walnut_a', allowClearText: true });
    await expect(store.get({ key: 'k' })).rejects.toThrow('enough');
    const [[url, init] = []] = sent;
    expect(url).toBe('http://a:1/walnut.v1.KVStore/Get');
    expect(new Headers(init?.headers).get('authorization')).toBe('Bearer walnut_a');
    expect(init).toMatchObject({ credentials: 'omit', redirect: 'error', cache: 'no-store' });
  });

  it.each<[WalnutClientOptions, string]>([
    [{ address: 'a:1', tls: {} }, 'tls is for Node'],
    [{ address: 'a:1', token: 'walnut_a' }, 'expected https://a:1, or allowClearText: true'],
    [{ address: 'a:x' }, 'expected host:port'],
  ])('is not made with %o', (options, why) => {
    expect(() => connect(options)).toThrow(why);
  });
});
