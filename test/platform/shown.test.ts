import { expect, it } from 'vitest';
import { shown } from '#platform/shown.ts';

it.each<[unknown, string]>([
  ['5', '"5"'],
  [5, '5'],
  [5n, '5n'],
  [undefined, 'undefined'],
  [null, 'null'],
  [Symbol('s'), 'Symbol(s)'],
  [() => 1, 'a function'],
  [[1], 'a list'],
  [{}, 'an object'],
  [Object.create(null), 'an object'],
  [{ constructor: 5 }, 'an object'],
  [new ArrayBuffer(1), 'an ArrayBuffer'],
  [new Uint8Array(1), 'a Uint8Array'],
  [/k/, 'a RegExp'],
  ['x'.repeat(100), `"${'x'.repeat(40)}"`],
])('shows a value by what it is, %#', (value, text) => {
  expect(shown(value)).toBe(text);
});
