import { crc32 as zlibCrc32 } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { crc32 } from '#platform/crc32.ts';

const uint32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });

describe('crc32', () => {
  it('is the CRC-32 of zlib, for any bytes, from any seed, of any range', () => {
    const bytes = fc.uint8Array({ maxLength: 700, size: 'max' });
    fc.assert(
      fc.property(bytes, uint32, fc.nat(700), fc.nat(700), (source, seed, a, b) => {
        const from = Math.min(a, b, source.length);
        const to = Math.min(Math.max(a, b), source.length);
        expect(crc32(source)).toBe(zlibCrc32(source));
        expect(crc32(source, seed, from, to)).toBe(zlibCrc32(source.subarray(from, to), seed));
      }),
    );
  });

  it('is that on both sides of the length where native code takes over, at every alignment', () => {
    const source = Uint8Array.from({ length: 600 }, (_, i) => (i * 167 + (i >> 3)) & 0xff);
    for (let length = 0; length < 560; length++) {
      const from = length % 37;
      const range = source.subarray(from, from + length);
      expect(crc32(source, length, from, from + length)).toBe(zlibCrc32(range, length));
      expect(crc32(Buffer.from(range))).toBe(zlibCrc32(range));
    }
  });

  it('of "123456789" is the check value of the algorithm', () => {
    expect(crc32(Buffer.from('123456789'))).toBe(0xcbf43926);
  });

  it('goes on where another ended', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400, size: 'max' }), fc.nat(400), (source, cut) => {
        const at = Math.min(cut, source.length);
        expect(crc32(source, crc32(source, 0, 0, at), at)).toBe(zlibCrc32(source));
      }),
    );
  });
});
