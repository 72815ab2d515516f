/** Calls and requests on our own HTTP/2: their bodies, places, expectations, and how they end. */
import { describe, expect, it } from 'vitest';
import { Field } from '#http/hpack/field.ts';
import { Head, HeadBuilder, HeadRole } from '#http/hpack/head.ts';
import { Flag, FrameType, SettingId } from '#http/http2/frame.ts';
import { bodyOf, type HttpResponse, send, sendError } from '#rpc/http-io.ts';
import { AnswerBlocks } from '#rpc/http2/answer-blocks.ts';
import { headersOf } from '#rpc/http2/head-view.ts';
import { Places } from '#rpc/http2/places.ts';
import { data, frame, reset, settings, windowUpdate } from '#test/http/wire.ts';
import { type Call, fieldsOf, head, ok, startDriver } from '#test/rpc/http2/driven.ts';

const ids = (count: number, first = 1): number[] => Array.from({ length: count }, (_, i) => first + 2 * i);

function headOf(fields: readonly (readonly [string, string])[]): Head {
  const builder = new HeadBuilder();
  builder.begin(HeadRole.request, 16_384);
  for (const [name, value] of [
    [':method', 'POST'],
    [':scheme', 'http'],
    [':path', '/p'],
    ...fields,
  ] as const) {
    builder.add(new Field(name, value));
  }
  const made = builder.finish();
  if (!(made instanceof Head)) throw new Error(made.why);
  return made;
}

describe('headers of a head', () => {
  it.each([
    ['as they came', [['accept', 'x']], { accept: 'x' }],
    [
      'joined',
      [
        ['accept', 'x'],
        ['accept', 'y'],
      ],
      { accept: 'x, y' },
    ],
    [
      'of cookies, joined as cookies',
      [
        ['cookie', 'a=1'],
        ['cookie', 'b=2'],
      ],
      { cookie: 'a=1; b=2' },
    ],
    [
      'that are lists',
      [
        ['set-cookie', 'a'],
        ['set-cookie', 'b'],
      ],
      { 'set-cookie': ['a', 'b'] },
    ],
    [
      'with names that objects have',
      [
        ['constructor', 'x'],
        ['__proto__', 'y'],
      ],
      { constructor: 'x', ['__proto__']: 'y' },
    ],
    ['with the host as authority', [['host', 'h']], { host: 'h', ':authority': 'h' }],
  ] as const)('are %s', (_name, fields, expected) => {
    const headers = headersOf(headOf(fields));
    const all = { ':method': 'POST', ':scheme': 'http', ':path': '/p', ...expected };
    if (Object.hasOwn(expected, '__proto__'))
      Object.defineProperty(all, '__proto__', { value: 'y', enumerable: true });
    expect(Object.entries(headers).sort()).toEqual(Object.entries(all).sort());
  });

  it('have none that they did not come with', () => {
    expect(headersOf(headOf([]))['constructor' as 'accept']).toBeUndefined();
  });
});

describe('blocks of answers', () => {
  it('of plain heads are those of the same headers, for any length', () => {
    const blocks = new AnswerBlocks(0);
    const plain = { headers: { 'content-type': 'x/y' }, isSized: true };
    for (const length of [0, 1, 4_095, 4_096, 100_000]) {
      const whole = blocks.head(200, { 'content-type': 'x/y', 'content-length': String(length) });
      expect(blocks.plain(plain, length)).toEqual(whole);
      expect(blocks.plain(plain, length)).toEqual(whole);
    }
  });

  it('have no fields of HTTP/1.1 connections, and refuse what cannot be sent', () => {
    const blocks = new AnswerBlocks(0);
    expect(blocks.head(200, { Connection: 'close', 'Keep-Alive': 'x' })).toEqual(blocks.head(200, {}));
    expect(() => blocks.head(200, { 'x-a': 'a\nb' })).toThrow(RangeError);
  });
});

describe('a call', () => {
  it('has its body whole, however it is cut, and its windows back', async () => {
    const driven = startDriver();
    const peer = await driven.open();
    await peer.send(head(1, '/call', false));
    for (let i = 0; i < 40; i++) await peer.send(data(1, 16_384));
    await peer.send(data(1, 1, Flag.endStream));
    expect([driven.calls[0]?.body.length, driven.calls[0]?.isWhole]).toEqual([40 * 16_384 + 1, true]);
    expect(peer.take().some((each) => each.startsWith('windowUpdate 1'))).toBe(true);
  });

  it('whose body ends with trailers is whole, and one that is reset is not', async () => {
    const driven = startDriver();
    const peer = await driven.open();
    await peer.send(head(1, '/call', false), data(1, 3));
    await peer.send(frame(FrameType.headers, Flag.endHeaders | Flag.endStream, 1));
    await peer.send(head(3, '/call', false), data(3, 3), reset(3));
    expect(driven.calls.map(({ isWhole }) => isWhole)).toEqual([true, false]);
    expect(driven.calls.map(({ closed }) => closed)).toEqual([[true], [false]]);
  });

  it('that is cancelled keeps its place until its work ends', async () => {
    const driven = startDriver();
    const held: Call[] = [];
    driven.onCall = (call) => held.push(call);
    const peer = await driven.open();
    for (const id of ids(256)) await peer.send(head(id, '/call', true), reset(id));
    expect(held.length).toBe(256);
    await peer.send(head(513, '/call', true));
    expect(peer.take()).toContainEqual('rstStream 513 7');
    expect(held[0]?.closed).toEqual([false]);
    held[0]?.exchange.answer(ok());
    await peer.send(head(515, '/call', true), head(517, '/call', true));
    expect(held.length).toBe(257);
    expect(peer.take()).toEqual(['rstStream 517 7']);
  });

  it('with an ill-formed answer can be answered again', async () => {
    const driven = startDriver();
    driven.onCall = ({ exchange }) => {
      expect(() => exchange.answer({ ...ok(), headers: { 'x-a': 'a\u0000' } })).toThrow(RangeError);
      exchange.answer(ok('fine'));
      exchange.answer(ok('twice'));
    };
    const peer = await driven.open();
    await peer.send(head(1, '/call', true));
    expect(peer.take().slice(-1)).toEqual(['data 1 4 end']);
  });

  it('whose body does not come is reset after its time', async () => {
    const driven = startDriver({ bodyTimeoutMs: 5_000 });
    const peer = await driven.open();
    await peer.send(head(1, '/call', false));
    await driven.clock.advance(6_000);
    expect(peer.take()).toEqual(['rstStream 1 8']);
    expect([driven.calls[0]?.isWhole, driven.late()]).toEqual([false, 1]);
  });

  it('that is destroyed resets its stream', async () => {
    const driven = startDriver();
    driven.onCall = ({ exchange }) => exchange.destroy();
    const peer = await driven.open();
    await peer.send(head(1, '/call', true));
    expect([peer.take(), driven.calls[0]?.closed]).toEqual([['rstStream 1 2'], [false]]);
  });
});

describe('expectations and methods', () => {
  it.each(['/call', '/page'])('tell the sender to go on when the body is wanted: %s', async (path) => {
    const driven = startDriver();
    driven.onRequest = async (request, response) => {
      for await (const _ of bodyOf(request));
      send(request, response, 200, {}, 'ok');
    };
    const peer = await driven.open();
    await peer.send(head(1, path, false, ['expect', '100-continue']));
    const [interim] = peer.takeFrames();
    expect(fieldsOf(interim as NonNullable<typeof interim>)).toEqual({ ':status': '100' });
    await peer.send(data(1, 5, Flag.endStream));
    expect(peer.take().at(-1)).toBe('data 1 2 end');
  });

  it.each([
    ['an unknown expectation', () => head(1, '/call', true, ['expect', 'wonders']), '417'],
    ['CONNECT', () => frame(FrameType.headers, Flag.endHeaders | Flag.endStream, 1, CONNECT), '501'],
  ])('are refused with a status: %s', async (_name, bytes, status) => {
    const driven = startDriver();
    const peer = await driven.open();
    await peer.send(bytes());
    const [answer] = peer.takeFrames().filter(({ type }) => type === FrameType.headers);
    expect(fieldsOf(answer as NonNullable<typeof answer>)[':status']).toBe(status);
    expect([driven.calls.length, driven.requests.length]).toEqual([0, 0]);
  });
});

/** `:method` CONNECT and `:authority` a, as literals. */
const CONNECT = Buffer.from([0x02, 7, ...Buffer.from('CONNECT'), 0x01, 1, 0x61]);

describe('a request', () => {
  it('is answered in one HEADERS and one DATA that ends it', async () => {
    const driven = startDriver();
    const peer = await driven.open();
    await peer.send(head(1, '/page', true));
    expect(peer.take().map((each) => each.replace(/ \d+$/, ''))).toEqual([
      expect.stringMatching(/^headers 1/),
      'data 1 2 end',
    ]);
  });

  it('of HEAD has no body, and one without content ends with its head', async () => {
    const driven = startDriver();
    driven.onRequest = (request, response) =>
      send(request, response, request.url === '/none' ? 204 : 200, {}, 'ok');
    const peer = await driven.open();
    const asHead = frame(FrameType.headers, Flag.endHeaders | Flag.endStream, 1, [
      ...[0x02, 4, ...Buffer.from('HEAD'), 0x86, 0x84, 0x01, 1, 0x61],
    ]);
    await peer.send(asHead, head(3, '/none', true));
    const frames = peer.take();
    expect(frames.filter((each) => each.startsWith('data') && !each.includes(' 0 '))).toEqual([]);
    expect(frames.filter((each) => each.endsWith(' end')).length).toBe(2);
  });

  it('whose headers were written before ends with an end of its own', async () => {
    const driven = startDriver();
    driven.onRequest = (_request, response) => {
      response.writeHead(200, { 'x-a': 'b' });
      response.end('fine');
    };
    const peer = await driven.open();
    await peer.send(head(1, '/page', true));
    expect(peer.take().slice(-2)).toEqual(['data 1 4', 'data 1 0 end']);
  });

  it('is read as fast as its reader takes it', async () => {
    const driven = startDriver();
    let response: HttpResponse | undefined;
    driven.onRequest = (_request, given) => {
      response = given;
      return new Promise((resolve) => given.once('close', resolve));
    };
    const peer = await driven.open();
    await peer.send(head(1, '/page', false));
    for (let i = 0; i < 64; i++) await peer.send(data(1, 16_384));
    // A stream's window, and nothing was credited: nobody reads.
    expect(peer.take()).toEqual([]);
    await peer.send(data(1, 1));
    expect(peer.take()).toEqual(['rstStream 1 3']);
    expect(response?.destroyed).toBe(true);
  });

  it('waits with a large answer until the peer has taken what is before', async () => {
    const driven = startDriver();
    let drained = 0;
    driven.onRequest = async (_request, response) => {
      const writable = response as HttpResponse & NodeJS.WritableStream;
      for (let i = 0; i < 4; i++) {
        if (!writable.write(Buffer.alloc(100_000)))
          await new Promise((resolve) => response.once('drain', resolve));
        drained++;
      }
      response.end();
    };
    const peer = await driven.open([[SettingId.initialWindowSize, 0]]);
    await peer.send(head(1, '/page', true));
    expect(drained).toBe(0);
    await peer.send(windowUpdate(0, 10_000_000), settings([[SettingId.initialWindowSize, 100_000]]));
    await driven.clock.settle();
    expect(drained).toBe(1);
    await peer.send(windowUpdate(1, 1_000_000));
    for (let i = 0; i < 10; i++) await driven.clock.settle();
    expect([drained, peer.take().at(-1)]).toEqual([4, 'data 1 0 end']);
  });

  it('of many is begun in turns, and of too many is refused', async () => {
    const driven = startDriver({ requestsMax: 40 });
    let begun = 0;
    driven.onRequest = (_request, response) => {
      begun++;
      return new Promise((resolve) => response.once('close', resolve));
    };
    const peer = await driven.open();
    peer.socket.push(Buffer.concat(ids(50).map((id) => head(id, '/watch', true))));
    await new Promise((resolve) => setImmediate(resolve));
    expect(begun).toBeLessThanOrEqual(32);
    await driven.clock.settle();
    await driven.clock.settle();
    expect([begun, driven.limits.length, driven.limits[0]]).toEqual([40, 10, 'requests']);
    expect(peer.take().filter((each) => each.endsWith(' 7')).length).toBe(10);
    // Another connection is still let in, with a few.
    const other = await driven.open();
    await other.send(...ids(6).map((id) => head(id, '/watch', true)));
    expect([begun, other.take().length]).toEqual([44, 2]);
    peer.socket.destroy();
    await driven.clock.settle();
    expect(driven.driver.requests.taken).toBe(4);
  });

  it('is let in beyond all places where its connection has few', () => {
    const places = new Places(2);
    expect([0, 1, 2, 3, 4].map((own) => places.tryEnter(own))).toEqual([true, true, true, true, false]);
    places.leave();
    expect([places.tryEnter(9), places.tryEnter(0)]).toEqual([false, true]);
  });

  it('that is refused while its body comes is answered, and the rest thrown away', async () => {
    const driven = startDriver();
    driven.onRequest = (request, response) => sendError(request, response, 403, { code: 'c', message: 'm' });
    const peer = await driven.open();
    await peer.send(head(1, '/page', false), data(1, 1_000));
    expect(peer.take().at(-1)).toMatch(/^data 1 \d+ end$/);
    for (let i = 0; i < 100; i++) await peer.send(data(1, 16_384));
    await peer.send(data(1, 1, Flag.endStream));
    expect(peer.take().filter((each) => each.startsWith('rst') || each.startsWith('goaway'))).toEqual([]);
  });
});
