/** Who is let in: one pipeline in front of every rpc and every route, of a node or of anything else. */

import { type DescMethod, toBinary } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { Health, HealthCheckRequestSchema } from '#gen/grpc/health/v1/health_pb.ts';
import { ServerReflection } from '#gen/grpc/reflection/v1/reflection_pb.ts';
import { Admin } from '#gen/walnut/v1/admin_pb.ts';
import { KVStore } from '#gen/walnut/v1/kv_store_pb.ts';
import { Replication } from '#gen/walnut/v1/replication_pb.ts';
import type { Access, Operation } from '#model/access.ts';
import type { Readiness } from '#model/edge.ts';
import { WalnutError } from '#model/errors.ts';
import { silentLogger } from '#platform/logger.ts';
import { Metrics } from '#platform/metrics.ts';
import { createNodeClock } from '#platform/node-clock.ts';
import { createAdmission, type Refusal } from '#rpc/admission.ts';
import { createBodyDeadlines } from '#rpc/body-deadlines.ts';
import { createErrorMapper } from '#rpc/error-mapping.ts';
import { createHostPolicy } from '#rpc/host-policy.ts';
import { createHttpRoutes } from '#rpc/http-routes.ts';
import { openEdge, type RunningServer } from '#rpc/open-edge.ts';
import { peerOf } from '#rpc/peer.ts';
import { createPlainRoute } from '#rpc/plain-routes.ts';
import { createRequestListener } from '#rpc/request-listener.ts';
import { anonymousCall, type RpcCall } from '#rpc/rpc-call.ts';
import { createRpcModule, type UnaryMethod } from '#rpc/rpc-routes.ts';
import { HTTP1, HTTP2 } from '#test/doubles/http-choice.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { http1, onCleanup, type Running, start } from '#test/server/running.ts';

const ACCESSES: readonly Access[] = [
  'health',
  'open',
  'known',
  'observe',
  'metrics',
  'read',
  'write',
  'either',
  'replicate',
  'follow',
  'admin',
];
const STRANGER = '8.8.8.8';
const NEIGHBOUR = '10.0.0.1';

function anOperation(access: Access, isServedDraining: boolean): Operation {
  return { name: access, access, isServedDraining };
}

describe('a caller that says which shard map it knows', () => {
  const asked: number[] = [];
  const refusalOf = (
    access: Access,
    stated: string | undefined,
    whenMapHeard?: (epoch: number) => Promise<void> | undefined,
  ) =>
    createAdmission({
      hosts: createHostPolicy({ isLoopback: true, names: [], origins: new Set() }),
      isProtected: false,
      isDraining: () => false,
      leaderHint: () => undefined,
      ...(whenMapHeard === undefined ? {} : { whenMapHeard }),
    }).refusal(
      anOperation(access, false),
      anonymousCall(peerOf({ remoteAddress: NEIGHBOUR })),
      { host: 'localhost', ...(stated === undefined ? {} : { 'x-map-epoch': stated }) },
      '/',
      {},
      'POST',
    );
  const known = (epoch: number): undefined => void asked.push(epoch);

  it('is let in at once where the node knows it, and where no node needs it', () => {
    asked.length = 0;
    expect(refusalOf('read', '7', known)).toBeUndefined();
    expect(refusalOf('either', '0', known)).toBeUndefined();
    expect(asked).toEqual([7, 0]);
    expect(refusalOf('write', '7')).toBeUndefined();
    expect(refusalOf('write', undefined, known)).toBeUndefined();
    for (const access of ['observe', 'replicate', 'admin', 'health'] as const)
      expect(refusalOf(access, 'seven', known)).toBeUndefined();
    expect(asked).toEqual([7, 0]);
  });

  it('waits until the node knows it', async () => {
    expect(await refusalOf('read', '7', () => Promise.resolve())).toBeUndefined();
  });

  it('is refused where the node learns of none', async () => {
    const error = new WalnutError('unavailable', 'no newer map');
    expect(await refusalOf('read', '7', () => Promise.reject(error))).toEqual({ by: 'map', error });
  });

  it.each(['', 'seven', '-1', '1.5', '9007199254740992'])('is refused for %j', (stated) => {
    expect(refusalOf('write', stated, known)).toMatchObject({
      by: 'map',
      error: { code: 'invalid_argument', message: 'x-map-epoch: expected a whole number below 2^53' },
    });
  });
});

describe.each(ACCESSES)('a call that needs the access %s', (access) => {
  const told: string[] = [];
  const admissionOf = (isDraining: boolean): ReturnType<typeof createAdmission> =>
    createAdmission({
      onNodeCall: (address) => void told.push(address),
      hosts: createHostPolicy({ isLoopback: true, names: [], origins: new Set() }),
      isProtected: true,
      isDraining: () => isDraining,
      leaderHint: () => 'm:8080',
    });
  const ask = (
    { isDraining = false, isServedDraining = false, host = 'localhost', from = NEIGHBOUR } = {},
    target = '/',
  ): string | undefined =>
    (
      admissionOf(isDraining).refusal(
        anOperation(access, isServedDraining),
        anonymousCall(peerOf({ remoteAddress: from })),
        { host },
        target,
        {},
        'POST',
      ) as Refusal | undefined
    )?.by;

  it('is refused by name, address and drain, in this order', () => {
    const isStrangerRefused = access !== 'health';
    expect(ask()).toBeUndefined();
    expect(ask({ host: 'evil.example', from: STRANGER, isDraining: true })).toBe('name');
    expect(ask({}, 'http://evil.example/')).toBe('name');
    expect(ask({ from: STRANGER, isDraining: true, isServedDraining: true })).toBe(
      isStrangerRefused ? 'address' : undefined,
    );
    expect(ask({ from: '' })).toBe(isStrangerRefused ? 'address' : undefined);
    expect(ask({ isDraining: true })).toBe('drain');
    expect(ask({ isDraining: true, isServedDraining: true })).toBeUndefined();
  });

  it('tells where a node of the group calls from, if it is let in', () => {
    told.length = 0;
    ask({ from: STRANGER, host: 'evil.example' });
    ask({ from: '10.0.0.2', isDraining: true });
    expect(told).toEqual([]);
    ask();
    expect(told).toEqual(access === 'replicate' ? [NEIGHBOUR] : []);
  });

  it('is refused with nothing done, by a drain with where to go instead', () => {
    const refusal = admissionOf(true).refusal(
      anOperation(access, false),
      anonymousCall(peerOf({ remoteAddress: NEIGHBOUR })),
      { host: 'localhost' },
      '/',
      {},
      'POST',
    ) as Refusal | undefined;
    expect(refusal?.error).toMatchObject({
      code: 'unavailable',
      details: { nothingDone: true, leaderHint: 'm:8080' },
    });
  });
});

const SERVICES = [KVStore, Replication, Admin, Health, ServerReflection];
const UNARY: [string, DescMethod][] = SERVICES.flatMap((service) =>
  service.methods
    .filter(({ methodKind }) => methodKind === 'unary')
    .map((method): [string, DescMethod] => [`/${service.typeName}/${method.name}`, method]),
);
const STREAMS = ['/walnut.v1.Replication/FetchSnapshot', '/walnut.v1.Admin/Scrub'];
const SERVED_DRAINING = /^\/(grpc\.health\.v1\.Health\/|walnut\.v1\.Admin\/Status$)/;

describe('a server that drains', () => {
  const draining = async (): Promise<Running> => {
    const running = await start();
    running.server.beginDrain();
    return running;
  };

  it('answers Status and health, and refuses every other rpc', async () => {
    const running = await draining();
    for (const [path] of UNARY) {
      const options = { headers: { 'content-type': 'application/json' }, body: '{}' };
      const answer = await http1(running, 'POST', path, options);
      const isServed = SERVED_DRAINING.test(path);
      expect([path, answer.status === 503]).toEqual([path, !isServed]);
      if (!isServed) expect(JSON.parse(answer.text)).toMatchObject({ code: 'unavailable' });
    }
    expect(running.node.calls).toEqual([]);
  });

  it.each(STREAMS)('refuses %s in the protocol of streams', async (path) => {
    const running = await draining();
    const answer = await http1(running, 'POST', path, {
      headers: { 'content-type': 'application/connect+json' },
      body: Buffer.from([0, 0, 0, 0, 2, 0x7b, 0x7d]),
    });
    expect(answer.status).toBe(200);
    expect(answer.text).toContain('{"error":{"code":"unavailable","message":"the server is stopping');
    expect(running.node.calls).toEqual([]);
  });

  it.each([
    ['GET', '/livez', 200],
    ['GET', '/metrics', 200],
    ['GET', '/', 200],
    ['GET', '/readyz', 503],
    ['GET', '/v1/keys/k', 503],
    ['PUT', '/v1/keys/k', 503],
    ['DELETE', '/v1/keys/k', 503],
    ['GET', '/nothing/here', 404],
    ['POST', '/walnut.v1.KVStore/Nothing', 404],
  ])('answers %s %s with %i', async (method, path, status) => {
    expect((await http1(await draining(), method, path)).status).toBe(status);
  });
});

describe('a stream of HTTP/2', () => {
  const arrive = (headers: Record<string, string>, isTaken = true): object => {
    const calls: RpcCall[] = [];
    const refused: string[] = [];
    const operation = anOperation('read', false);
    const listener = createRequestListener({
      deadlines: createBodyDeadlines(new VirtualClock(), 1_000, new AbortController().signal, () => {}),
      errors: createErrorMapper(silentLogger, new VirtualClock(), 'test'),
      admission: createAdmission({
        hosts: createHostPolicy({ isLoopback: true, names: [], origins: new Set() }),
        isProtected: false,
        isDraining: () => true,
        leaderHint: () => undefined,
      }),
      origins: new Set(),
      onRefused: ({ by }) => refused.push(by),
      rpcAdapter: {
        find: () => ({ operation, unary: undefined, stream: undefined, handler: undefined as never }),
        tryStream: (_route, call) => {
          calls.push(call);
          return isTaken;
        },
        serve: () => {},
        isUnknown: () => false,
        serveUnknown: () => {},
        unaryPath: undefined as never,
      },
      httpRoutes: createHttpRoutes([]),
      isDraining: () => true,
    });
    const stream = { on: () => stream, session: { socket: { remoteAddress: NEIGHBOUR } } };
    const answered = listener.onStream(
      stream as never,
      { ':path': '/walnut.v1.KVStore/Get', ...headers },
      [],
    );
    return { answered, refused, codes: calls.map(({ refusal }) => refusal?.code) };
  };

  it('is answered with why it is refused, and counted once', () => {
    const taken = arrive({ ':authority': 'localhost' });
    expect(taken).toEqual({ answered: true, refused: ['drain'], codes: ['unavailable'] });
    const left = arrive({ ':authority': 'localhost' }, false);
    expect(left).toEqual({ answered: false, refused: [], codes: ['unavailable'] });
  });

  it('comes again as a request where its name is foreign', () => {
    expect(arrive({ ':authority': 'evil.example' })).toEqual({ answered: false, refused: [], codes: [] });
  });
});

describe('an edge of something that is no node', () => {
  const readiness: Readiness = { isReady: true, role: 'gateway', state: 'routing', reasons: ['2 groups'] };
  const scan: UnaryMethod<typeof KVStore.method.scan> = {
    limits: { readMaxBytes: 100, fieldsMax: 10 },
    impl: () => ({ nextCursor: 'somewhere else' }),
  };
  const none = { ...scan, impl: (): never => expect.unreachable('only Scan is called') };

  async function open(): Promise<RunningServer> {
    const edge = await openEdge({
      owner: { readiness: () => readiness, leaderHint: () => 'elsewhere:8080' },
      clock: createNodeClock(),
      logger: silentLogger,
      metrics: new Metrics(),
      host: '127.0.0.1',
      port: 0,
      openFilesMax: 1_000,
      http1: HTTP1,
      http2: HTTP2,
      bodyBytesMax: 1_000_000,
      answerBytesMax: 1_000_000,
      hostNames: [],
      corsOrigins: new Set(),
      modules: () => ({
        services: [
          createRpcModule(KVStore, {
            get: none,
            set: none,
            delete: none,
            increment: none,
            touch: none,
            batch: none,
            scan,
            deletePrefix: none,
            getUpdates: none,
            watch: none,
            explain: none,
            awaitDurable: none,
          }),
        ],
        routes: [createPlainRoute('/', {}, (_request, response) => void response.end('a map'))],
      }),
    });
    onCleanup(() => edge.close(0));
    return edge;
  }

  const ask = (
    server: RunningServer,
    method: string,
    path: string,
    body?: string,
  ): ReturnType<typeof http1> =>
    http1({ server } as Running, method, path, {
      headers: { 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body }),
    });

  it('has its own services and routes beside health, reflection and metrics', async () => {
    const server = await open();
    expect((await ask(server, 'GET', '/')).text).toBe('a map');
    expect(JSON.parse((await ask(server, 'POST', '/walnut.v1.KVStore/Scan', '{}')).text)).toEqual({
      nextCursor: 'somewhere else',
    });
    expect(JSON.parse((await ask(server, 'GET', '/readyz?verbose')).text)).toEqual({
      ready: true,
      role: 'gateway',
      state: 'routing',
      reasons: ['2 groups'],
    });
    const metrics = (await ask(server, 'GET', '/metrics')).text;
    expect(metrics).toContain('walnut_ready 1');
    expect(metrics).toContain('walnut_rpc_handled_total{method="walnut.v1.KVStore/Scan",code="ok"} 1');
    expect((await ask(server, 'GET', '/v1/keys/k')).status).toBe(404);
    const check = await http1({ server } as Running, 'POST', '/grpc.health.v1.Health/Check', {
      headers: { 'content-type': 'application/proto' },
      body: toBinary(HealthCheckRequestSchema, {
        $typeName: 'grpc.health.v1.HealthCheckRequest',
        service: 'walnut.v1.KVStore',
      }),
    });
    expect([...check.body]).toEqual([0x08, 1]);
  });

  it('drains, and says where its owner would go', async () => {
    const server = await open();
    server.beginDrain();
    const ready = await ask(server, 'GET', '/readyz');
    expect([ready.status, ready.text]).toEqual([
      503,
      'not ready: draining\nthe server is stopping\n2 groups\n',
    ]);
    const refused = await ask(server, 'POST', '/walnut.v1.KVStore/Scan', '{}');
    expect([refused.status, refused.headers['x-leader-hint']]).toEqual([503, 'elsewhere:8080']);
    expect((await ask(server, 'GET', '/')).status).toBe(200);
  });
});
