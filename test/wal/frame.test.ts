import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Lsn } from '#model/position.ts';
import { crc32 } from '#platform/crc32.ts';
import {
  decodeFrames,
  encodeFrame,
  FRAME_HEADER_BYTES,
  FrameError,
  type FrameHeader,
  PAYLOAD_BYTES_MAX,
  tryDecodeFrame,
} from '#wal/frame.ts';
import { frameAfter, ORIGIN } from './harness.ts';

const uint53 = fc.maxSafeNat();
const header: fc.Arbitrary<FrameHeader> = fc.record({
  lsn: uint53.map((n) => Math.max(1, n) as Lsn),
  epoch: uint53,
  prevCrc: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  type: fc.constantFrom(1, 2, 3),
  flags: fc.integer({ min: 0, max: 255 }),
  timestampMs: uint53,
});
const payload = fc.uint8Array({ maxLength: 300 });

function encode(head: FrameHeader, bytes: Uint8Array) {
  return encodeFrame(head, bytes.length, (target, offset) => target.set(bytes, offset));
}

describe('a frame', () => {
  it('comes back as it was written, wherever it stands', () => {
    fc.assert(
      fc.property(header, payload, fc.nat(50), (head, bytes, before) => {
        const frame = encode(head, bytes);
        const decoded = tryDecodeFrame(Buffer.concat([Buffer.alloc(before, 7), frame.bytes]), before);
        expect(decoded.kind).toBe('frame');
        if (decoded.kind !== 'frame') return;
        expect(decoded.nextOffset).toBe(before + FRAME_HEADER_BYTES + bytes.length);
        expect(decoded.frame).toMatchObject(head);
        expect(Buffer.from(decoded.frame.payload).equals(bytes)).toBe(true);
        expect(Buffer.from(decoded.frame.bytes).equals(frame.bytes)).toBe(true);
        expect(decoded.frame.crc).toBe(frame.crc);
      }),
    );
  });

  it('does not survive a flipped bit, nor being cut', () => {
    fc.assert(
      fc.property(header, payload, fc.nat(), fc.nat(), (head, bytes, bit, cut) => {
        const whole = Buffer.from(encode(head, bytes).bytes);
        const shorter = whole.subarray(0, cut % whole.length);
        expect(['short', 'end']).toContain(tryDecodeFrame(shorter, 0).kind);
        const at = bit % (whole.length * 8);
        whole.writeUInt8((whole[at >> 3] as number) ^ (1 << (at & 7)), at >> 3);
        expect(tryDecodeFrame(whole, 0).kind).toBe('bad');
      }),
    );
  });

  it('of any bytes never throws and never believes a length before its CRC', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(['bad', 'short', 'end']).toContain(tryDecodeFrame(bytes, 0).kind);
      }),
    );
    const huge = Buffer.from(encode({ ...frameAfter(ORIGIN, 'a') }, Buffer.from('a')).bytes);
    huge.writeUInt32LE(PAYLOAD_BYTES_MAX + 1, 4);
    huge.writeUInt32LE(crc32(huge.subarray(4, FRAME_HEADER_BYTES)), 0);
    expect(tryDecodeFrame(huge, 0)).toMatchObject({ kind: 'bad', why: expect.stringContaining('maximum') });
  });
});

describe('frames in a row', () => {
  const first = frameAfter(ORIGIN, 'a');
  const second = frameAfter(first, 'b');

  it('decode as a chain', () => {
    const frames = decodeFrames(Buffer.concat([first.bytes, second.bytes]));
    expect(frames.map((frame) => frame.lsn)).toEqual([1, 2]);
    expect(decodeFrames(Buffer.alloc(0))).toEqual([]);
  });

  it.each([
    ['a gap', [first, frameAfter({ ...second }, 'c')], 1],
    ['another history', [first, frameAfter({ ...first, crc: 1 }, 'b')], 1],
    ['a repetition', [first, first], 1],
  ])('with %s are refused', (_name, frames, index) => {
    const bytes = Buffer.concat(frames.map((frame) => frame.bytes));
    expect(() => decodeFrames(bytes)).toThrow(FrameError);
    expect(() => decodeFrames(bytes)).toThrow(`frame ${index}`);
  });

  it('cut short are refused', () => {
    const bytes = Buffer.concat([first.bytes, second.bytes]);
    expect(() => decodeFrames(bytes.subarray(0, -1))).toThrow(FrameError);
  });
});
