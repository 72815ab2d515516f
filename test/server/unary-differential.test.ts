/** The unary path answers as connect-node does, whatever it is sent. */
import { connect } from 'node:http2';
import { gzipSync } from 'node:zlib';
import { create, toBinary, toJsonString } from '@bufbuild/protobuf';
import { base64Encode } from '@bufbuild/protobuf/wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GetRequestSchema } from '#gen/walnut/v1/kv_store_pb.ts';
import {
  envelope,
  overHttp1,
  overHttp2,
  type Received,
  type Sent,
  unwrapped,
} from '#test/server/raw-calls.ts';
import { onCleanup } from '#test/server/running.ts';
import { READ_BYTES_MAX, startTwin, type Twin } from '#test/server/twin-servers.ts';

const PATH = '/walnut.v1.KVStore/Get';
const REFUSED = { type: 'walnut.v1.Refusal', debug: { nothingDone: true } };

async function startBoth() {
  const open = async (isDirect: boolean) => {
    const twin = await startTwin(isDirect);
    const client = connect(`http://127.0.0.1:${twin.port}`);
    client.on('error', () => {});
    onCleanup(() => client.destroy());
    const send = (sent: Sent): Promise<Received> =>
      sent.http === 1 ? overHttp1(twin.port, sent) : overHttp2(client, sent);
    return { twin, send };
  };
  return { direct: await open(true), adapter: await open(false) };
}

type Both = Awaited<ReturnType<typeof startBoth>>;

/** Sends to both, compares, and gives the answer. */
async function same({ direct, adapter }: Both, sent: Sent): Promise<Received> {
  const [given, expected] = await Promise.all([direct.send(sent), adapter.send(sent)]);
  expect(unwrapped(given)).toEqual(unwrapped(expected));
  return given;
}

const message = (key: string): Uint8Array => toBinary(GetRequestSchema, create(GetRequestSchema, { key }));
const json = (key: string): Uint8Array =>
  Buffer.from(toJsonString(GetRequestSchema, create(GetRequestSchema, { key })));

const KINDS = ['connect+proto', 'connect+json', 'grpc', 'grpc-web'] as const;

/** One well-formed call. */
function callOf(kind: (typeof KINDS)[number], http: 1 | 2, key: string, headers: Sent['headers'] = {}): Sent {
  const [type, body] = {
    'connect+proto': ['application/proto', message(key)] as const,
    'connect+json': ['application/json', json(key)] as const,
    grpc: ['application/grpc', envelope(message(key))] as const,
    'grpc-web': ['application/grpc-web', envelope(message(key))] as const,
  }[kind];
  return {
    http,
    method: 'POST',
    path: PATH,
    headers: { 'content-type': type, te: 'trailers', ...headers },
    body,
  };
}

const KEYS = [
  'plain',
  '',
  'metadata',
  'metadata:9',
  'error:3',
  'error:5',
  'error:14',
  'long-error:9',
  'late:8',
  'later',
  'large:100',
  'large:5000',
  'large:70000',
  'ill-formed',
];

const direct = (twin: Twin): boolean => twin.wasDirect.every(Boolean) && twin.wasDirect.length > 0;

describe.each(KINDS)('%s', (kind) => {
  it.each(kind === 'grpc' ? [2] : [1, 2])(
    'is served directly over HTTP/%d, and the same',
    async (version) => {
      const both = await startBoth();
      for (const key of KEYS) await same(both, callOf(kind, version as 1 | 2, key));
      for (const key of KEYS) {
        const headers = {
          'x-sent': 'ä',
          'accept-encoding': 'br, gzip',
          'grpc-accept-encoding': 'gzip',
          'connect-timeout-ms': '60000',
          'grpc-timeout': '1M',
          'connect-protocol-version': '1',
        };
        await same(both, callOf(kind, version as 1 | 2, key, headers));
      }
      // The adapter counts before it encodes, and so takes an answer it cannot encode for a good one.
      const counted = [...KEYS, ...KEYS].map((key, i) =>
        key === 'ill-formed' ? 'internal' : both.adapter.twin.observed[i],
      );
      expect(both.direct.twin.observed).toEqual(counted);
      expect(direct(both.direct.twin)).toBe(true);
      expect(both.adapter.twin.wasDirect.some(Boolean)).toBe(false);
      expect(both.direct.twin.wasDirect.length).toBe(2 * KEYS.length);
    },
  );

  it('ends by its deadline', async () => {
    const both = await startBoth();
    for (const http of kind === 'grpc' ? ([2] as const) : ([1, 2] as const)) {
      for (const ms of [0, 20]) {
        const headers = { 'connect-timeout-ms': String(ms), 'grpc-timeout': `${ms}m` };
        const { body, trailers } = await same(both, callOf(kind, http, 'wait', headers));
        expect(body + JSON.stringify(trailers)).toMatch(/deadline_exceeded|"grpc-status":"4"|grpc-status: 4/);
      }
    }
    expect(direct(both.direct.twin)).toBe(true);
  });
});

describe('a call in an uncommon form', () => {
  it.each([
    ['in chunks', { 'transfer-encoding': 'chunked' }],
    ['that waits to be told to go on', { expect: '100-continue' }],
    ['to an IPv6 address', { host: '[::1]:8080' }],
    ['with its type in capitals', { 'content-type': 'Application/Proto' }],
  ])('%s is served directly, and the same', async (_, headers) => {
    const both = await startBoth();
    for (const key of ['plain', 'large:70000']) await same(both, callOf('connect+proto', 1, key, headers));
    expect(direct(both.direct.twin)).toBe(true);
    expect(both.adapter.twin.wasDirect.some(Boolean)).toBe(false);
  });
});

describe('gRPC-Web trailers in place of the message', () => {
  it.each([
    ['of one byte', Uint8Array.of(0x80)],
    ['whole and empty', envelope(new Uint8Array(0), 0x80)],
    ['whole', envelope(Buffer.from('a: b'), 0x80)],
    ['cut', envelope(Buffer.from('a: b'), 0x80, 9)],
    ['without any of the bytes they name', envelope(new Uint8Array(0), 0x80, 9)],
    ['longer than a message may be', envelope(Buffer.from('a: b'), 0x80, READ_BYTES_MAX + 1)],
    ['compressed without a name for it', envelope(gzipSync('a: b'), 0x81)],
  ])('%s are refused with the same words', async (_, body) => {
    const both = await startBoth();
    for (const http of [1, 2] as const) await same(both, { ...callOf('grpc-web', http, ''), body });
  });

  it('end the request: connect-node would serve a message behind them', async () => {
    const { direct } = await startBoth();
    const body = Buffer.concat([envelope(Buffer.from('a: b'), 0x80), envelope(message('plain'))]);
    const answer = await direct.send({ ...callOf('grpc-web', 1, ''), body });
    expect(answer.body).toContain('missing input message');
  });
});

describe('Connect by GET', () => {
  const get = (http: 1 | 2, query: string, headers: Sent['headers'] = {}): Sent => ({
    http,
    method: 'GET',
    path: `${PATH}?${query}`,
    headers,
    body: new Uint8Array(0),
  });

  it('is served directly, and the same', async () => {
    const both = await startBoth();
    const binary = base64Encode(message('metadata'), 'url');
    const squeezed = base64Encode(gzipSync(message('large:900')), 'url');
    for (const http of [1, 2] as const) {
      for (const query of [
        `connect=v1&encoding=proto&base64=1&message=${binary}`,
        `encoding=json&message=${encodeURIComponent('{"key":"ü+&="}')}`,
        `encoding=json&message=%7B%22key%22:"a"}`,
        `encoding=proto&base64=1&compression=gzip&message=${squeezed}`,
        'encoding=proto',
        'encoding=json&message=%7B%22nokey%22:1}',
        'encoding=proto&message=%0A%01a',
      ]) {
        await same(both, get(http, query, { 'accept-encoding': 'gzip' }));
      }
    }
    expect(direct(both.direct.twin)).toBe(true);
    expect(both.direct.twin.wasDirect.length).toBe(2 * 6);
  });

  it.each([
    'encoding=xml&message=',
    'message=',
    'encoding=proto&base64=1&message=***',
    'encoding=proto&message=%FF%FF',
    'encoding=json&message=%G1',
    'encoding=proto&compression=br&message=',
    'encoding=json&compression=&message={}',
    `encoding=json&message=${encodeURIComponent(`{"key":"${'k'.repeat(READ_BYTES_MAX)}"}`)}`,
  ])('of %.60s is answered as connect-node would', async (query) => {
    const both = await startBoth();
    await same(both, get(1, query));
    await same(both, get(2, query));
    await same(both, { ...get(1, query), path: `/walnut.v1.KVStore/Set?${query}` });
    await same(both, get(1, query, { 'content-type': 'application/json' }));
    await same(both, { ...get(1, query), method: 'HEAD' });
  });
});

describe('a message that cannot be read', () => {
  it.each(KINDS)('of %s is refused with the detail that nothing was done', async (kind) => {
    const both = await startBoth();
    const isBare = kind.startsWith('connect');
    const encoding = isBare ? 'content-encoding' : 'grpc-encoding';
    const long = Buffer.alloc(READ_BYTES_MAX + 1);
    const cases: [string, string, Uint8Array][] = [
      ['invalid_argument', 'identity', isBare ? Uint8Array.of(0xff) : envelope(Uint8Array.of(0xff))],
      ['unimplemented', 'br', isBare ? Buffer.from('x') : envelope(Buffer.from('x'), 1)],
      ['resource_exhausted', 'identity', isBare ? long : envelope(long)],
      ['resource_exhausted', 'gzip', isBare ? gzipSync(long) : envelope(gzipSync(long), 1)],
    ];
    if (!isBare) cases.push(['unimplemented', 'identity', new Uint8Array(0)]);
    for (const http of kind === 'grpc' ? ([2] as const) : ([1, 2] as const)) {
      for (const [code, by, body] of cases) {
        const answer = await same(both, { ...callOf(kind, http, 'plain', { [encoding]: by }), body });
        const text = `${answer.body}${JSON.stringify(answer.trailers)}${JSON.stringify(answer.headers)}`;
        if (isBare)
          expect(JSON.parse(answer.body)).toMatchObject({
            code,
            details: expect.arrayContaining([expect.objectContaining(REFUSED)]),
          });
        else expect(text, code).toContain('grpc-status-details-bin');
        if (code === 'invalid_argument') expect(text).toMatch(/invalid_argument|grpc-status(": ?"|: ?)3/);
        expect(text).not.toContain('readMaxBytes');
      }
    }
  });

  it.each([
    ['encoding=json&message=%7B%22key%22:%22%FF%22}', 'bad escape'],
    ['encoding=json&message=%7B%22key%22:%22%G1%22}', 'bad escape'],
    ['encoding=json&message=%7B%22key%22:%22%ED%A0%80%22}', 'bad escape'],
    ['encoding=proto&base64=1&message=***', 'no base64'],
    ['encoding=json&base64=1&message=%C3%BC', 'no base64'],
  ])('by GET is refused and not guessed: %s', async (query, why) => {
    const both = await startBoth();
    const call = { method: 'GET', path: `${PATH}?${query}`, headers: {}, body: new Uint8Array(0) };
    for (const http of [1, 2] as const) {
      const answer = await same(both, { ...call, http });
      expect([answer.status, answer.body]).toEqual([400, expect.stringContaining(why)]);
      expect(answer.body).toContain('"code":"invalid_argument"');
    }
  });
});

/** Bodies that fit no kind, and those that fit one. */
const bodies: fc.Arbitrary<Uint8Array> = fc
  .tuple(
    fc.constantFrom(...KEYS, 'k'.repeat(READ_BYTES_MAX - 10), 'k'.repeat(READ_BYTES_MAX + 1)),
    fc.constantFrom('proto', 'json', 'noise', 'cut', 'nothing'),
    fc.constantFrom(
      'bare',
      'gzip',
      'envelope',
      'gzip in envelope',
      'flagged',
      'two',
      'short',
      'long',
      'head',
    ),
    fc.uint8Array({ maxLength: 40 }),
  )
  .map(([key, content, wrapping, noise]) => {
    const inner = {
      proto: () => message(key),
      json: () => json(key),
      noise: () => noise,
      cut: () => message(key).subarray(0, -1),
      nothing: () => new Uint8Array(0),
    }[content]();
    switch (wrapping) {
      case 'gzip':
        return gzipSync(inner);
      case 'envelope':
        return envelope(inner);
      case 'gzip in envelope':
        return envelope(gzipSync(inner), 1);
      case 'flagged':
        return envelope(inner, 1);
      case 'two':
        return Buffer.concat([envelope(inner), envelope(inner)]);
      case 'short':
        return envelope(inner, 0, inner.length + 3);
      case 'long':
        return envelope(inner, 0, READ_BYTES_MAX + 1);
      case 'head':
        return envelope(inner).subarray(0, noise.length % 6);
      default:
        return inner;
    }
  });

const sometimes = (...values: string[]): fc.Arbitrary<string | undefined> =>
  fc.oneof(
    { weight: 3, arbitrary: fc.constant(undefined) },
    { weight: 1, arbitrary: fc.constantFrom(...values) },
  );

/** Headers that ask for more than the plain call does, well-formed or not. */
const extras: fc.Arbitrary<Record<string, string>> = fc
  .record({
    encoding: sometimes('gzip', 'identity', 'br', 'GZIP'),
    accepts: sometimes('gzip', 'br,gzip;q=1', 'br , gzip', 'identity', '*'),
    timeout: sometimes('5000', '', '-1', '1.5', '99999999999', 'x'),
    grpcTimeout: sometimes('5S', '', '1', '123456789S', '1H', '5s'),
  })
  .map(({ encoding, accepts, timeout, grpcTimeout }) => {
    const headers: Record<string, string | undefined> = {
      'content-encoding': encoding,
      'grpc-encoding': encoding,
      'accept-encoding': accepts,
      'grpc-accept-encoding': accepts,
      'connect-timeout-ms': timeout,
      'grpc-timeout': grpcTimeout,
    };
    return Object.fromEntries(
      Object.entries(headers).filter((pair): pair is [string, string] => pair[1] !== undefined),
    );
  });

const versions = fc.constantFrom(1 as const, 2 as const);

/** Well-formed but for the headers that come with it. */
const tame: fc.Arbitrary<Sent> = fc
  .tuple(fc.constantFrom(...KINDS), versions, fc.constantFrom(...KEYS), extras, fc.boolean())
  .map(([kind, http, key, headers, isSqueezed]) => {
    const call = callOf(kind, http, key, headers);
    if (headers['content-encoding'] !== 'gzip' || !isSqueezed) return call;
    const isEnveloped = kind.startsWith('grpc');
    const inner = isEnveloped ? call.body.subarray(5) : call.body;
    const squeezed = gzipSync(inner);
    return { ...call, body: isEnveloped ? envelope(squeezed, 1) : squeezed };
  });

const wild: fc.Arbitrary<Sent> = fc
  .record({
    http: versions,
    method: fc.constantFrom('POST', 'POST', 'POST', 'POST', 'PUT'),
    type: fc.constantFrom(
      'application/proto',
      'application/json',
      'application/json; charset=utf-8',
      'application/json;charset=utf8',
      'Application/JSON',
      'application/grpc',
      'application/grpc+proto',
      'application/grpc+json',
      'application/grpc-web',
      'application/grpc-web+proto',
      'application/grpc-web+json',
      'Application/gRPC-Web+JSON; charset=utf8',
      'application/grpc-web-text',
      'application/connect+proto',
      'text/plain',
    ),
    body: bodies,
    extra: extras,
    isChunked: fc.boolean(),
  })
  .map(({ http, method, type, body, extra, isChunked }) => {
    const chunked = http === 1 && isChunked ? { 'transfer-encoding': 'chunked' } : {};
    return {
      http,
      method,
      path: PATH,
      headers: { 'content-type': type, te: 'trailers', ...extra, ...chunked },
      body,
    };
  });

describe('any request', () => {
  it('gets the same answer from both', async () => {
    const both = await startBoth();
    await fc.assert(
      fc.asyncProperty(fc.oneof(tame, wild), async (sent) => {
        await same(both, sent);
      }),
      { numRuns: 200 },
    );
    expect(both.direct.twin.wasDirect).toContain(true);
  }, 30_000);
});
