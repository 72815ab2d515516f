import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Lsn } from '#model/position.ts';
import { FrameRing } from '#replication/frame-ring.ts';
import { chainOf } from '#test/replication/chain.ts';
import type { Frame } from '#wal/frame.ts';

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
          const ring = new FrameRing();
          for (const frame of frames) ring.add(frame, capBytes);
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
    const ring = new FrameRing();
    const frames = chainOf(Array.from({ length: 5_000 }, () => 60));
    for (const frame of frames) {
      ring.add(frame, 10_000);
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
    const ring = new FrameRing();
    if (one !== undefined) ring.add(one, 1_000);
    expect(() => three !== undefined && ring.add(three, 1_000)).toThrow(/consecutive/);
  });

  it('holds on to no frame that left the window', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const ring = new FrameRing();
    const left = new WeakRef(addTo(ring));
    // A WeakRef is kept until the turn of the event loop that made it is over.
    await new Promise((resolve) => setImmediate(resolve));
    collect();
    expect(ring.oldestLsn).toBe(2);
    expect(left.deref()).toBeUndefined();
  });
});

/** Adds two frames of which the second drives the first out; returns the first. */
function addTo(ring: FrameRing): Frame {
  const [first, second] = chainOf([900, 900]) as [Frame, Frame];
  ring.add(first, 1_000);
  ring.add(second, 1_000);
  return first;
}
