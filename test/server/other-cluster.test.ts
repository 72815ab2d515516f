/** Calls that are for a node of one cluster and reach a node of another, or a plain one. */
import { createClient } from '@connectrpc/connect';
import { describe, expect, it } from 'vitest';
import { tryEndpoint } from '#dial/endpoint.ts';
import { createOwnTransport } from '#dial/http2/own-transport.ts';
import { KVStore } from '#gen/walnut/v1/kv_store_pb.ts';
import { ConnectNodeLinks } from '#peer/node-links.ts';
import { createNodeClock } from '#platform/node-clock.ts';
import { http1, onCleanup, start } from '#test/server/running.ts';

const [OURS, THEIRS] = ['a'.repeat(32), 'b'.repeat(32)];
const clock = createNodeClock();

describe('a call for a cluster', () => {
  it.each([
    ['the same one', OURS, undefined],
    ['another one', THEIRS, `this one is of cluster ${THEIRS}`],
    ['none', undefined, 'this one is of no cluster'],
  ])('to a node of %s', async (_, its, why) => {
    const { node, server } = await start({ clusterId: () => its ?? '' });
    const links = new ConnectNodeLinks({ clock, cluster: () => ({ clusterId: OURS, epoch: 7 }) });
    onCleanup(() => links.close());
    const limits = { timeoutMs: 5_000, signal: undefined };
    const told = await links
      .linkTo(server.address)
      .get({ key: 'k', waitMs: 0 }, limits)
      .catch((error: unknown) => error);
    if (why === undefined) {
      expect(told).toMatchObject({ entry: undefined });
      return;
    }
    expect(links.judge(told)).toMatchObject({ outcome: 'not_done', remedy: 'later' });
    expect((told as Error).message).toContain(why);
    const { address } = server;
    const watched = links.linkTo(address).watch(
      {
        target: { kind: 'key', key: 'k' },
        ...{ after: undefined, ops: undefined, withPrevious: false, keysOnly: false },
        ...{ progressEveryMs: 0, isInitial: false },
      },
      AbortSignal.timeout(5_000),
    );
    await expect(watched[Symbol.asyncIterator]().next()).rejects.toThrow(why);
    expect(node.calls).toEqual([]);
  });

  it('is refused over plain HTTP too, and one that names no cluster is not', async () => {
    const running = await start({ clusterId: () => OURS });
    const headers = { 'x-walnut-cluster': THEIRS };
    expect((await http1(running, 'GET', '/v1/keys/k', { headers })).status).toBe(503);
    expect((await http1(running, 'GET', '/v1/keys/k')).status).toBe(404);
    const endpoint = tryEndpoint(running.server.address);
    if (endpoint === undefined) throw new Error('the server has an address');
    const { transport, close } = createOwnTransport(endpoint, clock);
    onCleanup(close);
    expect((await createClient(KVStore, transport).get({ key: 'k' })).found).toBe(false);
  });
});
