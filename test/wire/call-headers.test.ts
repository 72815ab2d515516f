/** The headers of a call's session and of its choice of nodes: their grammar and bounds. */
import { describe, expect, it } from 'vitest';
import { toLsn } from '#model/position.ts';
import { formatPositions, POSITIONS_CHARACTERS_MAX, parsePositions, readWish } from '#wire/call-headers.ts';

describe('x-walnut-positions', () => {
  it.each([
    ['', ''],
    ['g1=4294967297-12', 'g1=4294967297-12'],
    [' g1=1-2 , g-2=3-4,g1=5-6', 'g1=1-2,g-2=3-4,g1=5-6'],
  ])('is read and written: %j', (text, written) => {
    expect(formatPositions(parsePositions(text))).toBe(written);
  });

  it.each([
    'g1',
    '=1-2',
    'g_1=1-2',
    'g1=1',
    'g1=1-0',
    'g1=9007199254740993-1',
    'g1=1-2,',
    `${'g'.repeat(65)}=1-2`,
  ])('is refused by what is wrong: %j', (text) => {
    expect(() => parsePositions(text)).toThrow(
      /^x-walnut-positions has .*: expected what an answer had there/,
    );
  });

  it('has at most five positions of a group, each of which a read must prove', () => {
    const of = (count: number): string => Array.from({ length: count }, (_, i) => `g1=${i + 1}-1`).join(',');
    expect(parsePositions(of(5)).length).toBe(5);
    expect(() => parsePositions(`g2=1-1,${of(6)}`)).toThrow(
      'has 6 positions of group g1: expected at most 5',
    );
  });

  it('names at most 250 groups both ways', () => {
    const seen = Array.from({ length: 251 }, (_, i) => ({ epoch: 1, lsn: toLsn(1), group: `g${i}` }));
    const textOf = (some: typeof seen): string => some.map(({ group }) => `${group}=1-1`).join(',');
    expect(formatPositions(seen)).toBe(textOf(seen.slice(1)));
    expect(parsePositions(formatPositions(seen)).length).toBe(250);
    expect(() => parsePositions(textOf(seen))).toThrow('has 251 groups: expected at most 250');
  });

  it('is bounded both ways, and forgets what was seen longest ago', () => {
    const seen = Array.from({ length: 500 }, (_, i) => ({
      epoch: 2 ** 52,
      lsn: toLsn(i + 1),
      group: `group-of-a-longer-name-${i}`,
    }));
    const text = formatPositions(seen);
    expect(text.length).toBeLessThanOrEqual(POSITIONS_CHARACTERS_MAX);
    expect(text.length).toBeGreaterThan(POSITIONS_CHARACTERS_MAX - 100);
    expect(text.endsWith(`group-of-a-longer-name-499=${2 ** 52}-500`)).toBe(true);
    expect(parsePositions(text)).toEqual(seen.slice(-text.split(',').length));
    expect(() => parsePositions('g'.repeat(POSITIONS_CHARACTERS_MAX + 1))).toThrow('expected at most 8192');
  });
});

describe('x-walnut-read-from', () => {
  it('is one of three words', () => {
    expect(readWish(undefined, 'nearest')).toEqual({ readFrom: 'nearest' });
    expect(() => readWish(undefined, 'slave')).toThrow(
      'x-walnut-read-from is "slave": expected master, replica, nearest',
    );
  });
});
