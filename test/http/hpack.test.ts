/** HPACK beyond the RFC's examples: what is refused, table sizes in both directions, memos, random blocks. */
import { describe, expect, it } from 'vitest';
import { type Head, HeadRole } from '#http/hpack/head.ts';
import { HeadReader } from '#http/hpack/head-reader.ts';
import { HpackDecoder } from '#http/hpack/hpack-decoder.ts';
import { HpackEncoder, prepareBlock } from '#http/hpack/hpack-encoder.ts';
import { decodeHuffman, encodeHuffman, huffmanLength } from '#http/hpack/huffman.ts';
import { CLIENT_PREFACE } from '#http/http2/frame.ts';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { frame, GET, headers, OK, openClient, openServer, Peer, settings, settingsAck } from './wire.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

function decode(decoder: HpackDecoder, block: Uint8Array): string[] | string {
  const fields: string[] = [];
  const bytes = Buffer.from(block);
  return (
    decoder.decode(bytes, 0, bytes.length, { add: ({ name, value }) => fields.push(name, value) }) ?? fields
  );
}

describe('a block is refused for', () => {
  it.each([
    ['80', 'index 0'],
    ['be', "index 62 past the table's end"],
    ['ff 00', "index 127 past the table's end"],
    ['7f 80', 'block ends within an integer'],
    ['ff ff ff ff ff 0f', 'integer of 2^32 or more'],
    ['ff 80 80 80 80 10', 'integer of 2^32 or more'],
    ['ff 80 80 80 80 80 00', 'integer of 2^32 or more'],
    ['40', 'block ends before a string'],
    ['40 01 61', 'block ends before a string'],
    ['40 01 61 02 62', 'string runs past the block'],
    ['40 01 61 7f 80 80 80 80 0f', 'string runs past the block'],
    ['82 20', 'table size update after a field'],
    ['3f e2 1f', 'table size update to 4097, above 4096'],
    ['40 01 61 81 1f 20', 'table size update after a field'],
    // "a" is 00011; its padding has to be ones, fewer than eight.
    ['40 01 61 81 18', 'no Huffman code'],
    ['40 01 61 82 1f ff', 'no Huffman code'],
    ['40 01 61 84 ff ff ff ff', 'no Huffman code'],
    ['40 01 61 85 1f ff ff ff fc', 'no Huffman code'],
  ])('%s: %s', (block, why) => {
    expect(decode(new HpackDecoder(), hex(block))).toBe(why);
  });
});

describe('table size updates', () => {
  it('come at the start, several at once, to 0 and back', () => {
    const decoder = new HpackDecoder();
    expect(decode(decoder, hex('40 01 61 01 62'))).toEqual(['a', 'b']);
    expect(decode(decoder, hex('20 3f e1 1f 40 01 63 01 64'))).toEqual(['c', 'd']);
    expect(decode(decoder, hex('be'))).toEqual(['c', 'd']);
    expect(decode(decoder, hex('bf'))).toBe("index 63 past the table's end");
  });

  it('a table of 0 keeps nothing, and is no error', () => {
    const decoder = new HpackDecoder();
    expect(decode(decoder, hex('20 40 01 61 01 62'))).toEqual(['a', 'b']);
    expect(decoder.tableBytes).toBe(0);
    expect(decode(decoder, hex('be'))).toMatch(/past the table/);
  });

  it('have to come once our setting has shrunk the table', () => {
    const missing = new HpackDecoder();
    missing.allowSize(100);
    expect(decode(missing, hex('82'))).toBe('no table size update after the setting became 100');
    const there = new HpackDecoder();
    there.allowSize(100);
    expect(decode(there, hex('3f 45 82'))).toEqual([':method', 'GET']);
    expect(decode(there, hex('82'))).toEqual([':method', 'GET']);
  });

  it('end a connection that sends none, though the same block was memoised before the setting counted', () => {
    const peer = new Peer({ headerTableBytes: 0 });
    peer.receive(Buffer.from(CLIENT_PREFACE), settings(), headers(1), headers(3), headers(5));
    expect(peer.heads[1]).toBe(peer.heads[2]);
    peer.receive(settingsAck(), headers(7));
    expect(peer.take().at(-1)).toBe('goaway 5 9');
  });

  it('are sent before the next block, the lowest first', () => {
    const peer = openServer();
    peer.receive(
      settings([[1, 0]]),
      settings([
        [1, 50],
        [1, 10],
        [1, 9000],
      ]),
      headers(1),
      headers(3),
    );
    for (const id of [1, 3]) peer.connection.sendHead(peer.stream(id), prepareBlock(OK), true);
    const blocks = peer.takeFrames().filter(({ type }) => type === 1);
    expect(blocks.map(({ payload }) => payload.toString('hex'))).toEqual(['203fe11f88', '88']);
  });

  it('are sent by a client, whose table forgets what it had', () => {
    const peer = openClient();
    const fields = [...GET, 'x', 'y'];
    const decoder = new HpackDecoder();
    const block = (): Buffer => {
      peer.connection.openStream(fields, true);
      return peer.takeFrames().find(({ type }) => type === 1)?.payload as Buffer;
    };
    const first = block();
    expect(decode(decoder, first)).toEqual(fields);
    expect(block().length).toBeLessThan(first.length);
    peer.receive(settings([[1, 0]]));
    expect(decode(decoder, block())).toEqual(fields);
    expect(decoder.tableBytes).toBe(0);
    peer.receive(settings([[1, 4096]]));
    expect(decode(decoder, block())).toEqual(fields);
    expect(decode(decoder, block())).toEqual(fields);
    expect(decoder.tableBytes).toBeGreaterThan(0);
  });
});

describe('memos', () => {
  /** Equal at their ends, blocks have one place between them. */
  const tail = ['y', 'the same at the end'];
  const read = (reader: HeadReader, block: Uint8Array, role: number = HeadRole.request) =>
    reader.read(Buffer.from(block), 0, block.length, role) as Head;

  it('give the identical head for equal bytes, and no other for others', () => {
    const reader = new HeadReader(16_384);
    const [a, b] = ['1', '2'].map((value) => prepareBlock([...GET, 'x', value, ...tail])) as [
      Uint8Array,
      Uint8Array,
    ];
    // One that came once may be the only one of its kind.
    expect(read(reader, a)).not.toBe(read(reader, a));
    expect(read(reader, a)).toBe(read(reader, a));
    expect([read(reader, a).get('x'), read(reader, b).get('x'), read(reader, a).get('x')]).toEqual([
      '1',
      '2',
      '1',
    ]);
  });

  it('are of one role: trailers never pass for a head', () => {
    const reader = new HeadReader(16_384);
    const trailers = prepareBlock(['grpc-status', '0']);
    read(reader, trailers, HeadRole.trailers);
    expect(read(reader, trailers, HeadRole.trailers)).toBe(read(reader, trailers, HeadRole.trailers));
    expect(read(reader, trailers, HeadRole.request)).toHaveProperty('kind', 'malformed');
    expect(read(reader, prepareBlock(GET), HeadRole.request)).not.toHaveProperty('kind');
    expect(read(reader, prepareBlock(GET), HeadRole.trailers)).toHaveProperty('kind', 'malformed');
  });

  it('go at every change of the table: the same index means another field after it', () => {
    const reader = new HeadReader(16_384);
    const start = prepareBlock(GET);
    const insert = (value: string) => Buffer.concat([start, hex('40 01 78 01'), Buffer.from(value)]);
    const newest = Buffer.concat([start, hex('be')]);
    expect(read(reader, insert('1')).get('x')).toBe('1');
    read(reader, newest);
    const head = read(reader, newest);
    expect(read(reader, newest)).toBe(head);
    expect(read(reader, insert('2')).get('x')).toBe('2');
    expect(read(reader, newest).get('x')).toBe('2');
    expect(read(reader, Buffer.concat([hex('20'), start]))).not.toHaveProperty('kind');
    expect(read(reader, newest)).toHaveProperty('kind', 'compression');
  });

  it('are kept beside blocks that differ each time, and give way to one that comes again', () => {
    const reader = new HeadReader(16_384);
    const block = (value: number) => prepareBlock([...GET, 'x', String(value), ...tail]);
    read(reader, block(1));
    const head = read(reader, block(1));
    const held = reader.memoBytes;
    for (let value = 2; value < 9; value++) read(reader, block(value));
    expect(read(reader, block(1))).toBe(head);
    expect(reader.memoBytes).toBe(held);
    read(reader, block(9));
    expect(read(reader, block(9))).toBe(read(reader, block(9)));
    expect(read(reader, block(1))).not.toBe(head);
  });

  it('keep no block that changes the table: it changes it each time', () => {
    const reader = new HeadReader(16_384);
    const block = Buffer.concat([prepareBlock(GET), hex('40 01 78 01 31')]);
    const heads = [read(reader, block), read(reader, block), read(reader, block)];
    expect(heads[1]).not.toBe(heads[2]);
    expect(reader.tableBytes).toBe(102);
  });

  it('are copies: the buffer that a block came in is written to again', () => {
    const reader = new HeadReader(16_384);
    const bytes = Buffer.from(prepareBlock([...GET, 'x', '1', ...tail]));
    for (let i = 0; i < 2; i++) reader.read(bytes, 0, bytes.length, HeadRole.request);
    const other = Buffer.from(prepareBlock([...GET, 'x', '2', ...tail]));
    other.copy(bytes);
    expect((reader.read(bytes, 0, bytes.length, HeadRole.request) as Head).get('x')).toBe('2');
  });

  it('belong to one connection', () => {
    const heads = [openServer(), openServer()].map((peer) => {
      peer.receive(headers(1));
      return peer.heads[0];
    });
    expect(heads[0]).not.toBe(heads[1]);
  });

  it('of lists go with the table they were encoded against', () => {
    const encoder = new HpackEncoder(true);
    const decoder = new HpackDecoder();
    const first = [...GET, 'a', '1'];
    for (let n = 0; n < 300; n++) {
      expect(decode(decoder, encoder.encode(first))).toEqual(first);
      const other = [...GET, 'b', `${n}`.repeat(20)];
      expect(decode(decoder, encoder.encode(other))).toEqual(other);
    }
  });
});

describe('the encoder', () => {
  it('never puts secrets or passing values in a table', () => {
    const encoder = new HpackEncoder(true);
    const block = Buffer.from(
      encoder.encode(['authorization', 'Bearer x', 'cookie', 'a', 'grpc-timeout', '5S']),
    );
    expect(encoder.tableBytes).toBe(0);
    expect([block[0], block[1]]).toEqual([0x1f, 8]);
  });

  it('puts everything but secrets into the table where it is told that nothing passes', () => {
    const encoder = new HpackEncoder(true, new Set());
    const decoder = new HpackDecoder();
    for (let n = 0; n < 100; n++) {
      const fields = [...GET, 'cookie', 'a', 'grpc-timeout', `${n}S`];
      const before = decoder.changes;
      expect(decode(decoder, encoder.encode(fields))).toEqual(fields);
      expect(decoder.changes).toBeGreaterThan(before);
    }
  });

  it.each([
    [['x', '\u0100'], /header field "x": expected .*, got "\u0100"/],
    [['x', 'a\r\nb'], /header field "x": expected a lower-case name that HTTP\/2 allows/],
    [['Upper', 'x'], /header field "Upper"/],
    [['connection', 'close'], /header field "connection"/],
    [[':path', 'no slash'], /header field ":path"/],
    [['x'], /header field "x": .*, got undefined/],
  ])('refuses %j, and is then as it was', (bad, why) => {
    expect(() => prepareBlock(bad)).toThrow(why);
    const peer = openClient();
    const decoder = new HpackDecoder();
    peer.receive(settings([[1, 100]]));
    expect(() => peer.connection.openStream([...GET, 'x', 'indexed', ...bad], true)).toThrow(why);
    expect([peer.connection.holdings.streams, peer.take()]).toEqual([0, ['settings ack']]);
    for (const id of [1, 3]) {
      expect(peer.connection.openStream([...GET, 'y', 'indexed'], true)?.id).toBe(id);
      const block = peer.takeFrames()[0]?.payload as Buffer;
      expect(decode(decoder, block)).toEqual([...GET, 'y', 'indexed']);
    }
  });

  it('refuses queued trailers when they are given, not when they are written', () => {
    const peer = openServer();
    peer.receive(settings([[4, 0]]), headers(1));
    peer.connection.sendData(peer.stream(1), Buffer.alloc(1), false);
    expect(() => peer.connection.sendTrailers(peer.stream(1), ['Upper', 'x'])).toThrow(
      /header field "Upper"/,
    );
    expect(peer.connection.sendTrailers(peer.stream(1), ['lower', 'x'])).toBe('queued');
  });

  it('encodes trailers when they are sent, not when they are queued', () => {
    const peer = openClient();
    const decoder = new HpackDecoder();
    peer.receive(settings([[4, 10]]));
    const [a, b] = [1, 3].map(() => peer.connection.openStream(GET, false));
    for (const stream of [a, b]) {
      peer.connection.sendData(stream as never, Buffer.alloc(20), false);
      peer.connection.sendTrailers(stream as never, ['check', `of ${stream?.id}`, 'same', 'value']);
    }
    const blocks: (string[] | string)[] = [];
    const take = (): void => {
      for (const { type, payload } of peer.takeFrames())
        if (type === 1) blocks.push(decode(decoder, payload));
    };
    take();
    // The second stream's end is sent first.
    for (const id of [3, 1]) {
      peer.receive(frame(8, 0, id, [0, 0, 0, 50]));
      take();
    }
    expect(blocks).toEqual([
      GET,
      GET,
      ['check', 'of 3', 'same', 'value'],
      ['check', 'of 1', 'same', 'value'],
    ]);
  });
});

describe('random', () => {
  it.each([1, 2, 3])(
    'strings come back from the Huffman code, and no other octets stand for them, seed %i',
    (seed) => {
      const random = new SeededRandom(seed);
      for (let round = 0; round < 2000; round++) {
        const text = Buffer.from(random.bytes(random.below(30))).toString('latin1');
        const bytes = Buffer.alloc(huffmanLength(text));
        expect(encodeHuffman(text, bytes, 0)).toBe(bytes.length);
        expect(decodeHuffman(bytes, 0, bytes.length)).toBe(text);
        // The code is prefix-free and its padding is fixed, so what decodes at all encodes to itself.
        const noise = Buffer.from(random.bytes(1 + random.below(6)));
        const decoded = decodeHuffman(noise, 0, noise.length);
        if (decoded === undefined) continue;
        const again = Buffer.alloc(huffmanLength(decoded));
        encodeHuffman(decoded, again, 0);
        expect(again).toEqual(noise);
      }
    },
  );

  it.each([1, 2, 3, 4])('blocks come back over tables that change size, seed %i', (seed) => {
    const random = new SeededRandom(seed);
    const encoder = new HpackEncoder(true);
    const decoder = new HpackDecoder();
    for (let round = 0; round < 3000; round++) {
      if (random.chance(0.02)) encoder.setSize(random.pick([0, 40, 100, 500, 4096, 65_536]));
      const fields = Array.from({ length: random.below(8) }, () => [
        random.pick(['location', 'x', 'content-type', 'cookie', `n${random.below(20)}`]),
        random.pick(['', 'application/proto', `${random.below(9)}`, 'v'.repeat(random.below(300))]),
      ]).flat();
      const updates = Buffer.from(encoder.takeUpdates());
      const block = Buffer.concat([updates, encoder.encode(fields)]);
      expect(decode(decoder, block)).toEqual(fields);
      expect(decoder.tableBytes).toBe(encoder.tableBytes);
    }
  });

  it.each([1, 2])('noise never throws, and never leaves more in the table than fits, seed %i', (seed) => {
    const random = new SeededRandom(seed);
    for (let round = 0; round < 20_000; round++) {
      const reader = new HeadReader(16_384);
      for (let n = 0; n < 3; n++) {
        const bytes = Buffer.from(random.bytes(random.below(40)));
        const head = reader.read(bytes, 0, bytes.length, random.below(3));
        expect(reader.tableBytes).toBeLessThanOrEqual(4096);
        if ('kind' in head && head.kind === 'compression') break;
      }
    }
  });
});
