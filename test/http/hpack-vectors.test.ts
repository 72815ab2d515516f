/** The examples of RFC 7541, appendix C, decoded and, where an encoder is free to choose as they do, encoded. */
import { describe, expect, it } from 'vitest';
import { DynamicTable } from '#http/hpack/dynamic-table.ts';
import type { Field } from '#http/hpack/field.ts';
import { HpackDecoder } from '#http/hpack/hpack-decoder.ts';
import { HpackEncoder } from '#http/hpack/hpack-encoder.ts';
import { CODE_BITS, CODES } from '#http/hpack/huffman-code.ts';
import { STATIC_LENGTH, STATIC_TABLE } from '#http/hpack/static-table.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

function decode(decoder: HpackDecoder, block: Buffer): string[] {
  const fields: string[] = [];
  const why = decoder.decode(block, 0, block.length, {
    add: ({ name, value }: Field) => fields.push(`${name}: ${value}`),
  });
  expect(why).toBeUndefined();
  return fields;
}

const REQUESTS = [
  [':method: GET', ':scheme: http', ':path: /', ':authority: www.example.com'],
  [':method: GET', ':scheme: http', ':path: /', ':authority: www.example.com', 'cache-control: no-cache'],
  [
    ':method: GET',
    ':scheme: https',
    ':path: /index.html',
    ':authority: www.example.com',
    'custom-key: custom-value',
  ],
];
const REQUEST_SIZES = [57, 110, 164];

const ANSWERS = [
  [
    ':status: 302',
    'cache-control: private',
    'date: Mon, 21 Oct 2013 20:13:21 GMT',
    'location: https://www.example.com',
  ],
  [
    ':status: 307',
    'cache-control: private',
    'date: Mon, 21 Oct 2013 20:13:21 GMT',
    'location: https://www.example.com',
  ],
  [
    ':status: 200',
    'cache-control: private',
    'date: Mon, 21 Oct 2013 20:13:22 GMT',
    'location: https://www.example.com',
    'content-encoding: gzip',
    'set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1',
  ],
];
const ANSWER_SIZES = [222, 222, 215];
/** The examples of answers have a table of 256 octets. */
const SIZE_256 = '3fe101';

const PLAIN_REQUESTS = [
  '8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d',
  '8286 84be 5808 6e6f 2d63 6163 6865',
  '8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65',
];
const CODED_REQUESTS = [
  '8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff',
  '8286 84be 5886 a8eb 1064 9cbf',
  '8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf',
];
const PLAIN_ANSWERS = [
  `4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120
   474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d`,
  '4803 3330 37c1 c0bf',
  `88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738
   666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33
   3630 303b 2076 6572 7369 6f6e 3d31`,
];
const CODED_ANSWERS = [
  `4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718
   63c7 8f0b 97c8 e9ae 82ae 43d3`,
  '4883 640e ffc1 c0bf',
  `88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7
   b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07`,
];

describe('decoding', () => {
  it.each([
    [
      'C.2.1',
      '400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572',
      'custom-key: custom-header',
      55,
    ],
    ['C.2.2', '040c 2f73 616d 706c 652f 7061 7468', ':path: /sample/path', 0],
    ['C.2.3', '1008 7061 7373 776f 7264 0673 6563 7265 74', 'password: secret', 0],
    ['C.2.4', '82', ':method: GET', 0],
  ])('%s', (_, block, field, size) => {
    const decoder = new HpackDecoder();
    expect(decode(decoder, hex(block))).toEqual([field]);
    expect(decoder.tableBytes).toBe(size);
  });

  it.each([
    ['C.3', '', PLAIN_REQUESTS, REQUESTS, REQUEST_SIZES],
    ['C.4', '', CODED_REQUESTS, REQUESTS, REQUEST_SIZES],
    ['C.5', SIZE_256, PLAIN_ANSWERS, ANSWERS, ANSWER_SIZES],
    ['C.6', SIZE_256, CODED_ANSWERS, ANSWERS, ANSWER_SIZES],
  ])('%s, three blocks on one table', (_, first, blocks, expected, sizes) => {
    const decoder = new HpackDecoder();
    blocks.forEach((block, i) => {
      const whole = hex((i === 0 ? first : '') + block.replace(/\s+/g, ''));
      expect(decode(decoder, whole)).toEqual(expected[i]);
      expect(decoder.tableBytes).toBe(sizes[i]);
    });
  });
});

describe('encoding', () => {
  const list = (fields: readonly string[]): string[] =>
    fields.flatMap((field) => {
      const colon = field.indexOf(': ');
      return [field.slice(0, colon), field.slice(colon + 2)];
    });

  it('C.4 to the octet', () => {
    const encoder = new HpackEncoder(true);
    for (const [i, fields] of REQUESTS.entries()) {
      expect(Buffer.from(encoder.encode(list(fields)))).toEqual(hex(CODED_REQUESTS[i] as string));
      expect(encoder.tableBytes).toBe(REQUEST_SIZES[i]);
    }
  });

  it('C.6.1 to the octet, in a table of 256', () => {
    const encoder = new HpackEncoder(true);
    encoder.setSize(256);
    expect(Buffer.from(encoder.takeUpdates())).toEqual(hex(SIZE_256));
    const block = hex((CODED_ANSWERS[0] as string).replace(/\s+/g, ''));
    expect(Buffer.from(encoder.encode(list(ANSWERS[0] as string[])))).toEqual(block);
    expect(encoder.tableBytes).toBe(ANSWER_SIZES[0]);
  });
});

describe('tables', () => {
  it('the Huffman code fills its tree exactly, so no length is wrong alone', () => {
    const kraft = CODE_BITS.reduce((sum, bits) => sum + 2 ** -bits, 0);
    expect(kraft).toBe(1);
    expect(CODE_BITS).toHaveLength(257);
  });

  it.each([
    ['0', 0x0, 5],
    ['a', 0x3, 5],
    [' ', 0x14, 6],
    ['&', 0xf8, 8],
    ['!', 0x3f8, 10],
    ['|', 0x7fc, 11],
    ['#', 0xffa, 12],
    ['\\', 0x7fff0, 19],
    ['\0', 0x1ff8, 13],
    ['\n', 0x3ffffffc, 30],
    ['\xff', 0x3ffffee, 26],
  ])('the code of %j', (character, code, bits) => {
    expect([CODES[character.charCodeAt(0)], CODE_BITS[character.charCodeAt(0)]]).toEqual([code, bits]);
  });

  it('EOS is thirty ones', () => {
    expect([CODES[256], CODE_BITS[256]]).toEqual([0x3fffffff, 30]);
  });

  it('the static table has 61 fields', () => {
    expect(STATIC_TABLE).toHaveLength(STATIC_LENGTH + 1);
    const samples = [1, 2, 14, 16, 28, 33, 61].map(
      (i) => `${STATIC_TABLE[i]?.name}=${STATIC_TABLE[i]?.value}`,
    );
    expect(samples).toEqual([
      ':authority=',
      ':method=GET',
      ':status=500',
      'accept-encoding=gzip, deflate',
      'content-length=',
      'date=',
      'www-authenticate=',
    ]);
  });

  it('a dynamic table wraps, grows and forgets oldest first', () => {
    const evicted: number[] = [];
    const table = new DynamicTable(40 * 20, (_, insertion) => evicted.push(insertion));
    const field = (n: number): Field => ({
      name: 'n'.repeat(4),
      value: String(n).padStart(4, '0'),
      size: 40,
      kind: 0,
    });
    for (let n = 1; n <= 50; n++) table.insert(field(n));
    expect([table.length, table.size, table.at(0)?.value, table.at(19)?.value, table.at(20)]).toEqual([
      20,
      800,
      '0050',
      '0031',
      undefined,
    ]);
    expect(evicted).toEqual(Array.from({ length: 30 }, (_, i) => i + 1));
    table.insert({ ...field(0), size: 801 });
    expect([table.length, table.size]).toEqual([0, 0]);
  });
});
