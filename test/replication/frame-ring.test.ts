import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Lsn } from '#model/position.ts';
import { FrameRing } from '#replication/frame-ring.ts';
import { chainOf } from '#test/replication/chain.ts';

const lsn = (value: number): Lsn => value as Lsn;

describe('FrameRing', () => {
  it('holds exactly the newest frames that fit, whatever their sizes', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 300 }), { minLength: 1, maxLength: 80 }),
        fc.integer({ min: 1, max: 50 }),
        fc.integer({ min: 1, max: 2_000 }),
        fc.integer({ min: 0, max: 100 }),
        fc.integer({ min: 0, max: 100 }),
        fc.integer({ min: 0, max: 1_000 }),
        (sizes, firstLsn, capBytes, from, through, wantedBytes) => {
          const frames = chainOf(sizes, { firstLsn });
          const ring = new FrameRing(capBytes);
          for (const frame of frames) ring.add(frame);
          // The model: drop the oldest while over the cap, but never the newest.
          let kept = frames;
          const bytesOf = (list: typeof frames) => list.reduce((sum, frame) => sum + frame.bytes.length, 0);
          while (bytesOf(kept) > capBytes && kept.length > 1) kept = kept.slice(1);
          expect(ring.bytes).toBe(bytesOf(kept));
          expect(ring.oldestLsn).toBe(kept[0]?.lsn);
          for (const frame of frames) {
            expect(ring.at(frame.lsn)).toBe(kept.includes(frame) ? frame : undefined);
          }
          const read = ring.read(lsn(from), lsn(through), wantedBytes);
          const wanted = kept.filter((frame) => frame.lsn >= from && frame.lsn <= through);
          if (kept.every((frame) => frame.lsn !== from) || wanted.length === 0) {
            expect(read).toBeUndefined();
            return;
          }
          let count = 1;
          while (count < wanted.length && bytesOf(wanted.slice(0, count + 1)) <= wantedBytes) count++;
          expect(read).toEqual(wanted.slice(0, count));
        },
      ),
      { numRuns: 300 },
    );
  });

  it('stays within its cap over a long run, and forgets on clear', () => {
    const ring = new FrameRing(10_000);
    const frames = chainOf(Array.from({ length: 5_000 }, () => 60));
    for (const frame of frames) {
      ring.add(frame);
      expect(ring.bytes).toBeLessThanOrEqual(10_000);
    }
    const oldest = ring.oldestLsn ?? lsn(0);
    expect(ring.read(oldest, lsn(5_000), 1 << 20)?.map((frame) => frame.lsn)).toEqual(
      Array.from({ length: 5_000 - oldest + 1 }, (_, i) => oldest + i),
    );
    ring.clear();
    expect([ring.bytes, ring.oldestLsn, ring.at(lsn(5_000))]).toEqual([0, undefined, undefined]);
  });

  it('refuses a frame that leaves a hole', () => {
    const [one, , three] = chainOf([1, 1, 1]);
    const ring = new FrameRing(1_000);
    if (one !== undefined) ring.add(one);
    expect(() => three !== undefined && ring.add(three)).toThrow(/consecutive/);
  });
});
