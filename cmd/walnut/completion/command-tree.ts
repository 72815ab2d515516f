/** The commands of the tool with what may follow each: for scripts that complete them. Pure. */
import type { Argument, Command } from 'commander';

export interface Word {
  readonly text: string;
  /** One line. */
  readonly about: string;
  /** An option that is followed by a value. */
  readonly hasValue: boolean;
  /** The values that it may have; empty: anything. */
  readonly choices: readonly string[];
}

export interface CommandWords {
  /** The words that lead to the command: `walnut cluster init`. */
  readonly path: string;
  /** Its subcommands and options, and the options of every command. */
  readonly words: readonly Word[];
  /** Its arguments as help shows them: `<key>`, `[value]`, `<keys...>`. */
  readonly arguments: readonly string[];
  /** The values that its first argument may have; empty: anything. */
  readonly choices: readonly string[];
}

const HELP: Word = { text: '--help', about: 'show help', hasValue: false, choices: [] };

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
      hasValue: false,
      choices: [],
    })),
    ...own,
    ...everywhere,
  ];
  return [
    {
      path,
      words,
      arguments: command.registeredArguments.map(argumentText),
      choices: command.registeredArguments[0]?.argChoices ?? [],
    },
    ...command.commands.flatMap((one) => below(one, `${path} ${one.name()}`, everywhere)),
  ];
}

function optionsOf(command: Command): Word[] {
  return command.options.map((option) => ({
    text: option.long ?? option.short ?? '',
    about: firstLine(option.description),
    hasValue: option.required || option.optional,
    choices: option.argChoices ?? [],
  }));
}

function argumentText(argument: Argument): string {
  const name = `${argument.name()}${argument.variadic ? '...' : ''}`;
  return argument.required ? `<${name}>` : `[${name}]`;
}

function firstLine(text: string): string {
  return text.split('\n')[0] ?? '';
}
