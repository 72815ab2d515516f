import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BlockError, encodeBlock, OPTIONAL_BLOCK, readBlocks } from '#platform/blocks.ts';

const contentOf = (bytes: Buffer, from: number, to: number): string => bytes.toString('hex', from, to);

function tryRead(bytes: Buffer, known: readonly number[]): Record<number, string> | BlockError {
  try {
    const blocks = readBlocks(bytes, 0, bytes.length, known);
    return Object.fromEntries(
      [...blocks.values()].map(({ type, from, to }) => [type, contentOf(bytes, from, to)]),
    );
  } catch (error) {
    if (error instanceof BlockError) return error;
    throw error;
  }
}

describe('blocks', () => {
  it('come back as they were, wherever they stand', () => {
    const types = fc.uniqueArray(fc.nat(0x7fff), { maxLength: 8 });
    fc.assert(
      fc.property(types, fc.nat(20), fc.nat(9), (all, length, before) => {
        const sorted = [...all].sort((a, b) => a - b);
        const parts = sorted.map((type) => encodeBlock(type, Buffer.alloc(length, type), Buffer.of(type)));
        const bytes = Buffer.concat([Buffer.alloc(before), ...parts, Buffer.alloc(3)]);
        const blocks = readBlocks(bytes, before, bytes.length - 3, sorted);
        expect([...blocks.keys()]).toEqual(sorted);
        for (const { type, from, to } of blocks.values()) {
          const content = Buffer.concat([Buffer.alloc(length, type), Buffer.of(type)]);
          expect(contentOf(bytes, from, to)).toBe(content.toString('hex'));
        }
      }),
    );
  });

  it('of unknown types are what a newer program wrote, unless they may be skipped', () => {
    const known = encodeBlock(1, Buffer.of(7));
    const unknown = tryRead(Buffer.concat([known, encodeBlock(2, Buffer.of(8))]), [1]);
    expect(unknown).toMatchObject({ isNewer: true, at: known.length, message: 'unknown block 2' });
    const optional = encodeBlock(OPTIONAL_BLOCK + 2, Buffer.of(8));
    expect(tryRead(Buffer.concat([known, optional]), [1])).toEqual({ 1: '07' });
  });

  it('are refused as damaged where they do not ascend, do not fit or are cut', () => {
    const [one, two] = [encodeBlock(1, Buffer.of(7, 8)), encodeBlock(2)];
    const isDamaged = (bytes: Buffer): void =>
      expect(tryRead(bytes, [1, 2])).toMatchObject({ name: 'BlockError', isNewer: false });
    isDamaged(Buffer.concat([two, one]));
    isDamaged(Buffer.concat([one, one]));
    for (let cut = 1; cut < one.length; cut++) isDamaged(one.subarray(0, cut));
    const claims = Buffer.from(one);
    claims.writeUInt32LE(2 ** 32 - 1, 2);
    isDamaged(claims);
  });
});
