import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GROUPS_MAX } from '#cluster/shard-map.ts';
import { WatchRequestSchema, WatchResponseSchema } from '#gen/walnut/v1/kv_store_pb.ts';
import { Op } from '#gen/walnut/v1/types_pb.ts';
import { type Lsn, toLsn } from '#model/position.ts';
import type { WatchEvent, WatchMessage } from '#model/watch.ts';
import { crc32 } from '#platform/crc32.ts';
import { fromResumeText, toPlacesText, toResumeText } from '#wire/resume-text.ts';
import { toWatchFrame, toWatchParts } from '#wire/watch-bytes.ts';
import { fromWatchMessage, toWatchCommand } from '#wire/watch-codec.ts';

const position = fc.record({ epoch: fc.maxSafeNat(), lsn: fc.maxSafeNat() as fc.Arbitrary<Lsn> });
const prefix = { what: { case: 'prefix', value: '' } } as const;
const AT = { epoch: 4_294_967_297, lsn: 12 as Lsn };

function refusal(init: Parameters<typeof create<typeof WatchRequestSchema>>[1]): string {
  try {
    toWatchCommand(create(WatchRequestSchema, init));
  } catch (error) {
    return (error as Error).message;
  }
  return 'taken';
}

describe('resume', () => {
  it('comes back as the position that it was', () => {
    fc.assert(
      fc.property(position, (one) => {
        expect(fromResumeText(toResumeText(one))).toEqual({ after: one });
      }),
    );
  });

  it('stays the same text for ever', () => {
    expect(toResumeText(AT)).toBe('AQEAAAAAAQAAAAEAAAAAAAAADCHjfjs');
  });

  it('is refused where any character differs or is missing', () => {
    const text = toResumeText(AT);
    for (let i = 0; i < text.length; i++) {
      const other = text[i] === 'A' ? 'B' : 'A';
      // The last character has bits that count for nothing.
      if (i < text.length - 1)
        expect(() => fromResumeText(text.slice(0, i) + other + text.slice(i + 1))).toThrow();
      expect(() => fromResumeText(text.slice(0, i))).toThrow('malformed');
    }
    for (const bad of ['', ' ', `${text}=`, 'x'.repeat(30_000), '4294967297-12']) {
      expect(() => fromResumeText(bad)).toThrow('malformed');
    }
  });

  it('of a gateway has a place for each group', () => {
    const places = [
      { group: 'g1', position: { epoch: 2 ** 52, lsn: toLsn(7) } },
      { group: 'long-name-of-a-group', position: { epoch: 5, lsn: toLsn(2 ** 40) } },
    ];
    expect(fromResumeText(toPlacesText(places))).toEqual({ after: undefined, places });
    expect(fromResumeText(toPlacesText(places.slice(0, 1)))).toEqual({
      after: undefined,
      places: places.slice(0, 1),
    });
  });

  it('of a gateway has as many groups as a cluster may have, with the longest names', () => {
    const places = Array.from({ length: GROUPS_MAX }, (_, i) => ({
      group: `${i}-`.padEnd(64, 'x'),
      position: { epoch: 2 ** 52, lsn: toLsn(2 ** 40 + i) },
    }));
    expect(fromResumeText(toPlacesText(places))).toEqual({ after: undefined, places });
  });

  it('of a newer version, or that ends too early or too late, is refused', () => {
    const zeros = (count: number): number[] => Array<number>(count).fill(0);
    expect(() => fromResumeText(sealed([1, 2, 0, ...zeros(16)]))).toThrow('malformed');
    expect(() => fromResumeText(sealed([1, 1, 9, ...zeros(16)]))).toThrow('malformed');
    expect(() => fromResumeText(sealed([1, 1, 0, ...zeros(17)]))).toThrow('malformed');
    expect(() => fromResumeText(sealed([1, 0, 0, 0]))).toThrow('malformed');
    expect(() => fromResumeText(sealed([2, 1, 0, ...zeros(16)]))).toThrow('version 2');
  });
});

function sealed(bytes: number[]): string {
  const body = Buffer.from(bytes);
  const crc = Buffer.alloc(4);
  crc.writeUInt32BE(crc32(body, 0, 0, body.length));
  return Buffer.concat([body, crc]).toString('base64url');
}

describe('a watch request', () => {
  it('says what is wrong with it', () => {
    expect(refusal({})).toContain('neither key nor prefix');
    expect(refusal({ what: { case: 'key', value: '' } })).toContain('key is empty');
    expect(refusal({ what: { case: 'prefix', value: 'x'.repeat(1_025) } })).toContain(
      'prefix has 1025 bytes',
    );
    expect(refusal({ ...prefix, from: { case: 'resume', value: 'x' } })).toContain('resume is malformed');
    expect(refusal({ ...prefix, progressEveryMs: 99 })).toContain('expected 100 to 600000, or 0');
    expect(refusal({ ...prefix, progressEveryMs: 600_001 })).toContain('progress_every_ms is 600001');
    expect(refusal({ ...prefix, ops: [0 as Op] })).toContain('ops has 0');
    expect(refusal({ ...prefix, ops: Array<Op>(9).fill(Op.SET) })).toContain('ops has 9 elements');
    expect(refusal({ ...prefix, initial: true, ops: [Op.DELETE] })).toContain('OP_SET');
    const after = { case: 'after', value: {} } as const;
    expect(refusal({ ...prefix, initial: true, from: after })).toContain(
      'initial and after exclude each other',
    );
  });

  it('means what its fields say', () => {
    const request = create(WatchRequestSchema, {
      what: { case: 'key', value: 'a' },
      from: { case: 'resume', value: toResumeText(AT) },
      ops: [Op.DELETE],
      withPrevious: true,
      keysOnly: true,
      progressEveryMs: 250,
    });
    expect(toWatchCommand(request)).toEqual({
      target: { kind: 'key', key: 'a' },
      after: AT,
      ops: ['delete'],
      withPrevious: true,
      keysOnly: true,
      progressEveryMs: 250,
      isInitial: false,
    });
    expect(toWatchCommand(create(WatchRequestSchema, prefix)).after).toBeUndefined();
  });
});

describe('a watch message', () => {
  const event: WatchEvent = {
    op: 'set',
    cause: 'client',
    key: 'k',
    value: new Uint8Array([1]),
    version: AT,
    expireAtMs: 2_000,
    timestampMs: 1_000,
    previous: { key: 'k', value: new Uint8Array([2]), version: AT, expireAtMs: 1_500 },
    isPreviousUnknown: false,
    isInitial: false,
  };
  const message: WatchMessage = {
    events: [event],
    position: AT,
    canResume: true,
    isFragment: false,
    isInitialDone: false,
    wallShiftMs: 0,
  };

  it('has times in wall time, and a resume only where the watch can go on', () => {
    const shifted = fromWatchMessage({ ...message, wallShiftMs: 500 });
    expect(shifted.events[0]).toMatchObject({
      expireAtMs: 2_500n,
      timestampMs: 1_500n,
      previous: { expireAtMs: 2_000n },
    });
    expect(fromWatchMessage(message).events[0]).toMatchObject({ expireAtMs: 2_000n, timestampMs: 1_000n });
    expect(fromWatchMessage(message).resume).toBe(toResumeText(AT));
    expect(fromWatchMessage({ ...message, canResume: false }).resume).toBe('');
    const never = { ...event, expireAtMs: 0, timestampMs: 0, isInitial: true };
    expect(fromWatchMessage({ ...message, events: [never], wallShiftMs: 500 }).events[0]).toMatchObject({
      expireAtMs: 0n,
      timestampMs: 0n,
      initial: true,
    });
  });

  it('is kept from the second time on, for all who get the same event', () => {
    const one: WatchEvent = { ...event };
    const frame = () => toWatchFrame({ ...message, events: [one] });
    const first = frame();
    expect(one.encoded).toBe('once');
    expect(frame()).toEqual(first);
    const { encoded } = one;
    expect(encoded).toBeInstanceOf(Uint8Array);
    expect(frame()).toEqual(first);
    toWatchFrame({ ...message, events: [one], wallShiftMs: 9 });
    expect(one.encoded).toBe(encoded);
  });
});

describe('the frame of a message', () => {
  const text = fc
    .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
    .filter((one) => one.isWellFormed());
  const bytes = fc.uint8Array({ maxLength: 300 });
  const contentType = fc.constantFrom(undefined, 'text/html', 'x'.repeat(255));
  const entry = (key: string) =>
    fc.record({
      key: fc.constant(key),
      value: bytes,
      version: position,
      expireAtMs: fc.maxSafeNat(),
      contentType,
    });
  const anyEvent = text.chain((key) =>
    fc.record<WatchEvent>({
      op: fc.constantFrom('set', 'delete'),
      cause: fc.constantFrom('client', 'expired', 'evicted', 'restored'),
      key: fc.constant(key),
      value: bytes,
      contentType,
      version: position,
      expireAtMs: fc.maxSafeNat(),
      timestampMs: fc.maxSafeNat(),
      previous: fc.option(entry(key), { nil: undefined }),
      isPreviousUnknown: fc.boolean(),
      isInitial: fc.boolean(),
    }),
  );
  const anyMessage = fc.record<WatchMessage>({
    events: fc.array(anyEvent, { maxLength: 5 }),
    position: fc
      .tuple(position, fc.constantFrom(undefined, 'g1', 'g'.repeat(64)))
      .map(([at, group]) => ({ ...at, group })),
    canResume: fc.boolean(),
    isFragment: fc.boolean(),
    isInitialDone: fc.boolean(),
    wallShiftMs: fc.constantFrom(0, 0, -5_000, 70_000),
  });

  /** The same event with key and value where they lie in a record. */
  const inRecord = (event: WatchEvent): WatchEvent => {
    const [key, value] = [Buffer.from(event.key), Buffer.from(event.value)];
    const lengths = { keyBytes: key.length, valueBytes: value.length };
    const source = {
      bytes: Buffer.concat([Buffer.from('..'), key, Buffer.from('..'), value, Buffer.from('..')]),
      ...{ keyOffset: 2, valueOffset: key.length + 4, ...lengths },
    };
    return { ...event, key: '', value: new Uint8Array(0), source, encoded: undefined };
  };

  it.each([[(event: WatchEvent) => event], [inRecord]])('has a long value as a part of its own', (form) => {
    const value = Buffer.alloc(100_000, 'walnut');
    const parts = fc.sample(anyEvent, { seed: 1, numRuns: 20 }).map((event) => {
      const message = {
        ...fc.sample(anyMessage, { seed: 2, numRuns: 1 })[0],
        events: [{ ...form({ ...event, value }), value }],
      };
      const all = toWatchParts(message as WatchMessage);
      expect(Buffer.concat(all)).toEqual(toWatchFrame(message as WatchMessage));
      return all;
    });
    for (const [before, whole, after, ...more] of parts) {
      expect(value.equals(whole as Uint8Array)).toBe(true);
      expect([more, (before?.length ?? 0) + (after?.length ?? 0) < 3_000]).toEqual([[], true]);
    }
  });

  it.each([[(event: WatchEvent) => event], [inRecord]])(
    'has a long previous value as a part, too',
    (form) => {
      const long = Buffer.alloc(100_000, 'walnut');
      const [plain, rest] = [fc.sample(anyEvent, { seed: 3, numRuns: 20 }), fc.sample(anyMessage, 20)];
      for (const [i, event] of plain.entries()) {
        const previous = {
          key: event.key,
          value: long,
          version: AT,
          expireAtMs: 5,
          contentType: 'text/html',
        };
        const alone = { ...(rest[i] as WatchMessage), events: [form({ ...event, previous })] };
        expect(toWatchParts(alone)[1]).toBe(long);
        expect(Buffer.concat(toWatchParts(alone))).toEqual(toWatchFrame(alone));
        const value = Buffer.alloc(70_000, 'other');
        const both = { ...alone, events: [{ ...form({ ...event, previous, value }), value }] };
        const [, first, , second, ...more] = toWatchParts(both);
        expect([value.equals(first as Uint8Array), second, more.length]).toEqual([true, long, 1]);
        expect(Buffer.concat(toWatchParts(both))).toEqual(toWatchFrame(both));
      }
    },
  );

  it('is not kept where it is long', () => {
    const [event] = fc.sample(anyEvent, { seed: 1, numRuns: 1 }) as [WatchEvent];
    const one = { ...event, value: Buffer.alloc(70_000), encoded: undefined as WatchEvent['encoded'] };
    const [message] = fc.sample(anyMessage, { seed: 2, numRuns: 1 }) as [WatchMessage];
    for (let i = 0; i < 3; i++) toWatchFrame({ ...message, wallShiftMs: 0, events: [one, one] });
    expect(one.encoded).toBe('once');
  });

  it('says what the message says', () => {
    fc.assert(
      fc.property(anyMessage, (message) => {
        const frame = toWatchFrame(message);
        const sent = new Uint8Array(frame.subarray(5));
        expect(toWatchFrame({ ...message, events: message.events.map(inRecord) })).toEqual(frame);
        expect(Buffer.concat(toWatchParts(message))).toEqual(frame);
        expect([frame[0], frame.readUInt32BE(1)]).toEqual([0, sent.length]);
        const expected = toBinary(WatchResponseSchema, fromWatchMessage(message));
        expect(sent.length).toBe(expected.length);
        expect(fromBinary(WatchResponseSchema, sent)).toEqual(fromBinary(WatchResponseSchema, expected));
      }),
      { numRuns: 500 },
    );
  });
});
