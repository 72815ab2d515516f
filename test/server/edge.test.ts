/** The edge under peers that are slow, broken, stuck or hostile, and its end. */
import { createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { describe, expect, it } from 'vitest';
import { KVStore } from '#gen/walnut/v1/kv_store_pb.ts';
import { CLIENT_PREFACE, FrameType } from '#http/http2/frame.ts';
import { operationOf } from '#model/methods.ts';
import { silentLogger } from '#platform/logger.ts';
import { createNodeClock } from '#platform/node-clock.ts';
import { createAdmission } from '#rpc/admission.ts';
import { createBodyDeadlines } from '#rpc/body-deadlines.ts';
import { createErrorMapper } from '#rpc/error-mapping.ts';
import { createHttpRoutes } from '#rpc/http-routes.ts';
import { createHttp1 } from '#rpc/http-servers.ts';
import { createPlainRoute } from '#rpc/plain-routes.ts';
import { BODY_TIMEOUT_MS, createRequestListener } from '#rpc/request-listener.ts';
import { FIRST_BYTES_MS } from '#rpc/socket-mux.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { frame } from '#test/http/wire.ts';
import {
  http1,
  http2,
  onCleanup,
  type Running,
  rpc,
  session,
  start,
  tcp,
  until,
} from '#test/server/running.ts';

/** A call that is under way until `finish` is called. */
async function holdCall(running: Running): Promise<{ held: ReturnType<typeof rpc>; finish: () => void }> {
  let finish = (): void => {};
  running.node.hold = () =>
    new Promise((resolve) => {
      finish = resolve;
    });
  const held = rpc(running, 'KVStore/Get', { key: 'k', maxStalenessMs: '1' });
  await until(() => running.node.calls.length === 1);
  return { held, finish };
}

describe('drain', () => {
  it('turns readiness off, refuses new rpcs, answers Status and health, and lets what runs finish', async () => {
    const running = await start();
    const { held, finish } = await holdCall(running);
    running.server.beginDrain();
    // As a process does at SIGTERM: the port stays open for as long as a call is under way.
    const closed = running.server.close(60_000);

    const ready = await http1(running, 'GET', '/readyz');
    expect([ready.status, ready.headers.connection]).toEqual([503, 'close']);
    expect(ready.text).toContain('the server is stopping');
    expect((await http1(running, 'GET', '/livez')).status).toBe(200);
    const refused = await rpc(running, 'KVStore/Get', { key: 'k' });
    expect([refused.status, refused.json['code']]).toEqual([503, 'unavailable']);
    expect((await http1(running, 'PUT', '/v1/keys/k', { body: 'v' })).status).toBe(503);
    expect((await rpc(running, 'Admin/Status', {})).json).toMatchObject({ state: 'NODE_STATE_DRAINING' });
    expect(running.node.calls.length).toBe(1);

    finish();
    expect((await held).status).toBe(200);
    await closed;
    await expect(http1(running, 'GET', '/livez')).rejects.toThrow('ECONNREFUSED');
  });

  it.each(['own', 'node'] as const)(
    'answers what comes on an idle connection at the last moment, and a peer that had just connected (HTTP/1.1 by %s)',
    async (by) => {
      const running = await start({ http1: by });
      const get = 'GET /v1/keys/k HTTP/1.1\r\nHost: a\r\n\r\n';
      const idle = tcp(running);
      idle.socket.write('GET /livez HTTP/1.1\r\nHost: a\r\n\r\n');
      await until(() => idle.received().endsWith('ok\n'));
      idle.socket.write(get);
      const fresh = tcp(running);
      fresh.socket.write(get);
      await running.server.close(60_000);
      await Promise.all([idle.closed, fresh.closed]);
      for (const { received } of [idle, fresh]) {
        const answer = received().replace(/^.*ok\n/s, '');
        expect(answer).toMatch(/^HTTP\/1\.1 503 /);
        expect(answer).toMatch(/connection: close/i);
        expect(answer).toContain('the server is stopping');
      }
      expect(running.node.calls).toEqual([]);
    },
  );

  it.each(['own', 'node'] as const)(
    'tells callers by HTTP/2 that connect while it drains, and waits for none of them (HTTP/2 by %s)',
    async (by) => {
      const clock = new VirtualClock();
      const running = await start({ clock, http2: by });
      const { held, finish } = await holdCall(running);
      const closed = running.server.close(10_000);
      const transport = createGrpcTransport({ baseUrl: running.baseUrl });
      await expect(createClient(KVStore, transport).get({ key: 'k' })).rejects.toThrow('[unavailable]');
      const late = session(running);
      expect((await http2(late, { ':path': '/readyz' })).headers[':status']).toBe(503);
      finish();
      expect((await held).status).toBe(200);
      await closed;
    },
  );

  it('sends GOAWAY to idle HTTP/2 sessions, so that close ends without its grace', async () => {
    const clock = new VirtualClock();
    const running = await start({ clock });
    const client = session(running);
    expect((await http2(client, { ':path': '/livez' })).text).toBe('ok\n');
    const gone = new Promise((resolve) => client.once('goaway', resolve));
    const closed = running.server.close(10_000);
    await gone;
    // Virtual time stands still: only empty connections can end this.
    await closed;
  });

  it.each(['own', 'node'] as const)(
    'waits a second at most for a peer that answers no ping (HTTP/2 by %s)',
    async (by) => {
      const clock = new VirtualClock();
      const running = await start({ clock, http2: by });
      const mute = tcp(running);
      mute.socket.write(Buffer.concat([CLIENT_PREFACE, frame(FrameType.settings, 0, 0)]));
      await until(() => mute.received().length > 0);
      let isClosed = false;
      const closed = running.server.close(60_000).then(() => {
        isClosed = true;
      });
      await clock.advance(900);
      expect(isClosed).toBe(false);
      for (let turn = 0; turn < 20 && !isClosed; turn++) {
        await clock.advance(100);
        await new Promise((resolve) => setImmediate(resolve));
      }
      await mute.closed;
      await closed;
    },
  );

  it('ends stuck streams, idle keep-alive connections and half requests when the grace is over', async () => {
    const clock = new VirtualClock();
    const running = await start({ clock });
    running.node.hold = () => new Promise(() => {});
    const transport = createGrpcTransport({ baseUrl: running.baseUrl });
    const stuck = createClient(KVStore, transport)
      .get({ key: 'k', maxStalenessMs: 1n })
      .catch((error: unknown) => error);
    const idle = tcp(running);
    const half = tcp(running);
    half.socket.write(
      'POST /walnut.v1.KVStore/Set HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{',
    );
    await until(() => running.node.calls.some(({ port }) => port === 'get'));
    let isClosed = false;
    const closed = running.server.close(3_000).then(() => {
      isClosed = true;
    });
    await clock.advance(2_999);
    expect(isClosed).toBe(false);
    await clock.advance(1);
    await closed;
    await Promise.all([idle.closed, half.closed]);
    expect(await stuck).toBeInstanceOf(Error);
  });

  it('stops listening', async () => {
    const running = await start();
    await running.server.close(1_000);
    await expect(http1(running, 'GET', '/livez')).rejects.toThrow('ECONNREFUSED');
    await running.server.close(1_000);
  });
});

describe('hostile and broken peers', () => {
  it('drops a connection that says nothing', async () => {
    const clock = new VirtualClock();
    const running = await start({ clock });
    const { socket, closed } = tcp(running);
    await new Promise((resolve) => socket.once('connect', resolve));
    socket.write('PRI * HT');
    await until(() => socket.bytesWritten === 8);
    // One answered request later, the silent connection has been accepted for certain.
    await http1(running, 'GET', '/livez');
    await clock.advance(FIRST_BYTES_MS);
    await closed;
  });

  it.each([
    ['no Host in HTTP/1.0', 'POST /walnut.v1.KVStore/Get HTTP/1.0\r\nContent-Length: 0\r\n\r\n'],
    ['an ill-formed Host', 'POST /walnut.v1.KVStore/Get HTTP/1.1\r\nHost: [\r\nContent-Length: 0\r\n\r\n'],
    ['an ill-formed URL', 'GET http:// HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['an ill-formed request line', 'NONSENSE\r\n\r\n'],
    ['two lengths', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n'],
    ['huge headers', `GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`],
  ])('%s is answered with a 4xx, and the server lives on', async (_name, bytes) => {
    const running = await start();
    const { socket, received } = tcp(running);
    socket.write(bytes);
    await until(() => /^HTTP\/1\.1 4\d\d/.test(received()));
    expect((await http1(running, 'GET', '/livez')).status).toBe(200);
  });

  it.each([
    ['a reset', (socket: { resetAndDestroy(): unknown }) => socket.resetAndDestroy()],
    ['an end', (socket: { destroy(): unknown }) => socket.destroy()],
  ])('%s in the middle of a body reaches no port and no log', async (_name, cut) => {
    const running = await start();
    const { socket, closed } = tcp(running);
    socket.write(
      'POST /walnut.v1.KVStore/Set HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{"k',
    );
    await until(() => socket.bytesWritten > 100);
    cut(socket);
    await closed;
    const { text } = await http1(running, 'GET', '/metrics');
    expect(text).toContain('walnut_ready 1');
    expect(running.node.calls).toEqual([]);
    expect(running.logged).toEqual([]);
  });

  it('outlives garbage after an HTTP/2 preface and streams that are reset', async () => {
    const running = await start();
    const garbage = tcp(running);
    garbage.socket.write(`PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${'x'.repeat(500)}`);
    await garbage.closed;
    const client = session(running);
    running.node.hold = () => new Promise(() => {});
    const stream = client.request({
      ':path': '/walnut.v1.KVStore/Get',
      ':method': 'POST',
      'content-type': 'application/json',
    });
    stream.on('error', () => {});
    stream.end('{"key":"k"}');
    await until(() => running.node.calls.length === 1);
    stream.close(8);
    expect((await http2(client, { ':path': '/livez' })).text).toBe('ok\n');
    expect(running.logged).toEqual([]);
  });

  it('ends an HTTP/2 body that never ends', async () => {
    const clock = new VirtualClock();
    const running = await start({ clock });
    const client = session(running);
    for (const path of ['/v1/keys/k', '/walnut.v1.KVStore/Set', '/livez']) {
      const stream = client.request({ ':path': path, ':method': 'PUT', 'content-type': 'application/grpc' });
      stream.on('error', () => {});
      stream.resume();
      const closed = new Promise((resolve) => stream.once('close', resolve));
      stream.write('x');
      // A request after it has been answered, so this one has been seen.
      await http2(client, { ':path': '/livez' });
      await clock.advance(BODY_TIMEOUT_MS);
      await closed;
    }
    expect(running.node.calls).toEqual([]);
    expect(await running.metrics.render()).toMatch(/^walnut_requests_late_total [1-9]/m);
  });

  it('checks the time of HTTP/1.1 requests although it never listens itself', () => {
    const server = createHttp1({ onRequest: () => {} }, createNodeClock(), {
      onStalled: () => {},
      onLate: () => {},
    });
    onCleanup(() => {
      server.close();
    });
    // Node's own check runs by real time; what can be lost here is that it runs at all.
    const symbol = Object.getOwnPropertySymbols(server).find(
      (name) => name.description === 'http.server.connectionsCheckingInterval',
    );
    expect(symbol === undefined ? undefined : Reflect.get(server, symbol)).toBeDefined();
    expect([server.headersTimeout, server.requestTimeout]).toEqual([10_000, BODY_TIMEOUT_MS]);
  });

  it('aborts the wait of a caller that went away', async () => {
    const running = await start();
    let isAborted = false;
    running.node.hold = (signal) =>
      new Promise(() => {
        signal?.addEventListener('abort', () => {
          isAborted = true;
        });
      });
    const { socket } = tcp(running);
    socket.write('GET /v1/keys/k?wait=60s HTTP/1.1\r\nHost: a\r\n\r\n');
    await until(() => running.node.calls.length === 1);
    socket.destroy();
    await until(() => isAborted);
  });
});

describe('the address', () => {
  it('in use is a typed error naming the key', async () => {
    const { server } = await start();
    await expect(start({ port: server.port })).rejects.toMatchObject({
      name: 'ServerAddressError',
      message: expect.stringContaining('server.port'),
    });
  });

  it('that is not of this machine names the other key', async () => {
    await expect(start({ host: '192.0.2.1' })).rejects.toMatchObject({
      name: 'ServerAddressError',
      message: expect.stringContaining('server.address'),
    });
  });

  it('is told with its port', async () => {
    const { server } = await start();
    expect(server.address).toBe(`127.0.0.1:${server.port}`);
  });
});

describe('a peer outside of private networks', () => {
  it('gets UNAUTHENTICATED on every route but health', () => {
    const answers: [string, number][] = [];
    const answerTo = (path: string) => (): void => {
      answers.push([path, 200]);
    };
    const listener = createRequestListener({
      deadlines: createBodyDeadlines(
        new VirtualClock(),
        BODY_TIMEOUT_MS,
        new AbortController().signal,
        () => {},
      ),
      errors: createErrorMapper(silentLogger, new VirtualClock(), 'test'),
      origins: new Set(),
      httpRoutes: createHttpRoutes([
        createPlainRoute('/', {}, answerTo('/')),
        createPlainRoute('/livez', {}, answerTo('/livez')),
        createPlainRoute('/readyz', {}, answerTo('/readyz')),
        createPlainRoute('/metrics', {}, answerTo('/metrics')),
        {
          path: '/v1/keys/',
          api: {},
          operation: () => operationOf('/walnut.v1.KVStore/Get'),
          serve: () => expect.unreachable('a stranger was admitted'),
        },
      ]),
      rpcAdapter: {
        find: () => undefined,
        tryStream: () => false,
        serve: () => {},
        isUnknown: () => false,
        serveUnknown: () => {},
        unaryPath: undefined as never,
      },
      admission: createAdmission({
        hosts: { refusal: () => undefined },
        isProtected: true,
        isDraining: () => false,
        leaderHint: () => undefined,
      }),
      isDraining: () => false,
      onRefused: () => {},
    });
    for (const path of ['/', '/livez', '/readyz', '/metrics', '/v1/keys/k', '/x']) {
      const response = {
        statusCode: 0,
        on: () => response,
        setHeader: () => response,
        end: () => answers.push([path, response.statusCode]),
      };
      const request = {
        url: path,
        method: 'GET',
        headers: {},
        rawHeaders: [],
        on: () => request,
        socket: { remoteAddress: '8.8.8.8' },
      };
      void listener.onRequest(request as never, response as never);
    }
    expect(answers).toEqual([
      ['/', 401],
      ['/livez', 200],
      ['/readyz', 200],
      ['/metrics', 401],
      ['/v1/keys/k', 401],
      ['/x', 401],
    ]);
  });
});

describe('a body that is refused before its end', () => {
  const chunked = (bytes: number): string => `${bytes.toString(16)}\r\n${'\u007f'.repeat(bytes)}\r\n`;

  it.each([
    ['gRPC-Web', 'POST /walnut.v1.KVStore/Set', 'application/grpc-web+proto'],
    ['Connect in chunks', 'POST /walnut.v1.KVStore/Set', 'application/proto'],
    ['Connect', 'POST /walnut.v1.KVStore/Set', 'application/proto', 300_000],
    ['a key', 'PUT /v1/keys/k', 'text/plain'],
  ])('leaves the connection to the next request: %s', async (_name, line, type, length?: number) => {
    const { socket, received } = tcp(await start());
    const framing = length === undefined ? 'transfer-encoding: chunked' : `content-length: ${length}`;
    socket.write(`${line} HTTP/1.1\r\nhost: a\r\ncontent-type: ${type}\r\n${framing}\r\n\r\n`, 'latin1');
    const part = length === undefined ? chunked(60_000) : 'x'.repeat(60_000);
    socket.write(part, 'latin1');
    socket.write(part, 'latin1');
    await until(() => received().includes('HTTP/1.1 '));
    for (let i = 0; i < 3; i++) socket.write(part, 'latin1');
    if (length === undefined) socket.write('0\r\n\r\n');
    socket.write('GET /livez HTTP/1.1\r\nhost: a\r\n\r\n');
    await until(() => received().endsWith('ok\n'));
  });
});
