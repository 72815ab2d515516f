import { expect, it } from 'vitest';
import { asError, messageOf } from '#platform/thrown.ts';

it.each([
  [new TypeError('odd'), 'odd'],
  ['text', 'text'],
  [undefined, 'undefined'],
  [7, '7'],
])('%o, thrown, says %s', (thrown, message) => {
  expect(messageOf(thrown)).toBe(message);
  expect(asError(thrown).message).toBe(message);
  if (thrown instanceof Error) expect(asError(thrown)).toBe(thrown);
});
