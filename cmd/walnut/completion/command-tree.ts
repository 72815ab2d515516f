/** The commands of the tool with what may follow each: for scripts that complete them. Pure. */
import type { Command } from 'commander';

export interface Word {
  readonly text: string;
  /** One line. */
  readonly about: string;
}

export interface CommandWords {
  /** The words that lead to the command: `walnut cluster init`. */
  readonly path: string;
  /** Its subcommands and options, and the options of every command. */
  readonly words: readonly Word[];
}

const HELP: Word = { text: '--help', about: 'show help' };

/** `program`: with all its commands. */
export function commandTree(program: Command): readonly CommandWords[] {
  return below(program, program.name(), [...optionsOf(program), HELP]);
}

function below(command: Command, path: string, everywhere: readonly Word[]): CommandWords[] {
  const own = command.parent === null ? [] : optionsOf(command);
  const words = [
    ...command.commands.map((one) => ({
      text: one.name(),
      about: firstLine(one.summary() || one.description()),
    })),
    ...own,
    ...everywhere,
  ];
  return [
    { path, words },
    ...command.commands.flatMap((one) => below(one, `${path} ${one.name()}`, everywhere)),
  ];
}

function optionsOf(command: Command): Word[] {
  return command.options.map(({ long, short, description }) => ({
    text: long ?? short ?? '',
    about: firstLine(description),
  }));
}

function firstLine(text: string): string {
  return text.split('\n')[0] ?? '';
}
