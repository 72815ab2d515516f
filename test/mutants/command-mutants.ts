/** Planted bugs of how the binaries read what they are given, and of `npm start`. */
import type { Mutant } from './mutant.ts';

export const COMMAND_MUTANTS: readonly Mutant[] = [
  {
    name: 'usage errors in text although JSON was asked for',
    file: 'cmd/walnut/program.ts',
    text: '  if (!host.isJson) return EXIT.usage;',
    replacement: '  return EXIT.usage;',
    tests: ['test/cli/json-failures.test.ts'],
  },
  {
    name: 'variable with one underscore ignored without a word',
    file: 'internal/config/misspelt-variables.ts',
    text: '    if (known === undefined || isSpeltAs(name, known.variable)) return [];',
    replacement: '    if (known === undefined || !isSpeltAs(name, known.variable)) return [];',
    tests: ['test/config/misspelt-variables.test.ts'],
  },
  {
    name: 'early Ctrl-C taken for an unclean stop by npm start',
    file: 'cmd/local/process-set.ts',
    text: 'STOP_SIGNALS.includes(exit.reason)',
    replacement: '[STOP_SIGNALS[1]].includes(exit.reason)',
    tests: ['test/cmd/group-run.test.ts'],
  },
  {
    name: 'replica that has less advised for promotion by npm start',
    file: 'cmd/group/group-text.ts',
    text: '    .sort(byHistory)\n    .at(-1);',
    replacement: '    .sort(byHistory)\n    .at(0);',
    tests: ['test/cmd/group-run.test.ts'],
  },
  {
    name: 'missing file of the copy taken for a change of the log',
    file: 'internal/backup/survey-log.ts',
    text: "  return code === 'ENOENT' && path?.startsWith(",
    replacement: "  return code === 'ENOENT' || path?.startsWith(",
    tests: ['test/cli/backup.test.ts'],
  },
  {
    name: 'walnut batch that exits 0 where an operation was refused',
    file: 'cmd/walnut/keys/batch-command.ts',
    text: "if (result === undefined || result.case === 'error') return true;",
    replacement: "if (result === undefined || result.case === 'error') return false;",
    tests: ['test/cli/batch.test.ts'],
  },
];
