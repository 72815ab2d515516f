import { Code, createClient, type Transport } from '@connectrpc/connect';
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from '@connectrpc/connect-node';
import { describe, expect, it } from 'vitest';
import { Admin } from '#gen/walnut/v1/admin_pb.ts';
import { KVStore, UpdateFormat, type WatchResponse } from '#gen/walnut/v1/kv_store_pb.ts';
import { Replication, ResyncVerdict } from '#gen/walnut/v1/replication_pb.ts';
import { Durability, NodeState, Role } from '#gen/walnut/v1/types_pb.ts';
import { protocolOf } from '#rpc/socket-mux.ts';
import { EPOCH, LOG_ID, NODE_ID } from '#test/server/fake-node.ts';
import { http1, http2, rpc, session, start, tcp, until } from '#test/server/running.ts';

const bytes = (text: string): Uint8Array<ArrayBuffer> =>
  new TextEncoder().encode(text) as Uint8Array<ArrayBuffer>;

const TRANSPORTS: readonly [string, (baseUrl: string) => Transport][] = [
  [
    'Connect with protobuf over HTTP/1.1',
    (baseUrl) => createConnectTransport({ baseUrl, httpVersion: '1.1' }),
  ],
  [
    'Connect with JSON over HTTP/1.1',
    (baseUrl) => createConnectTransport({ baseUrl, httpVersion: '1.1', useBinaryFormat: false }),
  ],
  [
    'Connect by HTTP GET',
    (baseUrl) => createConnectTransport({ baseUrl, httpVersion: '1.1', useHttpGet: true }),
  ],
  [
    'Connect with protobuf over HTTP/2',
    (baseUrl) => createConnectTransport({ baseUrl, httpVersion: '2', idleConnectionTimeoutMs: 10 }),
  ],
  ['gRPC over HTTP/2', (baseUrl) => createGrpcTransport({ baseUrl, idleConnectionTimeoutMs: 10 })],
  ['gRPC-Web over HTTP/1.1', (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: '1.1' })],
];

/** Adds the name of each rpc that is called to `called`. */
function recorded({ unary, stream }: Transport, called: Set<string>): Transport {
  return {
    unary(method, ...rest) {
      called.add(method.name);
      return unary(method, ...rest);
    },
    stream(method, ...rest) {
      called.add(method.name);
      return stream(method, ...rest);
    },
  };
}

describe.each(TRANSPORTS)('%s', (name, createTransport) => {
  it('carries every kind of call', async () => {
    const running = await start();
    const called = new Set<string>();
    const transport = recorded(createTransport(running.baseUrl), called);
    const store = createClient(KVStore, transport);

    const set = await store.set({ key: 'a/ü', value: bytes('one'), expiry: { case: 'ttlMs', value: 5n } });
    expect(set.applied).toBe(true);
    const got = await store.get({ key: 'a/ü' });
    expect(got).toMatchObject({
      found: true,
      value: bytes('one'),
      expireAtMs: 1_000_005n,
      version: set.position,
    });
    expect((await store.get({ key: 'nothing' })).found).toBe(false);
    running.node.modifiedMs = 1_700_000_000_000;
    const dated = await store.get({ key: 'a/ü', withModified: true });
    expect([got.modifiedMs, dated.modifiedMs]).toEqual([0n, 1_700_000_000_000n]);
    const datedGet = { operation: { case: 'get', value: { key: 'a/ü', withModified: true } } } as const;
    const [first] = (await store.batch({ operations: [datedGet] })).results;
    expect(first?.result.value).toMatchObject({ modifiedMs: 1_700_000_000_000n });

    const batch = await store.batch({
      operations: [
        { operation: { case: 'set', value: { key: 'b', value: bytes('two') } } },
        { operation: { case: 'get', value: { key: 'b' } } },
        { operation: { case: 'delete', value: { key: 'b' } } },
      ],
    });
    expect(batch.results.map(({ result }) => result.case)).toEqual(['set', 'get', 'delete']);
    const expiry = { case: 'ttlMs', value: 9n } as const;
    const deadline = { case: 'expireAtMs', value: 4_102_444_800_000n } as const;
    const touch = await store.touch({ key: 'a/ü', expiry: deadline, returnValue: true });
    expect(touch).toMatchObject({ touched: true, expireAtMs: deadline.value, entry: { key: 'a/ü' } });
    expect(await store.touch({ key: 'none', expiry: deadline })).toMatchObject({ touched: false });
    await expect(store.touch({ key: 'a/ü' })).rejects.toMatchObject({ code: Code.InvalidArgument });
    const wish = { key: 'slow', fillLeaseMs: 5_000, refreshBeforeMs: 1n };
    if (name === 'Connect by HTTP GET') {
      await expect(store.get(wish)).rejects.toMatchObject({ code: Code.InvalidArgument });
    } else {
      const { fillLease, found } = await store.get(wish);
      expect([found, fillLease?.expiresInMs]).toEqual([false, 5_000]);
      const condition = { case: 'ifFillLease', value: fillLease?.token ?? '' } as const;
      expect((await store.set({ key: 'slow', condition })).applied).toBe(true);
      expect((await store.set({ key: 'slow', condition })).applied).toBe(false);
      await store.delete({ key: 'slow' });
    }
    const contentType = 'text/html; charset=utf-8';
    await store.set({ key: 'page', value: bytes('<p>'), contentType });
    expect(await store.get({ key: 'page' })).toMatchObject({ value: bytes('<p>'), contentType });
    const page = { operations: [{ operation: { case: 'get' as const, value: { key: 'page' } } }] };
    const [one] = (await store.batch(page)).results;
    expect(one?.result.value).toMatchObject({ value: bytes('<p>'), contentType });
    await expect(store.set({ key: 'page', contentType: 'a\nb' })).rejects.toMatchObject({
      code: Code.InvalidArgument,
    });
    await store.delete({ key: 'page' });
    const operation = { case: 'touch', value: { key: 'a/ü', expiry: deadline } } as const;
    const touched = await store.batch({ operations: [{ operation }] });
    expect(touched.results.map(({ result }) => result.case)).toEqual(['touch']);
    const increment = await store.increment({ key: 'n', delta: -3n, initial: 10n, expiry });
    expect(increment).toMatchObject({ applied: true, value: 7n, expireAtMs: 1_000_009n });
    expect((await store.increment({ key: 'n' })).value).toBe(8n);
    expect(Buffer.from((await store.get({ key: 'n' })).value).toString()).toBe('8');
    await expect(store.increment({ key: 'a/ü' })).rejects.toMatchObject({ code: Code.FailedPrecondition });
    await expect(store.increment({ key: 'n', delta: 2n ** 63n - 1n })).rejects.toMatchObject({
      code: Code.OutOfRange,
    });

    const atomic = await store.batch({
      atomic: true,
      minAcks: 1,
      operations: [
        { operation: { case: 'increment', value: { key: 'n' } } },
        { operation: { case: 'get', value: { key: 'n' } } },
      ],
    });
    expect(atomic).toMatchObject({ committed: true, replicasAcked: 1 });
    expect(atomic.results.map(({ result }) => result.case)).toEqual(['increment', 'get']);
    expect(atomic.results[0]?.result.value).toMatchObject({ value: 9n, position: atomic.position });
    const ifAbsent = { case: 'ifAbsent', value: true } as const;
    const unmet = await store.batch({
      atomic: true,
      operations: [
        { operation: { case: 'set', value: { key: 'o' } } },
        { operation: { case: 'set', value: { key: 'n', condition: ifAbsent } } },
      ],
    });
    expect(unmet).toMatchObject({ committed: false });
    expect(unmet.results.map(({ result }) => result.case)).toEqual([undefined, 'set']);
    expect(unmet.results[1]?.result.value).toMatchObject({ applied: false, current: { key: 'n' } });

    expect((await store.scan({ prefix: 'a' })).entries.map(({ key }) => key)).toEqual(['a/ü']);
    const { entries } = await store.scan({ prefix: 'a', withModified: true });
    expect(entries.map(({ modifiedMs }) => modifiedMs)).toEqual([1_700_000_000_000n]);
    expect(await store.scan({ countOnly: true })).toMatchObject({ entries: [], count: 2 });
    expect(await store.deletePrefix({ prefix: 'n', minAcks: 1 })).toMatchObject({
      deleted: 1,
      nextCursor: '',
      replicasAcked: 1,
    });
    expect(await store.scan({ countOnly: true })).toMatchObject({ count: 1 });
    const updates = await store.getUpdates({ format: UpdateFormat.FRAMES });
    expect(updates.frames).toEqual(new Uint8Array([7, 7]));
    await store.getUpdates({ sinceMs: 0n });
    expect(running.node.calls.at(-1)?.argument).toMatchObject({ sinceMs: 0 });
    await expect(store.getUpdates({ sinceMs: 5n, after: { lsn: 1n } })).rejects.toMatchObject({
      code: Code.InvalidArgument,
    });

    expect(await store.explain({ key: 'a/ü' })).toMatchObject({ found: true, sets: 4n });
    const watched: WatchResponse[] = [];
    for await (const message of store.watch({ what: { case: 'key', value: 'a/ü' } })) watched.push(message);
    expect(watched).toEqual([]);

    const position = { epoch: BigInt(EPOCH), lsn: 1n };
    expect(await store.awaitDurable({ position, minAcks: 2 })).toMatchObject({
      durabilityReached: Durability.LOCAL,
      replicasAcked: 2,
    });

    const status = await createClient(Admin, transport).status({});
    expect(status).toMatchObject({
      nodeId: NODE_ID,
      role: Role.MASTER,
      state: NodeState.SERVING,
      uptimeMs: 12_345n,
    });

    const chunks: number[] = [];
    for await (const { chunk } of createClient(Replication, transport).fetchSnapshot({ logId: LOG_ID })) {
      chunks.push(...chunk);
    }
    expect(chunks).toEqual([1, 2, 3, 4, 5]);

    expect(KVStore.methods.map(({ name }) => name).filter((name) => !called.has(name))).toEqual([]);
  });
});

describe('replication', () => {
  it('tells the port the address of the peer and answers its verdicts', async () => {
    // Bound to ::, an IPv4 peer arrives as ::ffff:127.0.0.1.
    const running = await start({ host: '::' });
    const client = createClient(
      Replication,
      createGrpcTransport({ baseUrl: running.baseUrl, idleConnectionTimeoutMs: 10 }),
    );
    const registered = await client.register({ nodeId: NODE_ID, advertise: ':8081' });
    expect(running.node.calls[0]).toMatchObject({ port: 'register', extra: '127.0.0.1' });
    expect(registered).toMatchObject({ verdict: ResyncVerdict.SNAPSHOT, reason: 'the log begins at 5' });
    expect(registered.latest?.crc).toBe(0xdead_beef);

    const replicated = await client.replicate({
      masterNodeId: NODE_ID,
      logId: LOG_ID,
      frames: new Uint8Array(2_000_000),
    });
    expect(replicated.refusal).toMatchObject({ case: 'need', value: { lsn: 3n, crc: 17 } });
  });
});

describe('one port for HTTP/1.1 and HTTP/2', () => {
  it('decides by the first bytes', () => {
    expect(protocolOf(Buffer.from('P'))).toBe('undecided');
    expect(protocolOf(Buffer.from('PRI * HTTP/2'))).toBe('undecided');
    expect(protocolOf(Buffer.from('PRI * HTTP/2.0\r\n'))).toBe('http2');
    expect(protocolOf(Buffer.from('POST / HTTP/1.1'))).toBe('http1');
    expect(protocolOf(Buffer.from('PUT'))).toBe('http1');
  });

  it('takes a preface that arrives byte by byte', async () => {
    const { socket, received } = tcp(await start());
    socket.setNoDelay(true);
    for (const byte of Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')) {
      socket.write(Buffer.from([byte]));
      await new Promise((resolve) => setImmediate(resolve));
    }
    socket.write(Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]));
    await until(() => received().length >= 9);
    // The server's first frame is SETTINGS, type 4.
    expect(received().charCodeAt(3)).toBe(4);
  });

  it('takes an HTTP/1.1 request that arrives byte by byte, and the next one on the same connection', async () => {
    const { socket, received } = tcp(await start());
    socket.setNoDelay(true);
    for (const byte of Buffer.from('PUT /livez HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n')) {
      socket.write(Buffer.from([byte]));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await until(() => received().includes('HTTP/1.1 405'));
    socket.write('GET /livez HTTP/1.1\r\nHost: a\r\n\r\n');
    await until(() => received().includes('HTTP/1.1 200'));
  });

  it('serves plain routes over HTTP/2 too', async () => {
    const running = await start();
    const client = session(running);
    const live = await http2(client, { ':path': '/livez' });
    expect([live.headers[':status'], live.text]).toEqual([200, 'ok\n']);
    const put = await http2(client, { ':path': '/v1/keys/k', ':method': 'PUT' }, 'over http/2');
    expect(put.headers[':status']).toBe(201);
    expect((await http1(running, 'GET', '/v1/keys/k')).text).toBe('over http/2');
  });
});

describe('HTTP GET', () => {
  it('reads by GET and refuses to write by it, naming the method', async () => {
    const running = await start();
    await rpc(running, 'KVStore/Set', { key: 'k', value: 'djE=' });
    const message = encodeURIComponent(JSON.stringify({ key: 'k' }));
    const got = await http1(
      running,
      'GET',
      `/walnut.v1.KVStore/Get?connect=v1&encoding=json&message=${message}`,
    );
    expect(JSON.parse(got.text)).toMatchObject({ found: true, value: 'djE=' });
    const set = await http1(
      running,
      'GET',
      `/walnut.v1.KVStore/Set?connect=v1&encoding=json&message=${message}`,
    );
    expect(set.status).toBe(405);
    expect(set.headers.allow).toBe('POST');
    expect(set.text).toContain('expected POST');
  });

  it.each([
    ['KVStore/Get', 400, 'no encoding: expected ?connect=v1&encoding=json'],
    ['KVStore/Get?connect=v1&message={}', 400, 'no encoding'],
    ['KVStore/Get?connect=v1&encoding=xml&message={}', 415, 'expected encoding=json or encoding=proto'],
    ['KVStore/Watch', 405, 'expected POST'],
    ['KVStore/Watch?connect=v1&encoding=json&message={}', 405, 'expected POST'],
  ])('says of %s what is wrong', async (path, status, why) => {
    const running = await start();
    const answer = await http1(running, 'GET', `/walnut.v1.${path}`);
    expect([answer.status, answer.text]).toEqual([status, expect.stringContaining(why)]);
    if (status === 405) expect(answer.headers.allow).toBe('POST');
  });

  it('is answered with what no cache may give unasked, refusals too', async () => {
    const running = await start();
    const controls = async (query: string): Promise<unknown> => {
      const path = `/walnut.v1.KVStore/Get?${query}`;
      return (await http1(running, 'GET', path)).headers['cache-control'];
    };
    const message = (key: string): string => encodeURIComponent(JSON.stringify({ key }));
    for (const encoding of ['json', 'proto']) expect(await controls(`encoding=${encoding}`)).toBe('no-cache');
    expect(await controls(`encoding=json&message=${message('k')}`)).toBe('no-cache');
    expect(await controls(`encoding=json&message=${message('')}`)).toBe('no-cache');
    expect((await rpc(running, 'KVStore/Get', { key: 'k' })).headers['cache-control']).toBeUndefined();
  });
});

describe('OPTIONS of the server as a whole', () => {
  it('is answered with the methods', async () => {
    const running = await start();
    const one = await http1(running, 'OPTIONS', '*');
    const two = await http2(session(running), { ':method': 'OPTIONS', ':path': '*' });
    const allow = 'GET, HEAD, PUT, POST, DELETE, OPTIONS';
    expect([one.status, one.headers.allow, two.headers[':status'], two.headers['allow']]).toEqual([
      204,
      allow,
      204,
      allow,
    ]);
    expect((await http1(running, 'GET', '*')).status).toBe(404);
  });
});
