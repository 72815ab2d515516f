/** `walnut man`: the manual page. */
import type { Command } from 'commander';
import { packageVersion } from '../../run/package-version.ts';
import { EXIT } from '../cli-error.ts';
import { CommandHost } from '../command-host.ts';
import { type AddCommands, wholeProgram } from '../completion/completion-command.ts';
import { manPage } from './man-page.ts';

/** `loadAll`: every command of the tool. */
export function createManCommand(loadAll: () => Promise<readonly AddCommands[]>): AddCommands {
  return (program: Command, host: CommandHost) => {
    program
      .command('man')
      .summary('print the manual page')
      .description(
        'Prints the manual page of this version, made of the texts of --help, for the program man. The npm ' +
          'package brings it along: there man walnut shows it.',
      )
      .addHelpText(
        'after',
        `
Examples:
  walnut man | man -l -
  walnut man > ~/.local/share/man/man1/walnut.1`,
      )
      .action(
        host.offline(async ({ io }) => {
          const whole = await wholeProgram(program, loadAll, new CommandHost(io));
          await io.write(manPage(program, whole.commands, packageVersion()));
          return EXIT.ok;
        }),
      );
  };
}
