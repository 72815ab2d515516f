/** What a unary call makes of peers that are no Walnut nodes, or broken ones. */
import { createServer, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { describe, expect, it } from 'vitest';
import { prepareBlock } from '#http/hpack/hpack-encoder.ts';
import type { Http2Connection } from '#http/http2/http2-connection.ts';
import type { Stream } from '#http/http2/stream.ts';
import { toLsn } from '#model/position.ts';
import { createPeerDialer } from '#peer/peer-dialer.ts';
import { acceptHttp2 } from '#test/dial/http2-peer.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { EPOCH, LOG_ID, NODE_ID } from '#test/server/fake-node.ts';
import { onCleanup, until } from '#test/server/running.ts';

const TIMEOUT = { timeoutMs: 5_000 };
const PROTO = ['content-type', 'application/proto'];

const hasIPv6 = Object.values(networkInterfaces()).some((all) =>
  all?.some(({ address }) => address === '::1'),
);

type Answer = (connection: Http2Connection, stream: Stream, socket: Socket) => void;

/** In one piece. */
function whole(fields: readonly string[], body = ''): Answer {
  return (connection, stream) => {
    connection.sendHead(stream, prepareBlock(fields), body === '');
    if (body !== '') connection.sendData(stream, Buffer.from(body), true);
  };
}

/** A peer in HTTP/2 that answers each call so. */
function http2Peer(answer: Answer, host?: string) {
  return oddPeer((socket, first) => {
    const { receive } = acceptHttp2(socket, (connection, stream) => answer(connection, stream, socket));
    receive(first);
  }, host);
}

/** A peer that does `answer` with the first bytes of a request, whatever they are. */
async function oddPeer(answer: (socket: Socket, first: Buffer) => void, host = '127.0.0.1') {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    onCleanup(() => {
      socket.destroy();
    });
    socket.once('data', (first: Buffer) => answer(socket, first));
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
    ['SSH', 'SSH-2.0-OpenSSH_9\r\n'],
    ['HTTP/1.1', 'HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n'],
  ])('to a peer that speaks %s is unavailable, and says why', async (_name, answer) => {
    const { peer, address } = await oddPeer((socket) => socket.write(answer));
    const failure = await peer.status(TIMEOUT).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'unavailable', message: expect.stringMatching(/a Walnut node/) });
    expect(failure).toMatchObject({ message: expect.stringContaining(address) });
  });

  it.each([
    ['a page', [':status', '200', 'content-type', 'text/html'], 'hi', /a Walnut node/],
    ['bytes that are no message', [':status', '200', ...PROTO], 'hi', /premature EOF/],
    ['an error that is none', [':status', '500'], 'hi', /HTTP 500/],
    ['nothing', [':status', '503'], '', /HTTP 503/],
  ])('to a peer with %s is unavailable, and says why', async (_name, fields, body, why) => {
    const { peer, address } = await http2Peer(whole(fields, body));
    const failure = await peer.status(TIMEOUT).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'unavailable', message: expect.stringMatching(why) });
    expect(failure).toMatchObject({ message: expect.stringContaining(address) });
  });

  it('to a peer that hangs up is unavailable at once', async () => {
    const { peer } = await oddPeer((socket) => socket.end());
    await expect(peer.status(TIMEOUT)).rejects.toMatchObject({ code: 'unavailable' });
    const { peer: other } = await http2Peer((connection, stream, socket) => {
      connection.sendHead(stream, prepareBlock([':status', '200', ...PROTO]), false);
      setImmediate(() => socket.end());
    });
    await expect(other.status(TIMEOUT)).rejects.toMatchObject({ code: 'unavailable' });
  });

  it('to a peer that never stops answering ends, and leaves the connection to others', async () => {
    let isFirst = true;
    const { peer, sockets } = await http2Peer((connection, stream) => {
      if (!isFirst) return whole([':status', '200', ...PROTO])(connection, stream, undefined as never);
      isFirst = false;
      connection.sendHead(stream, prepareBlock([':status', '200', ...PROTO]), false);
      connection.sendData(stream, Buffer.alloc(65 << 20), false);
    });
    await expect(peer.status(TIMEOUT)).rejects.toThrow(/the answer is over/);
    // An empty message is no status, but an answer.
    await expect(peer.status(TIMEOUT)).rejects.toThrow(/invalid data/);
    expect(sockets.size).toBe(1);
  });

  it('that is answered before it is sent leaves nothing behind', async () => {
    let received = 0;
    const { peer, sockets } = await oddPeer((socket, first) => {
      const { receive, isReset } = acceptHttp2(
        socket,
        (...[to, stream]) => whole([':status', '200', ...PROTO])(to, stream, socket),
        {
          onData: (bytes) => {
            received += bytes;
          },
        },
      );
      receive(first);
      onReset = isReset;
    });
    let onReset: () => boolean = () => false;
    const frames = new Uint8Array(32 << 20);
    const previous = { epoch: EPOCH, lsn: toLsn(3), crc: 1 };
    const push = { masterNodeId: NODE_ID, logId: LOG_ID, term: 1, previous, frames, durableLsn: toLsn(4) };
    await peer.replicate({ ...push, logClockMs: 1, ackWhenDurable: true, digest: '' }, TIMEOUT);
    await until(() => onReset());
    expect(received).toBeLessThan(frames.length - (1 << 20));
    expect(sockets.size).toBe(1);
  });

  it('never stands behind a transfer: what is short has a connection of its own', async () => {
    // The first connection, of a push, is not read.
    let isFirst = true;
    const { peer, sockets } = await oddPeer((socket, first) => {
      if (isFirst) socket.pause();
      else acceptHttp2(socket, (to, stream) => whole([':status', '503'])(to, stream, socket)).receive(first);
      isFirst = false;
    });
    const frames = new Uint8Array(1 << 20);
    const previous = { epoch: EPOCH, lsn: toLsn(3), crc: 1 };
    const push = { masterNodeId: NODE_ID, logId: LOG_ID, term: 1, previous, durableLsn: toLsn(4) };
    const rest = { logClockMs: 1, ackWhenDurable: true, digest: '' };
    const pushed = peer.replicate({ ...push, ...rest, frames }, TIMEOUT).catch((error: unknown) => error);
    await until(() => !isFirst);
    const heartbeat = peer.replicate({ ...push, ...rest, frames: new Uint8Array(0) }, TIMEOUT);
    await expect(heartbeat).rejects.toThrow(/HTTP 503/);
    expect(sockets.size).toBe(2);
    peer.close();
    await pushed;
  });

  it.skipIf(!hasIPv6)('goes to an IPv6 address', async () => {
    const { peer, address } = await http2Peer(whole([':status', '200', ...PROTO], 'hi'), '::1');
    await expect(peer.status(TIMEOUT)).rejects.toThrow(`${address}: premature EOF`);
  });
});
