import { describe, expect, it } from 'vitest';
import { EntryHasher } from '#storage/entry-hash.ts';

function murmur(text: string): string {
  const hasher = new EntryHasher();
  hasher.hashBytes(new TextEncoder().encode(text));
  return hasher.hex();
}

describe('entry hash', () => {
  it('is MurmurHash3_x86_128: published values', () => {
    expect(murmur('')).toBe('00000000000000000000000000000000');
    expect(murmur("I will not buy this tobacconist's, it is scratched.")).toBe(
      '9b5b7ba2ef3f7866889adeaf00f3f98e',
    );
    expect(murmur('The quick brown fox jumps over the lazy dog')).toBe('2f1583c3ecee2c675d7bf66ce5e91d2c');
  });
});
