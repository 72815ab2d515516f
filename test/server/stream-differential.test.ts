/** The stream path answers as connect-node does, whatever it is sent. */
import { connect, constants } from 'node:http2';
import { gzipSync } from 'node:zlib';
import { create, toBinary } from '@bufbuild/protobuf';
import { type Code, ConnectError } from '@connectrpc/connect';
import { describe, expect, it } from 'vitest';
import { KVStore, type WatchRequest, WatchRequestSchema } from '#gen/walnut/v1/kv_store_pb.ts';
import { PositionSchema } from '#gen/walnut/v1/types_pb.ts';
import { checkCaller, WalnutError } from '#model/errors.ts';
import { STRICT_JSON } from '#rpc/rpc-adapter.ts';
import type { StreamContext, StreamMessage } from '#rpc/rpc-routes.ts';
import { StreamCall } from '#rpc/streams/stream-call.ts';
import { HTTP2 } from '#test/doubles/http-choice.ts';
import {
  envelope,
  overHttp1,
  overHttp2,
  type Received,
  type Sent,
  unwrapped,
} from '#test/server/raw-calls.ts';
import { openRpcEdge } from '#test/server/rpc-edge.ts';
import { onCleanup, until } from '#test/server/running.ts';

const PATH = '/walnut.v1.KVStore/Watch';
const READ_BYTES_MAX = 2_000;
const COMPRESS_MIN_BYTES = 300;

interface Twin {
  readonly wasDirect: boolean[];
  readonly observed: string[];
  open: number;
}

async function* behave(
  request: WatchRequest,
  { signal, call }: StreamContext,
): AsyncGenerator<StreamMessage> {
  const [what = '', argument = ''] = String(request.what.value ?? '').split(':');
  const told = (resume: string) => ({ resume });
  const count = Number(argument);
  switch (what) {
    case 'count':
      for (let i = 0; i < count; i++) yield { resume: `${i}` };
      return;
    case 'large':
      yield { resume: 'x'.repeat(count) };
      return;
    case 'error':
      throw failure(count);
    case 'late':
      yield told('first');
      throw failure(count);
    case 'long-error':
      throw new ConnectError('why? '.repeat(100), count as Code);
    case 'bug':
      throw new TypeError(argument);
    case 'refused':
      throw new WalnutError('unavailable', 'it drains', { leaderHint: 'm:8080' });
    case 'frames':
      yield told('first');
      for (let i = 0; i < count; i++) call.frames?.send(envelope(Uint8Array.of(26, 1, 0x61 + i)), () => {});
      return;
    case 'half':
      yield told('first');
      call.frames?.sendPart(envelope(Uint8Array.of(26, 1), 0, 3), () => {});
      return;
    case 'ill-formed':
      yield { resume: 7 as unknown as string };
      return;
    default:
      yield told('first');
      await aborted(signal);
      checkCaller(signal);
  }
}

function failure(code: Code): ConnectError {
  const headers = { 'x-leader-hint': 'm:8080', 'content-type': 'x/y', 'x-bin-bin': 'AAE' };
  return new ConnectError(`why: 100% „${code}“`, code, headers, [
    { desc: PositionSchema, value: { epoch: 7n, lsn: 8n } },
  ]);
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve());
  });
}

async function startTwin(isDirect: boolean) {
  const twin: Twin = { wasDirect: [], observed: [], open: 0 };
  const limits = { readMaxBytes: READ_BYTES_MAX, fieldsMax: READ_BYTES_MAX };
  async function* watch(request: WatchRequest, context: StreamContext): AsyncGenerator<StreamMessage> {
    twin.wasDirect.push(context instanceof StreamCall);
    twin.open++;
    try {
      yield* behave(request, context);
    } finally {
      twin.open--;
    }
  }
  const refusal = { by: 'rights', error: new WalnutError('permission_denied', 'not yours') } as const;
  const edge = await openRpcEdge({
    isDirect,
    compressMinBytes: COMPRESS_MIN_BYTES,
    jsonOptions: STRICT_JSON,
    observe: (code) => twin.observed.push(code),
    admission: { refusal: (_operation, _call, headers) => ('x-refused' in headers ? refusal : undefined) },
    routes: (routes) => void routes.stream(KVStore.method.watch, { limits, impl: watch }),
  });
  onCleanup(edge.close);
  const client = connect(`http://127.0.0.1:${edge.port}`);
  client.on('error', () => {});
  onCleanup(() => client.destroy());
  const send = (sent: Sent): Promise<Received | string> =>
    (sent.http === 1 ? overHttp1(edge.port, sent) : overHttp2(client, sent)).catch(String);
  return { twin, send, client, close: edge.close };
}

async function startBoth() {
  return { direct: await startTwin(true), adapter: await startTwin(false) };
}

type Both = Awaited<ReturnType<typeof startBoth>>;

/** Sends to both, compares, and gives the answer. */
async function same({ direct, adapter }: Both, sent: Sent): Promise<string> {
  const before = direct.twin.observed.length;
  const [given, expected] = await Promise.all([direct.send(sent), adapter.send(sent)]);
  expect(comparable(given)).toEqual(comparable(expected));
  await until(() => direct.twin.observed.length + adapter.twin.observed.length === 2 * before + 2);
  expect(direct.twin.observed).toEqual(adapter.twin.observed);
  return JSON.stringify(given);
}

function comparable(answer: Received | string): unknown {
  return typeof answer === 'string' ? answer : unwrapped(answer);
}

const message = (key: string): Uint8Array =>
  toBinary(WatchRequestSchema, create(WatchRequestSchema, { what: { case: 'key', value: key } }));

const KINDS = [
  ['application/connect+proto', 2],
  ['application/connect+proto', 1],
  ['application/grpc', 2],
  ['application/grpc+proto', 2],
  ['application/grpc-web', 2],
  ['application/grpc-web+proto', 1],
] as const;

const ACCEPTS_GZIP = { 'connect-accept-encoding': 'br, gzip', 'grpc-accept-encoding': 'gzip' };

describe.each(KINDS)('%s over HTTP/%d', (type, http) => {
  const call = (body: Uint8Array, headers: Sent['headers'] = {}): Sent => ({
    http,
    method: 'POST',
    path: PATH,
    headers: { 'content-type': type, te: 'trailers', ...headers },
    body,
  });
  const callOf = (key: string, headers?: Sent['headers']): Sent => call(envelope(message(key)), headers);

  it('is served directly, and the same', async () => {
    const both = await startBoth();
    const keys = [
      'count:0',
      'count:1',
      'count:3',
      'large:299',
      'large:5000',
      'large:300000',
      'frames:3',
      ...(HTTP2 === 'own' ? ['half'] : []),
    ];
    const errors = [
      'error:3',
      'error:9',
      'late:14',
      'late:5',
      'long-error:8',
      'bug:why',
      'refused',
      'ill-formed',
    ];
    const headers = { ...ACCEPTS_GZIP, 'connect-timeout-ms': '60000', 'grpc-timeout': '1M' };
    for (const key of [...keys, ...errors]) {
      await same(both, callOf(key));
      await same(both, callOf(key, headers));
    }
    expect(both.direct.twin.wasDirect).toEqual(Array(2 * (keys.length + errors.length)).fill(true));
    expect(both.adapter.twin.wasDirect).not.toContain(true);
    expect([both.direct.twin.open, both.adapter.twin.open]).toEqual([0, 0]);
  });

  it('refuses the same requests with the same words', async () => {
    const both = await startBoth();
    const one = envelope(message('count:1'));
    const wrong: [string, Uint8Array][] = [
      ['missing input message', Buffer.alloc(0)],
      ['incomplete envelope', one.subarray(0, 3)],
      ['missing input message', one.subarray(0, 5)],
      ['incomplete envelope', one.subarray(0, -1)],
      ['extra input message', Buffer.concat([one, one])],
      ['incomplete envelope', Buffer.concat([one, one.subarray(0, 4)])],
      ['parse binary', envelope(Uint8Array.of(0xff))],
      ['parse binary', Buffer.concat([envelope(Uint8Array.of(0xff)), one])],
      ['parse binary', Buffer.concat([one, envelope(Uint8Array.of(0xff))])],
      ['compressed envelope', envelope(message('count:1'), 1)],
      ['expected at most', envelope(Buffer.alloc(READ_BYTES_MAX + 1))],
      ['expected at most', Buffer.concat([one, envelope(Buffer.alloc(0), 0, READ_BYTES_MAX + 1)])],
    ];
    for (const [words, body] of wrong) expect(await same(both, call(body))).toContain(words);
    // An end, or what another protocol takes for one; a field that nobody knows.
    for (const flags of [0, 2, 0x80]) {
      await same(both, call(Buffer.concat([one, envelope(Buffer.from('{}'), flags)])));
      await same(both, call(envelope(message('count:2'), flags)));
    }
    await same(both, call(envelope(Buffer.concat([message('count:1'), Uint8Array.of(0xf8, 0x07, 1)]))));
    expect(both.adapter.twin.wasDirect).toHaveLength(both.direct.twin.wasDirect.length);
  });

  it('is refused before its body is read', async () => {
    const both = await startBoth();
    for (const headers of [{}, ACCEPTS_GZIP])
      expect(await same(both, callOf('count:1', { 'x-refused': '1', ...headers }))).toContain('not yours');
    expect(both.direct.twin.wasDirect).toEqual([]);
  });

  it('ends by its deadline', async () => {
    const both = await startBoth();
    for (const ms of [0, 20]) {
      const headers = { 'connect-timeout-ms': String(ms), 'grpc-timeout': `${ms}m` };
      expect(await same(both, callOf('wait', headers))).toContain('deadline passed');
    }
    expect(both.direct.twin.open).toBe(0);
  });

  it('ends when the server does', async () => {
    const both = await startBoth();
    const ends = [both.direct, both.adapter].map(async ({ twin, send, close }) => {
      const answer = send(callOf('wait'));
      await until(() => twin.open === 1);
      close();
      await answer;
      await until(() => twin.open === 0);
      return twin.observed;
    });
    expect(await ends[0]).toEqual(await ends[1]);
  });

  it('leaves to connect-node what it does not know', async () => {
    const both = await startBoth();
    const gzip = envelope(gzipSync(message('count:1')), 1);
    const encodings = { 'connect-content-encoding': 'gzip', 'grpc-encoding': 'gzip' };
    await same(both, call(gzip, encodings));
    await same(both, call(gzip, { 'connect-content-encoding': 'br', 'grpc-encoding': 'br' }));
    await same(both, callOf('count:1', { 'connect-timeout-ms': 'soon', 'grpc-timeout': 'soon' }));
    await same(both, callOf('count:1', { 'content-type': type.toUpperCase() }));
    expect(both.direct.twin.wasDirect).not.toContain(true);
  });
});

it.each(['application/connect+proto', 'application/grpc', 'application/grpc-web'])(
  'a stream of %s whose peer resets it, before its message is whole or later, ends its source',
  async (type) => {
    const both = await startBoth();
    for (const { twin, client } of [both.direct, both.adapter]) {
      const headers = { ':method': 'POST', ':path': PATH, 'content-type': type, te: 'trailers' };
      const stream = client.request(headers);
      stream.on('error', () => {});
      stream.end(envelope(message('wait')));
      await new Promise((resolve) => stream.once('data', resolve));
      expect(twin.open).toBe(1);
      stream.close(constants.NGHTTP2_CANCEL);
      await until(() => twin.open === 0 && twin.observed.length === 1);
      expect(twin.observed).toEqual(['canceled']);
    }
    const { twin, client } = both.direct;
    const stream = client.request({ ':method': 'POST', ':path': PATH, 'content-type': type, te: 'trailers' });
    stream.on('error', () => {});
    stream.write(envelope(message('wait')).subarray(0, 4));
    await new Promise((resolve) => client.ping(resolve));
    stream.close(constants.NGHTTP2_CANCEL);
    await until(() => twin.observed.length === 2);
    expect(twin.wasDirect).toEqual([true]);
  },
);
