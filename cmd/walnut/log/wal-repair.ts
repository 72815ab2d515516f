/** `walnut wal repair`: cuts a damaged log back to its longest valid prefix, and reports what is lost. */
import type { Command } from 'commander';
import { type RehearsalParts, rehearseStart } from '#backup/repair/rehearse-start.ts';
import { applyRepair, type Cut, planRepair, type RepairPlan } from '#backup/repair/repair-directory.ts';
import { formatPosition } from '#model/position.ts';
import { silentLogger } from '#platform/logger.ts';
import { createNodeClock } from '#platform/node-clock.ts';
import { createNodeFileSystem } from '#platform/node-file-system.ts';
import { createNodeRandom } from '#platform/random.ts';
import { MANIFEST_NAME } from '#wal/file-names.ts';
import { openDirectory, type WalDirectory } from '#wal/wal-directory.ts';
import { WalOpenError } from '#wal/wal-errors.ts';
import { parseCount, parsePath } from '../arguments.ts';
import { CliError, EXIT, type ExitCode, inputFailure } from '../cli-error.ts';
import { type CommandHost, type Invocation, show } from '../command-host.ts';
import { cutToJson, renderCut } from './wal-repair-output.ts';

interface RepairOptions {
  readonly apply?: boolean;
  readonly allowEmpty?: boolean;
  readonly keys: number;
}

const KEYS_DEFAULT = 20;

export function addRepairCommand(wal: Command, host: CommandHost): void {
  wal
    .command('repair')
    .summary('cut a damaged log back to its longest valid prefix')
    .description(
      'For a directory that a start refuses with exit code 3. Finds the longest valid prefix of its ' +
        'history, and shows what would be cut off and which keys lose writes. Without --apply nothing is ' +
        'changed. With --apply the node must be stopped, and what is cut off is kept in DIR/aside.',
    )
    .argument('<dir>', 'wal.directory', parsePath)
    .option('--apply', 'cut the log')
    .option('--allow-empty', 'with --apply: cut even if nothing of the state can be kept')
    .option('--keys <n>', 'how many lost keys to show; --json shows all', parseCount(0), KEYS_DEFAULT)
    .addHelpText(
      'after',
      `
Another node with the same log may have what is damaged here. On a replica, move DIR away instead and
start again, which fetches everything; on a master with a replica, promote that one instead.

Exits 0 where nothing has to be repaired or the repair is done; 1 where there is something to
repair (without --apply), or it cannot be repaired.

Examples:
  walnut wal repair data/master
  walnut wal repair data/master --json > loss.json
  walnut wal repair data/master --apply`,
    )
    .action(host.offline<RepairOptions>(runRepair));
}

async function runRepair(invocation: Invocation, options: RepairOptions): Promise<ExitCode> {
  const directory = (invocation.args[0] ?? '').replace(/(?<=.)\/+$/, '');
  const parts = { fileSystem: createNodeFileSystem(), clock: createNodeClock(), random: createNodeRandom() };
  try {
    // Taking the lock would create the directory if it is missing.
    if ((await parts.fileSystem.stat(`${directory}/${MANIFEST_NAME}`)) === undefined) {
      await parts.fileSystem.readDirectory(directory);
      throw new CliError(EXIT.negative, `${directory} has no MANIFEST: it cannot be repaired`, NO_MANIFEST);
    }
    if (options.apply === true) return await repair(invocation, options, parts, directory);
    const plan = await planRepair(parts, directory, false);
    if (plan.kind !== 'cut') return await showOther(invocation, plan);
    await showCut(invocation, options, plan, undefined);
    return EXIT.negative;
  } catch (error) {
    throw wordFailure(error, directory);
  }
}

const NO_MANIFEST = 'Bring MANIFEST back from where the files came from.';

function wordFailure(error: unknown, directory: string): unknown {
  if (error instanceof WalOpenError) {
    return new CliError(EXIT.negative, error.message, undefined, error);
  }
  const { code, message } = error as NodeJS.ErrnoException;
  if (error instanceof CliError || code === undefined) return error;
  return inputFailure(
    `cannot use ${directory}: ${message}`,
    error,
    'Give the wal.directory of a stopped node.',
  );
}

async function repair(
  invocation: Invocation,
  options: RepairOptions,
  parts: RehearsalParts,
  path: string,
): Promise<ExitCode> {
  const owned = await openDirectory({ fileSystem: parts.fileSystem, path, logger: silentLogger });
  try {
    const plan = await planRepair(parts, path, true);
    if (plan.kind !== 'cut') return await showOther(invocation, plan);
    if (plan.keep.lsn === 0 && options.allowEmpty !== true) {
      await showCut(invocation, options, plan, undefined);
      const advice = 'Restore a backup, or empty the log with: --apply --allow-empty';
      throw new CliError(EXIT.negative, 'nothing of the state would be left; nothing was changed', advice);
    }
    const aside = await applyRepair(owned, plan, parts);
    await checkRepaired(parts, owned, plan);
    await showCut(invocation, options, plan, aside);
    return EXIT.ok;
  } finally {
    await owned.close();
  }
}

/**
 * Checks the result: a start accepts the directory, with the record that was to be kept as
 * its last one, and with its state.
 */
async function checkRepaired(parts: RehearsalParts, owned: WalDirectory, plan: Cut): Promise<void> {
  if (owned.manifest === undefined) throw new Error('a repaired directory has a MANIFEST');
  const { outcome, end, store } = await rehearseStart(parts, owned.path, owned.manifest);
  const isAsPlanned =
    outcome.kind === 'starts' &&
    end.lsn === plan.keep.lsn &&
    end.crc === plan.keep.crc &&
    store.stateDigest() === plan.rehearsal.store.stateDigest();
  if (isAsPlanned) return;
  const where = outcome.kind === 'refused' ? `: ${outcome.place.file}: ${outcome.place.why}` : '';
  const why = `repaired, but the result is not what was planned (ends at ${formatPosition(end)}${where})`;
  throw new CliError(EXIT.negative, why, 'All that was there is in aside/; please report this.');
}

async function showOther(
  invocation: Invocation,
  plan: Exclude<RepairPlan, { kind: 'cut' }>,
): Promise<ExitCode> {
  if (plan.kind === 'refused') throw new CliError(EXIT.negative, `cannot be repaired: ${plan.why}`);
  const outcome = plan.rehearsal?.outcome;
  const torn = outcome?.kind === 'starts' ? outcome.torn : undefined;
  const text =
    torn === undefined
      ? 'nothing to repair: a start accepts this directory\n'
      : `nothing to repair: the next start cuts the torn end off by itself (${torn.file}: byte ${torn.byte})\n`;
  await show(
    invocation,
    () => ({ plan: 'nothing', torn: torn ?? null }),
    () => text,
  );
  return EXIT.ok;
}

function showCut(
  invocation: Invocation,
  { keys }: RepairOptions,
  plan: Cut,
  aside: readonly string[] | undefined,
): Promise<void> {
  return show(
    invocation,
    () => cutToJson(plan, aside),
    () => renderCut(invocation.colors, plan, aside, keys),
  );
}
