/** What each frame does in each state of its stream, and what of a frame's form is an error. */
import { describe, expect, it } from 'vitest';
import { prepareBlock } from '#http/hpack/hpack-encoder.ts';
import { CLIENT_PREFACE, ErrorCode, Flag, FrameType } from '#http/http2/frame.ts';
import { StreamTable } from '#http/http2/stream-table.ts';
import {
  data,
  frame,
  GET,
  goaway,
  headers,
  OK,
  openClient,
  openServer,
  Peer,
  POST,
  ping,
  reset,
  settings,
  settingsAck,
  uint32,
  windowUpdate,
} from './wire.ts';

const PROTOCOL = `goaway 1 ${ErrorCode.protocolError}`;
const CLOSED = `goaway 1 ${ErrorCode.streamClosed}`;
const STREAM_CLOSED = `rstStream 1 ${ErrorCode.streamClosed}`;

/** Brings stream 1 of a server into a state. */
const STATES: Readonly<Record<string, (peer: Peer) => void>> = {
  idle: () => {},
  open: (peer) => peer.receive(headers(1, POST, 0)),
  'half closed (remote)': (peer) => peer.receive(headers(1)),
  'half closed (local)': (peer) => {
    peer.receive(headers(1, POST, 0));
    peer.connection.sendHead(peer.stream(1), prepareBlock(OK), true);
  },
  'reset here': (peer) => {
    peer.receive(headers(1, POST, 0));
    peer.connection.resetStream(peer.stream(1), ErrorCode.cancel);
  },
  'reset by the peer': (peer) => peer.receive(headers(1, POST, 0), reset(1)),
  finished: (peer) => {
    peer.receive(headers(1));
    peer.connection.sendHead(peer.stream(1), prepareBlock(OK), true);
  },
};

const FRAMES = {
  data: () => data(1, 3),
  trailers: () => headers(1, ['x', 'y']),
  reset: () => reset(1),
  'window update': () => windowUpdate(1, 5),
  priority: () => frame(FrameType.priority, 0, 1, [0, 0, 0, 0, 9]),
  push: () => frame(FrameType.pushPromise, Flag.endHeaders, 1, uint32(2)),
  continuation: () => frame(FrameType.continuation, Flag.endHeaders, 1, []),
};

/** What is told and what is sent; a frame without either is ignored. */
const MEANINGS: Readonly<Record<string, Readonly<Record<keyof typeof FRAMES, readonly string[]>>>> = {
  idle: {
    data: ['goaway 0 1'],
    // A request without its pseudo-fields.
    trailers: ['rstStream 1 1'],
    reset: ['goaway 0 1'],
    'window update': ['goaway 0 1'],
    priority: [],
    push: ['goaway 0 1'],
    continuation: ['goaway 0 1'],
  },
  open: {
    data: ['data 1 3'],
    trailers: ['trailers 1 x=y'],
    reset: ['reset 1 8 peer'],
    'window update': [],
    priority: [],
    push: [PROTOCOL],
    continuation: [PROTOCOL],
  },
  'half closed (remote)': {
    data: [STREAM_CLOSED],
    trailers: [STREAM_CLOSED],
    reset: ['reset 1 8 peer'],
    'window update': [],
    priority: [],
    push: [PROTOCOL],
    continuation: [PROTOCOL],
  },
  'half closed (local)': {
    data: ['data 1 3'],
    trailers: ['trailers 1 x=y'],
    reset: ['reset 1 8 peer'],
    'window update': [],
    priority: [],
    push: [PROTOCOL],
    continuation: [PROTOCOL],
  },
  'reset here': {
    data: [],
    trailers: [],
    reset: [],
    'window update': [],
    priority: [],
    push: [PROTOCOL],
    continuation: [PROTOCOL],
  },
  'reset by the peer': {
    data: [STREAM_CLOSED],
    trailers: [CLOSED],
    reset: [],
    'window update': [],
    priority: [],
    push: [PROTOCOL],
    continuation: [PROTOCOL],
  },
  finished: {
    data: [STREAM_CLOSED],
    trailers: [CLOSED],
    reset: [],
    'window update': [],
    priority: [],
    push: [PROTOCOL],
    continuation: [PROTOCOL],
  },
};

const cases = Object.entries(MEANINGS).flatMap(([state, row]) =>
  Object.entries(row).map(([name, meaning]) => ({ state, name, meaning })),
);

describe('a server', () => {
  it.each(cases)('$name on a stream that is $state', ({ state, name, meaning }) => {
    const peer = openServer();
    STATES[state]?.(peer);
    peer.take();
    peer.seen.length = 0;
    peer.receive(FRAMES[name as keyof typeof FRAMES]());
    const told = peer.seen.filter((each) => !/^(failure|reset 1 \d+ here)/.test(each));
    expect([...told, ...peer.take()]).toEqual(meaning);
  });

  it('tells apart a stream that was passed over and one that is closed', () => {
    const skipping = openServer();
    skipping.receive(headers(5), headers(3));
    expect(skipping.take()).toEqual([`goaway 5 ${ErrorCode.protocolError}`]);
    const reusing = openServer();
    reusing.answer = (stream) => reusing.connection.sendHead(stream, prepareBlock(OK), true);
    reusing.receive(headers(3), headers(5), headers(3));
    expect(reusing.take().at(-1)).toBe(`goaway 5 ${ErrorCode.streamClosed}`);
  });

  it.each([
    ['none passed over', [1, 3, 5, 7, 9]],
    ['one and several passed over', [1, 5, 7, 15, 17]],
    ['more passed over than are remembered', [3, 101, 103, 107]],
    ['as many as are remembered', [1, 33, 65]],
  ])('remembers which of the last 16 numbers were used: %s', (_name, used) => {
    const table = new StreamTable(false);
    for (const last of used) {
      table.notePeerId(last);
      for (let id = 1; id <= last; id += 2) {
        const isRemembered = last - id < 32;
        expect([id, table.wasSkipped(id)]).toEqual([id, isRemembered && !used.includes(id)]);
      }
    }
  });

  it('serves a request in one frame, in many, and with trailers', () => {
    const peer = openServer();
    const block = prepareBlock(POST);
    peer.receive(headers(1), headers(3, POST, 0), data(3, 5), data(3, 0, Flag.endStream));
    peer.receive(
      frame(FrameType.headers, 0, 5, block.subarray(0, 1)),
      frame(FrameType.continuation, 0, 5, []),
    );
    peer.receive(
      frame(FrameType.continuation, Flag.endHeaders, 5, block.subarray(1)),
      headers(5, ['x', 'y']),
    );
    expect(peer.seen).toEqual([
      'head 1 GET / end',
      'head 3 POST /',
      'data 3 5',
      'data 3 0 end',
      'head 5 POST /',
      'trailers 5 x=y',
    ]);
  });

  it('ignores what it does not know, and the reserved bit', () => {
    const peer = openServer();
    peer.receive(
      frame(77, 0xff, 9, [1]),
      settings([[99, 7]]),
      headers(0x80000001),
      frame(FrameType.headers, 0xd5, 3, prepareBlock(GET)),
    );
    expect(peer.seen).toEqual(['head 1 GET / end', 'head 3 GET / end']);
    expect(peer.take()).toEqual(['settings ack']);
  });

  it('gives the same ping back', () => {
    const peer = openServer();
    peer.receive(ping(0, 'abcdefgh'), ping(Flag.ack, 'whatever'));
    expect(peer.takeFrames().map(({ payload }) => payload.toString())).toEqual(['abcdefgh']);
  });
});

describe('a frame of wrong form ends the connection', () => {
  const P = ErrorCode.protocolError;
  const S = ErrorCode.frameSizeError;
  const F = ErrorCode.flowControlError;
  it.each<[string, Buffer, number]>([
    ['longer than 16,384', data(1, 16_385), S],
    ['longer than 16,384, of unknown type', frame(77, 0, 0, Buffer.alloc(16_385)), S],
    ['DATA of stream 0', data(0, 1), P],
    ['DATA of padding only, that is longer', frame(FrameType.data, Flag.padded, 1, [1]), P],
    ['DATA flagged as padded, and empty', frame(FrameType.data, Flag.padded, 1, []), P],
    ['HEADERS of stream 0', headers(0), P],
    ['HEADERS of an even stream', headers(2), P],
    [
      'HEADERS with too much padding',
      frame(FrameType.headers, Flag.padded | Flag.endHeaders, 3, [9, 0x82]),
      P,
    ],
    [
      'HEADERS too short for its priority',
      frame(FrameType.headers, Flag.priority | Flag.endHeaders, 3, [0, 0]),
      P,
    ],
    [
      'HEADERS that depends on itself',
      frame(FrameType.headers, Flag.priority | Flag.endHeaders, 3, [0, 0, 0, 3, 0]),
      P,
    ],
    ['PRIORITY of stream 0', frame(FrameType.priority, 0, 0, Buffer.alloc(5)), P],
    ['PRIORITY of 4 octets', frame(FrameType.priority, 0, 1, Buffer.alloc(4)), S],
    ['PRIORITY that depends on itself', frame(FrameType.priority, 0, 7, [0, 0, 0, 7, 1]), P],
    ['RST_STREAM of stream 0', reset(0), P],
    ['RST_STREAM of 3 octets', frame(FrameType.rstStream, 0, 1, Buffer.alloc(3)), S],
    ['SETTINGS of a stream', frame(FrameType.settings, 0, 1, []), P],
    ['SETTINGS of 5 octets', frame(FrameType.settings, 0, 0, Buffer.alloc(5)), S],
    ['SETTINGS acknowledged with octets', frame(FrameType.settings, Flag.ack, 0, Buffer.alloc(6)), S],
    ['ENABLE_PUSH of 2', settings([[2, 2]]), P],
    ['INITIAL_WINDOW_SIZE of 2^31', settings([[4, 2 ** 31]]), F],
    ['MAX_FRAME_SIZE of 16,383', settings([[5, 16_383]]), P],
    ['MAX_FRAME_SIZE of 2^24', settings([[5, 2 ** 24]]), P],
    [
      '33 settings',
      settings(Array.from({ length: 33 }, () => [1, 4096] as const)),
      ErrorCode.enhanceYourCalm,
    ],
    ['PING of a stream', frame(FrameType.ping, 0, 1, Buffer.alloc(8)), P],
    ['PING of 7 octets', frame(FrameType.ping, 0, 0, Buffer.alloc(7)), S],
    ['GOAWAY of a stream', frame(FrameType.goaway, 0, 1, Buffer.alloc(8)), P],
    ['GOAWAY of 7 octets', frame(FrameType.goaway, 0, 0, Buffer.alloc(7)), S],
    ['WINDOW_UPDATE of 3 octets', frame(FrameType.windowUpdate, 0, 0, Buffer.alloc(3)), S],
    ['WINDOW_UPDATE of 0', windowUpdate(0, 0), P],
    ['WINDOW_UPDATE past 2^31-1', windowUpdate(0, 2 ** 31 - 1), F],
    ['DATA past the connection window', Buffer.concat(Array.from({ length: 5 }, () => data(1, 16_384))), F],
  ])('%s', (_, bytes, code) => {
    // The streams' windows are wide, so that the connection's is met first.
    const peer = openServer({ connectionWindowBytes: 65_535, streamWindowBytes: 1_000_000 });
    peer.receive(headers(1, POST, 0), bytes);
    expect(peer.take().at(-1)).toBe(`goaway ${peer.streams.has(3) ? 3 : 1} ${code}`);
    expect(peer.seen.slice(-2)).toEqual([`reset 1 ${code} here`, `failure ${code}`]);
    const before = peer.seen.length;
    peer.receive(headers(5));
    expect([peer.seen.length, peer.connection.holdings.streams, peer.take()]).toEqual([before, 0, []]);
  });

  it.each<[string, Buffer]>([
    ['HEADERS of another stream', headers(3)],
    ['DATA of its own', data(1, 1)],
    ['PING', ping()],
    ['an unknown frame', frame(77, 0, 0)],
    ['CONTINUATION of another stream', frame(FrameType.continuation, Flag.endHeaders, 3, [])],
  ])('within a header block: %s', (_, bytes) => {
    const peer = openServer();
    peer.receive(frame(FrameType.headers, 0, 1, prepareBlock(GET)), bytes);
    expect(peer.take()).toEqual([`goaway 0 ${P}`]);
  });

  it.each<[string, Buffer[]]>([
    ['a request of HTTP/1.1', [Buffer.from('GET / HTTP/1.1\r\nHost: a\r\n\r\n')]],
    ['no SETTINGS first', [Buffer.from(CLIENT_PREFACE), ping()]],
    ['an acknowledgement first', [Buffer.from(CLIENT_PREFACE), settingsAck()]],
  ])('in place of the preface: %s', (_, chunks) => {
    const peer = new Peer();
    peer.take();
    peer.receive(...chunks);
    expect(peer.take()).toEqual([`goaway 0 ${P}`]);
  });
});

describe('an error of a stream leaves the others alone', () => {
  const P = ErrorCode.protocolError;
  it.each<[string, Buffer[], number]>([
    ['WINDOW_UPDATE of 0', [headers(1, POST, 0), windowUpdate(1, 0)], P],
    ['window past 2^31-1', [headers(1, POST, 0), windowUpdate(1, 2 ** 31 - 1)], ErrorCode.flowControlError],
    [
      'DATA past its window',
      [headers(1, POST, 0), data(1, 16_384), data(1, 16_384), data(1, 16_384), data(1, 16_384)],
      ErrorCode.flowControlError,
    ],
    ['trailers that do not end it', [headers(1, POST, 0), headers(1, ['x', 'y'], 0)], P],
    ['pseudo-fields in trailers', [headers(1, POST, 0), headers(1, GET)], P],
    ['a malformed head', [headers(1, [...GET, 'Upper', 'x'])], P],
    [
      'less content than its head said',
      [headers(1, [...POST, 'content-length', '4'], 0), data(1, 3, Flag.endStream)],
      P,
    ],
    ['more content than its head said', [headers(1, [...POST, 'content-length', '4'], 0), data(1, 5)], P],
    ['no content though its head said so', [headers(1, [...POST, 'content-length', '4'])], P],
    [
      'trailers before all content',
      [headers(1, [...POST, 'content-length', '4'], 0), headers(1, ['x', 'y'])],
      P,
    ],
    [
      'a head of more than 16 KiB',
      [headers(1, [...GET, ...Array.from({ length: 20 }, () => ['x', 'v'.repeat(800)]).flat()])],
      ErrorCode.enhanceYourCalm,
    ],
  ])('%s', (_, chunks, code) => {
    const peer = openServer({ streamWindowBytes: 65_535 });
    peer.receive(...chunks, headers(3));
    expect(peer.take().filter((each) => !each.startsWith('windowUpdate'))).toEqual([`rstStream 1 ${code}`]);
    expect(peer.seen.at(-1)).toBe('head 3 GET / end');
  });
});

describe('a client', () => {
  const ask = (): Peer => {
    const peer = openClient();
    peer.streams.set(1, peer.connection.openStream(GET, true) as never);
    peer.take();
    return peer;
  };

  it('takes interim answers, content and trailers', () => {
    const peer = ask();
    peer.receive(
      headers(1, [':status', '103', 'link', 'x'], 0),
      headers(1, OK, 0),
      data(1, 4),
      headers(1, ['grpc-status', '0']),
    );
    expect(peer.seen).toEqual(['head 1 103', 'head 1 200', 'data 1 4', 'trailers 1 grpc-status=0']);
    expect(peer.connection.holdings.streams).toBe(0);
  });

  it.each<[string, Buffer[], string]>([
    ['content before a head', [data(1, 1)], 'rstStream 1 1'],
    ['an interim answer that ends', [headers(1, [':status', '100'])], 'rstStream 1 1'],
    ['status 101', [headers(1, [':status', '101'], 0)], 'rstStream 1 1'],
    ['no status', [headers(1, ['x', 'y'], 0)], 'rstStream 1 1'],
    ['a head of a request', [headers(1, GET, 0)], 'rstStream 1 1'],
    ['content of a 204', [headers(1, [':status', '204'], 0), data(1, 1)], 'rstStream 1 1'],
    ['a stream that it has not opened', [headers(3, OK)], 'goaway 0 1'],
    ["a stream of the server's", [headers(2, OK)], 'goaway 0 1'],
    ['a push', [frame(FrameType.pushPromise, Flag.endHeaders, 1, uint32(2))], 'goaway 0 1'],
    ['a server that asks for pushes', [settings([[2, 1]])], 'goaway 0 1'],
  ])('refuses %s', (_, chunks, answer) => {
    const peer = ask();
    peer.receive(...chunks);
    expect(peer.take()).toEqual([answer]);
  });

  it('knows that an answer to HEAD, a 204 and a 304 have no content, whatever their length says', () => {
    const peer = openClient();
    peer.connection.openStream(['x-unused', 'head'], true, true);
    peer.connection.openStream(GET, true);
    peer.receive(
      headers(1, [':status', '200', 'content-length', '9']),
      headers(3, [':status', '304', 'content-length', '9']),
    );
    expect(peer.seen).toEqual(['head 1 200 end', 'head 3 304 end']);
  });

  it('keeps within the streams that its server takes, and opens none after GOAWAY', () => {
    const peer = openClient();
    peer.receive(settings([[3, 2]]));
    const ids = [1, 2, 3].map(() => peer.connection.openStream(GET, true)?.id);
    expect(ids).toEqual([1, 3, undefined]);
    peer.receive(goaway(1));
    expect(peer.seen).toEqual(['reset 3 7 peer', 'goaway 1 0']);
    peer.receive(headers(1, OK));
    expect(peer.seen.at(-1)).toBe('head 1 200 end');
    expect(peer.connection.canOpen).toBe(false);
  });
});
