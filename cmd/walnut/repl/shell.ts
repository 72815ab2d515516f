/** What both forms of the shell share. */
import type { Command } from 'commander';
import type { Session } from '../call/session.ts';
import type { CliError, ExitCode } from '../cli-error.ts';
import type { CliIo } from '../cli-io.ts';
import { type Invocation, usageError } from '../command-host.ts';

export type RunTool = (args: readonly string[], io: CliIo, session: Session) => Promise<ExitCode>;

export interface Shell {
  /** Arguments of the shell, which are those of every command in it. */
  readonly base: readonly string[];
  /** Has the options of every command. */
  readonly program: Command;
  /** That of the shell itself. */
  readonly invocation: Invocation;
  /** For the commands in it, each of which guards the terminal itself. */
  readonly io: CliIo;
  readonly session: Session;
  readonly run: RunTool;
  report(error: CliError): ExitCode;
}

/** The `io` of a command in the shell, whose own lines stdin carries. */
export function withoutStdin(io: CliIo): CliIo {
  const refuse: AsyncIterable<Uint8Array> = {
    // biome-ignore lint/correctness/useYield: the first read fails
    async *[Symbol.asyncIterator]() {
      throw usageError(
        'stdin carries the commands, so a command cannot read it',
        'Name a file, as in: set KEY --file PATH; or run that command by itself.',
      );
    },
  };
  return { ...io, stdin: refuse, openTerminal: () => undefined };
}
