/** Planted bugs of how the binaries read what they are given, and of `npm start`. */
import type { Mutant } from './mutant.ts';

export const COMMAND_MUTANTS: readonly Mutant[] = [
  {
    name: 'variable with one underscore ignored without a word',
    file: 'internal/config/misspelt-variables.ts',
    text: '    if (known === undefined || isSpeltAs(name, known.variable)) return [];',
    replacement: '    if (known === undefined || !isSpeltAs(name, known.variable)) return [];',
    tests: ['test/config/misspelt-variables.test.ts'],
  },
];
