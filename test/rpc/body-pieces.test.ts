import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BodyPieces } from '#rpc/body-pieces.ts';

describe('BodyPieces', () => {
  it('gives what was added, whatever the pieces are', () => {
    const size = fc.oneof(fc.nat(20), fc.constantFrom(1_023, 1_025, 16_383, 16_384, 40_000, 70_000));
    fc.assert(
      fc.property(fc.array(size, { maxLength: 30 }), fc.nat(200_000), (sizes, expected) => {
        const pieces = new BodyPieces(expected);
        const all = sizes.map((bytes, i) => Buffer.alloc(bytes, i + 1));
        for (const piece of all) pieces.add(piece);
        expect(pieces.take().equals(Buffer.concat(all))).toBe(true);
      }),
    );
  });

  it('keeps a body of single bytes in a few objects', () => {
    const pieces = new BodyPieces();
    for (let i = 0; i < 1_000_000; i++) pieces.add(Buffer.from('a'));
    expect(pieces.capacity).toBeLessThanOrEqual(2_000_000);
    expect(pieces.take().length).toBe(1_000_000);
  });

  it('has one buffer of the whole length where that is known, from the second piece on', () => {
    const pieces = new BodyPieces(30_000_000);
    pieces.add(Buffer.from('a'));
    expect(pieces.capacity).toBe(0);
    for (let i = 1; i < 10; i++) {
      pieces.add(Buffer.from('a'));
      expect(pieces.capacity).toBe(30_000_000);
    }
  });

  it('keeps nothing of a body that was taken', () => {
    for (const count of [1, 3]) {
      const pieces = new BodyPieces(9);
      for (let i = 0; i < count; i++) pieces.add(Buffer.from('abc'));
      expect(pieces.take().length).toBe(3 * count);
      expect([pieces.capacity, pieces.take().length]).toEqual([0, 0]);
    }
  });

  it('passes on a body of one piece as it is', () => {
    const piece = Buffer.alloc(16_384);
    const pieces = new BodyPieces(16_384);
    pieces.add(piece);
    expect(pieces.take().buffer).toBe(piece.buffer);
  });
});
