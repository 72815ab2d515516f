import * as http from 'node:http';
import * as net from 'node:net';
import { create } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Endpoint, tryEndpoint } from '#dial/endpoint.ts';
import { GetRequestSchema, KVStore, SetRequestSchema } from '#gen/walnut/v1/kv_store_pb.ts';
import { LeanClient } from '../../cmd/walnut/call/lean-client.ts';
import { LeanResponseReader } from '../../cmd/walnut/call/lean-response.ts';
import { FakeNode } from './fake-node.ts';

/** Parses the responses in `bytes`, which arrive in pieces of the given lengths, repeated. */
function readAll(bytes: Buffer, lengths: readonly number[]): { status: number; body: string }[] {
  const reader = new LeanResponseReader();
  const responses: { status: number; body: string }[] = [];
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const end = Math.min(bytes.length, at + (lengths[i % lengths.length] ?? bytes.length));
    const response = reader.push(bytes.subarray(at, end));
    if (response !== undefined)
      responses.push({ status: response.status, body: Buffer.from(response.body).toString() });
    at = end;
  }
  return responses;
}

const endpointOf = (address: string) => tryEndpoint(address) as Endpoint;

describe('the response reader', () => {
  it('reads lengths and chunks, wherever the bytes are cut', () => {
    const cases = [
      ['HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: b\r\n\r\nhello', 200, 'hello'],
      ['HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n', 200, ''],
      [
        'HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\nA;x=y\r\nllo\r\n\r\nabc\r\n0\r\n\r\n',
        503,
        'hello\r\n\r\nabc',
      ],
      ['HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\ntrailer: x\r\n\r\n', 200, ''],
    ] as const;
    for (const [text, status, body] of cases) {
      fc.assert(
        fc.property(fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1 }), (lengths) => {
          expect(readAll(Buffer.from(text), lengths)).toEqual([{ status, body }]);
        }),
      );
    }
  });

  it.each([
    ['HTTP/1.0 200 OK\r\n\r\n', 'not an HTTP/1.1 response'],
    ['HTTP/1.1 200 OK\r\n\r\n', 'without a length'],
    ['HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n', 'without a length'],
    ['HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nab', 'after the response'],
    ['HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\nab', 'larger than'],
    ['HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n', 'chunk size'],
    [`HTTP/1.1 200 OK\r\nx: ${'y'.repeat(70_000)}`, 'larger than'],
  ])('refuses %j', (text, message) => {
    expect(() => readAll(Buffer.from(text), [text.length])).toThrow(message);
  });
});

describe('the lean client', () => {
  let node: FakeNode;
  let client: LeanClient;
  beforeEach(async () => {
    node = await new FakeNode().start();
    client = new LeanClient(endpointOf(node.address));
  });
  afterEach(async () => {
    client.close();
    await node.stop();
  });
  const get = (key: string) => client.call(KVStore.method.get, create(GetRequestSchema, { key }));
  const set = (key: string, value: Uint8Array) =>
    client.call(KVStore.method.set, create(SetRequestSchema, { key, value }));

  it('makes calls over one connection, with small bodies and large ones', async () => {
    let connections = 0;
    node.server.on('connection', () => connections++);
    const large = Buffer.alloc(3_000_000, 'walnut');
    expect((await get('ключ')).found).toBe(false);
    await set('ключ', large);
    expect(Buffer.from((await get('ключ')).value).equals(large)).toBe(true);
    await set('ключ', Buffer.from('small'));
    expect(Buffer.from((await get('ключ')).value).toString()).toBe('small');
    expect(connections).toBe(1);
  });

  it('tells errors by their Connect code, and the hint', async () => {
    node.fault = () => 'unavailable';
    await expect(get('a')).rejects.toMatchObject({ code: 'unavailable', message: 'loading' });
    const replica = await new FakeNode({ master: 'm:1' }).start();
    const other = new LeanClient(endpointOf(replica.address));
    const request = create(SetRequestSchema, { key: 'a' });
    await expect(other.call(KVStore.method.set, request)).rejects.toMatchObject({
      code: 'failed_precondition',
      leaderHint: 'm:1',
    });
    other.close();
    await replica.stop();
  });

  it('fails the call where the connection is lost, and connects again for the next', async () => {
    await get('a');
    node.fault = (_method, call) => (call === 2 ? 'cut' : 'serve');
    await expect(get('a')).rejects.toMatchObject({ code: 'lost' });
    expect((await get('a')).found).toBe(false);
    node.server.closeAllConnections();
    await node.stop();
    await expect(get('a')).rejects.toMatchObject({ code: 'lost' });
    node = await new FakeNode().start();
  });

  it('keeps a new call apart from the end of the connection before', async () => {
    await get('a');
    const first = get('a');
    client.close();
    const second = get('a');
    await expect(first).rejects.toMatchObject({ code: 'lost' });
    expect((await second).found).toBe(false);
  });

  it.each([
    [200, 'text/html', 'internal', 'HTTP 200 with text/html: is it a Walnut node?'],
    [200, 'application/json', 'internal', 'is it a Walnut node?'],
    [404, 'text/plain', 'unimplemented', 'HTTP 404 with text/plain'],
    [401, '', 'unauthenticated', 'HTTP 401: is it'],
    [502, 'text/html', 'unavailable', 'HTTP 502'],
    [200, 'application/proto', 'internal', 'cannot be decoded'],
  ])('takes HTTP %s with %s for no answer of a node', async (status, type, code, message) => {
    const other = http.createServer((_request, response) => {
      response.writeHead(status, type === '' ? {} : { 'content-type': type });
      response.end('{"code":"ok"}');
    });
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const { port } = other.address() as net.AddressInfo;
    const asked = new LeanClient(endpointOf(`127.0.0.1:${port}`));
    const call = asked.call(KVStore.method.get, create(GetRequestSchema, { key: 'a' }));
    await expect(call).rejects.toMatchObject({ code, message: expect.stringContaining(message) });
    asked.close();
    other.close();
  });

  it('fails the call where no answer comes in time', async () => {
    const silent = net.createServer((socket) => void socket.resume()).listen(0, '127.0.0.1');
    await new Promise((resolve) => silent.once('listening', resolve));
    const { port } = silent.address() as net.AddressInfo;
    const hasty = new LeanClient(endpointOf(`127.0.0.1:${port}`), 50);
    const call = hasty.call(KVStore.method.get, create(GetRequestSchema, { key: 'a' }));
    await expect(call).rejects.toMatchObject({
      code: 'lost',
      message: expect.stringContaining('within 50 ms'),
    });
    silent.close();
  });
});
