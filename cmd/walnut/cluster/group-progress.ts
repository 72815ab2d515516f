/** What is said of work on one group after the other while it goes on, and where Ctrl-C ends it. */
import { CliError, EXIT } from '../cli-error.ts';
import type { Invocation } from '../command-host.ts';
import { onFiles } from '../log/log-files.ts';

/** Progress, for people: groups take minutes. */
export function note({ io, isJson }: Invocation, text: string): void {
  if (!isJson) io.note(`${text}\n`);
}

/** With no group left, the work is whole and the interruption came too late. */
export function throwIfInterrupted({ io }: Invocation, left: number, what: string, advice?: string): void {
  if (left > 0 && io.interrupted.aborted)
    throw new CliError(EXIT.interrupted, `interrupted: ${what}`, advice);
}

/** Says at once that Ctrl-C was heard: a group takes minutes, and ends whole. */
export async function endingAfterGroup<T>(invocation: Invocation, work: () => Promise<T>): Promise<T> {
  const { interrupted } = invocation.io;
  const tell = (): void => note(invocation, 'interrupted: ending after this group');
  interrupted.addEventListener('abort', tell, { once: true });
  try {
    return await onFiles(work);
  } finally {
    interrupted.removeEventListener('abort', tell);
  }
}
