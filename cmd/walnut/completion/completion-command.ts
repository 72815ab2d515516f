/** `walnut completion`: prints a script that completes the tool's commands in a shell. */
import { Argument, Command } from 'commander';
import { EXIT } from '../cli-error.ts';
import { CommandHost } from '../command-host.ts';
import { commandTree } from './command-tree.ts';
import { completionScript, SHELLS, type Shell } from './scripts.ts';

/** Adds the commands of a file to a program. */
export type AddCommands = (program: Command, host: CommandHost) => void;

/** The program with every command, though only one was loaded. */
export async function wholeProgram(
  program: Command,
  loadAll: () => Promise<readonly AddCommands[]>,
  host: CommandHost,
): Promise<Command> {
  const whole = new Command(program.name());
  for (const option of program.options) whole.addOption(option);
  for (const add of await loadAll()) add(whole, host);
  return whole;
}

/** `loadAll`: every command of the tool. */
export function createCompletionCommand(loadAll: () => Promise<readonly AddCommands[]>): AddCommands {
  return (program, host) => {
    program
      .command('completion')
      .summary('print a script that completes commands in a shell')
      .description(
        'Prints a script for the shell that completes the commands and options of the tool. It has the list ' +
          'of this version: make it again after an upgrade.',
      )
      .addArgument(new Argument('<shell>', 'the shell').choices(SHELLS))
      .addHelpText(
        'after',
        `
Examples:
  source <(walnut completion bash)
  walnut completion bash > ~/.local/share/bash-completion/completions/walnut
  source <(walnut completion zsh)
  walnut completion fish > ~/.config/fish/completions/walnut.fish`,
      )
      .action(
        host.offline(async ({ io, args }) => {
          const whole = await wholeProgram(program, loadAll, new CommandHost(io));
          await io.write(completionScript(args[0] as Shell, commandTree(whole)));
          return EXIT.ok;
        }),
      );
  };
}
