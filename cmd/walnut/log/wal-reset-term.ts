/** `walnut wal reset-term`: lowers a persisted term to that of the last record of the log. */
import type { Command } from 'commander';
import { applyTermReset, planTermReset, type TermReset } from '#backup/repair/reset-term.ts';
import { silentLogger } from '#platform/logger.ts';
import { MANIFEST_NAME } from '#wal/file-names.ts';
import { openDirectory } from '#wal/wal-directory.ts';
import { WalOpenError } from '#wal/wal-errors.ts';
import { parsePath } from '../arguments.ts';
import { CliError, EXIT, type ExitCode } from '../cli-error.ts';
import { type CommandHost, type Invocation, show } from '../command-host.ts';
import { cleanPath, createFileParts, onLogDirectory } from './log-files.ts';

interface ResetOptions {
  readonly apply?: boolean;
}

export function addResetTermCommand(wal: Command, host: CommandHost): void {
  wal
    .command('reset-term')
    .summary('lower a persisted term that no node can lead')
    .description(
      'For a group in which a node reports that a term is not believed, or that no term is left. ' +
        "Lowers the term in MANIFEST to that of the log's last record. Without --apply nothing is " +
        'changed. Before --apply, stop every node of the group; then reset each node that has such a ' +
        'term.',
    )
    .argument('<dir>', 'wal.directory', parsePath)
    .option('--apply', 'lower the term')
    .addHelpText(
      'after',
      `
Exits 0 where nothing has to be reset or the reset is done; 1 where there is something to reset
(without --apply), or it cannot be reset.

Examples:
  walnut wal reset-term data/master
  walnut wal reset-term data/master --apply`,
    )
    .action(host.offline<ResetOptions>(runResetTerm));
}

async function runResetTerm(invocation: Invocation, options: ResetOptions): Promise<ExitCode> {
  const directory = cleanPath(invocation.args[0] ?? '');
  const parts = createFileParts();
  const { fileSystem } = parts;
  try {
    return await onLogDirectory(fileSystem, directory, async () => {
      if ((await fileSystem.stat(`${directory}/${MANIFEST_NAME}`)) === undefined)
        throw new CliError(EXIT.negative, `${directory} has no MANIFEST: bring it back first`);
      if (options.apply !== true) return report(invocation, await planTermReset(parts, directory), false);
      const owned = await openDirectory({ fileSystem, path: directory, logger: silentLogger });
      try {
        const plan = await planTermReset(parts, directory);
        if (plan.kind === 'reset') await applyTermReset(owned, plan);
        return await report(invocation, plan, true);
      } finally {
        await owned.close();
      }
    });
  } catch (error) {
    if (error instanceof WalOpenError) throw new CliError(EXIT.negative, error.message, undefined, error);
    throw error;
  }
}

async function report(invocation: Invocation, plan: TermReset, isDone: boolean): Promise<ExitCode> {
  const { was, term, kind } = plan;
  const isReset = kind === 'reset' && isDone;
  const directory = cleanPath(invocation.args[0] ?? '');
  await show(
    invocation,
    () => ({ was, term, plan: kind, done: isReset }),
    () => `${describe(plan, isDone, directory)}\n`,
  );
  return kind === 'needless' || isReset ? EXIT.ok : EXIT.negative;
}

function describe({ was, term, kind }: TermReset, isDone: boolean, directory: string): string {
  if (kind === 'needless')
    return `nothing to reset: term ${was} is in MANIFEST, ${term} in the log's last record`;
  if (kind === 'in_log') {
    return (
      `the log's last record is of term ${term} itself, so this log has no terms left: start a master on an ` +
      `empty directory and run there: walnut restore-to --source ${directory} --lsn N --other-log --apply`
    );
  }
  if (isDone) return `the term is ${term} now, as in the log's last record; it was ${was}`;
  return (
    `MANIFEST has term ${was}, the log's last record ${term}. With every node of the group stopped: ` +
    `walnut wal reset-term ${directory} --apply`
  );
}
