/** Attacks: each is cut off by a limit with a number, or held within one; honest peers are not. */
import { describe, expect, it } from 'vitest';
import { MEMO_BYTES_MAX } from '#http/hpack/head-reader.ts';
import { prepareBlock } from '#http/hpack/hpack-encoder.ts';
import { CLIENT_PREFACE, ErrorCode, Flag, FrameType, SettingId } from '#http/http2/frame.ts';
import {
  BLOCK_BYTES_MAX,
  OUTPUT_BYTES_HARD,
  OUTPUT_BYTES_SOFT,
  RATES,
  RESETS_REMEMBERED,
} from '#http/http2/limits.ts';
import {
  data,
  frame,
  GET,
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
  windowUpdate,
} from './wire.ts';

/** Sends what `next` makes until the connection fails; returns how many were taken, and the limit. */
function flood(
  peer: Peer,
  next: (n: number) => Buffer,
  takes = true,
  max = 200_000,
): [number, string | undefined] {
  for (let n = 0; n < max; n++) {
    peer.receive(next(n));
    if (takes) peer.takeBytes();
    if (peer.failure !== undefined) {
      expect(peer.failure.code).toBe(ErrorCode.enhanceYourCalm);
      return [n, peer.failure.limit];
    }
  }
  return [max, undefined];
}

const id = (n: number): number => 2 * n + 1;
const OVERHEAD = RATES.overhead.burst;

/** A head of 17 KiB, in two frames. */
function largeHead(streamId: number, isEnd: boolean): Buffer {
  const block = prepareBlock([...GET, 'x-large', '~'.repeat(17_000)]);
  const flags = isEnd ? Flag.endStream : 0;
  return Buffer.concat([
    frame(FrameType.headers, flags, streamId, block.subarray(0, 10_000)),
    frame(FrameType.continuation, Flag.endHeaders, streamId, block.subarray(10_000)),
  ]);
}

describe('a head that is too large', () => {
  const head = prepareBlock([':status', '431']);
  const tooLarge = { head, text: Buffer.from('too large') };
  const answer = `headers 1 ${head.length}`;

  it('is answered in words, and the connection goes on', () => {
    const peer = openServer({ tooLarge });
    peer.receive(largeHead(1, true), headers(3));
    expect(peer.take()).toEqual([answer, 'data 1 9 end']);
    expect(peer.seen).toEqual(['head 3 GET / end']);
    expect(peer.connection.holdings).toMatchObject({ streams: 1, held: 1 });
  });

  it('has its body stopped and ignored', () => {
    const peer = openServer({ tooLarge });
    peer.receive(largeHead(1, false), data(1, 4, Flag.endStream));
    expect(peer.take().slice(0, 3)).toEqual([answer, 'data 1 9 end', `rstStream 1 ${ErrorCode.noError}`]);
    expect([peer.seen, peer.failure]).toEqual([[], undefined]);
  });

  it('is answered by the head alone where the windows have no room, and nothing waits', () => {
    const peer = openServer({ tooLarge });
    peer.receive(settings([[SettingId.initialWindowSize, 8]]));
    peer.takeBytes();
    peer.receive(largeHead(1, true));
    expect(peer.take()).toEqual([`${answer} end`]);
    expect(peer.connection.holdings).toMatchObject({ streams: 0, held: 0 });
  });

  it('counts as a reset, so that a flood of them is cut off', () => {
    const peer = openServer({ tooLarge });
    expect(flood(peer, (n) => largeHead(id(n), true), true, 2_000)).toEqual([RATES.resets.burst, 'resets']);
  });

  it('resets the stream where there is nothing to say', () => {
    const peer = openServer();
    peer.receive(largeHead(1, true));
    expect(peer.take()).toEqual([`rstStream 1 ${ErrorCode.enhanceYourCalm}`]);
  });
});

describe('a flood is cut off', () => {
  it.each<[string, (n: number) => Buffer, number, string]>([
    [
      'of requests reset at once',
      (n) => Buffer.concat([headers(id(n)), reset(id(n))]),
      RATES.resets.burst,
      'resets',
    ],
    [
      'of resets provoked by WINDOW_UPDATE of 0',
      (n) => Buffer.concat([headers(id(n), POST, 0), windowUpdate(id(n), 0)]),
      RATES.resets.burst,
      'resets',
    ],
    [
      'of resets provoked by DATA after the end',
      (n) => Buffer.concat([headers(id(n)), data(id(n), 1)]),
      RATES.resets.burst,
      'resets',
    ],
    [
      'of heads that are refused',
      (n) => headers(id(n), [...GET, 'Upper', 'x']),
      RATES.resets.burst,
      'resets',
    ],
    ['of streams past the most at once', (n) => headers(id(n)), RATES.resets.burst + 256, 'resets'],
    [
      'of DATA for streams that the peer reset',
      (n) => Buffer.concat([headers(id(n), POST, 0), reset(id(n)), data(id(n), 1)]),
      RATES.resets.burst / 2,
      'resets',
    ],
    ['of SETTINGS', () => settings([[4, 70_000]]), RATES.settings.burst, 'settings'],
    ['of pings', () => ping(), OVERHEAD, 'overhead'],
    ['of ping answers', () => ping(Flag.ack), OVERHEAD, 'overhead'],
    ['of WINDOW_UPDATE', () => windowUpdate(0, 1), OVERHEAD, 'overhead'],
    ['of PRIORITY', () => frame(FrameType.priority, 0, 9, Buffer.alloc(5)), OVERHEAD, 'overhead'],
    ['of unknown frames', () => frame(99, 0, 0), OVERHEAD, 'overhead'],
    ['of acknowledgements', () => settingsAck(), OVERHEAD, 'overhead'],
    ['of empty DATA', (n) => (n === 0 ? headers(1, POST, 0) : data(1, 0)), OVERHEAD + 1, 'overhead'],
    [
      'of frames for a stream that we reset',
      (n) => (n === 0 ? headers(1, [...POST, 'Upper', 'x'], 0) : data(1, 0)),
      OVERHEAD + 1,
      'overhead',
    ],
  ])('%s', (_, next, burst, limit) => {
    expect(flood(openServer(), next)).toEqual([burst, limit]);
  });

  it('of pings or SETTINGS whose answers are not taken, though useful frames come too', () => {
    expect(flood(openServer(), () => ping(), false)).toEqual([1000, 'acks']);
    const mixed = openServer();
    const next = (n: number) =>
      Buffer.concat([headers(1, POST, 0).subarray(0, n === 0 ? undefined : 0), data(1, 1), ping()]);
    const [count, limit] = flood(mixed, next, false);
    expect([count, limit]).toEqual([1000, 'acks']);
    expect(mixed.connection.holdings.output).toBeLessThan(1002 * 17 + 100);
  });

  it('of CONTINUATION, empty or long, and keeps no more than its limit', () => {
    const many = openServer();
    many.receive(frame(FrameType.headers, 0, 1, []));
    expect(flood(many, () => frame(FrameType.continuation, 0, 1, []))).toEqual([8, 'continuations']);
    const long = openServer();
    long.receive(frame(FrameType.headers, 0, 1, Buffer.alloc(16_384)));
    expect(flood(long, () => frame(FrameType.continuation, 0, 1, Buffer.alloc(16_384)))).toEqual([
      1,
      'block bytes',
    ]);
    expect(long.connection.holdings.partialBlock).toBeLessThanOrEqual(BLOCK_BYTES_MAX);
  });

  it('again and again at the rate of the refill only', () => {
    const peer = openServer();
    const next = (n: number) => Buffer.concat([headers(id(n)), reset(id(n))]);
    for (let n = 0; n < RATES.resets.burst; n++) peer.receive(next(n));
    for (let second = 1; second <= 20; second++) {
      peer.nowMs = second * 1000;
      for (let n = 0; n < 33; n++) peer.receive(next(RATES.resets.burst + second * 33 + n));
      peer.takeBytes();
      expect(peer.failure).toBeUndefined();
    }
    peer.receive(next(20_000));
    expect(peer.failure?.limit).toBe('resets');
  });
});

describe('an honest peer is not', () => {
  it('that is a server, busy enough to refuse thousands of calls', () => {
    const client = openClient();
    for (let n = 0; n < 3000; n++) {
      expect(client.connection.openStream(GET, true)?.id).toBe(id(n));
      client.receive(reset(id(n), ErrorCode.refusedStream));
      client.takeBytes();
    }
    expect(client.failure).toBeUndefined();
  });

  it('that pings and updates windows with every frame of data, for a million frames', () => {
    const peer = openServer();
    peer.receive(headers(1, POST, 0));
    const chunk = Buffer.concat([data(1, 1), ping(), windowUpdate(0, 1), windowUpdate(1, 1)]);
    for (let n = 0; n < 250_000; n++) {
      peer.receive(chunk);
      peer.connection.creditData(peer.stream(1), 1);
      if (n % 100 === 0) peer.takeBytes();
      peer.seen.length = 0;
    }
    expect(peer.failure).toBeUndefined();
  });

  it('that updates windows for every small message it gets', () => {
    const peer = openServer();
    peer.receive(headers(1));
    peer.connection.sendHead(peer.stream(1), prepareBlock(OK), false);
    const updates = Buffer.concat([windowUpdate(0, 5), windowUpdate(1, 5), ping()]);
    for (let n = 0; n < 50_000; n++) {
      peer.connection.sendData(peer.stream(1), Buffer.alloc(5), false);
      peer.takeBytes();
      peer.receive(updates);
    }
    expect(peer.failure).toBeUndefined();
  });
});

describe('what is held stays within its numbers', () => {
  it('streams, 256, until the work for those reset has ended', () => {
    const peer = openServer();
    peer.releasesAtOnce = false;
    for (let n = 0; n < 256; n++) peer.receive(headers(id(n)), reset(id(n)));
    peer.receive(headers(id(256)));
    expect(peer.take()).toEqual([`rstStream 513 ${ErrorCode.refusedStream}`]);
    peer.connection.release(peer.stream(1));
    peer.connection.release(peer.stream(1));
    peer.receive(headers(id(257)), headers(id(258)));
    expect(peer.take()).toEqual([`rstStream 517 ${ErrorCode.refusedStream}`]);
    expect(peer.connection.holdings).toMatchObject({ streams: 1, held: 256 });
  });

  it('the tables and memos, under a bomb of references and of fields', () => {
    const peer = openServer();
    const entry = prepareBlock(['x'.repeat(20), 'v'.repeat(3900)]);
    const indexing = Buffer.from(entry);
    indexing[0] = 0x40;
    const bomb = Buffer.concat([prepareBlock(GET), indexing, Buffer.alloc(12_000, 0xbe)]);
    for (let n = 0; n < 200; n++) peer.receive(frame(FrameType.headers, 5, id(n), bomb));
    expect(peer.seen).toEqual([]);
    expect(peer.connection.holdings.table).toBeLessThanOrEqual(4096);
    expect(peer.take().every((each) => each.endsWith(` ${ErrorCode.enhanceYourCalm}`))).toBe(true);
  });

  it('the memos, under blocks that all differ', () => {
    const peer = openServer();
    peer.answer = (stream) => peer.connection.sendHead(stream, prepareBlock(OK), true);
    for (let n = 0; n < 5000; n++) {
      peer.receive(headers(id(n), [...GET, 'x', `${n}`.repeat(1 + (n % 150))]));
      expect(peer.connection.holdings.memos).toBeLessThanOrEqual(MEMO_BYTES_MAX);
      peer.takeBytes();
    }
  });

  it('the numbers of streams that were reset', () => {
    const peer = openServer();
    for (let n = 0; n < 1500; n++) {
      peer.nowMs += 1000;
      peer.receive(headers(id(n), [...POST, 'Upper', 'x'], 0));
      peer.takeBytes();
    }
    expect(peer.connection.holdings.remembered).toBe(RESETS_REMEMBERED);
  });

  it('a frame that is cut', () => {
    const peer = openServer();
    peer.receive(headers(1, POST, 0), data(1, 16_384).subarray(0, 16_000));
    expect(peer.connection.holdings.partialFrame).toBe(16_000);
  });

  it('the output: data of many streams with open windows stays queued, heads that end a stream are refused', () => {
    const peer = openServer();
    peer.receive(settings([[4, 2 ** 31 - 1]]), windowUpdate(0, 2 ** 31 - 1 - 65_535));
    const value = Buffer.alloc(8 * 1024 * 1024);
    for (let n = 0; n < 256; n++) {
      peer.receive(headers(id(n)));
      peer.connection.sendHead(peer.stream(id(n)), prepareBlock(OK), false);
      peer.connection.sendData(peer.stream(id(n)), value, true);
    }
    expect(peer.connection.holdings.output).toBeLessThan(OUTPUT_BYTES_SOFT);
    expect(peer.takeBytes().length).toBeLessThan(OUTPUT_BYTES_SOFT + 16_384 + 9);

    const unread = openServer();
    const error = prepareBlock([':status', '200', 'grpc-message', 'm'.repeat(900)]);
    unread.answer = (stream) => unread.connection.sendHead(stream, error, true);
    const [count, limit] = flood(unread, (n) => headers(id(n)), false);
    expect([count < 3000, limit]).toEqual([true, 'resets']);
    expect(unread.connection.holdings.output).toBeLessThan(OUTPUT_BYTES_HARD + 1000 * 13 + 2000);
  });
});

describe('what takes too long', () => {
  it.each<[string, Buffer[], number]>([
    ['no preface', [], ErrorCode.settingsTimeout],
    ['half a preface', [Buffer.from(CLIENT_PREFACE).subarray(0, 9)], ErrorCode.settingsTimeout],
    ['no SETTINGS', [Buffer.from(CLIENT_PREFACE)], ErrorCode.settingsTimeout],
    [
      'SETTINGS that are not acknowledged',
      [Buffer.from(CLIENT_PREFACE), settings()],
      ErrorCode.settingsTimeout,
    ],
    [
      'a head without its end',
      [Buffer.from(CLIENT_PREFACE), settings(), settingsAck(), frame(FrameType.headers, 0, 1, [0x82])],
      ErrorCode.enhanceYourCalm,
    ],
    [
      'a frame that is cut',
      [Buffer.from(CLIENT_PREFACE), settings(), settingsAck(), headers(1).subarray(0, 12)],
      ErrorCode.enhanceYourCalm,
    ],
  ])('%s ends the connection after 10 s', (_, chunks, code) => {
    const peer = new Peer();
    peer.receive(...chunks);
    peer.connection.check(9_999);
    expect(peer.failure).toBeUndefined();
    peer.connection.check(10_000);
    expect(peer.failure?.code).toBe(code);
  });

  it('a frame that dribbles in has no longer, and data has', () => {
    const head = openServer();
    const body = openServer();
    const bytes = headers(1);
    body.receive(headers(1, POST, 0));
    const content = data(1, 100);
    for (let n = 0; n < 10; n++) {
      head.nowMs = body.nowMs = n * 1000;
      head.receive(bytes.subarray(n, n + 1));
      body.receive(content.subarray(n, n + 1));
    }
    head.connection.check(10_000);
    body.connection.check(99_000);
    expect([head.failure?.code, body.failure]).toEqual([ErrorCode.enhanceYourCalm, undefined]);
  });
});
