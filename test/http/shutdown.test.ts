/** How a connection ends: the drain in two steps, GOAWAY from the peer, and a socket that goes. */
import { expect, it } from 'vitest';
import { prepareBlock } from '#http/hpack/hpack-encoder.ts';
import { Flag } from '#http/http2/frame.ts';
import {
  data,
  exchange,
  GET,
  goaway,
  headers,
  OK,
  openClient,
  openServer,
  Peer,
  POST,
  ping,
} from './wire.ts';

const MAX = 2 ** 31 - 1;

it('announces the end, serves what was on its way, and names the last stream after a round trip', () => {
  const peer = openServer();
  peer.receive(headers(1));
  peer.connection.shutdown(0);
  peer.connection.shutdown(0);
  const frames = peer.takeFrames();
  expect([frames[0]?.payload.readUInt32BE(0), frames[1]?.type, frames.length]).toEqual([MAX, 6, 2]);
  peer.receive(headers(3), ping(Flag.ack, 'othertxt'));
  expect(peer.take()).toEqual([]);
  peer.receive(ping(Flag.ack, frames[1]?.payload.toString('latin1')));
  expect(peer.take()).toEqual(['goaway 3 0']);
  peer.receive(headers(5, POST, 0), data(5, 5));
  expect(peer.take()).toEqual(['rstStream 5 7']);
  for (const id of [1, 3]) {
    expect(peer.connection.isDrained).toBe(false);
    peer.connection.sendHead(peer.stream(id), prepareBlock(OK), true);
  }
  expect(peer.connection.isDrained).toBe(false);
  peer.takeBytes();
  expect(peer.connection.isDrained).toBe(true);
});

it('does not wait for ever for the answer to its ping', () => {
  const peer = openServer();
  peer.connection.shutdown(5);
  peer.take();
  peer.connection.check(1004);
  expect(peer.take()).toEqual([]);
  peer.connection.check(1005);
  expect(peer.take()).toEqual(['goaway 0 0']);
});

it('is not drained while work for a reset stream goes on', () => {
  const peer = openServer();
  peer.releasesAtOnce = false;
  peer.receive(headers(1));
  peer.connection.shutdown(0);
  peer.connection.check(1000);
  peer.connection.resetStream(peer.stream(1), 8);
  peer.takeBytes();
  expect(peer.connection.isDrained).toBe(true);
});

it('a client drains by opening nothing more', () => {
  const server = new Peer();
  const client = new Peer({ side: 'client' });
  const stream = client.connection.openStream(GET, true);
  client.connection.shutdown(0);
  expect(client.connection.canOpen).toBe(false);
  exchange(client, server);
  expect(server.seen).toEqual(['head 1 GET / end', 'goaway 0 0']);
  server.connection.sendHead(server.stream(1), prepareBlock(OK), true);
  exchange(server, client);
  expect(stream?.isClosed).toBe(true);
  client.takeBytes();
  expect(client.connection.isDrained).toBe(true);
});

it('a server goes on serving after its client said GOAWAY', () => {
  const peer = openServer();
  peer.receive(headers(1), goaway(0));
  expect(peer.seen).toEqual(['head 1 GET / end', 'goaway 0 0']);
  expect(peer.connection.sendHead(peer.stream(1), prepareBlock(OK), true)).toBe('sent');
});

it('resets every stream when the socket goes, and then does nothing', () => {
  const peer = openClient();
  peer.connection.openStream(GET, true);
  const open = peer.connection.openStream(POST, false);
  peer.connection.abandon();
  peer.connection.abandon();
  expect(peer.seen).toEqual(['reset 1 8 here', 'reset 3 8 here']);
  expect(peer.connection.openStream(GET, true)).toBeUndefined();
  expect(peer.connection.sendData(open as never, Buffer.alloc(1), true)).toBe('closed');
  peer.receive(headers(1, OK));
  peer.connection.check(99_999);
  expect(peer.seen).toHaveLength(2);
});

it('opens no stream past the last number', () => {
  const peer = openServer();
  peer.receive(headers(MAX));
  expect(peer.seen).toEqual(['head 2147483647 GET / end']);
});

it('keeps nothing for streams while none lives, and shares none with other connections then', () => {
  const [rested, other] = [openServer(), openServer()];
  for (const peer of [rested, other])
    peer.answer = (stream) => peer.connection.sendHead(stream, prepareBlock(OK), true);
  rested.receive(headers(1, GET));
  rested.connection.check(1000);
  rested.receive(headers(3, POST, 0));
  expect([rested, other].map(({ connection }) => connection.holdings.streams)).toEqual([1, 0]);
  // One that lives outlasts the look.
  rested.connection.check(2000);
  rested.receive(data(3, 5, Flag.endStream));
  expect(rested.take().filter((frame) => frame.startsWith('headers'))).toHaveLength(2);
});
