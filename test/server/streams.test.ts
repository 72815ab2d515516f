/** Streams whose peers leave, reset, or never read: what the streams hold is given back by every end. */
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect as connectHttp2,
  constants,
} from 'node:http2';
import { create, toBinary } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { FetchSnapshotRequestSchema } from '#gen/walnut/v1/replication_pb.ts';
import type { SnapshotChunk } from '#model/replication.ts';
import { patienceMs } from '#rpc/answer-pace.ts';
import { BODY_TIMEOUT_MS } from '#rpc/request-listener.ts';
import { HTTP2 } from '#test/doubles/http-choice.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { LOG_ID, positionOf } from '#test/server/fake-node.ts';
import { http2, onCleanup, type Running, start, tcp, until } from '#test/server/running.ts';

const CHUNK = new Uint8Array(256 * 1_024);

/** A node whose snapshots never end, and which counts who holds one. */
class Endless {
  open = 0;
  ended = 0;

  async *chunks(): AsyncGenerator<SnapshotChunk> {
    this.open++;
    try {
      for (let offset = 0; ; offset += CHUNK.length) {
        yield { position: positionOf(4), offset, totalBytes: 1 << 30, bytes: CHUNK };
      }
    } finally {
      this.open--;
      this.ended++;
    }
  }
}

async function startEndless(): Promise<{ running: Running; source: Endless; clock: VirtualClock }> {
  const clock = new VirtualClock();
  const running = await start({ clock });
  const source = new Endless();
  Object.assign(running.node.ports.replication, { fetchSnapshot: () => source.chunks() });
  return { running, source, clock };
}

/** A client that grants no byte of any answer's body. */
function unreadSession({ baseUrl }: Running): ClientHttp2Session {
  const client = connectHttp2(baseUrl, { settings: { initialWindowSize: 0 } });
  client.on('error', () => {});
  onCleanup(() => client.destroy());
  return client;
}

function fetchOf(client: ClientHttp2Session): ClientHttp2Stream {
  const message = toBinary(FetchSnapshotRequestSchema, create(FetchSnapshotRequestSchema, { logId: LOG_ID }));
  const body = Buffer.concat([Buffer.from([0, 0, 0, 0, message.length]), message]);
  const stream = client.request({
    ':method': 'POST',
    ':path': '/walnut.v1.Replication/FetchSnapshot',
    'content-type': 'application/grpc+proto',
    te: 'trailers',
  });
  stream.on('error', () => {});
  stream.end(body);
  return stream;
}

describe('a stream that nobody reads', () => {
  it('ends its source when the connection breaks', async () => {
    const { running, source } = await startEndless();
    const client = unreadSession(running);
    for (let i = 0; i < 8; i++) fetchOf(client);
    await until(() => source.open === 8);
    client.destroy();
    await until(() => source.ended === 8);
    expect(source.open).toBe(0);
  });

  it('ends its source when the stream is reset', async () => {
    const { running, source } = await startEndless();
    const stream = fetchOf(unreadSession(running));
    await until(() => source.open === 1);
    stream.close(constants.NGHTTP2_CANCEL);
    await until(() => source.ended === 1);
  });

  it('is cut off and counted when its time is over', async () => {
    const { running, source, clock } = await startEndless();
    const stream = fetchOf(unreadSession(running));
    const reset = new Promise((resolve) => stream.once('close', () => resolve(stream.rstCode)));
    await until(() => source.open === 1);
    await clock.advance(patienceMs(0) - 1);
    expect(source.open).toBe(1);
    await clock.advance(patienceMs(2 * CHUNK.length) - patienceMs(0));
    await until(() => source.ended === 1);
    expect(await reset).toBe(constants.NGHTTP2_CANCEL);
    expect(await running.metrics.render()).toContain('walnut_answers_stalled_total 1');
  });

  it('goes on for a reader that is slow', async () => {
    const { running, source, clock } = await startEndless();
    const client = unreadSession(running);
    const stream = fetchOf(client);
    let received = 0;
    stream.on('data', (chunk: Buffer) => {
      received += chunk.length;
    });
    await until(() => source.open === 1);
    for (let i = 1; i <= 4; i++) {
      await clock.advance(patienceMs(0) - 1_000);
      // A window of exactly the next two chunks with what frames them.
      client.settings({ initialWindowSize: i * 3 * CHUNK.length });
      await until(() => received >= i * 2 * CHUNK.length);
    }
    expect(source.open).toBe(1);
  });

  it('over HTTP/1.1 loses its connection when its time is over', async () => {
    const { running, source, clock } = await startEndless();
    const message = JSON.stringify({ logId: LOG_ID });
    const body = Buffer.concat([Buffer.from([0, 0, 0, 0, message.length]), Buffer.from(message)]);
    const { socket, closed } = tcp(running);
    socket.pause();
    socket.write(
      'POST /walnut.v1.Replication/FetchSnapshot HTTP/1.1\r\nHost: a\r\n' +
        `Content-Type: application/connect+json\r\nContent-Length: ${body.length}\r\n\r\n`,
    );
    socket.write(body);
    await until(() => source.open === 1);
    await clock.settle();
    await clock.advance(2 * patienceMs(CHUNK.length));
    await until(() => source.ended === 1);
    socket.resume();
    await closed;
  });
});

const LARGE_BYTES = 8 << 20;

/** A node with one large value. */
async function startLarge(): Promise<{
  running: Running;
  clock: VirtualClock;
  stalled: () => Promise<boolean>;
}> {
  const clock = new VirtualClock();
  const running = await start({ clock });
  const value = new Uint8Array(LARGE_BYTES);
  running.node.entries.set('k', { key: 'k', value, version: positionOf(1), expireAtMs: 0 });
  const stalled = async (): Promise<boolean> =>
    (await running.metrics.render()).includes('walnut_answers_stalled_total 1');
  return { running, clock, stalled };
}

describe('an answer that nobody reads', () => {
  it.each([
    [
      'a unary rpc',
      { ':method': 'POST', ':path': '/walnut.v1.KVStore/Get', 'content-type': 'application/proto' },
    ],
    ['a key', { ':method': 'GET', ':path': '/v1/keys/k' }],
  ])('over HTTP/2, of %s, is cut off when its time is over', async (_name, headers) => {
    const { running, clock, stalled } = await startLarge();
    const stream = unreadSession(running).request(headers);
    stream.on('error', () => {});
    const reset = new Promise((resolve) => stream.once('close', () => resolve(stream.rstCode)));
    stream.end(headers[':method'] === 'POST' ? Buffer.from([10, 1, 107]) : undefined);
    await new Promise((resolve) => stream.once('response', resolve));
    // Our own codec sees that nothing moves; Node's tells nobody.
    const limitMs = patienceMs(HTTP2 === 'own' ? 0 : LARGE_BYTES);
    await clock.advance(limitMs - 1_001);
    expect(await stalled()).toBe(false);
    await clock.advance(2_001);
    expect(await reset).toBe(constants.NGHTTP2_CANCEL);
    expect(await stalled()).toBe(true);
  });

  it('over HTTP/1.1 loses its connection when its time is over', async () => {
    const { running, clock, stalled } = await startLarge();
    const { socket } = tcp(running);
    socket.pause();
    socket.write('GET /v1/keys/k HTTP/1.1\r\nHost: a\r\n\r\n');
    await until(() => running.node.calls.length === 1);
    await clock.settle();
    await clock.advance(patienceMs(0));
    expect(await stalled()).toBe(false);
    await clock.advance(patienceMs(LARGE_BYTES) - patienceMs(0) + 20_000);
    expect(await stalled()).toBe(true);
    expect(await running.metrics.render()).toContain('walnut_connections 0');
  });

  it('leaves no timer behind once it is read', async () => {
    const { running, clock } = await startLarge();
    const before = clock.pendingTimers;
    const client = connectHttp2(running.baseUrl);
    onCleanup(() => client.destroy());
    const answer = await http2(client, { ':method': 'GET', ':path': '/v1/keys/k' });
    expect(answer.text.length).toBe(LARGE_BYTES);
    client.destroy();
    await until(() => clock.pendingTimers === before);
  });
});

describe('a stream that waits', () => {
  it.each([
    ['a health Watch', '/grpc.health.v1.Health/Watch'],
    ['reflection', '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo'],
  ])('ends with its connection: %s', async (_name, path) => {
    const clock = new VirtualClock();
    const running = await start({ clock });
    const before = clock.pendingTimers;
    const client = unreadSession(running);
    const stream = client.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    stream.on('error', () => {});
    stream.write(Buffer.alloc(5));
    // One question is all that a Watch is asked; reflection waits for more.
    if (path.endsWith('/Watch')) stream.end();
    await new Promise((resolve) => stream.once('response', resolve));
    client.destroy();
    while (!(await running.metrics.render()).includes('code="canceled"')) await clock.settle();
    // The bounds of bodies have one timer for all, which goes on for as long as a body may take.
    await clock.advance(BODY_TIMEOUT_MS);
    expect(clock.pendingTimers).toBe(before);
  });
});
