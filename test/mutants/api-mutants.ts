/** Bugs of the operations beyond Get, Set and Delete. */
import type { Mutant } from './mutant.ts';

const INCREMENT = 'test/master/increment.test.ts';

export const API_MUTANTS: readonly Mutant[] = [
  {
    name: 'increment judged by what is visible instead of what is accepted',
    file: 'internal/master/operations/increment.ts',
    text: 'const { live, stored, record } = path.look(key, builder.nowMs);',
    replacement:
      'const { stored, record } = path.look(key, builder.nowMs); const live = path.engine.store.peek(key);',
    tests: [INCREMENT],
  },
  {
    name: 'increment that gives an entry that is there a new deadline',
    file: 'internal/master/operations/increment.ts',
    text: 'live?.expireAtMs ?? path.deadlines',
    replacement: 'path.deadlines',
    tests: [INCREMENT],
  },
  {
    name: 'number with a leading zero taken for one',
    file: 'internal/model/counter.ts',
    text: '|-?[1-9][0-9]{0,18})$/;',
    replacement: '|-?[0-9]{1,19})$/;',
    tests: [INCREMENT],
  },
  {
    name: 'sum beyond 64 bits stored',
    file: 'internal/model/counter.ts',
    text: '  if (isCounter(sum)) return sum;',
    replacement: '  if (isCounter(sum) || isCounter(number)) return sum;',
    tests: [INCREMENT],
  },
  {
    name: 'delta read without its sign',
    file: 'internal/wire/kv-reader.ts',
    text: 'zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2;',
    replacement: 'Math.floor(zigzag / 2);',
    tests: ['test/server/kv-bytes.test.ts'],
  },
];
