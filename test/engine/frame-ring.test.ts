import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { FrameRing } from '#engine/feed/frame-ring.ts';
import type { Lsn } from '#model/position.ts';
import { bytesOf, chainOf, pointOf } from '#test/replication/chain.ts';
import { decodeFrames, FRAME_HEADER_BYTES, type Frame, sealFrame } from '#wal/frame.ts';

const lsn = (value: number): Lsn => value as Lsn;
const sizeOf = (frames: readonly Frame[]): number =>
  frames.reduce((sum, frame) => sum + frame.bytes.length, 0);

describe('FrameRing', () => {
  it('gives exactly the frames asked for, as one run, whatever their sizes', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 300 }), { minLength: 1, maxLength: 80 }),
        fc.integer({ min: 1, max: 50 }),
        fc.integer({ min: 1, max: 60_000 }),
        fc.integer({ min: 1, max: 4_000 }),
        fc.integer({ min: 0, max: 140 }),
        fc.integer({ min: 0, max: 140 }),
        fc.integer({ min: 0, max: 5_000 }),
        (sizes, firstLsn, capBytes, chunkBytes, from, through, wantedBytes) => {
          const frames = chainOf(sizes, { firstLsn });
          const ring = new FrameRing(chunkBytes);
          for (const frame of frames) ring.add(frame, capBytes);
          const oldest = ring.oldestLsn ?? 0;
          const kept = frames.filter((frame) => frame.lsn >= oldest);
          for (const frame of frames)
            expect(ring.at(frame.lsn)).toEqual(kept.includes(frame) ? pointOf(frame) : undefined);
          const read = ring.read(lsn(from), lsn(through), wantedBytes);
          const wanted = kept.filter((frame) => frame.lsn >= from && frame.lsn <= through);
          if (wanted[0]?.lsn !== from) {
            expect(read).toBeUndefined();
            return;
          }
          let count = 1;
          while (count < wanted.length && sizeOf(wanted.slice(0, count + 1)) <= wantedBytes) count++;
          const expected = wanted.slice(0, count);
          expect(read?.last).toEqual(pointOf(expected.at(-1)));
          expect(Buffer.compare(read?.bytes ?? Buffer.alloc(0), bytesOf(expected))).toBe(0);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('stays within its cap over a long run, and keeps most of what the cap allows', () => {
    const ring = new FrameRing(5_000);
    const frames = chainOf(Array.from({ length: 5_000 }, () => 60));
    for (const frame of frames) {
      ring.add(frame, 100_000);
      expect(ring.bytes).toBeLessThanOrEqual(100_000);
    }
    const kept = frames.filter((frame) => frame.lsn >= (ring.oldestLsn ?? 0));
    expect(sizeOf(kept)).toBeGreaterThan(80_000);
    expect(ring.read(lsn(kept[0]?.lsn ?? 0), lsn(5_000), 1 << 20)?.bytes).toEqual(bytesOf(kept));
  });

  it('keeps a run that was given out as it was, whatever comes after', () => {
    const ring = new FrameRing(2_000);
    const frames = chainOf(Array.from({ length: 2_000 }, () => 60));
    for (const frame of frames.slice(0, 20)) ring.add(frame, 20_000);
    const run = ring.read(lsn(3), lsn(15), 1 << 20);
    for (const frame of frames.slice(20)) ring.add(frame, 20_000);
    expect(ring.oldestLsn).toBeGreaterThan(20);
    expect(run?.bytes).toEqual(bytesOf(frames.slice(2, 15)));
  });

  it('fills chunks again of which nobody has a view', () => {
    const allocated = vi.spyOn(Buffer, 'allocUnsafeSlow');
    const ring = new FrameRing(2_000);
    const frames = chainOf(Array.from({ length: 2_000 }, () => 60));
    allocated.mockClear();
    for (const frame of frames) {
      ring.add(frame, 20_000);
      expect(ring.at(frame.lsn)).toEqual(pointOf(frame));
    }
    const times = allocated.mock.calls.length;
    allocated.mockRestore();
    expect(times).toBeGreaterThan(0);
    expect(times * 2_000).toBeLessThanOrEqual(20_000);
    const oldest = ring.oldestLsn as Lsn;
    const kept = frames.filter((frame) => frame.lsn >= oldest);
    expect(ring.read(oldest, lsn(2_000), 1 << 20)?.bytes).toEqual(bytesOf(kept));
  });

  it('never writes to the memory of a large frame, which it keeps without a copy', () => {
    const frames = chainOf(Array.from({ length: 8 }, () => 100_000 - FRAME_HEADER_BYTES));
    const [own, ...others] = frames as [Frame, ...Frame[]];
    const copy = Buffer.from(own.bytes);
    const ring = new FrameRing(100_000);
    for (const frame of [own, ...others.flatMap(({ bytes }) => decodeFrames(bytes))])
      ring.add(frame, 300_000);
    expect(ring.oldestLsn).toBeGreaterThan(1);
    expect(Buffer.compare(own.bytes, copy)).toBe(0);
  });

  it('takes a frame that is larger than all it may keep', () => {
    const [small, large, next] = chainOf([10, 5_000, 10]) as [Frame, Frame, Frame];
    const ring = new FrameRing(200);
    for (const frame of [small, large]) ring.add(frame, 1_000);
    expect(ring.read(lsn(2), lsn(2), 1)).toEqual({ bytes: large.bytes, last: pointOf(large) });
    // It and its one end: nothing else can be in its chunk.
    expect(ring.bytes).toBe(large.bytes.length + 4);
    ring.add(next, 1_000);
    expect(ring.at(lsn(3))).toEqual(pointOf(next));
    expect(ring.bytes).toBeLessThanOrEqual(1_000);
  });

  it('keeps the memory of a large frame itself where nobody writes to that again', () => {
    const [own] = chainOf([300_000]) as [Frame];
    const [ring, other] = [new FrameRing(), new FrameRing()];
    ring.add(own, 1 << 20);
    expect(ring.read(lsn(1), lsn(1), 1)?.bytes.buffer).toBe(own.buffer.buffer);
    const read = Buffer.from(own.bytes);
    const [foreign] = decodeFrames(read) as [Frame];
    other.add(foreign, 1 << 20);
    read.fill(0);
    expect(other.read(lsn(1), lsn(1), 1)?.bytes).toEqual(own.bytes);
  });

  it('copies a large frame out of a buffer that has much else, which the cap would not count', () => {
    const [frame] = chainOf([300_000]) as [Frame];
    const roomy = Buffer.allocUnsafeSlow(2 * frame.bytes.length);
    const header = { ...frame, prevCrc: 0 };
    const made = sealFrame(header, roomy, 0, 300_000);
    const ring = new FrameRing();
    ring.add(made, 1 << 20);
    expect(ring.read(lsn(1), lsn(1), 1)?.bytes.buffer).not.toBe(roomy.buffer);
    expect(ring.read(lsn(1), lsn(1), 1)?.bytes).toEqual(made.bytes);
  });

  it('refuses a frame that leaves a hole', () => {
    const [one, , three] = chainOf([1, 1, 1]);
    const ring = new FrameRing();
    if (one !== undefined) ring.add(one, 1_000);
    expect(() => three !== undefined && ring.add(three, 1_000)).toThrow(/consecutive/);
  });
});
