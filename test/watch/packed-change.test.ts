/** A change that waits as bytes becomes the same change as one that waits as an object. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { recordKindOf } from '#engine/records/record-table.ts';
import type { Mutation } from '#model/entry.ts';
import type { Lsn } from '#model/position.ts';
import type { WatchEvent } from '#model/watch.ts';
import { payloadOf } from '#test/engine/payload-of.ts';
import type { Frame, FrameHeader } from '#wal/frame.ts';
import { type Change, changeOf } from '#watch/change.ts';
import { type Chunk, EventBytes } from '#watch/event-bytes.ts';
import { PackedEvent, pack, packedBytes, packedLsn, unpack } from '#watch/packed-change.ts';
import { toWatchFrame } from '#wire/watch-bytes.ts';

const header: FrameHeader = {
  lsn: (2 ** 40) as Lsn,
  epoch: 3,
  prevCrc: 0,
  type: 1,
  flags: 0,
  timestampMs: 1.8e12,
};

/** The other fields of a message. */
const REST = {
  ...{ position: { epoch: 3, lsn: header.lsn }, canResume: true },
  ...{ isFragment: false, isInitialDone: false, wallShiftMs: 0 },
};

function frameOf(mutations: readonly Mutation[], changes: Partial<FrameHeader> = {}): Frame {
  return payloadOf(mutations).toFrame({ ...header, ...changes });
}

/** What somebody who watches can see of it. */
function seen(event: WatchEvent) {
  const { op, cause, key, contentType, version, expireAtMs, timestampMs, isInitial } = event;
  const value = Buffer.from(event.value).toString('latin1');
  return { op, cause, key, value, contentType, version: { ...version }, expireAtMs, timestampMs, isInitial };
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
        const made: [Chunk, number, Change][] = [];
        while (walk?.next() === true) {
          const place = pack(walk, frame, packed) as number;
          const { chunk } = packed;
          const change = changeOf(walk, frame, { epoch: 3, lsn: header.lsn }, whole, undefined);
          made.push([chunk, place, change]);
          // Both kinds lie in the chunks of a hub.
          if (made.length % 3 === 0) packed.keep(walk);
        }
        frame.buffer.fill('#');
        const shown = new PackedEvent();
        for (const [chunk, place, change] of made) {
          expect(seen(unpack(chunk, place))).toEqual(seen(change));
          expect(seen(shown.show(chunk, place, false))).toEqual(seen(change));
          expect([packedLsn(chunk, place), packedBytes(chunk, place)]).toEqual([header.lsn, change.bytes]);
        }
        const changes = made.map(([, , change]) => change);
        const at = (i: number) => made[i] && shown.show(made[i][0], made[i][1], false);
        const told = { events: { length: made.length, at }, ...REST };
        expect(toWatchFrame(told)).toEqual(toWatchFrame({ ...REST, events: changes }));
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
