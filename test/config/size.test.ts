import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatSize, parseSize } from '#config/size.ts';

describe('sizes', () => {
  it.each([
    ['0B', 0],
    ['512B', 512],
    ['1kB', 1_000],
    ['4KB', 4_000],
    ['100MB', 100_000_000],
    ['2GB', 2_000_000_000],
    ['1KiB', 1_024],
    ['64MiB', 67_108_864],
    ['1GiB', 1_073_741_824],
  ])('%s is %d bytes', (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
  });

  it.each(['', '100', 'MB', '100mb', '100Mb', '1.5GB', '1 GB', '-1B', '1TB', '1K', '1MBs', '0x10B'])(
    'refuses %j',
    (text) => {
      expect(parseSize(text)).toBeUndefined();
    },
  );
});

it('takes no name from the prototype for a unit', () => {
  for (const name of Object.getOwnPropertyNames(Object.prototype)) {
    expect(parseSize(`1${name}`)).toBeUndefined();
  }
});

describe('formatting', () => {
  it.each([
    [0, '0B'],
    [256_000_000, '256MB'],
    [8_388_608, '8MiB'],
    [1_001, '1001B'],
    [4_000, '4KB'],
  ])('%d bytes is %s', (bytes, text) => {
    expect(formatSize(bytes)).toBe(text);
  });

  it('reads back what it wrote', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (value) => {
        expect(parseSize(formatSize(value))).toBe(value);
      }),
    );
  });
});
