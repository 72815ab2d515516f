import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { describeDuration, formatDuration, parseDuration } from '#platform/duration.ts';

describe('parseDuration', () => {
  it.each([
    ['0s', 0],
    ['10ms', 10],
    ['250ms', 250],
    ['1s', 1_000],
    ['007s', 7_000],
    ['1.5s', 1_500],
    ['0.001s', 1],
    ['5m', 300_000],
    ['1h', 3_600_000],
    ['1.5h', 5_400_000],
    ['2d', 172_800_000],
    ['9007199254740991ms', Number.MAX_SAFE_INTEGER],
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
    '.5s',
    '0.5ms',
    '12xyz',
    '1ss',
    '1e3s',
    '1m30s',
    '१s',
    '9007199254740992ms',
    '9007199254740991d',
    '999999999999d',
    '99999999999999999s',
    ...Object.getOwnPropertyNames(Object.prototype).map((name) => `1${name}`),
  ])('%j is not one', (text) => {
    expect(parseDuration(text)).toBeUndefined();
  });
});

describe('formatDuration', () => {
  it.each([
    [0, '0s'],
    [90_000, '90s'],
    [86_400_000, '1d'],
    [1_500, '1500ms'],
  ])('%d ms is %s', (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });

  it('is read back', () => {
    fc.assert(fc.property(fc.maxSafeNat(), (ms) => parseDuration(formatDuration(ms)) === ms));
  });
});

describe('describeDuration', () => {
  it.each([
    [0, '0ms'],
    [999.4, '999ms'],
    [999.6, '1.0s'],
    [59_940, '59.9s'],
    [59_999, '1m 0s'],
    [302_000, '5m 2s'],
    [86_400_000 * 3 + 3_600_000 * 4, '3d 4h'],
  ])('%d ms', (ms, text) => {
    expect(describeDuration(ms)).toBe(text);
  });
});
