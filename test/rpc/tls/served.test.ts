/** Every protocol by TLS and in clear text on one port, through our own codecs and Node's. */
import { connect as connectHttp2 } from 'node:http2';
import { createClient } from '@connectrpc/connect';
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from '@connectrpc/connect-node';
import { describe, expect, it } from 'vitest';
import { KVStore } from '#gen/walnut/v1/kv_store_pb.ts';
import { CLIENT, handshakes, https, SERVERS, startTls, tls } from '#test/rpc/tls/running-tls.ts';
import { http1, http2, onCleanup, type Running, tcp, until } from '#test/server/running.ts';

const bytes = (text: string): Uint8Array<ArrayBuffer> =>
  new TextEncoder().encode(text) as Uint8Array<ArrayBuffer>;

const PROTOCOLS = {
  'Connect over HTTP/1.1': (baseUrl: string, nodeOptions: object) =>
    createConnectTransport({ baseUrl, httpVersion: '1.1', nodeOptions }),
  'JSON over HTTP/1.1': (baseUrl: string, nodeOptions: object) =>
    createConnectTransport({ baseUrl, httpVersion: '1.1', useBinaryFormat: false, nodeOptions }),
  'Connect over HTTP/2': (baseUrl: string, nodeOptions: object) =>
    createConnectTransport({ baseUrl, httpVersion: '2', nodeOptions, idleConnectionTimeoutMs: 10 }),
  gRPC: (baseUrl: string, nodeOptions: object) =>
    createGrpcTransport({ baseUrl, nodeOptions, idleConnectionTimeoutMs: 10 }),
  'gRPC-Web': (baseUrl: string, nodeOptions: object) =>
    createGrpcWebTransport({ baseUrl, httpVersion: '1.1', nodeOptions }),
};

/** A value that leaves in several writes and records. */
const LARGE = 'v'.repeat(300_000);
/** A value that waits at the server until the peer reads. */
const LONG_BYTES = 8 << 20;

async function callAll({ baseUrl }: Running, nodeOptions: object): Promise<void> {
  for (const createTransport of Object.values(PROTOCOLS)) {
    const store = createClient(KVStore, createTransport(baseUrl, nodeOptions));
    await store.set({ key: 'k', value: bytes(LARGE) });
    const { found, value } = await store.get({ key: 'k' });
    expect([found, value.length]).toEqual([true, LARGE.length]);
    const watched: unknown[] = [];
    for await (const message of store.watch({ what: { case: 'key', value: 'k' } })) watched.push(message);
    expect(watched).toEqual([]);
  }
}

describe.each(['own', 'node'] as const)('with the HTTPs of %s', (http) => {
  const implementation = { http1: http, http2: http, valueBytesMax: 1 << 20, batchBytesMax: 1 << 22 };
  const secure = { ca: SERVERS.cert };

  it.each([
    ['TLS', { mode: 'required' }, secure],
    ['TLS with client certificates', { mode: 'required', clientAuth: 'require' }, { ...secure, ...CLIENT }],
  ] as const)('every protocol is served by %s', async (_name, options, nodeOptions) => {
    const running = await startTls(options, implementation);
    await callAll(running, nodeOptions);
    const put = await https(running, 'PUT', '/v1/keys/a', { body: LARGE }, nodeOptions);
    const got = await https(running, 'GET', '/v1/keys/a', {}, nodeOptions);
    expect([put.status, got.status, got.text.length]).toEqual([201, 200, LARGE.length]);
  });

  it('mode optional serves clear text and TLS on the same port', async () => {
    const running = await startTls({ mode: 'optional' }, implementation);
    await callAll(running, secure);
    await callAll({ ...running, baseUrl: running.baseUrl.replace('https:', 'http:') }, {});
    expect(await handshakes(running)).toMatchObject({ ok: expect.any(Number) });
  });

  it('requests in small records are all answered while Node waits for the peer to read', async () => {
    const running = await startTls({}, { ...implementation, valueBytesMax: LONG_BYTES });
    const { socket, received, secure } = tls(running);
    await secure;
    const head = (method: string, more = ''): string =>
      `${method} /v1/keys/k HTTP/1.1\r\nHost: a\r\n${more}\r\n`;
    socket.write(head('PUT', `Content-Length: ${LONG_BYTES}\r\n`) + 'v'.repeat(LONG_BYTES));
    // Its body in chunks makes this the first that Node's server reads.
    socket.write(`${head('GET', 'Transfer-Encoding: chunked\r\n')}0\r\n\r\n`);
    await until(() => received().includes('HTTP/1.1 200'));
    socket.pause();
    // Node stops at the first of these, and one read brings it many records.
    socket.setMaxSendFragment(512);
    socket.write(head('DELETE').repeat(100));
    for (let turn = 0; turn < 100; turn++) await new Promise((resolve) => setImmediate(resolve));
    socket.resume();
    const statuses = (): string[] => received().match(/HTTP\/1\.1 \d+/g) ?? [];
    await until(() => statuses().length === 102 || socket.destroyed);
    expect([statuses().length, statuses().at(-1)]).toEqual([102, 'HTTP/1.1 404']);
  });

  it('a client without ALPN is served by its first bytes', async () => {
    const running = await startTls({}, implementation);
    const { socket, received } = tls(running);
    socket.write('GET /livez HTTP/1.1\r\nHost: a\r\n\r\n');
    await until(() => received().includes('HTTP/1.1 200'));
    expect(socket.alpnProtocol).toBe(false);
    const other = tls(running);
    await other.secure;
    const client = connectHttp2(running.baseUrl, { createConnection: () => other.socket });
    onCleanup(() => client.destroy());
    expect((await http2(client, { ':path': '/livez' })).headers[':status']).toBe(200);
  });
});

it('clear text on a port that requires TLS is told so, in its own protocol', async () => {
  const running = await startTls();
  const answer = await http1(running, 'GET', '/livez');
  expect([answer.status, JSON.parse(answer.text)]).toEqual([
    400,
    { code: 'invalid_argument', message: 'this port speaks TLS: use https://' },
  ]);
  const { socket, received, closed } = tcp(running);
  socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
  await closed;
  expect(received()).toContain('this port speaks TLS: use https://');
  expect(await handshakes(running)).toEqual({ clear_text: 2 });
});
