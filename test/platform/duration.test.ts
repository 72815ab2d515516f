import { describe, expect, it } from 'vitest';
import { parseDuration } from '#platform/duration.ts';

describe('parseDuration', () => {
  it.each([
    ['0s', 0],
    ['250ms', 250],
    ['30s', 30_000],
    ['1.5h', 5_400_000],
    ['0.001s', 1],
    ['2d', 172_800_000],
  ])('%s is %d ms', (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  it.each([
    '',
    '5',
    's',
    '12xyz',
    '-1s',
    '1 s',
    ' 1s',
    '1S',
    '0.5ms',
    '1e3s',
    '1m30s',
    '.5s',
    '999999999999d',
  ])('%j is not one', (text) => {
    expect(parseDuration(text)).toBeUndefined();
  });
});
