import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeMutations, decodeNamedWrites } from '#engine/records/data-record.ts';
import { PayloadWriter } from '#engine/records/payload-writer.ts';
import { RECORD_TYPE, RecordError } from '#engine/records/record-kind.ts';
import { recordKindOf } from '#engine/records/record-table.ts';
import type { Mutation } from '#model/entry.ts';
import type { Lsn } from '#model/position.ts';
import type { NamedWrite } from '#model/write-id.ts';
import { writeAll } from '#test/engine/payload-of.ts';
import type { Frame } from '#wal/frame.ts';
import { NewerFormatError } from '#wal/wal-errors.ts';

const WRITES: readonly NamedWrite[] = [
  {
    name: {
      kind: 'client',
      clientId: 2n ** 64n - 2n,
      sequence: 2 ** 40 + 1,
      index: 7,
      answeredThrough: 2 ** 40,
    },
    checksum: 0xfedcba98,
    results: [{ applied: true, isUnmet: false, value: -5n }],
  },
  {
    name: { kind: 'request', requestId: 'ключ-1' },
    checksum: 1,
    results: [
      { applied: false, isUnmet: true },
      { applied: true, isUnmet: false },
    ],
  },
];
const SET: Mutation = { op: 'set', key: 'a', value: Buffer.from('b'), expireAtMs: 0, cause: 'client' };

/** One set and both writes. */
const GOLDEN = [
  '020100000001000100610100000000000000000000006201004300000001000700feffffffffffffff01000000000100',
  '00000000000001000098badcfe010003fbffffffffffffff020000000a00d0bad0bbd18ed1872d310100000002000401',
].join('');

function frameOf(mutations: readonly Mutation[], writes: readonly NamedWrite[]): Frame {
  const writer = new PayloadWriter();
  writeAll(mutations, writer);
  for (const write of writes) writer.name(write);
  const header = { lsn: 5 as Lsn, epoch: 1, prevCrc: 0, flags: 0, timestampMs: 1 };
  return writer.toFrame({ ...header, type: RECORD_TYPE.data });
}

function encode(mutations: readonly Mutation[], writes: readonly NamedWrite[]): Buffer {
  return Buffer.from(frameOf(mutations, writes).payload);
}

const position = fc.record({ sequence: fc.integer({ min: 1, max: 2 ** 53 - 1 }), index: fc.nat(65_535) });
const result = fc.record(
  {
    applied: fc.boolean(),
    isUnmet: fc.boolean(),
    value: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  },
  { requiredKeys: ['applied', 'isUnmet'] },
);
const named: fc.Arbitrary<NamedWrite> = fc.record({
  name: fc.oneof(
    fc.record({
      kind: fc.constant('request' as const),
      requestId: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 60 }),
    }),
    fc
      .tuple(fc.bigInt({ min: 1n, max: 2n ** 64n - 1n }), position, fc.nat())
      .map(([clientId, place, below]) => ({
        kind: 'client' as const,
        clientId,
        ...place,
        answeredThrough: below % place.sequence,
      })),
  ),
  checksum: fc.nat(2 ** 32 - 1),
  results: fc.array(result, { minLength: 1, maxLength: 5 }),
});

describe('named writes in a record', () => {
  it('come back as they were, behind any mutations, and make it one of version 2', () => {
    fc.assert(
      fc.property(fc.array(named, { maxLength: 6 }), fc.nat(3), (writes, sets) => {
        const mutations = Array.from({ length: sets }, () => SET);
        const payload = encode(mutations, writes);
        expect(decodeNamedWrites(payload)).toEqual(writes);
        expect(decodeMutations(payload).length).toBe(sets);
        expect(payload[0]).toBe(writes.length > 0 ? 2 : 1);
      }),
    );
  });

  it('come back from a record that has very many', () => {
    const writes = Array.from({ length: 1_000 }, (_, i): NamedWrite => {
      const name = { kind: 'request', requestId: `${i} `.padEnd(i % 120, 'x') } as const;
      return { name, checksum: i, results: [{ applied: true, isUnmet: false, value: BigInt(i) }] };
    });
    expect(decodeNamedWrites(encode([SET], writes))).toEqual(writes);
  });

  it('are read and written byte for byte', () => {
    expect(encode([SET], WRITES).toString('hex')).toBe(GOLDEN);
    expect(decodeNamedWrites(Buffer.from(GOLDEN, 'hex'))).toEqual(WRITES);
  });

  it('are no whole when cut, and a flipped bit is another write or an error', () => {
    const payload = encode([], WRITES);
    for (let end = 6; end < payload.length; end++)
      expect(() => decodeNamedWrites(payload.subarray(0, end))).toThrow(RecordError);
    for (let bit = 0; bit < payload.length * 8; bit++) {
      // This bit of the block's type says that a reader may skip it.
      if (bit === 6 * 8 + 7) continue;
      const flipped = Buffer.from(payload);
      flipped[bit >>> 3] = (flipped[bit >>> 3] as number) ^ (1 << (bit & 7));
      try {
        expect(encode(decodeMutations(flipped), decodeNamedWrites(flipped))).toEqual(flipped);
      } catch (error) {
        if (!(error instanceof RecordError || error instanceof NewerFormatError)) throw error;
      }
    }
    expect(() =>
      decodeNamedWrites(Buffer.concat([encode([], []), Buffer.from([1, 0, 0, 0, 0, 0])])),
    ).toThrow();
  });

  it('are shown by the tools that show records, and a writer that is used again forgets them', () => {
    expect(recordKindOf(frameOf([], WRITES)).describe(frameOf([], WRITES), false)).toEqual({
      mutations: [],
      writes: [
        {
          kind: 'client',
          clientId: '18446744073709551614',
          sequence: 2 ** 40 + 1,
          index: 7,
          answeredThrough: 2 ** 40,
          checksum: 0xfedcba98,
          results: [{ applied: true, isUnmet: false, value: '-5' }],
        },
        { requestId: 'ключ-1', checksum: 1, results: WRITES[1]?.results },
      ],
    });
    const writer = new PayloadWriter();
    writer.name(WRITES[0] as NamedWrite);
    expect(writer.isEmpty).toBe(false);
    writer.begin();
    expect(writer.isEmpty).toBe(true);
  });
});
