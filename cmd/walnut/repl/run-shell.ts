/**
 * `walnut` without a command: a shell for the same commands, with one connection to each
 * node. On a terminal lines are edited (`run-terminal.ts`), elsewhere they come on stdin
 * (`run-lines.ts`).
 */
import { Session } from '../call/session.ts';
import type { ExitCode } from '../cli-error.ts';
import { runLines } from './run-lines.ts';
import type { Shell } from './shell.ts';

export async function runShell(given: Omit<Shell, 'session'>): Promise<ExitCode> {
  const { io } = given.invocation;
  const shell: Shell = { ...given, session: new Session(io.env) };
  const terminal = io.openTerminal();
  if (terminal === undefined) return runLines(shell);
  const { runTerminal } = await import('./run-terminal.ts');
  return runTerminal(shell, terminal);
}
