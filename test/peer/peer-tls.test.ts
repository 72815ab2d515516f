/** Links between nodes by TLS, to a server of this project: what it refuses is told as it says it. */
import { expect, it } from 'vitest';
import { createTlsDialer } from '#dial/tls-dialer.ts';
import { createPeerDialer } from '#peer/peer-dialer.ts';
import type { TlsOptions } from '#rpc/tls/tls-gate.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { CLIENT, SERVERS, startTls } from '#test/rpc/tls/running-tls.ts';
import { LOG_ID, NODE_ID } from '#test/server/fake-node.ts';
import { onCleanup } from '#test/server/running.ts';
import type { TlsParts } from '#tls/tls-material.ts';

const LIMIT = { timeoutMs: 5_000 };

async function open(clientAuth: TlsOptions['clientAuth'], parts: TlsParts | undefined) {
  const { server } = await startTls({ clientAuth });
  const tls = parts && createTlsDialer({ material: () => parts, serverName: undefined });
  const link = createPeerDialer({ clock: new VirtualClock(), tls }).dial(server.address);
  onCleanup(() => link.close());
  return link;
}

it('calls and streams of a node with a trusted certificate are served', async () => {
  const link = await open('require', { ca: SERVERS.cert, ...CLIENT });
  expect((await link.status(LIMIT)).nodeId).toBe(NODE_ID);
  const chunks = await Array.fromAsync(link.fetchSnapshot({ logId: LOG_ID, nodeId: NODE_ID }, LIMIT));
  expect(chunks.length).toBe(2);
});

it.each<[string, TlsOptions['clientAuth'], TlsParts | undefined, string]>([
  ['in clear text', 'none', undefined, 'this port speaks TLS'],
  ['without a certificate', 'require', { ca: SERVERS.cert }, 'a client certificate is missing'],
  ['with one that is not trusted', 'request', { ca: SERVERS.cert, ...SERVERS.issue() }, 'is not trusted'],
])('a call %s fails with the reason of the server, at once', async (_, clientAuth, parts, why) => {
  const link = await open(clientAuth, parts);
  await expect(link.status(LIMIT)).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringContaining(why),
  });
});
