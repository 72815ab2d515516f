/** A change that waits as bytes becomes the same change as one that waits as an object. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { recordKindOf } from '#engine/records/record-table.ts';
import type { Mutation } from '#model/entry.ts';
import type { Lsn } from '#model/position.ts';
import { payloadOf } from '#test/engine/payload-of.ts';
import type { Frame, FrameHeader } from '#wal/frame.ts';
import { type Change, changeOf } from '#watch/change.ts';
import { EventBytes } from '#watch/event-bytes.ts';
import { pack, packedBytes, packedLsn, unpack } from '#watch/packed-change.ts';

const header: FrameHeader = {
  lsn: (2 ** 40) as Lsn,
  epoch: 3,
  prevCrc: 0,
  type: 1,
  flags: 0,
  timestampMs: 1.8e12,
};

function frameOf(mutations: readonly Mutation[], changes: Partial<FrameHeader> = {}): Frame {
  return payloadOf(mutations).toFrame({ ...header, ...changes });
}

/** What somebody who watches can see of it, and how it counts. */
function seen(change: Change) {
  const { op, cause, key, contentType, version, expireAtMs, timestampMs, isInitial, bytes } = change;
  const value = Buffer.from(change.value).toString('latin1');
  return { op, cause, key, value, contentType, version, expireAtMs, timestampMs, isInitial, bytes };
}

const text = fc.string({ minLength: 1, maxLength: 60, unit: fc.constantFrom('a', 'ß', '漢', '😀') });
const cause = fc.constantFrom('client', 'expired', 'evicted', 'restored');
const deadline = fc.constantFrom(0, 1, 1.8e12, Number.MAX_SAFE_INTEGER);
const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  fc.record({
    op: fc.constant('set'),
    ...{ key: text, cause, expireAtMs: deadline },
    value: fc.uint8Array({ maxLength: 300 }),
    contentType: fc.option(fc.constantFrom('a', 'text/plain', 'x'.repeat(255)), { nil: undefined }),
  }) as fc.Arbitrary<Mutation>,
  fc.record({ op: fc.constant('delete'), key: text, cause }) as fc.Arbitrary<Mutation>,
  fc.record({ op: fc.constant('touch'), key: text, cause, expireAtMs: deadline }) as fc.Arbitrary<Mutation>,
);

describe('a packed change', () => {
  it('is what its record says, whatever lies around it in the chunks', () => {
    fc.assert(
      fc.property(fc.array(mutation, { minLength: 1, maxLength: 60 }), (mutations) => {
        const frame = frameOf(mutations);
        const [packed, whole] = [new EventBytes(), new EventBytes()];
        const walk = recordKindOf(frame).walk(frame);
        const made: [() => Change, Change, number, number][] = [];
        while (walk?.next() === true) {
          const place = pack(walk, frame, packed) as number;
          const { chunk } = packed;
          const change = changeOf(walk, frame, { epoch: 3, lsn: header.lsn }, whole, undefined);
          made.push([() => unpack(chunk, place), change, packedLsn(chunk, place), packedBytes(chunk, place)]);
          // Both kinds lie in the chunks of a hub.
          if (made.length % 3 === 0) packed.keep(walk);
        }
        frame.buffer.fill('#');
        for (const [packedChange, change, lsn, bytes] of made) {
          expect(seen(packedChange())).toEqual(seen(change));
          expect([lsn, bytes]).toEqual([header.lsn, change.bytes]);
        }
      }),
      { numRuns: 50 },
    );
  });

  it('is not made of what is too large for a chunk', () => {
    const walkOf = (valueBytes: number) => {
      const frame = frameOf([
        { op: 'set', key: 'k', value: Buffer.alloc(valueBytes), expireAtMs: 0, cause: 'client' },
      ]);
      const walk = recordKindOf(frame).walk(frame);
      walk?.next();
      return pack(walk as NonNullable<typeof walk>, frame, new EventBytes());
    };
    expect([walkOf(2_007), walkOf(2_008)]).toEqual([0, undefined]);
  });
});
