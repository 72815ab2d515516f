/**
 * Frames made up at random, legal and not, in both roles: nothing throws, all
 * that is held stays within its numbers, no credit is lost while the connection
 * lives, and cuts change nothing. WALNUT_FUZZ_NOISE, 300 unless set, is how
 * many conversations; WALNUT_FUZZ_SEED the first seed.
 */
import { expect, it } from 'vitest';
import { prepareBlock } from '#http/hpack/hpack-encoder.ts';
import { CLIENT_PREFACE, FrameType } from '#http/http2/frame.ts';
import { BLOCK_BYTES_MAX, RESETS_REMEMBERED } from '#http/http2/limits.ts';
import type { Stream } from '#http/http2/stream.ts';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import {
  data,
  frame,
  GET,
  goaway,
  headers,
  OK,
  Peer,
  POST,
  padded,
  ping,
  rawBlock,
  reset,
  settings,
  settingsAck,
  uint32,
  windowUpdate,
} from './wire.ts';

const CASES = Number(process.env['WALNUT_FUZZ_NOISE'] ?? 300);
const SEED = Number(process.env['WALNUT_FUZZ_SEED'] ?? 1);
const WINDOW = 70_000;

/** What an honest, if careless, peer sends; `used` is the highest stream so far. */
function soundFrame(random: SeededRandom, used: number): Buffer {
  const id = 2 * random.below((used + 1) / 2) + 1;
  return random.pick([
    () =>
      headers(
        used + 2,
        random.pick([GET, POST, [...GET, 'Upper', 'x'], [...POST, 'content-length', '5']]),
        0,
      ),
    () => headers(used + 2, GET),
    () => data(id, random.below(3000), random.below(2)),
    () => data(id, random.below(20), random.below(2)),
    () => padded(id, random.below(9), random.below(250), random.below(2)),
    () => windowUpdate(random.pick([0, id]), random.pick([1, 5, 1000, 70_000])),
    () => reset(id, random.below(15)),
    () => settings([[random.pick([1, 4, 9]), random.pick([0, 1, 100, 16_384, 70_000])]]),
    () => random.pick([ping(), settingsAck()]),
    () => frame(random.between(10, 12), random.below(256), id, random.bytes(random.below(20))),
  ])();
}

/** Anything at all. */
function wildFrame(random: SeededRandom): Buffer {
  const id = random.pick([0, 1, 2, 3, 5, 7, 9, 2 * random.below(40) + 1]);
  const fields = random.pick([GET, OK, OK, ['x', 'y']]);
  const bytes = random.pick([
    () => headers(id, fields, random.below(2)),
    () => frame(FrameType.headers, random.below(2), id, rawBlock(fields).subarray(0, random.below(9))),
    () => frame(FrameType.continuation, random.pick([0, 4, 4]), id, rawBlock(fields)),
    () => windowUpdate(id, random.pick([0, 2 ** 31 - 1])),
    () => settings([[1 + random.below(6), random.pick([0, 100, 2 ** 31])]]),
    () => goaway(random.below(9)),
    () => frame(FrameType.priority, 0, id, Buffer.concat([uint32(random.below(9)), Buffer.of(1)])),
    () => frame(random.below(12), random.below(256), id, random.bytes(random.below(20))),
    () => soundFrame(random, 1),
  ])();
  if (random.chance(0.2)) bytes[random.below(bytes.length)] = random.below(256);
  return bytes;
}

/** A client's conversation, or a server's, whose heads answer the five streams that are open. */
function conversation(random: SeededRandom, side: 'server' | 'client'): Buffer[] {
  const frames = [...(side === 'server' ? [Buffer.from(CLIENT_PREFACE)] : []), settings()];
  let used = side === 'server' ? -1 : 9;
  const length = random.between(1, 60);
  for (let n = 0; n < length; n++) {
    if (random.chance(0.02)) frames.push(wildFrame(random));
    else if (side === 'client' && random.chance(0.2)) {
      frames.push(
        headers(2 * random.below(5) + 1, random.pick([OK, [':status', '103'], ['x', 'y']]), random.below(2)),
      );
    } else {
      let next = soundFrame(random, Math.max(1, used));
      // A server opens no streams.
      while (side === 'client' && next[3] === FrameType.headers) next = soundFrame(random, used);
      if (next[3] === FrameType.headers) used = next.readUInt32BE(5);
      else if (used < 1) continue;
      frames.push(next);
    }
  }
  return frames;
}

function open(side: 'server' | 'client'): Peer {
  const peer = new Peer({
    side,
    connectionWindowBytes: WINDOW,
    streamWindowBytes: 20_000,
    streamsMax: 4,
    digestsData: true,
  });
  if (side === 'client')
    for (let n = 0; n < 5; n++) peer.connection.openStream(n % 2 ? GET : POST, n % 2 === 1);
  peer.answer = (stream: Stream) => {
    peer.connection.creditData(stream, 10);
    if (side === 'client') return;
    peer.connection.sendHead(stream, prepareBlock(OK), false);
    peer.connection.sendData(stream, Buffer.alloc((stream.id * 7919) % 30_000), stream.id % 3 === 0);
    if (stream.id % 3 === 1) peer.connection.sendTrailers(stream, ['grpc-status', '0']);
    if (stream.id % 3 === 2) peer.connection.resetStream(stream, 8);
  };
  return peer;
}

function expectBounds(peer: Peer): void {
  const { holdings, queuedBytes, failure } = peer.connection;
  expect(holdings.held).toBeLessThanOrEqual(4);
  expect(holdings.remembered).toBeLessThanOrEqual(RESETS_REMEMBERED);
  expect(holdings.partialBlock).toBeLessThanOrEqual(BLOCK_BYTES_MAX);
  expect(holdings.inLine).toBeLessThanOrEqual(holdings.streams);
  expect(queuedBytes).toBeGreaterThanOrEqual(0);
  if (failure !== undefined) expect([holdings.streams, queuedBytes, holdings.inLine]).toEqual([0, 0, 0]);
  else expect(holdings.window + holdings.unannounced + holdings.uncredited).toBe(WINDOW);
}

it.each(['server', 'client'] as const)(
  'a %s',
  (side) => {
    let survivors = 0;
    for (let seed = SEED; seed < SEED + CASES; seed++) {
      const random = new SeededRandom(seed);
      const frames = conversation(random, side);
      const [whole, cut] = [open(side), open(side)];
      try {
        for (const each of frames) {
          whole.receive(each);
          expectBounds(whole);
        }
        const bytes = Buffer.concat(frames);
        for (let at = 0; at < bytes.length; ) {
          const to = at + random.between(1, 200);
          cut.receive(Buffer.from(bytes.subarray(at, to)));
          at = to;
        }
        expect(cut.seen).toEqual(whole.seen);
        expect(cut.takeBytes()).toEqual(whole.takeBytes());
      } catch (error) {
        throw new Error(`seed ${seed}`, { cause: error });
      }
      if (whole.failure === undefined) survivors++;
    }
    // Conversations end both ways, or they show little.
    expect(survivors).toBeGreaterThan(CASES / 10);
    expect(survivors).toBeLessThan((CASES * 9) / 10);
  },
  Math.max(3_600_000, 20 * CASES),
);
