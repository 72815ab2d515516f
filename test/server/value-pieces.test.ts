import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { tryTakeRoom } from '#platform/roomy-bytes.ts';
import { ValuePieces } from '#server/value-pieces.ts';

const now = (): Promise<void> => Promise.resolve();

function piecesOf(sizes: readonly number[]): Buffer[] {
  return sizes.map((bytes, i) => Buffer.alloc(bytes, i + 1));
}

function addAll(pieces: ValuePieces, all: readonly Buffer[]): void {
  for (const piece of all) {
    // What a connection read is used again for the next read.
    const read = Buffer.from(piece);
    pieces.add(read);
    read.fill(0);
  }
}

describe('ValuePieces', () => {
  it('gives what was added, whatever the pieces are, and copies each', async () => {
    const size = fc.oneof(fc.nat(20), fc.constantFrom(4_095, 4_096, 4_097, 65_535, 65_536, 300_000));
    await fc.assert(
      fc.asyncProperty(fc.array(size, { maxLength: 12 }), fc.boolean(), async (sizes, isKnown) => {
        const all = piecesOf(sizes);
        const whole = Buffer.concat(all);
        const pieces = new ValuePieces(isKnown ? whole.length : 0);
        addAll(pieces, all);
        expect(whole.equals(await pieces.take(now))).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  it('gives a long value with room for its record, of known length or not', async () => {
    for (const expected of [200_000, 0]) {
      const pieces = new ValuePieces(expected);
      addAll(pieces, piecesOf([65_536, 65_536, 65_536, 3_392]));
      const value = await pieces.take(now);
      expect(value.buffer.byteLength).toBeLessThan(210_000);
      const whole = tryTakeRoom(value, 2_000);
      expect(whole?.buffer).toBe(value.buffer);
      expect(whole?.length).toBeGreaterThan(2_000 + 200_000 + 500);
    }
  });

  it('joins a long value of unknown length in turns of at most 2 MiB', async () => {
    const pieces = new ValuePieces(0);
    const all = piecesOf(Array.from({ length: 200 }, () => 65_536));
    addAll(pieces, all);
    let turns = 0;
    const value = await pieces.take(async () => void turns++);
    expect(turns).toBeGreaterThanOrEqual(4);
    expect(Buffer.concat(all).equals(value)).toBe(true);
  });

  it('is taken once', async () => {
    const pieces = new ValuePieces(0);
    addAll(pieces, piecesOf([5_000, 5_000]));
    expect((await pieces.take(now)).length).toBe(10_000);
    expect((await pieces.take(now)).length).toBe(0);
  });
});
