/** What a unary call makes of peers that are no Walnut nodes, or broken ones. */
import { createServer, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { describe, expect, it } from 'vitest';
import { toLsn } from '#model/position.ts';
import { createPeerDialer } from '#peer/peer-dialer.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { EPOCH, LOG_ID, NODE_ID } from '#test/server/fake-node.ts';
import { onCleanup, until } from '#test/server/running.ts';

const TIMEOUT = { timeoutMs: 5_000 };
const PROTO = 'HTTP/1.1 200 OK\r\ncontent-type: application/proto\r\n';

const hasIPv6 = Object.values(networkInterfaces()).some((all) =>
  all?.some(({ address }) => address === '::1'),
);

/** A peer that does `answer` with the first bytes of a request, whatever they are. */
async function oddPeer(answer: (socket: Socket) => void, host = '127.0.0.1') {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    onCleanup(() => {
      socket.destroy();
    });
    socket.once('data', () => answer(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  onCleanup(() => {
    server.close();
  });
  const { port, family } = server.address() as { port: number; family: string };
  const address = family === 'IPv6' ? `[${host}]:${port}` : `${host}:${port}`;
  const peer = createPeerDialer({ clock: new VirtualClock() }).dial(address);
  onCleanup(() => peer.close());
  return { peer, sockets, address };
}

describe('a unary call', () => {
  it.each([
    ['that speaks no HTTP', 'SSH-2.0-OpenSSH_9\r\n', /Parse Error/],
    [
      'with a page',
      'HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 2\r\n\r\nhi',
      /a Walnut node/,
    ],
    ['with bytes that are no message', `${PROTO}content-length: 2\r\n\r\nhi`, /premature EOF/],
    ['with an error that is none', 'HTTP/1.1 500 X\r\ncontent-length: 2\r\n\r\nhi', /HTTP 500/],
  ])('to a peer %s is unavailable, and says why', async (_name, answer, why) => {
    const { peer, address } = await oddPeer((socket) => socket.write(answer));
    const failure = await peer.status(TIMEOUT).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'unavailable', message: expect.stringMatching(why) });
    expect(failure).toMatchObject({ message: expect.stringContaining(address) });
  });

  it.each([
    ['nothing', ''],
    ['half an answer', `${PROTO}content-length: 20\r\n\r\nhi`],
  ])('to a peer that says %s and hangs up is unavailable at once', async (_name, answer) => {
    const { peer } = await oddPeer((socket) => socket.end(answer));
    await expect(peer.status(TIMEOUT)).rejects.toMatchObject({ code: 'unavailable' });
  });

  it('to a peer that never stops answering ends, with its connection', async () => {
    const { peer, sockets } = await oddPeer((socket) => {
      const bytes = Buffer.alloc(1 << 20);
      const go = (): void => {
        while (!socket.destroyed && socket.write(bytes));
      };
      socket.write(`${PROTO}\r\n`);
      socket.on('drain', go);
      go();
    });
    await expect(peer.status(TIMEOUT)).rejects.toThrow(/the answer is over/);
    await until(() => sockets.size === 0);
  });

  it('that is answered before it is sent leaves nothing behind', async () => {
    const { peer, sockets } = await oddPeer((socket) => {
      socket.pause();
      socket.write(`${PROTO}content-length: 0\r\n\r\n`);
    });
    const frames = new Uint8Array(32 << 20);
    const previous = { epoch: EPOCH, lsn: toLsn(3), crc: 1 };
    const push = { masterNodeId: NODE_ID, logId: LOG_ID, term: 1, previous, frames, durableLsn: toLsn(4) };
    await peer.replicate({ ...push, logClockMs: 1, ackWhenDurable: true, digest: '' }, TIMEOUT);
    const most = frames.length - (1 << 20);
    let received = 0;
    for (const socket of sockets) {
      socket.on('data', (bytes) => {
        received += bytes.length;
      });
      socket.resume();
    }
    await until(() => sockets.size === 0 || received > most);
    expect(received).toBeLessThan(most);
  });

  it.skipIf(!hasIPv6)('goes to an IPv6 address', async () => {
    const { peer, address } = await oddPeer(
      (socket) => socket.write(`${PROTO}content-length: 2\r\n\r\nhi`),
      '::1',
    );
    await expect(peer.status(TIMEOUT)).rejects.toThrow(`${address}: premature EOF`);
  });
});
