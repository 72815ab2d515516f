import { describe, expect, it } from 'vitest';
import { KeyIndex, ownKey } from '#storage/key-index.ts';

describe('key index', () => {
  it.each([
    ['numbers', (i: number) => String(i)],
    ['a common prefix', (i: number) => `tenant:0000000000:user:${i}`],
    ['a common suffix', (i: number) => `${i}:session:aaaaaaaaaaaaaaaaaaaa`],
    ['astral characters', (i: number) => String.fromCodePoint(0x1f300 + (i % 256), 0x4e00 + (i >>> 8))],
  ])('spreads keys of %s evenly', (_, keyOf) => {
    const index = new KeyIndex(64, 0x1234);
    for (let i = 0; i < 64_000; i++) index.add(index.partitionOf(keyOf(i)), keyOf(i), i);
    // 1,000 each, with a standard deviation of 32.
    for (let partition = 0; partition < 64; partition++) {
      expect(index.sizeOf(partition)).toBeGreaterThan(800);
      expect(index.sizeOf(partition)).toBeLessThan(1_200);
    }
  });

  it('puts keys elsewhere with another seed', () => {
    const [a, b] = [new KeyIndex(64, 1), new KeyIndex(64, 2)];
    let same = 0;
    for (let i = 0; i < 6_400; i++) if (a.partitionOf(`k${i}`) === b.partitionOf(`k${i}`)) same++;
    expect(same).toBeLessThan(200);
  });

  it('owns keys character for character', () => {
    for (const key of [
      'short',
      'a longer key \0 with \r\n',
      'é'.repeat(40),
      '\u{1f5dd}'.repeat(20),
      '\ufeff'.repeat(20),
    ]) {
      expect(ownKey(`prefix ${key}`.slice(7))).toBe(key);
    }
  });
});
