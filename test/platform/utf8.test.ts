import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isUtf8Range } from '#platform/utf8.ts';

const decoder = new TextDecoder('utf-8', { fatal: true });

function decodes(bytes: Uint8Array): boolean {
  try {
    decoder.decode(bytes);
    return true;
  } catch {
    return false;
  }
}

describe('isUtf8Range', () => {
  it('says of any range what a strict decoder says of it', () => {
    const text = fc.string({ unit: 'binary', maxLength: 20 }).map((each) => Buffer.from(each));
    const bytes = fc.oneof(
      text,
      fc.uint8Array({ maxLength: 20 }).map((each) => Buffer.from(each)),
    );
    fc.assert(
      fc.property(bytes, fc.nat(20), fc.nat(20), (source, a, b) => {
        const from = Math.min(a, b, source.length);
        const to = Math.min(Math.max(a, b), source.length);
        expect(isUtf8Range(source, from, to)).toBe(decodes(source.subarray(from, to)));
      }),
      { numRuns: 500 },
    );
  });
});
