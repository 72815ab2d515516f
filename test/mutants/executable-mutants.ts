/** Planted bugs of the single executable, of how fast the tool starts, and of its help. */
import type { Mutant } from './mutant.ts';

export const EXECUTABLE_MUTANTS: readonly Mutant[] = [
  {
    name: 'executable whose servers have the memory settings of the tool',
    file: 'cmd/executable.ts',
    text: '  replaceBy(name, args);',
    replacement: '  await SERVERS[name]?.();',
    tests: ['test/package/executable.test.ts'],
  },
  {
    name: 'executable whose page has the files of every directory',
    file: 'internal/platform/own-files.ts',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: text of a program.
    text: '.filter((path) => path.startsWith(`${directory}/`))',
    replacement: '',
    tests: ['test/platform/own-files.test.ts'],
  },
  {
    name: 'tool that loads all commands to tell its version',
    file: 'cmd/walnut/command-table.ts',
    text: '  if (name === undefined && args.length > 0 && args.every((argument) => VERSION.has(argument))) return [];',
    replacement: '',
    tests: ['test/cli/program.test.ts'],
  },
  {
    name: 'help with an example that the tool refuses',
    file: 'cmd/walnut/figures/hotkeys-command.ts',
    text: '  walnut hotkeys --for 30s --top 5',
    replacement: '  walnut hotkeys --during 30s --top 5',
    tests: ['test/cli/examples.test.ts'],
  },
];
