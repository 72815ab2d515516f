import { expect, it } from 'vitest';
import { HOT_KEYS_BYTES_MAX, utf8Length } from '#model/limits.ts';
import { HotKeys } from '#slave/hot-keys.ts';

it('gives the keys read most, the hottest last, and begins anew', () => {
  const hot = new HotKeys();
  for (const key of ['b', 'a', 'c', 'a', 'b', 'a']) hot.note(key);
  expect(hot.take()).toEqual(['c', 'b', 'a']);
  expect(hot.take()).toEqual([]);
});

it('keeps the hottest where not all fit into a hint', () => {
  const hot = new HotKeys();
  const key = (i: number): string => `${'ü'.repeat(150)}${i}`;
  for (let i = 0; i < 100; i++) for (let n = 0; n <= i; n++) hot.note(key(i));
  const keys = hot.take();
  expect(keys.at(-1)).toBe(key(99));
  expect(keys).toEqual(Array.from({ length: keys.length }, (_, i) => key(100 - keys.length + i)));
  const bytes = keys.reduce((sum, one) => sum + utf8Length(one), 0);
  expect(bytes).toBeLessThanOrEqual(HOT_KEYS_BYTES_MAX);
  expect(bytes).toBeGreaterThan(HOT_KEYS_BYTES_MAX - 400);
});

it('keeps a bounded number of keys, however many are read', () => {
  const hot = new HotKeys();
  for (let i = 0; i < 5_000; i++) hot.note(`k${i}`);
  for (let i = 4_900; i < 5_000; i++) hot.note(`k${i}`);
  const keys = hot.take();
  expect(new Set(keys.slice(-100))).toEqual(new Set(Array.from({ length: 100 }, (_, i) => `k${4_900 + i}`)));
  expect(keys).not.toContain('k3975');
  expect(keys.length).toBeLessThanOrEqual(1_024);
});
