import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatDuration, formatSize, parseDuration, parseSize } from '#config/units.ts';

describe('durations', () => {
  it.each([
    ['0s', 0],
    ['10ms', 10],
    ['1s', 1_000],
    ['5m', 300_000],
    ['1h', 3_600_000],
    ['1d', 86_400_000],
    ['007s', 7_000],
  ])('%s is %d ms', (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  it.each([
    '',
    '1',
    's',
    '1S',
    '1 s',
    ' 1s',
    '1s ',
    '-1s',
    '+1s',
    '1.5s',
    '12xyz',
    '1ss',
    '1e3s',
    '1m30s',
    '१s',
  ])('refuses %j', (text) => {
    expect(parseDuration(text)).toBeUndefined();
  });

  it('refuses what does not fit', () => {
    expect(parseDuration('9007199254740991ms')).toBe(Number.MAX_SAFE_INTEGER);
    expect(parseDuration('9007199254740992ms')).toBeUndefined();
    expect(parseDuration('9007199254740991d')).toBeUndefined();
    expect(parseDuration('99999999999999999s')).toBeUndefined();
  });

  it('never takes a name from the prototype for a unit', () => {
    for (const name of Object.getOwnPropertyNames(Object.prototype)) {
      expect(parseDuration(`1${name}`)).toBeUndefined();
    }
  });
});

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

describe('formatting', () => {
  it.each([
    [0, '0s'],
    [90_000, '90s'],
    [86_400_000, '1d'],
    [1_500, '1500ms'],
  ])('%d ms is %s', (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });

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
        expect(parseDuration(formatDuration(value))).toBe(value);
        expect(parseSize(formatSize(value))).toBe(value);
      }),
    );
  });
});
