/** How connections of our own HTTP/2 are driven: writes, room, times, and their end. */
import { describe, expect, it } from 'vitest';
import { Flag, FrameType, SettingId, STREAM_ID_MAX } from '#http/http2/frame.ts';
import { patienceMs } from '#rpc/answer-pace.ts';
import { type HttpResponse, receiveBody, send } from '#rpc/http-io.ts';
import {
  data,
  frame,
  ping,
  reset,
  type SeenFrame,
  settings,
  settingsAck,
  windowUpdate,
} from '#test/http/wire.ts';
import { type Call, FakeSocket, fieldsOf, head, ok, PREFACE, startDriver } from '#test/rpc/http2/driven.ts';

const NO_WINDOW = [[SettingId.initialWindowSize, 0]] as const;
const MIB = 1 << 20;
const ids = (count: number, first = 1): number[] => Array.from({ length: count }, (_, i) => first + 2 * i);

describe('what is written', () => {
  it('leaves in one write for all that is answered in a turn', async () => {
    const driven = startDriver();
    const peer = await driven.open();
    const before = peer.socket.writes.length;
    await peer.send(...ids(16).map((id) => head(id, '/call', true)));
    expect(peer.socket.writes.length - before).toBe(1);
    expect(peer.take().filter((each) => each.startsWith('data'))).toHaveLength(16);
  });

  it('waits until the write before it is done', async () => {
    const driven = startDriver();
    const peer = await driven.open();
    peer.socket.isStuck = true;
    await peer.send(head(1, '/call', true));
    await peer.send(head(3, '/call', true));
    const stuck = peer.take();
    expect(stuck.some((each) => each.startsWith('data 1'))).toBe(true);
    expect(stuck.some((each) => each.startsWith('data 3'))).toBe(false);
    // Nor was more given to the socket to keep.
    expect(peer.socket.writableLength).toBe(peer.socket.writes.at(-1)?.length);
    peer.socket.unstick();
    await driven.clock.settle();
    expect(peer.take()).toContainEqual('data 3 2 end');
  });

  it('has the date of the second, and what the answer says', async () => {
    const driven = startDriver();
    const peer = await driven.open();
    await peer.send(head(1, '/call', true));
    await driven.clock.advance(2_000);
    await peer.send(head(3, '/call', true));
    const [first, second] = peer
      .takeFrames()
      .filter(({ type }) => type === FrameType.headers)
      .map(fieldsOf);
    expect(first).toEqual({
      ':status': '200',
      'content-type': 'text/plain',
      date: 'Thu, 01 Jan 2026 00:00:00 GMT',
    });
    expect(second?.['date']).toBe('Thu, 01 Jan 2026 00:00:02 GMT');
  });

  it('says in words that a head is too large, as over HTTP/1.1', async () => {
    const driven = startDriver();
    const peer = await driven.open();
    await peer.send(head(1, `/${'x'.repeat(16_400)}`, true));
    const [first, second] = peer.takeFrames();
    expect([fieldsOf(first as SeenFrame)[':status'], JSON.parse(String(second?.payload))]).toEqual([
      '431',
      { code: 'resource_exhausted', message: 'the headers are too large: expected at most 16384 bytes' },
    ]);
    expect(driven.calls).toEqual([]);
  });

  it('ends the connection where a write takes more than a minute', async () => {
    const driven = startDriver();
    const peer = await driven.open();
    peer.socket.isStuck = true;
    await peer.send(head(1, '/call', true));
    await driven.clock.advance(59_000);
    expect(peer.socket.destroyed).toBe(false);
    await driven.clock.advance(2_000);
    expect([peer.socket.destroyed, driven.stalls()]).toEqual([true, 1]);
  });
});

describe('answers that nobody reads', () => {
  it('are not made while the peer has many to read: 256 calls for 8 MiB each keep one in memory', async () => {
    const driven = startDriver();
    driven.onCall = ({ exchange }) => exchange.answer(ok(Buffer.alloc(8 * MIB)));
    const peer = await driven.open(NO_WINDOW);
    await peer.send(...ids(256).map((id) => head(id, '/call', true)));
    expect([driven.calls.length, driven.driver.budget.heldBytes]).toEqual([1, 8 * MIB]);
    expect(peer.take().filter((each) => each.startsWith('data'))).toEqual([]);
    driven.onCall = ({ exchange }) => exchange.answer(ok());
    await peer.send(windowUpdate(0, 8 * MIB), windowUpdate(1, 8 * MIB));
    for (let turns = 0; turns < 100 && driven.calls.length < 256; turns++) await driven.clock.settle();
    expect(driven.calls.length).toBe(256);
  });

  it('wait with the end of a body, too, and in order', async () => {
    const driven = startDriver();
    const order: string[] = [];
    driven.onCall = ({ exchange, path, body }) => {
      order.push(`${path} ${body}`);
      exchange.answer(ok(Buffer.alloc(path === '/call/large' ? 2 * MIB : 1)));
    };
    const peer = await driven.open([[SettingId.initialWindowSize, 1_000]]);
    await peer.send(head(1, '/call/large', true));
    await peer.send(
      head(3, '/call/a', false),
      data(3, 4),
      head(5, '/call/b', true),
      data(3, 1, Flag.endStream),
    );
    expect(order).toEqual(['/call/large ']);
    await peer.send(windowUpdate(0, 4 * MIB), windowUpdate(1, 4 * MIB));
    await driven.clock.settle();
    expect(order).toEqual(['/call/large ', '/call/b ', '/call/a ddddd']);
  });

  it('are dropped on the connection without progress for the longest, past the budget of all', async () => {
    const driven = startDriver({ answerBytesMax: 5 * MIB });
    driven.onCall = ({ exchange }) => exchange.answer(ok(Buffer.alloc(2 * MIB)));
    const [still, slow, third] = [
      await driven.open(NO_WINDOW),
      await driven.open(NO_WINDOW),
      await driven.open(NO_WINDOW),
    ];
    await slow.send(head(1, '/call', true));
    await still.send(head(1, '/call', true), head(3, '/call', true));
    await slow.send(windowUpdate(1, 10));
    expect(driven.limits).toEqual([]);
    await third.send(head(1, '/call', true));
    expect(driven.limits).toEqual(['answers']);
    // It ends: were only the answer dropped, the next call would make another one.
    expect(still.take().at(-1)).toBe('goaway 3 11');
    expect([slow.take(), third.take()].flat().some((each) => each.startsWith('goaway'))).toBe(false);
    expect([driven.driver.budget.heldBytes, driven.calls.length]).toEqual([4 * MIB - 10, 3]);
  });

  it('stay on the only connection that has any, however large one is', async () => {
    let bytes = 0;
    const driven = startDriver({ answerBytesMax: 1 * MIB, onAnswerBytes: (more) => (bytes += more) });
    driven.onCall = ({ exchange }) => exchange.answer(ok(Buffer.alloc(8 * MIB)));
    const peer = await driven.open(NO_WINDOW);
    await peer.send(head(1, '/call', true), head(3, '/call', true));
    expect([driven.limits, driven.driver.budget.heldBytes, bytes]).toEqual([[], 8 * MIB, 8 * MIB]);
  });

  it('on a socket that takes nothing are dropped with it', async () => {
    const driven = startDriver({ answerBytesMax: 3 * MIB });
    driven.onCall = ({ exchange }) => exchange.answer(ok(Buffer.alloc(2 * MIB)));
    const stuck = await driven.open([[SettingId.initialWindowSize, 4 * MIB]]);
    stuck.socket.isStuck = true;
    await stuck.send(head(1, '/call', true));
    const other = await driven.open(NO_WINDOW);
    await other.send(head(1, '/call', true));
    expect([stuck.socket.destroyed, other.socket.destroyed]).toEqual([true, false]);
    await driven.clock.settle();
    expect(driven.driver.budget.heldBytes).toBe(2 * MIB);
  });

  it('give everything back when their connection ends', async () => {
    const driven = startDriver();
    driven.onCall = ({ exchange }) => exchange.answer(ok(Buffer.alloc(2 * MIB)));
    const peer = await driven.open(NO_WINDOW);
    await peer.send(head(1, '/call', true), head(3, '/call', true));
    expect(driven.driver.budget.heldBytes).toBe(2 * MIB);
    peer.socket.destroy();
    await driven.clock.settle();
    expect([driven.driver.budget.heldBytes, driven.clock.pendingTimers]).toEqual([0, 0]);
    // The call that waited for room was never made.
    expect(driven.calls.length).toBe(1);
  });

  it('are cut off where they are read too slowly in all', async () => {
    const driven = startDriver();
    driven.onCall = ({ exchange }) => exchange.answer(ok(Buffer.alloc(MIB)));
    const peer = await driven.open(NO_WINDOW);
    await peer.send(head(1, '/call', true));
    const seconds = Math.ceil(patienceMs(MIB) / 1_000);
    for (let i = 0; i < seconds + 1; i++) {
      await peer.send(windowUpdate(1, 1));
      await driven.clock.advance(1_000);
    }
    expect([driven.stalls(), peer.take().at(-1)]).toEqual([1, 'rstStream 1 8']);
  });
});

describe('a connection', () => {
  it.each([
    ['no preface', [], 4],
    ['no acknowledgement of our settings', [PREFACE, settings()], 4],
    [
      'a head that does not go on',
      [PREFACE, settings(), settingsAck(), frame(FrameType.headers, 0, 1, [0x82])],
      11,
    ],
  ])('with %s for ten seconds is told so and closed', async (_name, bytes, code) => {
    const driven = startDriver();
    const socket = new FakeSocket();
    driven.driver.accept(socket as never);
    if (bytes.length > 0) socket.push(Buffer.concat(bytes));
    await driven.clock.advance(9_000);
    expect(socket.writableEnded).toBe(false);
    await driven.clock.advance(2_000);
    const last = socket.writes.at(-1) as Buffer;
    const goaway = last.subarray(last.lastIndexOf(Buffer.from([FrameType.goaway, 0, 0, 0, 0, 0])));
    expect([goaway.readUInt32BE(10), socket.writableEnded]).toEqual([code, true]);
    await driven.clock.advance(3_000);
    expect(socket.destroyed).toBe(true);
  });

  it('over which nothing went for ten minutes is closed politely', async () => {
    const driven = startDriver();
    const [idle, busy] = [await driven.open(), await driven.open()];
    await driven.clock.advance(590_000);
    await busy.send(ping());
    await driven.clock.advance(15_000);
    await driven.clock.settle();
    expect(idle.take()).toEqual([`goaway ${STREAM_ID_MAX} 0`, 'ping', 'goaway 0 0']);
    expect([idle.socket.writableEnded, busy.socket.writableEnded]).toEqual([true, false]);
  });

  it('drains by two GOAWAYs: what was on its way is answered, what comes later is refused', async () => {
    const driven = startDriver();
    const held: Call[] = [];
    driven.onCall = (call) => held.push(call);
    const peer = await driven.open();
    await peer.send(head(1, '/call', true));
    driven.connections.drain();
    await driven.clock.settle();
    expect(peer.take()).toEqual([`goaway ${STREAM_ID_MAX} 0`, 'ping']);
    await peer.send(head(3, '/call', true), frame(FrameType.ping, Flag.ack, 0, Buffer.from('goaway-1')));
    expect(peer.take()).toEqual(['goaway 3 0']);
    await peer.send(head(5, '/call', true));
    expect(peer.take()).toEqual(['rstStream 5 7']);
    for (const { exchange } of held) exchange.answer(ok());
    await driven.clock.settle();
    await driven.clock.settle();
    expect(peer.take().filter((each) => each.startsWith('data'))).toEqual(['data 1 2 end', 'data 3 2 end']);
    expect(peer.socket.writableEnded).toBe(true);
  });

  it('that the peer has half closed is still answered', async () => {
    const driven = startDriver();
    const held: Call[] = [];
    driven.onCall = (call) => held.push(call);
    const peer = await driven.open();
    await peer.send(head(1, '/call', true));
    peer.socket.push(null);
    await driven.clock.settle();
    expect(peer.socket.destroyed).toBe(false);
    held[0]?.exchange.answer(ok());
    await driven.clock.settle();
    await driven.clock.settle();
    expect(peer.take()).toContainEqual('data 1 2 end');
    expect(peer.socket.writableEnded).toBe(true);
  });

  it('whose body the peer has cut by half closing ends at once', async () => {
    const driven = startDriver();
    driven.onRequest = (request, response) =>
      receiveBody(request, () => {}).catch(() => send(request, response, 200, {}, 'cut'));
    const peer = await driven.open();
    await peer.send(head(1, '/call', false), head(3, '/request', false), data(1, 5), data(3, 5));
    peer.socket.push(null);
    await driven.clock.settle();
    expect(driven.calls.map(({ isWhole, closed }) => [isWhole, closed])).toEqual([[false, [true]]]);
    expect(driven.requests.map(({ response }) => response.writableFinished)).toEqual([true]);
  });

  it('that the peer has half closed ends soon all the same', async () => {
    const driven = startDriver();
    driven.onCall = () => {};
    let streamed: HttpResponse | undefined;
    driven.onRequest = (_request, response) => {
      streamed = response;
      response.writeHead(200, {});
      return new Promise((resolve) => response.once('close', resolve));
    };
    const peer = await driven.open();
    await peer.send(head(1, '/call', true), head(3, '/stream', true));
    peer.socket.push(null);
    await driven.clock.settle();
    // Nobody is left to read messages to come; a call may still be answered.
    expect([streamed?.destroyed, peer.socket.destroyed]).toEqual([true, false]);
    await driven.clock.advance(2_000);
    expect([peer.socket.destroyed, driven.calls[0]?.closed]).toEqual([true, [false]]);
  });

  it.each([
    ['overhead', (): Buffer[] => Array.from({ length: 900 }, () => ping()), 12],
    ['resets', (): Buffer[] => [], 0],
  ])('of a peer that passes a limit is counted by it: %s', async (limit, flood, rounds) => {
    const driven = startDriver();
    driven.onCall = () => {};
    const peer = await driven.open();
    for (let i = 0; i < rounds; i++) await peer.send(...flood());
    if (limit === 'resets') {
      await peer.send(...ids(1_100).flatMap((id) => [head(id, '/call', true), reset(id)]));
    }
    expect(driven.limits).toEqual([limit]);
    expect(peer.take().at(-1)).toMatch(/^goaway \d+ 11$/);
    expect(peer.socket.writableEnded).toBe(true);
  });
});
