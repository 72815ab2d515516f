/** However bytes are cut and joined on their way, the events and the answers are the same. */
import { describe, expect, it } from 'vitest';
import { HpackEncoder, prepareBlock } from '#http/hpack/hpack-encoder.ts';
import { CLIENT_PREFACE, Flag, FrameType } from '#http/http2/frame.ts';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import {
  data,
  frame,
  GET,
  headers,
  OK,
  Peer,
  POST,
  padded,
  ping,
  reset,
  settings,
  settingsAck,
  windowUpdate,
} from './wire.ts';

/** A conversation with every kind of frame; heads that fill the table, are memoised, and are cut in frames. */
function conversation(random: SeededRandom): Buffer {
  const encoder = new HpackEncoder(true);
  const chunks = [Buffer.from(CLIENT_PREFACE), settings([[4, 70_000]]), settingsAck()];
  for (let id = 1; id < 60; id += 2) {
    const fields = random.pick([
      GET,
      POST,
      [...POST, 'x', `${random.below(3)}`],
      [...GET, 'grpc-timeout', `${id}u`],
    ]);
    const block = Buffer.from(encoder.encode(fields));
    const hasBody = random.chance(0.6);
    const flags = hasBody ? 0 : Flag.endStream;
    const cut = random.below(block.length);
    if (random.chance(0.5)) chunks.push(frame(FrameType.headers, flags | Flag.endHeaders, id, block));
    else {
      chunks.push(frame(FrameType.headers, flags, id, block.subarray(0, cut)));
      chunks.push(frame(FrameType.continuation, Flag.endHeaders, id, block.subarray(cut)));
    }
    if (random.chance(0.2))
      chunks.push(random.pick([ping(), windowUpdate(0, 9), settings(), frame(88, 1, 2, [3])]));
    if (!hasBody) continue;
    chunks.push(
      data(id, Buffer.from(random.bytes(random.below(300)))),
      padded(id, random.below(9), random.below(9)),
    );
    if (random.chance(0.2)) chunks.push(reset(id));
    else if (random.chance(0.3))
      chunks.push(frame(FrameType.headers, 5, id, encoder.encode(['trailer', 'yes'])));
    else chunks.push(data(id, random.below(20), Flag.endStream));
  }
  return Buffer.concat(chunks);
}

function hear(chunks: Iterable<Buffer>): { seen: string[]; bytes: string } {
  const peer = new Peer({ digestsData: true });
  peer.answer = (stream) => {
    peer.connection.sendHead(stream, prepareBlock(OK), false);
    peer.connection.sendData(stream, Buffer.alloc(10, stream.id), true);
  };
  for (const chunk of chunks) peer.receive(chunk);
  expect(peer.failure).toBeUndefined();
  return { seen: peer.seen, bytes: peer.takeBytes().toString('hex') };
}

/** A buffer of its own for each piece, overwritten after the next is sent: nothing may be kept of it. */
function* pieces(bytes: Buffer, cuts: readonly number[]): Generator<Buffer> {
  let from = 0;
  for (const cut of [...cuts, bytes.length]) {
    const piece = Buffer.from(bytes.subarray(from, cut));
    yield piece;
    piece.fill(0xee);
    from = cut;
  }
}

describe.each([1, 2, 3, 4, 5, 6, 7, 8])('conversation of seed %i', (seed) => {
  const random = new SeededRandom(seed);
  const bytes = conversation(random);
  const whole = hear([bytes]);

  it('tells something', () => {
    expect(whole.seen.length).toBeGreaterThan(30);
  });

  it('is the same in one octet at a time', () => {
    expect(
      hear(
        pieces(
          bytes,
          Array.from({ length: bytes.length - 1 }, (_, i) => i + 1),
        ),
      ),
    ).toEqual(whole);
  });

  it('is the same in random pieces', () => {
    for (let round = 0; round < 50; round++) {
      const cuts = Array.from({ length: random.below(40) }, () => random.below(bytes.length)).sort(
        (a, b) => a - b,
      );
      expect(hear(pieces(bytes, cuts))).toEqual(whole);
    }
  });
});

it('a short conversation is the same wherever it is cut once', () => {
  const bytes = Buffer.concat([
    Buffer.from(CLIENT_PREFACE),
    settings(),
    headers(1, POST, 0),
    padded(1, 20, 3),
    ping(),
    headers(1, ['x', 'y']),
  ]);
  const whole = hear([bytes]);
  for (let cut = 1; cut < bytes.length; cut++) expect(hear(pieces(bytes, [cut]))).toEqual(whole);
});
