/** Calls over our own HTTP/2: what is repeated, what waits, and what ends a connection. */
import type { Socket } from 'node:net';
import { type Duplex, duplexPair } from 'node:stream';
import { describe, expect, it } from 'vitest';
import type { Endpoint } from '#dial/endpoint.ts';
import { CALLS_WAITING_MAX, CONNECTIONS_MAX, Http2Client } from '#dial/http2/http2-client.ts';
import type { CallFailure } from '#dial/http2/outgoing-call.ts';
import { UnaryCall } from '#dial/http2/unary-call.ts';
import { prepareBlock } from '#http/hpack/hpack-encoder.ts';
import { ErrorCode } from '#http/http2/frame.ts';
import type { Http2Connection } from '#http/http2/http2-connection.ts';
import type { Stream } from '#http/http2/stream.ts';
import { acceptHttp2, type Http2Peer } from '#test/dial/http2-peer.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';

const ENDPOINT: Endpoint = { text: 'a:1', host: 'a', port: 1, tls: undefined };
const OK = prepareBlock([':status', '200']);
const GET = [':method', 'GET', ':scheme', 'http', ':authority', 'a:1', ':path'];

interface Rig {
  readonly clock: VirtualClock;
  readonly client: Http2Client;
  /** One for each connection, in order; silent ones have none. */
  readonly peers: Http2Peer[];
  /** The client's ends of the connections. */
  readonly sockets: Duplex[];
  /** Chunks that came to the peers. */
  readonly writes: () => number;
  /** What became of each call, by its path. */
  readonly told: string[];
  call(path: string, body?: Uint8Array): UnaryCall;
  settle(): Promise<void>;
}

type Answer = (connection: Http2Connection, stream: Stream, path: string, index: number) => void;

const answerOk: Answer = (connection, stream) => connection.sendHead(stream, OK, true);

/** `answer`: to each call; the peers of `silent` never say anything. */
function rig(answer: Answer | 'silent' = answerOk, streamsMax = 256): Rig {
  const clock = new VirtualClock();
  const [peers, sockets, told]: [Http2Peer[], Duplex[], string[]] = [[], [], []];
  let writes = 0;
  const client = new Http2Client(ENDPOINT, clock, () => {
    const [near, far] = duplexPair();
    const index = sockets.push(near) - 1;
    far.on('data', () => writes++);
    if (answer !== 'silent') {
      const reply = (connection: Http2Connection, stream: Stream, { path }: { path: string }): void =>
        answer(connection, stream, path, index);
      peers.push(acceptHttp2(far as unknown as Socket, reply, { streamsMax }));
    }
    return near as unknown as Socket;
  });
  return {
    clock,
    client,
    peers,
    sockets,
    told,
    writes: () => writes,
    settle: () => clock.settle(),
    call: (path, body = new Uint8Array(0)) =>
      new UnaryCall(client, [...GET, path], body, 1_000, {
        onAnswer: ({ status }) => told.push(`${path} ${status}`),
        onFailure: ({ code, why }) =>
          told.push(`${path} failed: ${why}${code === undefined ? '' : ` (${code})`}`),
      }),
  };
}

describe('calls', () => {
  it('that begin in one turn leave in one write, on one connection', async () => {
    const { call, settle, told, writes, sockets } = rig();
    for (let i = 0; i < 16; i++) call(`/${i}`);
    await settle();
    expect(told).toEqual(Array.from({ length: 16 }, (_, i) => `/${i} 200`));
    const before = writes();
    for (let i = 0; i < 16; i++) call(`/${i}`);
    await settle();
    expect([writes() - before, sockets.length]).toEqual([1, 1]);
  });

  it('are at most a hundred before the peer says how many it takes, and then as many', async () => {
    const seen: string[] = [];
    const { call, settle, told, sockets } = rig((_connection, _stream, path) => seen.push(path), 120);
    for (let i = 0; i < 120; i++) call(`/${i}`);
    await settle();
    expect([seen.length, told, sockets.length]).toEqual([120, [], 1]);
  });

  it('open a further connection while all are full, and no more than so many', async () => {
    const seen: number[] = [];
    const { call, settle, told, peers, sockets } = rig((_connection, _stream, _path, index) => {
      seen.push(index);
    }, 2);
    for (let i = 0; i < 3; i++) call(`/${i}`);
    await settle();
    expect([seen, sockets.length]).toEqual([[0, 0, 1], 2]);
    for (let i = 3; i < 2 * CONNECTIONS_MAX + 5; i++) {
      call(`/${i}`);
      await settle();
    }
    expect([seen.length, sockets.length]).toEqual([2 * CONNECTIONS_MAX, CONNECTIONS_MAX]);
    const last = peers.at(-1) as Http2Peer;
    for (const stream of [...last.connection.liveStreams()]) last.connection.sendHead(stream, OK, true);
    last.flush();
    await settle();
    expect([told.length, seen.slice(-2), sockets.length]).toEqual([
      2,
      [CONNECTIONS_MAX - 1, CONNECTIONS_MAX - 1],
      CONNECTIONS_MAX,
    ]);
  });

  it('go on where the peer takes no further connection, which is tried once a second', async () => {
    const { call, settle, told, clock, sockets, peers } = rig(() => {}, 1);
    call('/first');
    await settle();
    call('/second');
    sockets[1]?.destroy();
    await settle();
    for (let i = 0; i < 10; i++) call(`/${i}`);
    await settle();
    expect([told, sockets.length]).toEqual([['/second failed: the connection was closed'], 2]);
    await clock.advance(1_000);
    call('/later');
    await settle();
    expect(sockets.length).toBeGreaterThan(2);
    expect(peers[0]?.isReset()).toBe(false);
  });

  it('that wait for a place are bounded, and can be given up', async () => {
    const { call, settle, told, client } = rig(() => {}, 1);
    for (let i = 0; i < CONNECTIONS_MAX; i++) {
      call('/first');
      await settle();
    }
    const waiting = Array.from({ length: CALLS_WAITING_MAX }, (_, i) => call(`/${i}`));
    call('/more');
    expect(told).toEqual([`/more failed: ${CALLS_WAITING_MAX} calls wait to be sent: expected fewer (11)`]);
    waiting[0]?.cancel(false);
    call('/again');
    expect(told.length).toBe(1);
    client.close();
    await settle();
    expect(told.length).toBe(CONNECTIONS_MAX + 1 + CALLS_WAITING_MAX);
    expect(told.filter((each) => each.startsWith('/0 '))).toEqual([]);
  });

  it('that nobody waits for any more give their place back', async () => {
    const { call, settle, told } = rig((connection, stream, path) => {
      if (path !== '/slow') answerOk(connection, stream, path, 0);
    }, 1);
    for (let i = 1; i < CONNECTIONS_MAX; i++) {
      call('/slow');
      await settle();
    }
    const slow = call('/slow');
    await settle();
    call('/next');
    await settle();
    expect(told).toEqual([]);
    slow.cancel(false);
    await settle();
    // The place is free here at once; the peer sees the reset before the next head.
    call('/last');
    await settle();
    expect(told).toEqual(['/next 200', '/last 200']);
  });
});

describe('a call is sent again', () => {
  it('where the peer says that it has not looked at it, a few times', async () => {
    let seen = 0;
    const { call, settle, told } = rig((connection, stream, path) => {
      if (path === '/never' || ++seen === 1) connection.resetStream(stream, ErrorCode.refusedStream);
      else answerOk(connection, stream, path, 0);
    });
    call('/once');
    await settle();
    expect([seen, told]).toEqual([2, ['/once 200']]);
    call('/never');
    await settle();
    expect(told[1]).toBe('/never failed: the call was reset with REFUSED_STREAM (7)');
  });

  it('on another connection where it is above the last that a leaving peer takes', async () => {
    const seen: string[] = [];
    const { call, settle, told, peers, sockets } = rig((connection, stream, path, index) => {
      seen.push(`${index} ${path}`);
      if (index === 1) answerOk(connection, stream, path, index);
    });
    call('/taken');
    await settle();
    const [first] = peers as [Http2Peer];
    // Its answer to the ping of the drain has not come when the next call leaves.
    first.connection.shutdown(0);
    first.connection.check(1_000);
    call('/late');
    await settle();
    first.flush();
    await settle();
    expect(seen).toEqual(['0 /taken', '1 /late']);
    expect(told).toEqual(['/late 200']);
    for (const stream of first.connection.liveStreams()) first.connection.sendHead(stream, OK, true);
    first.flush();
    await settle();
    expect(told).toEqual(['/late 200', '/taken 200']);
    expect(sockets.map(({ destroyed }) => destroyed)).toEqual([true, false]);
  });

  it('never for another reason: it may have taken effect', async () => {
    const seen: string[] = [];
    const { call, settle, told, sockets } = rig((connection, stream, path) => {
      seen.push(path);
      if (path === '/reset') connection.resetStream(stream, ErrorCode.cancel);
    });
    call('/reset');
    call('/cut');
    await settle();
    sockets[0]?.destroy();
    await settle();
    expect(told).toEqual([
      '/reset failed: the call was reset with CANCEL (8)',
      '/cut failed: the connection was closed',
    ]);
    expect([seen, sockets.length]).toEqual([['/reset', '/cut'], 1]);
    call('/reset');
    await settle();
    expect(sockets.length).toBe(2);
  });
});

describe('a peer that says nothing', () => {
  it('is asked for a sign of life, and left where it gives none', async () => {
    const seen: string[] = [];
    const { call, settle, told, clock, sockets, peers } = rig((_connection, _stream, path) =>
      seen.push(path),
    );
    call('/watch');
    await settle();
    // It answers pings, so it may take all the time it wants.
    await clock.advance(60_000);
    expect(told).toEqual([]);
    sockets[0]?.pause();
    await clock.advance(25_000);
    await settle();
    expect(told).toEqual([
      expect.stringMatching(/^\/watch failed: no sign of life while a call waited 2\d\.\d s$/),
    ]);
    expect(peers.length).toBe(1);
    await clock.advance(1_000);
    expect(clock.pendingTimers).toBe(0);
  });

  it('is left with a call that took too long, and not while others are answered', async () => {
    const { call, settle, told, clock, sockets } = rig((connection, stream, path) => {
      if (path === '/quick') answerOk(connection, stream, path, 0);
    });
    const slow = call('/slow');
    await clock.advance(100);
    call('/quick');
    await settle();
    slow.cancel(true);
    call('/quick');
    await settle();
    expect([told, sockets.length]).toEqual([['/quick 200', '/quick 200'], 1]);
    await clock.advance(1);
    const silent = call('/silent');
    call('/beside');
    await clock.advance(100);
    silent.cancel(true);
    call('/quick');
    await settle();
    expect(told.slice(2).sort()).toEqual([
      '/beside failed: no sign of life while a call waited 0.1 s',
      '/quick 200',
    ]);
    expect(sockets.length).toBe(2);
  });

  it.each([
    ['that was never made carried nothing', false, true],
    ['that was made may have carried the call', true, false],
  ])('%s', async (_, isMade, isUnsent) => {
    const { call, client, clock, sockets } = rig('silent');
    const failures: boolean[] = [];
    const sink = {
      onAnswer: () => undefined,
      onFailure: (failure: CallFailure) => failures.push(failure.isUnsent),
    };
    new UnaryCall(client, [...GET, '/a'], new Uint8Array(1), 1_000, sink);
    call('/b');
    if (isMade) sockets[0]?.emit('connect');
    sockets[0]?.destroy();
    await clock.settle();
    expect(failures).toEqual([isUnsent]);
  });

  it('and cannot be reached fails all calls that wait, at once', async () => {
    const { call, settle, told, sockets, client } = rig('silent');
    for (let i = 0; i < 150; i++) call(`/${i}`);
    await settle();
    sockets[0]?.destroy();
    await settle();
    expect(new Set(told.map((each) => each.replace(/^\S+ /, '')))).toEqual(
      new Set(['failed: the connection was closed']),
    );
    expect([told.length, sockets.length]).toEqual([150, 1]);
    client.close();
    call('/after');
    expect(told.at(-1)).toBe('/after failed: the client is closed');
  });
});

describe('an answer', () => {
  it.each([
    ['of known length', [':status', '200', 'content-length', '6']],
    ['of unknown length', [':status', '200']],
  ])('%s is taken whole', async (_name, fields) => {
    const { client, settle } = rig((connection, stream) => {
      connection.sendHead(stream, prepareBlock(fields), false);
      connection.sendData(stream, Buffer.from('abc'), false);
      connection.sendData(stream, Buffer.from('def'), true);
    });
    const bodies: Uint8Array[] = [];
    new UnaryCall(client, [...GET, '/'], new Uint8Array(0), 6, {
      onAnswer: (_head, body) => bodies.push(body),
      onFailure: ({ why }) => expect.unreachable(why),
    });
    await settle();
    expect(bodies.map((body) => Buffer.from(body).toString())).toEqual(['abcdef']);
  });

  it.each([
    ['promised', [':status', '200', 'content-length', '1001']],
    ['sent', [':status', '200']],
  ])('above its limit, %s, is refused once', async (_name, fields) => {
    const { call, settle, told } = rig((connection, stream) => {
      connection.sendHead(stream, prepareBlock(fields), false);
      connection.sendData(stream, new Uint8Array(1_001), true);
    });
    call('/', new Uint8Array(100_000));
    call('/', new Uint8Array(0));
    await settle();
    expect(told).toEqual(Array(2).fill('/ failed: the answer is over 1000 bytes'));
    call('/', new Uint8Array(0));
    await settle();
    expect(told.length).toBe(3);
  });
});
