/** Windows in both directions: no credit is lost, whatever becomes of a stream, and none is overdrawn. */
import { describe, expect, it } from 'vitest';
import { prepareBlock } from '#http/hpack/hpack-encoder.ts';
import { ErrorCode, Flag } from '#http/http2/frame.ts';
import type { Stream } from '#http/http2/stream.ts';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import {
  data,
  exchange,
  headers,
  OK,
  openServer,
  Peer,
  POST,
  padded,
  reset,
  settings,
  windowUpdate,
} from './wire.ts';

const WINDOW = 65_535;
const open = (): Peer => openServer({ connectionWindowBytes: WINDOW });

/** What the peer may send, what it will be told of, and what lies with readers: always the window. */
function expectWhole(peer: Peer, size = WINDOW): void {
  const { window, unannounced, uncredited } = peer.connection.holdings;
  expect(window + unannounced + uncredited).toBe(size);
}

describe('receiving', () => {
  it.each<[string, (peer: Peer) => void]>([
    ['padding', (peer) => peer.receive(padded(1, 10, 255))],
    ['padding alone', (peer) => peer.receive(padded(1, 0, 255))],
    ['a stream the peer resets', (peer) => peer.receive(data(1, 9000), reset(1))],
    [
      'a stream we reset',
      (peer) => {
        peer.receive(data(1, 9000));
        peer.connection.resetStream(peer.stream(1), 8);
        peer.receive(data(1, 9000), padded(1, 9, 9), data(1, 0, Flag.endStream));
      },
    ],
    [
      'a stream refused',
      (peer) =>
        peer.receive(...Array.from({ length: 3 }, (_, i) => headers(2 * i + 3, POST, 0)), data(7, 9000)),
    ],
    [
      'a malformed request',
      (peer) => peer.receive(headers(3, [...POST, 'Upper', 'x'], 0), data(3, 9000), padded(3, 1, 1)),
    ],
    [
      'a closed stream',
      (peer) => {
        peer.receive(data(1, 10, Flag.endStream));
        peer.connection.sendHead(peer.stream(1), prepareBlock(OK), true);
        peer.receive(data(1, 9000));
      },
    ],
    ['a stream the peer has ended', (peer) => peer.receive(headers(3), data(3, 9000))],
    [
      'content past its length',
      (peer) => peer.receive(headers(3, [...POST, 'content-length', '1'], 0), data(3, 9000)),
    ],
    [
      'data past the window of its stream',
      (peer) => peer.receive(...Array.from({ length: 3 }, () => data(1, 16_000))),
    ],
    [
      'content that is read in part',
      (peer) => {
        peer.receive(data(1, 9000));
        peer.connection.creditData(peer.stream(1), 4000);
      },
    ],
    [
      'more credit than was owed',
      (peer) => {
        peer.receive(data(1, 9000));
        peer.connection.creditData(peer.stream(1), 99_000);
      },
    ],
    [
      'content never read of a stream that is answered',
      (peer) => {
        peer.receive(data(1, 9000, Flag.endStream));
        peer.connection.sendHead(peer.stream(1), prepareBlock(OK), true);
      },
    ],
  ])('loses no credit by %s', (_, act) => {
    const peer = openServer({ connectionWindowBytes: WINDOW, streamWindowBytes: 40_000, streamsMax: 2 });
    peer.receive(headers(1, POST, 0));
    act(peer);
    expect(peer.connection.failure).toBeUndefined();
    expectWhole(peer);
  });

  it.each<[string, (peer: Peer, id: number) => void]>([
    [
      'padding',
      (peer, id) => {
        if (id === 1) peer.receive(headers(1, POST, 0));
        // Content is read at once, so only padding could wear the windows out.
        peer.receive(padded(1, 1, 255));
        peer.connection.creditData(peer.stream(1), 1);
      },
    ],
    ['streams that are reset', (peer, id) => peer.receive(headers(id, POST, 0), data(id, 16_000), reset(id))],
    [
      'streams that are malformed',
      (peer, id) => peer.receive(headers(id, [...POST, 'Upper', 'x'], 0), data(id, 16_000)),
    ],
  ])('goes on for longer than a window with %s', (_, act) => {
    const peer = open();
    for (let id = 1; id < 1200; id += 2) act(peer, id);
    expect(peer.connection.failure).toBeUndefined();
    expectWhole(peer);
    expect(peer.connection.holdings.window).toBeGreaterThanOrEqual(WINDOW / 2);
  });

  it('announces credit once it is half of a window, to the stream only while more is to come', () => {
    const peer = open();
    peer.receive(headers(1, POST, 0), data(1, 16_384), data(1, 16_383));
    const stream = peer.stream(1);
    peer.connection.creditData(stream, 32_767);
    expect(peer.take()).toEqual([]);
    peer.receive(data(1, 1));
    peer.connection.creditData(stream, 1);
    expect(peer.take()).toEqual(['windowUpdate 0 32768', 'windowUpdate 1 32768']);
    peer.receive(data(1, 16_384), data(1, 16_384, Flag.endStream));
    peer.connection.creditData(stream, 32_768);
    expect(peer.take()).toEqual(['windowUpdate 0 32768']);
  });

  it('limits the peer to the window of its stream, once it has acknowledged our setting', () => {
    const peer = openServer({ streamWindowBytes: 10 });
    peer.receive(headers(1, POST, 0), data(1, 10), data(1, 1));
    expect(peer.take()).toEqual([`rstStream 1 ${ErrorCode.flowControlError}`]);
  });

  it('widens its own window at the start', () => {
    const peer = openServer({ connectionWindowBytes: 1_000_000 });
    expectWhole(peer, 1_000_000);
    expect(peer.connection.holdings.window).toBe(1_000_000);
  });

  it.each([
    ['connectionWindowBytes', 65_534],
    ['connectionWindowBytes', 2 ** 31],
    ['streamWindowBytes', 0],
  ])('refuses %s of %i', (name, bytes) => {
    expect(() => openServer({ [name]: bytes })).toThrow(/expected a whole number from \d+ to 2147483647/);
  });
});

describe('sending', () => {
  const answer = (peer: Peer, id: number, bytes: number, isEnd = true): void => {
    peer.receive(headers(id));
    peer.connection.sendHead(peer.stream(id), prepareBlock(OK), false);
    peer.connection.sendData(peer.stream(id), Buffer.alloc(bytes), isEnd);
  };
  const dataOf = (peer: Peer): string[] => peer.take().filter((each) => each.startsWith('data'));

  it('cuts at 16 KiB and at both windows, and goes on where they open', () => {
    const peer = openServer();
    answer(peer, 1, 70_000);
    expect(dataOf(peer)).toEqual(['data 1 16384', 'data 1 16384', 'data 1 16384', 'data 1 16383']);
    expect([peer.connection.queuedBytes, peer.connection.hasOutput]).toEqual([4465, false]);
    peer.receive(windowUpdate(1, 9999));
    expect(dataOf(peer)).toEqual([]);
    peer.receive(windowUpdate(0, 4000));
    expect(peer.connection.hasOutput).toBe(true);
    expect(dataOf(peer)).toEqual(['data 1 4000']);
    peer.receive(windowUpdate(0, 4000));
    expect(dataOf(peer)).toEqual(['data 1 465 end']);
    expect([peer.connection.queuedBytes, peer.connection.holdings.streams]).toEqual([0, 0]);
  });

  it('takes turns frame by frame', () => {
    const peer = openServer();
    peer.receive(settings([[4, 1_000_000]]), windowUpdate(0, 1_000_000));
    for (const id of [1, 3, 5]) answer(peer, id, 300_000);
    const order = dataOf(peer).map((each) => each.split(' ')[1]);
    expect(order.slice(0, 6)).toEqual(['1', '3', '5', '1', '3', '5']);
  });

  it('lets no stream without a window delay the others', () => {
    const peer = openServer();
    peer.receive(settings([[4, 0]]));
    answer(peer, 1, 10);
    answer(peer, 3, 10);
    expect(dataOf(peer)).toEqual([]);
    peer.receive(windowUpdate(3, 10));
    expect(dataOf(peer)).toEqual(['data 3 10 end']);
    peer.receive(settings([[4, 10]]));
    expect(dataOf(peer)).toEqual(['data 1 10 end']);
  });

  it('sends empty ends and heads without any window', () => {
    const peer = openServer();
    peer.receive(settings([[4, 0]]));
    answer(peer, 1, 0);
    expect(peer.take()).toContain('data 1 0 end');
  });

  it('waits out a window that a setting made negative', () => {
    const peer = openServer();
    answer(peer, 1, 60_000, false);
    dataOf(peer);
    peer.receive(settings([[4, 10_000]]));
    peer.connection.sendData(peer.stream(1), Buffer.alloc(100), true);
    peer.receive(windowUpdate(1, 49_999));
    expect(dataOf(peer)).toEqual([]);
    peer.receive(windowUpdate(1, 101));
    expect(dataOf(peer)).toEqual(['data 1 100 end']);
  });

  it('ends the connection where a setting makes a window larger than 2^31-1', () => {
    const peer = openServer();
    peer.receive(headers(1, POST, 0), windowUpdate(1, 2 ** 31 - 1 - 65_535), settings([[4, 65_536]]));
    expect(peer.take().at(-1)).toBe(`goaway 1 ${ErrorCode.flowControlError}`);
  });

  it('says when a queue has drained, and sends trailers behind it', () => {
    const peer = openServer();
    peer.receive(settings([[4, 10]]));
    answer(peer, 1, 15, false);
    expect(peer.connection.sendTrailers(peer.stream(1), prepareBlock(['a', 'b']))).toBe('queued');
    expect(peer.connection.sendData(peer.stream(1), Buffer.alloc(1), true)).toBe('closed');
    answer(peer, 3, 15, false);
    peer.take();
    peer.receive(windowUpdate(1, 100), windowUpdate(3, 100));
    expect(peer.take()).toEqual(['data 1 5', 'headers 1 5 end', 'data 3 5']);
    expect(peer.seen.at(-1)).toBe('drain 3');
    expect(() => {
      peer.connection.sendData(peer.stream(3), Buffer.alloc(200), false);
      peer.connection.sendHead(peer.stream(3), prepareBlock(OK), true);
    }).toThrow('assertion failed');
  });

  it('drops what is queued on a stream that is reset, also from the line', () => {
    const peer = openServer();
    peer.receive(headers(1));
    peer.connection.sendData(peer.stream(1), Buffer.alloc(65_535), false);
    for (let id = 3; id < 200; id += 2) {
      answer(peer, id, 1000);
      peer.receive(reset(id));
    }
    const { streams, inLine } = peer.connection.holdings;
    expect({ streams, inLine, queued: peer.connection.queuedBytes }).toEqual({
      streams: 1,
      inLine: 0,
      queued: 0,
    });
  });

  it('keeps a copy of data that is to be copied, whether it waits or not', () => {
    const peer = openServer();
    peer.receive(settings([[4, 10]]), headers(1));
    const bytes = Buffer.from('0123456789');
    const sent = [6, 6, 6].map((length, i) => {
      const how = peer.connection.sendCopy(peer.stream(1), bytes.fill(`${i}`), length);
      bytes.fill('#');
      return how;
    });
    expect(sent).toEqual(['sent', 'queued', 'queued']);
    peer.receive(windowUpdate(1, 100));
    const output = peer.connection.takeOutput(0)?.toString('latin1') ?? '';
    expect(output.replaceAll(/[^\d#]/g, '')).toBe('000000111111222222');
  });

  it('keeps data by reference, not by copy', () => {
    const peer = openServer();
    const value = Buffer.alloc(8 * 1024 * 1024);
    peer.receive(settings([[4, 0]]));
    for (let id = 1; id < 400; id += 2) {
      peer.receive(headers(id));
      peer.connection.sendData(peer.stream(id), value, true);
    }
    expect(peer.connection.queuedBytes).toBe(200 * value.length);
    expect(peer.stream(1).queue[0]).toBe(value);
    expect(peer.connection.holdings.output).toBeLessThan(100);
  });

  it('resets a stream whose data has not moved for a minute, and no other', () => {
    const peer = openServer();
    peer.receive(settings([[4, 0]]));
    answer(peer, 1, 10);
    peer.nowMs = 20_000;
    answer(peer, 3, 10);
    peer.connection.check(29_999);
    expect(peer.connection.holdings.streams).toBe(2);
    peer.connection.check(60_000);
    expect(peer.take().at(-1)).toBe('rstStream 1 8');
    expect(peer.connection.queuedBytes).toBe(10);
  });
});

describe('both sides together', () => {
  it.each([1, 2, 3, 4, 5])('bring random bodies across small windows whole, seed %i', (seed) => {
    const random = new SeededRandom(seed);
    const windows = () => ({ connectionWindowBytes: WINDOW, streamWindowBytes: random.between(1, 5000) });
    const server = new Peer(windows());
    const client = new Peer({ side: 'client', ...windows() });
    const sizes = Array.from({ length: 20 }, () => random.below(60_000));
    const got = new Map<number, number>();
    server.onData = (stream, _, from, to, isEnd) => {
      got.set(stream.id, (got.get(stream.id) ?? 0) + to - from);
      server.connection.creditData(stream, to - from);
      if (isEnd) server.connection.sendHead(stream, prepareBlock(OK), true);
    };
    for (const size of sizes) {
      const stream = client.connection.openStream(POST, false) as Stream;
      client.connection.sendData(stream, Buffer.alloc(size), true);
    }
    for (let turn = 0; turn < 20_000; turn++) {
      if (exchange(client, server) + exchange(server, client) === 0) break;
    }
    expect([server.failure, client.failure]).toEqual([undefined, undefined]);
    expect(sizes.map((_, i) => got.get(2 * i + 1))).toEqual(sizes);
    expect([client.connection.holdings.streams, server.connection.holdings.held]).toEqual([0, 0]);
    expectWhole(server);
  });
});
