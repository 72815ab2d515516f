import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeConfig, encodeConfig } from '#engine/records/config-record.ts';
import {
  contentTypeOf,
  decodeMutations,
  hasKeyAt,
  MutationCursor,
  mutationAt,
} from '#engine/records/data-record.ts';
import { decodeEpochParent, encodeEpochParent } from '#engine/records/epoch-record.ts';
import { decodeMembersRecord } from '#engine/records/members-record.ts';
import { decodeOwnershipRecord } from '#engine/records/ownership-record.ts';
import { type PayloadSource, PayloadWriter } from '#engine/records/payload-writer.ts';
import { RECORD_TYPE, RecordError } from '#engine/records/record-kind.ts';
import { RECORD_ROWS } from '#engine/records/record-table.ts';
import type { EncodedMutation } from '#model/encoded.ts';
import type { Cause, Mutation, StoreLimits } from '#model/entry.ts';
import type { Lsn } from '#model/position.ts';
import type { ChainPoint } from '#model/replication.ts';
import { KeyBytes } from '#storage/key-bytes.ts';
import type { LoggedConfig } from '#storage/logged-config.ts';
import { encodeMembers, type LoggedMembers } from '#storage/logged-members.ts';
import { encodeOwnership, type LoggedOwnership } from '#storage/logged-ownership.ts';
import { payloadOf, writeAll } from '#test/engine/payload-of.ts';
import { type FrameHeader, tryDecodeFrame } from '#wal/frame.ts';
import { NewerFormatError } from '#wal/wal-errors.ts';

const HEADER: FrameHeader = {
  lsn: 1 as Lsn,
  epoch: 1,
  prevCrc: 0,
  type: RECORD_TYPE.data,
  flags: 0,
  timestampMs: 1,
};
const hashed = new KeyBytes();

const MUTATIONS: readonly Mutation[] = [
  { op: 'delete', key: 'victim', cause: 'evicted' },
  { op: 'set', key: 'ключ', value: Buffer.from('значение'), expireAtMs: 1_767_225_600_123, cause: 'client' },
  { op: 'set', key: '__proto__', value: Buffer.alloc(0), expireAtMs: 0, cause: 'restored' },
  {
    op: 'set',
    key: 'a\u0000b\r\n😀',
    value: Buffer.from([0, 255, 10]),
    expireAtMs: 2 ** 53 - 1,
    cause: 'client',
  },
  { op: 'delete', key: 'stale', cause: 'expired' },
  { op: 'delete', key: 'asked', cause: 'client' },
];
/** What makes the record one of version 2. */
const MUTATIONS_2: readonly Mutation[] = [
  { op: 'touch', key: 'ключ', expireAtMs: 1_767_225_600_123, cause: 'client' },
  { op: 'set', key: 'a', value: Buffer.from('b'), expireAtMs: 0, cause: 'client' },
  { op: 'touch', key: 'a', expireAtMs: 0, cause: 'client' },
  {
    op: 'set',
    key: 'page',
    value: Buffer.from('<p>'),
    expireAtMs: 9,
    cause: 'client',
    contentType: 'text/html',
  },
];
const PARENT: ChainPoint = { epoch: 3 * 2 ** 32 + 0xfedcba98, lsn: (2 ** 40 + 5) as Lsn, crc: 0xdeadbeef };
const LIMITS: StoreLimits = { entriesMax: 1_000_000, bytesMax: 2 ** 42 + 1, policy: 'none' };
const CONFIG = { limits: LIMITS, wallOffsetMs: 0 };
/** Everything that version 2 can state: a policy that version 1 lacks, and a log clock ten years ahead. */
const CONFIG_2 = {
  limits: { ...LIMITS, policy: 'ttl', scope: 'with_ttl' },
  wallOffsetMs: -315_360_000_001,
} as const;
/** And the default time to live that is a group's. */
const CONFIG_2_TTL = { ...CONFIG_2, limits: { ...CONFIG_2.limits, defaultTtlMs: 2 ** 40 + 3 } };

const MEMBERS: LoggedMembers = {
  voters: [
    { node: 'cache-1:8080', incarnation: 2 ** 53 - 1 },
    { node: 'cache-2', incarnation: 7 },
  ],
  learners: [{ node: 'ключ', incarnation: 1 }],
  quorum: 2,
};

const OWNERSHIP: LoggedOwnership = {
  mapEpoch: 2 ** 33 + 7,
  owned: [
    { first: 0, last: 5_460 },
    { first: 12_182, last: 12_182 },
    { first: 16_000, last: 16_383 },
  ],
};

function encode(mutations: readonly Mutation[]): Buffer {
  return Buffer.from(payloadOf(mutations).toFrame(HEADER).payload);
}

/** Makes plain values, so that Buffers and views compare by content. */
function plain(mutations: readonly Mutation[]): unknown[] {
  return mutations.map((one) =>
    one.op === 'set' ? { ...one, value: Buffer.from(one.value).toString('hex') } : one,
  );
}

/** The current mutation as plain values. */
function copyOf(encoded: EncodedMutation): unknown {
  const { op, cause, bytes, keyOffset, keyBytes, valueOffset, valueBytes, expireAtMs } = encoded;
  const key = bytes.toString('utf8', keyOffset, keyOffset + keyBytes);
  if (op === 'delete') return { op, key, cause };
  if (op === 'touch') return { op, key, expireAtMs, cause };
  const contentType = contentTypeOf(encoded);
  const type = contentType === undefined ? {} : { contentType };
  const hex = bytes.toString('hex', valueOffset, valueOffset + valueBytes);
  return { op, key, value: hex, expireAtMs, cause, ...type };
}

const key = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 });
const cause = fc.constantFrom<Cause>('client', 'expired', 'evicted', 'restored');
const expireAtMs = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 2 ** 53 - 1 }));
const value = fc.uint8Array({ maxLength: 60 });
const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  fc.record({ op: fc.constant('set' as const), key, value, expireAtMs, cause }),
  fc.record({
    op: fc.constant('set' as const),
    key,
    value,
    expireAtMs,
    cause,
    contentType: fc.stringMatching(/^[ -~]{1,40}$/),
  }),
  fc.record({ op: fc.constant('delete' as const), key, cause }),
  fc.record({ op: fc.constant('touch' as const), key, expireAtMs, cause }),
);

const DECODERS: readonly (readonly [string, Buffer, (payload: Uint8Array) => unknown])[] = [
  ['DATA', encode(MUTATIONS), decodeMutations],
  ['DATA of version 2', encode(MUTATIONS_2), decodeMutations],
  ['EPOCH', encodeEpochParent(PARENT), decodeEpochParent],
  ['CONFIG', encodeConfig(CONFIG), decodeConfig],
  ['CONFIG of version 2', encodeConfig(CONFIG_2_TTL), decodeConfig],
  ['MEMBERS', encodeMembers(MEMBERS), decodeMembersRecord],
  ['OWNERSHIP', encodeOwnership(OWNERSHIP), decodeOwnershipRecord],
];

function decoderName({ name, version }: (typeof RECORD_ROWS)[number]): string {
  return version === 1 ? name.toUpperCase() : `${name.toUpperCase()} of version ${version}`;
}

/** A CONFIG of version 2, and a MEMBERS, without the last block. */
const EXPECTED_CUTS = new Set([
  encodeConfig({ ...CONFIG_2, wallOffsetMs: 0 }).toString('hex'),
  encodeConfig(CONFIG_2).toString('hex'),
  encodeMembers({ ...MEMBERS, learners: [] }).toString('hex'),
]);

/** Decoding is either a value or one of two errors; what is thrown otherwise fails the test. */
function tryDecode(decode: (payload: Uint8Array) => unknown, payload: Uint8Array): unknown {
  try {
    return decode(payload);
  } catch (error) {
    if (error instanceof RecordError || error instanceof NewerFormatError) return error;
    throw error;
  }
}

describe('record payloads', () => {
  it('come back as they were', () => {
    fc.assert(
      fc.property(fc.array(mutation, { maxLength: 20 }), (mutations) => {
        const payload = encode(mutations);
        expect(plain(decodeMutations(payload))).toEqual(plain(mutations));
        const needsMore = mutations.some((one) => one.op === 'touch' || 'contentType' in one);
        expect(payload[0]).toBe(needsMore ? 2 : 1);
      }),
    );
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.maxSafeNat(), fc.nat({ max: 2 ** 32 - 1 }), (epoch, lsn, crc) => {
        const parent = { epoch, lsn: lsn as Lsn, crc };
        expect(decodeEpochParent(encodeEpochParent(parent))).toEqual(parent);
      }),
    );
    fc.assert(
      fc.property(
        fc.maxSafeNat(),
        fc.maxSafeNat(),
        fc.constantFrom('lru', 'ttl', 'none'),
        fc.constantFrom(undefined, 'with_ttl'),
        fc.oneof(fc.constant(0), fc.maxSafeInteger()),
        fc.oneof(fc.constant(undefined), fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER })),
        (entriesMax, bytesMax, policy, scope, wallOffsetMs, defaultTtlMs) => {
          const limits = {
            ...{ entriesMax, bytesMax, policy },
            ...(scope === undefined ? {} : { scope }),
            ...(defaultTtlMs === undefined ? {} : { defaultTtlMs }),
          };
          const config: LoggedConfig = { limits, wallOffsetMs };
          const payload = encodeConfig(config);
          expect(decodeConfig(payload)).toEqual(config);
          const needsMore =
            policy === 'ttl' || scope !== undefined || wallOffsetMs !== 0 || defaultTtlMs !== undefined;
          expect(payload[0]).toBe(needsMore ? 2 : 1);
        },
      ),
    );
  });

  it('are written record after record by one writer, small ones and large ones, and stay what they are', () => {
    const writer = new PayloadWriter();
    const large = {
      op: 'set',
      key: 'large',
      value: Buffer.alloc(200_000, 7),
      expireAtMs: 0,
      cause: 'client',
    } as const;
    const medium = { ...large, key: 'medium', value: Buffer.alloc(9_000, 8) };
    const few = [MUTATIONS, [], [...MUTATIONS_2, large], MUTATIONS, [large], MUTATIONS_2, [large, large]];
    // Some of them begin where a buffer has room for their beginning only.
    const records = [...few, ...Array.from({ length: 30 }, () => [MUTATIONS, [medium, medium]]).flat()];
    const frames = records.map((mutations) => {
      writer.begin();
      writeAll(mutations, writer);
      expect(writer.count).toBe(mutations.length);
      return writer.toFrame(HEADER);
    });
    frames.forEach((frame, i) => {
      expect(plain(decodeMutations(frame.payload))).toEqual(plain(records[i] as Mutation[]));
      expect(frame.bytes).toEqual(payloadOf(records[i] as Mutation[]).toFrame(HEADER).bytes);
      expect(tryDecodeFrame(frame.bytes, 0).kind).toBe('frame');
    });
  });

  it('are found again where the writer said that they begin, before and after they are a frame', () => {
    fc.assert(
      fc.property(fc.array(mutation, { minLength: 1, maxLength: 20 }), (mutations) => {
        const writer = new PayloadWriter();
        const places = writeAll(mutations, writer);
        const check = ({ buffer, payloadOffset }: PayloadSource): void =>
          places.forEach((place, i) => {
            const one = mutations[i] as Mutation;
            expect(copyOf(mutationAt(buffer, payloadOffset + place))).toEqual(plain([one])[0]);
            mutations.forEach((other) => {
              hashed.load(other.key);
              expect(hasKeyAt(buffer, payloadOffset + place, hashed)).toBe(other.key === one.key);
            });
          });
        check(writer);
        check(writer.toFrame(HEADER));
      }),
      { numRuns: 30 },
    );
  });

  it('are gone through by one cursor, record after record, wherever they stand, also after a bad one', () => {
    const cursor = new MutationCursor();
    const records = fc.array(fc.tuple(fc.array(mutation, { maxLength: 5 }), fc.nat(9), fc.boolean()));
    fc.assert(
      fc.property(records, (sequence) => {
        for (const [mutations, before, isCut] of sequence) {
          const payload = encode(mutations);
          const bytes = Buffer.concat([Buffer.alloc(before, 1), payload, Buffer.alloc(7, 1)]);
          const seen: unknown[] = [];
          const walk = (to: number): void => {
            cursor.open(bytes, before, to);
            while (cursor.next()) seen.push(copyOf(cursor));
          };
          if (isCut) {
            expect(() => walk(before + payload.length - 1)).toThrow(RecordError);
            continue;
          }
          walk(before + payload.length);
          expect(seen).toEqual(plain(mutations));
        }
      }),
    );
  });

  it('are decoded above in every version that the record table knows', () => {
    const decoded = DECODERS.map(([name]) => name);
    expect(decoded.sort()).toEqual(RECORD_ROWS.map(decoderName).sort());
  });

  it.each(DECODERS)('%s: no cut and no addition is taken for the whole', (_, payload, decode) => {
    for (let end = 0; end < payload.length; end++) {
      const decoded = tryDecode(decode, payload.subarray(0, end));
      // A block is a whole in itself: without the last one the configuration has its default.
      if (!EXPECTED_CUTS.has(payload.toString('hex', 0, end))) expect(decoded).toBeInstanceOf(RecordError);
    }
    expect(tryDecode(decode, Buffer.concat([payload, Buffer.alloc(1)]))).toBeInstanceOf(RecordError);
  });

  it.each(DECODERS)('%s: every flipped bit is another valid value or a RecordError', (_, payload, decode) => {
    for (let bit = 0; bit < payload.length * 8; bit++) {
      const flipped = Buffer.from(payload);
      flipped[bit >>> 3] = (flipped[bit >>> 3] as number) ^ (1 << (bit & 7));
      const decoded = tryDecode(decode, flipped);
      // A record of version 2 may be one of version 1 but for its version.
      const isSameVersion = flipped[0] === payload[0];
      if (decode === decodeMutations && isSameVersion && Array.isArray(decoded)) {
        // Nothing is silently mended: what decodes is exactly what these bytes say.
        expect(encode(decoded as Mutation[]).equals(flipped)).toBe(true);
      }
    }
  });

  it('of any bytes do no more than throw a RecordError, and never allocate by a length they claim', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        for (const [, , decode] of DECODERS) {
          tryDecode(decode, bytes);
          tryDecode(decode, Buffer.concat([Buffer.from([1]), bytes]));
        }
      }),
      { numRuns: 1_000 },
    );
    const claims = Buffer.from([
      1,
      0xff,
      0xff,
      0xff,
      0xff,
      1,
      0,
      1,
      0,
      0x61,
      0xff,
      0xff,
      0xff,
      0xff,
      ...Array(8).fill(0),
    ]);
    expect(tryDecode(decodeMutations, claims)).toBeInstanceOf(RecordError);
    claims.writeUInt32LE(1, 1);
    expect(tryDecode(decodeMutations, claims)).toBeInstanceOf(RecordError);
  });

  it('with a key that is not UTF-8, or empty, are refused', () => {
    const payload = encode([{ op: 'delete', key: 'abc', cause: 'client' }]);
    payload[10] = 0xff;
    expect(tryDecode(decodeMutations, payload)).toBeInstanceOf(RecordError);
    // A lone surrogate, as CESU-8 has it.
    payload.set([0xed, 0xa0, 0x80], 9);
    expect(tryDecode(decodeMutations, payload)).toBeInstanceOf(RecordError);
    expect(tryDecode(decodeMutations, encode([{ op: 'delete', key: '', cause: 'client' }]))).toBeInstanceOf(
      RecordError,
    );
  });

  it('keep a byte order mark at the start of a key', () => {
    const marked: Mutation[] = [{ op: 'delete', key: '\ufeffkey', cause: 'client' }];
    expect(decodeMutations(encode(marked))).toEqual(marked);
  });

  it('of an unknown version are refused by their first byte', () => {
    for (const [, payload, decode] of DECODERS) {
      const other = Buffer.from(payload);
      other[0] = 3;
      expect(() => decode(other)).toThrow(/^unknown (payload )?version 3/);
    }
  });
});

const GOLDEN = [
  ['data-v1', encode(MUTATIONS), (bytes: Buffer) => plain(decodeMutations(bytes)), plain(MUTATIONS)],
  ['data-v2', encode(MUTATIONS_2), (bytes: Buffer) => plain(decodeMutations(bytes)), plain(MUTATIONS_2)],
  ['epoch-v1', encodeEpochParent(PARENT), decodeEpochParent, PARENT],
  ['config-v1', encodeConfig(CONFIG), decodeConfig, CONFIG],
  ['config-v2', encodeConfig(CONFIG_2), decodeConfig, CONFIG_2],
  ['config-v2-ttl', encodeConfig(CONFIG_2_TTL), decodeConfig, CONFIG_2_TTL],
  ['members-v1', encodeMembers(MEMBERS), decodeMembersRecord, MEMBERS],
  ['ownership-v1', encodeOwnership(OWNERSHIP), decodeOwnershipRecord, OWNERSHIP],
] as const;

describe('an ownership', () => {
  const owned = (...runs: number[]): string => {
    const bytes = Buffer.alloc(8 + 2 * runs.length);
    bytes[0] = 1;
    runs.forEach((slot, i) => {
      bytes.writeUInt16LE(slot, 8 + 2 * i);
    });
    return `01${block(1, bytes.toString('hex'))}`;
  };

  it('may be of no slot', () => {
    expect(decodeOwnershipRecord(Buffer.from(owned(), 'hex'))).toEqual({ mapEpoch: 1, owned: [] });
  });

  it.each([
    ['no block', '01'],
    ['no epoch', `01${block(1, '')}`],
    ['half a run', owned(5)],
    ['a slot that there is not', owned(0, 16_384)],
    ['a run that ends before it begins', owned(6, 5)],
    ['runs that overlap', owned(0, 5, 5, 7)],
    ['runs that touch, which is one run', owned(0, 5, 6, 7)],
    ['runs that do not ascend', owned(6, 7, 0, 5)],
  ])('with %s is refused', (_, hex) => {
    expect(() => decodeOwnershipRecord(Buffer.from(hex, 'hex'))).toThrow(RecordError);
  });

  it.each([
    ['a later version', '02'],
    ['a block that is not known', `${owned(0, 5)}${block(2, '00')}`],
  ])('with %s was written by a newer program', (_, hex) => {
    expect(() => decodeOwnershipRecord(Buffer.from(hex, 'hex'))).toThrow(NewerFormatError);
  });

  it.each([
    [[{ first: 0, last: 16_384 }]],
    [
      [
        { first: 0, last: 5 },
        { first: 6, last: 7 },
      ],
    ],
  ])('is not written as %j', (runs) => {
    expect(() => encodeOwnership({ mapEpoch: 1, owned: runs })).toThrow(RangeError);
  });
});

describe('a member list', () => {
  it.each([
    ['no voters', '01'],
    ['a quorum of none', `01${block(1, `00${member('a', 1)}`)}`],
    ['a quorum of more than all voters', `01${block(1, `02${member('a', 1)}`)}`],
    ['two members of one name', `01${block(1, `01${member('a', 1)}${member('a', 2)}`)}`],
    ['members that do not ascend', `01${block(1, `01${member('b', 1)}${member('a', 2)}`)}`],
    ['an empty list of learners', `01${block(1, `01${member('a', 1)}`)}${block(2, '')}`],
  ])('with %s is refused', (_, hex) => {
    expect(() => decodeMembersRecord(Buffer.from(hex, 'hex'))).toThrow(RecordError);
  });
});

function block(type: number, content: string): string {
  const head = Buffer.alloc(6);
  head.writeUInt16LE(type, 0);
  head.writeUInt32LE(content.length / 2, 2);
  return head.toString('hex') + content;
}

function member(node: string, incarnation: number): string {
  const head = Buffer.alloc(10);
  head.writeUInt8(incarnation, 0);
  head.writeUInt16LE(node.length, 8);
  return head.toString('hex') + Buffer.from(node).toString('hex');
}

describe('golden payloads', () => {
  it('are there for every row of the record table, and each kind has its heading in the README', () => {
    const names = RECORD_ROWS.map(({ name, version }) => `${name}-v${version}`);
    const rows = new Set(GOLDEN.map(([name]) => name.replace(/(?<=-v\d+)-.*/, '')));
    expect([...rows].sort()).toEqual([...names].sort());
    const readme = readFileSync(new URL('../../internal/engine/README.md', import.meta.url), 'utf8');
    const missing = RECORD_ROWS.filter(
      ({ name }) => !readme.includes(`\n${name.toUpperCase()} (type ${RECORD_TYPE[name]}): `),
    );
    expect(missing).toEqual([]);
  });

  it.each(GOLDEN)('%s is read and written byte for byte', (name, written, decode, meant) => {
    const golden = readFileSync(new URL(`golden/${name}.hex`, import.meta.url), 'utf8');
    const bytes = Buffer.from(golden.replaceAll(/\s/g, ''), 'hex');
    expect((decode as (bytes: Buffer) => unknown)(bytes)).toEqual(meant);
    expect(written.toString('hex')).toBe(bytes.toString('hex'));
  });
});
