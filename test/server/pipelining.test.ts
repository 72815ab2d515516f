/** Peers that send HTTP/1.1 requests without waiting for the answers. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { ANSWER_WAIT_MS } from '#rpc/http1/bounds.ts';
import { RequestLanes } from '#rpc/request-lanes.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { positionOf } from '#test/server/fake-node.ts';
import { onCleanup, type Running, start, tcp, until } from '#test/server/running.ts';

const GET = Buffer.from('GET /v1/keys/k HTTP/1.1\r\nhost: a\r\n\r\n');
const VALUE = Buffer.alloc(1_000, 'v');
/** One value, its headers before it. */
const ANSWER = /HTTP\/1\.1 200 OK\r\n(?:[^\r]+\r\n)*\r\nv{1000}/g;

function open({ server }: Running): Socket {
  const socket = connect(server.port, '127.0.0.1');
  onCleanup(() => void socket.destroy());
  return socket;
}

/** Reads until `count` answers are there, and gives all that came. */
async function readAnswers(socket: Socket, pattern: RegExp, count: number): Promise<string[]> {
  let text = '';
  const found: string[] = [];
  for await (const chunk of socket) {
    text += (chunk as Buffer).toString('latin1');
    const matches = [...text.matchAll(pattern)];
    const last = matches.at(-1);
    if (last !== undefined) text = text.slice((last.index as number) + last[0].length);
    found.push(...matches.map(([match]) => match));
    if (found.length >= count) break;
  }
  return found;
}

/** The most calls that reach the node within one turn of the event loop, until told to stop. */
function watchTurns(running: Running): () => number {
  const { calls } = running.node;
  let seen = calls.length;
  let most = 0;
  let isOver = false;
  const look = (): void => {
    most = Math.max(most, calls.length - seen);
    seen = calls.length;
    if (!isOver) setImmediate(look);
  };
  look();
  return () => {
    isOver = true;
    return most;
  };
}

async function withEntry(): Promise<Running> {
  const running = await start();
  running.node.entries.set('k', { key: 'k', value: VALUE, expireAtMs: 0, version: positionOf(1) });
  return running;
}

describe('pipelined requests', () => {
  it('are answered in their order', async () => {
    const running = await start();
    const keys = Array.from({ length: 500 }, (_, i) => `key-${i}`);
    for (const key of keys) {
      const value = Buffer.from(`${key};`);
      running.node.entries.set(key, { key, value, expireAtMs: 0, version: positionOf(1) });
    }
    const socket = open(running);
    socket.write(keys.map((key) => `GET /v1/keys/${key} HTTP/1.1\r\nhost: a\r\n\r\n`).join(''));
    const values = await readAnswers(socket, /key-\d+;/g, keys.length);
    expect(values).toEqual(keys.map((key) => `${key};`));
  });

  it('are carried out in their order, each after the answer of the one before', async () => {
    const running = await start();
    const answered: string[] = [];
    // Bodies come in pieces, and writes are answered later than reads.
    running.node.hold = () => new Promise((resolve) => setTimeout(resolve, 5));
    const put = (value: string) =>
      `PUT /v1/keys/k HTTP/1.1\r\nhost: a\r\ncontent-length: ${value.length}\r\n\r\n${value}`;
    const remove = 'DELETE /v1/keys/k HTTP/1.1\r\nhost: a\r\n\r\n';
    const get = 'GET /v1/keys/k HTTP/1.1\r\nhost: a\r\n\r\n';
    const socket = open(running);
    socket.write([put('one'), remove, get, put('two'), get, put('three'), put('four'), get].join(''));
    answered.push(...(await readAnswers(socket, /HTTP\/1\.1 \d{3}/g, 8)));
    expect(answered.map((line) => Number(line.slice(-3)))).toEqual([201, 204, 404, 201, 200, 204, 204, 200]);
    expect(running.node.calls.map(({ port }) => port)).toEqual([
      'set',
      'delete',
      'get',
      'set',
      'get',
      'set',
      'set',
      'get',
    ]);
  });

  it('take no more than their share of a turn of the event loop, and are all answered', async () => {
    const running = await withEntry();
    const stop = watchTurns(running);
    const count = 5_000;
    const socket = open(running);
    socket.write(Buffer.concat(Array.from({ length: count }, () => GET)));
    expect(await readAnswers(socket, ANSWER, count)).toHaveLength(count);
    // 64 of one turn, and 64 of the next where both fall between two looks.
    expect(stop()).toBeLessThanOrEqual(128);
  });

  it('wait for a peer that does not read its answers, and are answered when it does', async () => {
    const running = await withEntry();
    const socket = open(running);
    socket.pause();
    // More answers than all the buffers between the two hold.
    const count = 30_000;
    socket.write(Buffer.concat(Array.from({ length: count }, () => GET)));
    await settled(running);
    const handled = running.node.calls.length;
    expect(handled).toBeGreaterThan(0);
    expect(handled).toBeLessThan(count);
    expect(await readAnswers(socket, ANSWER, count)).toHaveLength(count);
    expect(running.node.calls).toHaveLength(count);
  });

  it('of a peer that has gone are dropped', async () => {
    const running = await withEntry();
    const socket = open(running);
    socket.pause();
    socket.write(Buffer.concat(Array.from({ length: 30_000 }, () => GET)));
    await settled(running);
    socket.resetAndDestroy();
    const handled = running.node.calls.length;
    const other = open(running);
    other.write(GET);
    expect(await readAnswers(other, ANSWER, 1)).toHaveLength(1);
    await settled(running);
    expect(running.node.calls.length).toBeLessThanOrEqual(handled + 65);
  });

  it('take no more room than there is for all connections, and give it back', async () => {
    const lanes = new RequestLanes(
      new VirtualClock(),
      (request, response) => {
        // All but these wait for ever.
        if (request.url === '/now') response.end();
      },
      1_000,
    );
    const server = createServer((request, response) => lanes.accept(request, response));
    await once(server.listen(0, '127.0.0.1'), 'listening');
    onCleanup(() => {
      server.closeAllConnections();
      server.close();
    });
    const send = (count: number): { socket: Socket; closed: Promise<unknown> } => {
      const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
      onCleanup(() => void socket.destroy());
      socket.on('error', () => {});
      socket.resume().write('GET / HTTP/1.1\r\nhost: a\r\n\r\n'.repeat(count));
      return { socket, closed: once(socket, 'close') };
    };
    const first = send(700);
    await until(() => lanes.waiting === 699);
    // Together they are too many: whoever brings them goes.
    await send(700).closed;
    expect(lanes.waiting).toBe(699);
    expect(first.socket.closed).toBe(false);
    // One that does not pipeline is not concerned.
    const alone = connect((server.address() as AddressInfo).port, '127.0.0.1');
    onCleanup(() => void alone.destroy());
    alone.write('GET /now HTTP/1.1\r\nhost: a\r\n\r\n');
    await once(alone, 'data');
    server.closeAllConnections();
    await until(() => lanes.waiting === 0);
  });

  it('of a peer that has gone do not wait for ever for the end of a stream', async () => {
    const clock = new VirtualClock();
    const { socket, received, closed } = tcp(await start({ clock }));
    const watch =
      'POST /grpc.health.v1.Health/Watch HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n' +
      'content-type: application/connect+proto\r\n\r\n\0\0\0\0\0';
    socket.write(`${watch}GET /livez HTTP/1.1\r\nhost: a\r\n\r\n`);
    await until(() => received().includes('\b\u0001'));
    await clock.advance(ANSWER_WAIT_MS - 1);
    expect(socket.closed).toBe(false);
    await clock.advance(1);
    await closed;
  });
});

/** Until no more calls come for a while: of turns, not of time. */
async function settled({ node }: Running): Promise<void> {
  for (let quiet = 0, seen = -1; quiet < 300; quiet = node.calls.length === seen ? quiet + 1 : 0) {
    seen = node.calls.length;
    // A turn that waits for the network.
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

describe('a peer that closes its side behind its requests', () => {
  const CHUNKS = 'Host: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n';
  const CHUNKED = `GET /v1/keys/k HTTP/1.1\r\n${CHUNKS}`;
  const READ = 'GET /v1/keys/k HTTP/1.1\r\nHost: a\r\n\r\n';

  async function turns(count: number): Promise<void> {
    for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
  }

  it.each([
    ['with bodies in chunks', CHUNKED.repeat(5), 5],
    ['with one of a rare method between', `${READ}OPTIONS /v1/keys/k HTTP/1.1\r\nHost: a\r\n\r\n${READ}`, 3],
  ])('gets every answer, %s', async (_name, text, count) => {
    const running = await start();
    // The end of its side comes before the answers.
    running.node.hold = () => turns(20);
    const { socket, received, closed } = tcp(running);
    socket.end(text);
    await closed;
    expect(received().match(/HTTP\/1\.1 2\d\d|HTTP\/1\.1 404/g)?.length).toBe(count);
  });

  it.each(['own', 'node'] as const)('is answered to a large message, with HTTP/1.1 of %s', async (http1) => {
    const running = await start({ http1, valueBytesMax: 1 << 20, batchBytesMax: 1 << 22 });
    const body = JSON.stringify({ key: 'k', value: Buffer.alloc(500_000).toString('base64') });
    const { socket, received, closed } = tcp(running);
    socket.end(
      `POST /walnut.v1.KVStore/Set HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
    await closed;
    expect(received()).toMatch(/^HTTP\/1\.1 200 /);
  });

  it('is given up after a second', async () => {
    const clock = new VirtualClock();
    const running = await start({ clock });
    let begun = 0;
    running.node.hold = () => new Promise(() => begun++);
    const { socket, received, closed } = tcp(running);
    socket.end(CHUNKED);
    await until(() => begun === 1);
    // The end of its side comes behind its bytes, when the system likes: the second begins there.
    let isClosed = false;
    void closed.then(() => {
      isClosed = true;
    });
    for (; !isClosed; await turns(20)) await clock.advance(1_000);
    expect(received()).toBe('');
  });
});
