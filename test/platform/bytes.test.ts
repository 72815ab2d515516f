import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { asBuffer, readUint53, writeUint53 } from '#platform/bytes.ts';

const uint53 = fc.maxSafeNat();

describe('bytes', () => {
  it('a number of 53 bits keeps all of them, and more are not a number', () => {
    const buffer = Buffer.alloc(8);
    fc.assert(
      fc.property(uint53, (value) => {
        writeUint53(buffer, value, 0);
        expect(readUint53(buffer, 0)).toBe(value);
        expect(buffer.readBigUInt64LE(0)).toBe(BigInt(value));
      }),
    );
    buffer.writeBigUInt64LE(2n ** 53n);
    expect(readUint53(buffer, 0)).toBeNaN();
  });

  it('as a Buffer are the same memory', () => {
    const memory = new Uint8Array([1, 2, 3, 4]);
    const buffer = asBuffer(memory.subarray(1, 3));
    buffer[0] = 9;
    expect([...memory]).toEqual([1, 9, 3, 4]);
    expect(buffer).toHaveLength(2);
  });
});
