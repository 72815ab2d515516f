/** RDB files by hand: every form of a length, of a string and of what is passed over, cut and damaged. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Crc64 } from '../../../cmd/walnut/move/crc64.ts';
import { expandLzf } from '../../../cmd/walnut/move/lzf.ts';
import { rdbKeys } from '../../../cmd/walnut/move/rdb-file.ts';
import { bytes, expiresMs, key, length, rdb, select, string, uint64 } from './rdb-bytes.ts';

async function* chunksOf(file: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let from = 0; from < file.length; from += size) yield file.subarray(from, from + size);
}

/** Keys as text, with what they say. */
async function read(file: Uint8Array, size = file.length): Promise<string[]> {
  const read: string[] = [];
  for await (const { database, key, expireAtMs, type, value } of rdbKeys(chunksOf(file, size)))
    read.push(`${database} ${key} ${type} ${value ?? ''} ${expireAtMs}`.trim());
  return read;
}

const strings = (...texts: string[]): Buffer => bytes(...texts.map(string));
const seconds = Buffer.alloc(4);
seconds.writeInt32LE(1_900_000_000);

/** By its number: a name, and what stands behind the key. */
const OTHERS: [number, string, Uint8Array][] = [
  [1, 'list', bytes(2, strings('a', 'b'))],
  [2, 'set', bytes(1, strings('a'))],
  [3, 'sorted set', bytes(2, string('a'), 3, '1.5', string('b'), 254)],
  [4, 'hash', bytes(1, strings('f', 'v'))],
  [5, 'sorted set', bytes(1, string('a'), uint64(7))],
  [7, 'value of a module', bytes(length(700), 1, 5, 2, 7, 3, 'ffff', 4, uint64(1), 5, string('s'), 0)],
  [9, 'hash', string('zipmap')],
  [14, 'list', bytes(1, string('ziplist'))],
  [
    15,
    'stream',
    bytes(
      1,
      strings('id', 'lp'),
      1,
      5,
      0,
      1,
      string('g'),
      1,
      2,
      1,
      Buffer.alloc(24),
      1,
      1,
      string('c'),
      uint64(1),
      1,
      Buffer.alloc(16),
    ),
  ],
  [18, 'list', bytes(1, 2, string('listpack'))],
  [19, 'stream', bytes(0, 0, 0, 0, 0, 0, 0, 0, 0, 1, string('g'), 0, 0, 0, 0, 1, string('c'), uint64(1), 0)],
  [
    21,
    'stream',
    bytes(0, 0, 0, 0, 0, 0, 0, 0, 0, 1, string('g'), 0, 0, 0, 0, 1, string('c'), uint64(1), uint64(2), 0),
  ],
  [24, 'hash', bytes(uint64(9), 1, 3, strings('f', 'v'))],
  [25, 'hash', bytes(uint64(9), string('listpack'))],
];

const WHOLE = rdb([
  bytes(0xfa, strings('redis-ver', '7.2.0')),
  bytes(0xf5, string('#!lua name=f')),
  bytes(0xf7, 9, 2, 1, 5, string('aux'), 0),
  select(0),
  bytes(0xfb, 9, 3),
  key('plain', 'text'),
  bytes(expiresMs(1_900_000_000_123), 0xf9, 7, key('with deadline', 'x'.repeat(100))),
  bytes(0xfd, seconds, 0xf8, length(20_000), key('in seconds', 'x')),
  bytes(0, string('int8'), 0xc0, 0xfe, 0, string('int16'), 0xc1, 0x39, 0x30),
  bytes(0, string('int32'), 0xc2, 0x40, 0xe2, 0x01, 0x00),
  // Two literals, and a reference to both that reaches into what it makes.
  bytes(0, string('lzf'), 0xc3, 5, 10, 1, 'ab', 0xc0, 1),
  bytes(0xf4, 1, 2, 3),
  bytes(0, string('wide'), 0x81, Buffer.alloc(7), 2, 'ok'),
  ...OTHERS.map(([type, , body]) => bytes(type, string(`other ${type}`), body)),
  select(300),
  bytes(expiresMs(1), key(Buffer.of(0xff), '')),
]);

describe('an RDB file', () => {
  it('is read whole, in chunks of any size', async () => {
    const expected = [
      '0 plain string text 0',
      `0 with deadline string ${'x'.repeat(100)} 1900000000123`,
      '0 in seconds string x 1900000000000',
      '0 int8 string -2 0',
      '0 int16 string 12345 0',
      '0 int32 string 123456 0',
      '0 lzf string ababababab 0',
      '0 wide string ok 0',
      ...OTHERS.map(([type, name]) => `0 other ${type} ${name}  0`),
      '300 \ufffd string  1',
    ];
    for (const size of [WHOLE.length, 64, 7, 1]) expect(await read(WHOLE, size)).toEqual(expected);
  });

  it('is refused where it is cut, at every byte', async () => {
    for (let end = 0; end < WHOLE.length; end++)
      await expect(read(WHOLE.subarray(0, end), 50), String(end)).rejects.toThrow('it ends too early');
  });

  it('is refused, or says the same, where bits were flipped: never something else', async () => {
    const bit = fc.integer({ min: 0, max: 8 * (WHOLE.length - 8) - 1 });
    const whole = await read(WHOLE);
    await fc.assert(
      fc.asyncProperty(bit, async (at) => {
        const damaged = Buffer.from(WHOLE);
        damaged[at >> 3] = (damaged[at >> 3] as number) ^ (1 << (at & 7));
        const refusal = expect.stringContaining('damaged at byte');
        const told = await read(damaged).catch((error: Error) => error.message);
        expect([whole, refusal]).toContainEqual(told);
      }),
      // In that byte a flipped bit makes a version that has no checksum yet.
      { numRuns: Number(process.env['WALNUT_FUZZ_RDB'] ?? 200), examples: [[8 * 7]] },
    );
  });

  it.each([
    ['no RDB file', Buffer.from('{"key":"a"}'), 'expected REDIS and a version'],
    ['of a version to come', rdb([], { version: '0099' }), 'expected 1 to 12'],
    ['with a type to come', rdb([bytes(99, string('k'))]), 'a value is of type 99'],
    ['with another checksum', rdb([key('k', 'v')], { checksum: 5n }), 'its checksum does not fit'],
    ['with a string where a length is', rdb([bytes(1, string('k'), 0xc0, 1)]), 'a string stands where'],
    [
      'with a string of 4 GiB',
      rdb([bytes(0, string('k'), 0x80, 0xff, 0xff, 0xff, 0xff)]),
      'expected at most',
    ],
    ['with damaged LZF', rdb([bytes(0, string('k'), 0xc3, 2, 10, 0x20, 9)]), 'compressed text is damaged'],
  ])('that is %s says so', async (_, file, why) => {
    await expect(read(file)).rejects.toThrow(why);
  });

  it('may have a string that is longer than is taken, whatever its compressed form', async () => {
    const empty = bytes(0, string('k'), 0xc3, 0, 0x81, 0, 0, 0, 1, 0, 0, 0, 0);
    expect(await read(rdb([empty]))).toEqual(['0 k string  0']);
  });

  it('may have no checksum', async () => {
    expect(await read(rdb([key('k', 'v')], { checksum: 0n }))).toEqual(['0 k string v 0']);
    const old = rdb([key('k', 'v')], { version: '0004' });
    expect(await read(old.subarray(0, -8))).toEqual(['0 k string v 0']);
  });
});

describe('the parts of an RDB file', () => {
  it('are summed as redis sums them', () => {
    const crc = new Crc64();
    crc.update(Buffer.from('123456789'));
    expect(crc.value).toBe(0xe9c6d914c4b8d9can);
  });

  it.each([
    [[0, 97], 1, 'a'],
    [[0, 97, 0xe0, 1, 0], 11, 'a'.repeat(11)],
    [[2, 97, 98, 99, 0x20, 2], 6, 'abcabc'],
  ])('are expanded: %j', (input, size, text) => {
    expect(expandLzf(Buffer.from(input), size).toString()).toBe(text);
  });

  it.each([
    [[0], 1],
    [[0, 97], 2],
    [[0, 97, 0x20, 5], 4],
    [[0, 97, 0x20, 0], 2],
    [[0, 97, 0xe0], 99],
  ])('are refused where they do not fit: %j of %i bytes', (input, size) => {
    expect(() => expandLzf(Buffer.from(input), size)).toThrow('compressed text');
  });
});
