import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BodyPieces } from '#rpc/body-pieces.ts';

describe('BodyPieces', () => {
  it('gives what was added, whatever the pieces are', () => {
    const size = fc.oneof(fc.nat(20), fc.constantFrom(1_023, 1_025, 16_383, 16_384, 40_000, 70_000));
    fc.assert(
      fc.property(fc.array(size, { maxLength: 30 }), (sizes) => {
        const pieces = new BodyPieces();
        const all = sizes.map((bytes, i) => Buffer.alloc(bytes, i + 1));
        for (const piece of all) pieces.add(piece);
        expect(pieces.take().equals(Buffer.concat(all))).toBe(true);
      }),
    );
  });

  it('keeps a body of single bytes in a few objects', () => {
    const pieces = new BodyPieces(Buffer.from('a'));
    for (let i = 1; i < 1_000_000; i++) pieces.add(Buffer.from('a'));
    expect(pieces.count).toBeLessThanOrEqual(17);
    expect(pieces.take().length).toBe(1_000_000);
  });

  it('passes on a body of one large piece as it is', () => {
    const piece = Buffer.alloc(16_384);
    expect(new BodyPieces(piece).take().buffer).toBe(piece.buffer);
  });
});
