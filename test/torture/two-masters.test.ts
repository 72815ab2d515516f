import { expect, it } from 'vitest';
import { type AckedWrite, overlapsOf } from './two-masters.ts';

const writes = (...rows: readonly (readonly [number, number, number])[]): AckedWrite[] =>
  rows.map(([term, startMs, endMs]) => ({ term, startMs, endMs }));

it.each<[string, AckedWrite[], number]>([
  ['one term after the other', writes([1, 0, 1], [1, 2, 3], [2, 4, 5], [4, 6, 7]), 0],
  [
    'a write that was sent before the first acknowledgement above it, and answered late',
    writes([1, 3, 9], [2, 4, 5]),
    0,
  ],
  ['a write in a lower term that was sent after it', writes([2, 4, 5], [1, 6, 7]), 1],
  ['a term between them that is acknowledged late', writes([3, 4, 5], [2, 4.5, 9], [1, 7, 8]), 1],
  ['the same two terms below', writes([3, 4, 5], [2, 1, 2], [1, 6, 7], [1, 0, 1]), 1],
  ['several writes of a term between two others', writes([1, 0, 1], [2, 8, 9], [2, 2, 3], [3, 5, 6]), 1],
])('%s', (_, history, count) => {
  expect(overlapsOf(history)).toHaveLength(count);
});
