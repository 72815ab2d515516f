/**
 * `walnut restore-to`: brings a prefix, or everything, of a running master back to an
 * earlier state, as new entries of its log. A dry run unless --apply is given.
 */
import type { Command } from 'commander';
import { imageOfBackup } from '#backup/backup-manifest.ts';
import { type Folded, type FoldTarget, foldLog } from '#backup/fold-log.ts';
import type { ShadowParts } from '#backup/shadow.ts';
import { withLogImage } from '#backup/survey-log.ts';
import type { RestoreResult } from '#gen/walnut/v1/admin_pb.ts';
import { Durability, Role } from '#gen/walnut/v1/types_pb.ts';
import { formatPosition } from '#model/position.ts';
import { MANIFEST_NAME } from '#wal/file-names.ts';
import { parsePath } from '../arguments.ts';
import { createNodeClients, longCall, type NodeClients } from '../call/connection.ts';
import { CliError, describeFailure, EXIT, type ExitCode } from '../cli-error.ts';
import { type CommandHost, type Invocation, show, toArgument, usageError } from '../command-host.ts';
import { refuseGateway } from '../group/group-status.ts';
import {
  chooseTarget,
  cleanPath,
  createFileParts,
  findBackup,
  onFiles,
  parseLsn,
  parseTimeMs,
} from '../log/log-files.ts';
import { countOf, showCount, showDeadline, showPosition, showText, showValue } from '../output/output.ts';
import { renderFacts, renderTable } from '../output/table.ts';
import {
  type Change,
  chunkChanges,
  type Diff,
  diffWithLive,
  type LiveClock,
  type Outcome,
} from './restore-diff.ts';

/** The number of changes that text output lists. */
const SHOWN_MAX = 100;

interface RestoreToOptions {
  readonly source: string;
  readonly lsn?: number;
  readonly time?: number;
  readonly prefix?: string;
  readonly apply?: boolean;
  readonly otherLog?: boolean;
}

export function addRestoreToCommand(program: Command, host: CommandHost): void {
  program
    .command('restore-to')
    .summary('bring keys of a running master back to an earlier state')
    .description(
      'Compares the state of a prefix, or of everything, at a record or time with the current state of ' +
        'the master at --address, and shows what would change. With --apply the changes are written as ' +
        'new entries, so that replicas, positions and clients are not disturbed. A change is made only ' +
        'if the key still has the version that was compared. Exits 1 if a key has not.',
    )
    .requiredOption(
      '--source <path>',
      'a backup (REPOSITORY or REPOSITORY/ID), or the wal.directory of a node',
      parsePath,
    )
    .option('--lsn <lsn>', 'the last record of the earlier state', parseLsn)
    .option('--time <time>', 'the time of the earlier state, by the log clock', parseTimeMs)
    .option('--prefix <prefix>', 'only keys that begin with this (default: every key)')
    .option('--apply', 'make the changes')
    .option('--other-log', 'allow a source of another log than the master’s')
    .addHelpText(
      'after',
      `
Without --lsn and --time the source's end is meant. What has expired since cannot be brought back
and counts as missing. The process takes as much memory as the state of then.

Examples:
  walnut restore-to --source /backup/walnut --time 2027-01-31T12:00:00Z --prefix user:
  walnut restore-to --source data/master --lsn 48213 --json
  walnut restore-to --source data/master --lsn 48213 --prefix user: --apply`,
    )
    .action(host.action<RestoreToOptions>(runRestoreTo));
}

async function runRestoreTo(invocation: Invocation, options: RestoreToOptions): Promise<ExitCode> {
  const parts = createFileParts();
  const target = chooseTarget(options.lsn, options.time, '--lsn and --time');
  const clients = createNodeClients(invocation.address);
  const { logId, clock } = await askMaster(invocation, clients);
  const source = await onFiles(() => openSource(parts, cleanPath(options.source), target));
  if (source.logId !== logId && options.otherLog !== true) {
    throw usageError(
      `${options.source} is of log ${source.logId}, the master at ${invocation.address.text} has log ${logId}`,
      'To bring keys over from another log all the same: --other-log',
    );
  }
  const { position, timestampMs, store } = source.folded;
  const diff = await diffWithLive(
    store,
    clients.kv,
    options.prefix ?? '',
    clock ?? wallClock(parts),
    invocation.io,
  );
  const facts = { source: source.name, position: formatPosition(position), timestampMs };
  if (options.apply !== true) {
    await show(
      invocation,
      () => ({ isApplied: false, ...facts, ...diffToJson(diff) }),
      () =>
        `${renderDiff(invocation, diff, facts)}\nnothing was written: a dry run; to make the changes add --apply\n`,
    );
    return EXIT.ok;
  }
  // Nothing is shown before: where nobody reads it, the process ends there.
  const outcome = await applyAll(invocation, clients, diff.changes);
  await show(
    invocation,
    () => ({ isApplied: true, ...facts, ...diffToJson(diff), ...outcomeToJson(outcome) }),
    () => `${renderDiff(invocation, diff, facts)}\n${renderOutcome(invocation, outcome)}`,
  );
  if (invocation.io.interrupted.aborted) return EXIT.interrupted;
  return outcome.unmade.length === 0 ? EXIT.ok : EXIT.negative;
}

/** Used for a master that does not state its log clock: its deadlines are in wall time. */
function wallClock({ clock }: ShadowParts): LiveClock {
  return { nowMs: clock.wallMs(), shiftMs: 0 };
}

async function askMaster({ address, io }: Invocation, { admin }: NodeClients): Promise<MasterFacts> {
  const status = await admin.status({}, longCall(io));
  refuseGateway(address, status);
  const { role, logId, master, clock } = status;
  if (role === Role.MASTER) {
    return { logId, clock: clock && { nowMs: Number(clock.logMs), shiftMs: Number(clock.shiftMs) } };
  }
  const hint = master?.address ? `Ask the master instead: --address ${master.address}` : undefined;
  throw usageError(`${address.text} is a replica: only a master can bring keys back`, hint);
}

interface MasterFacts {
  readonly logId: string;
  readonly clock: LiveClock | undefined;
}

interface Source {
  readonly name: string;
  readonly logId: string;
  readonly folded: Folded;
}

async function openSource(parts: ShadowParts, path: string, target: FoldTarget): Promise<Source> {
  if ((await parts.fileSystem.stat(`${path}/${MANIFEST_NAME}`)) !== undefined) {
    return withLogImage(parts, path, async (image, held) => {
      const folded = await foldLog(held, image, { target });
      return { name: path, logId: image.manifest.logId, folded };
    });
  }
  const { repository, backup } = await findBackup(parts, path, target);
  for (const file of backup.files) await repository.verifyObject(file.sha256, file.bytes);
  const image = imageOfBackup(backup, (sha256) => repository.objectPath(sha256));
  const folded = await foldLog(parts, image, { target });
  return { name: `${repository.path}/${backup.id}`, logId: backup.logId, folded };
}

/**
 * Applies the changes in order, one bounded request at a time. A call that fails ends it,
 * and the error says how many changes were applied.
 */
async function applyAll(
  invocation: Invocation,
  { admin }: NodeClients,
  changes: readonly Change[],
): Promise<Outcome> {
  const outcome: Outcome = { applied: 0, unmade: [] };
  const last = changes.at(-1);
  for (const chunk of chunkChanges(changes)) {
    if (invocation.io.interrupted.aborted) break;
    // A later record makes earlier ones durable, so only the last call waits for the disk.
    const durability = chunk.at(-1) === last ? Durability.LOCAL : Durability.UNSPECIFIED;
    const request = { changes: chunk.map(toMessage), durability };
    const { results } = await admin.restore(request, longCall(invocation.io)).catch((error: unknown) => {
      const failure = describeFailure(error, toArgument(invocation.address));
      const done = `${outcome.applied} of ${changes.length} changes were made before; run it again for the rest`;
      throw new CliError(failure.exitCode, `${failure.message}; ${done}`, failure.advice, error);
    });
    chunk.forEach((change, index) => {
      note(outcome, change, results[index]);
    });
  }
  return outcome;
}

function toMessage(change: Change) {
  const base = { key: change.key, ...(change.seen === undefined ? {} : { ifVersion: change.seen }) };
  if (change.op === 'delete') return { ...base, change: { case: 'delete', value: true } as const };
  const { contentType, expireAtMs } = change;
  const value = { value: change.value, expireAtMs: BigInt(expireAtMs), contentType };
  return { ...base, change: { case: 'set', value } as const };
}

function note(outcome: Outcome, { key }: Change, answer: RestoreResult | undefined): void {
  const result = answer?.result;
  switch (result?.case) {
    case 'applied':
      outcome.applied++;
      return;
    case 'conflict': {
      const { currentVersion } = result.value;
      const why =
        currentVersion === undefined ? 'it is gone' : `it was written at ${showPosition(currentVersion)}`;
      outcome.unmade.push({ key, why, isConflict: true });
      return;
    }
    default:
      outcome.unmade.push({ key, why: result?.value?.message ?? 'no answer', isConflict: false });
  }
}

function countsOf({ changes, same }: Diff) {
  const sets = changes.filter(({ op }) => op === 'set').length;
  return { sets, deletes: changes.length - sets, same };
}

function diffToJson(diff: Diff): Record<string, unknown> {
  return {
    ...countsOf(diff),
    changes: diff.changes.map((change) => ({
      op: change.op,
      key: change.key,
      seen: change.seen === undefined ? null : showPosition(change.seen),
      ...(change.op === 'set' ? { bytes: change.value.length, expireAtMs: change.expireAtMs } : {}),
      ...(change.op === 'set' && change.contentType !== '' ? { contentType: change.contentType } : {}),
    })),
  };
}

function outcomeToJson({ applied, unmade }: Outcome): Record<string, unknown> {
  const pick = (isConflict: boolean) =>
    unmade.filter((one) => one.isConflict === isConflict).map(({ key, why }) => ({ key, why }));
  return { applied, conflicts: pick(true), failures: pick(false) };
}

interface Facts {
  readonly source: string;
  readonly position: string;
  readonly timestampMs: number;
}

function renderDiff({ colors }: Invocation, diff: Diff, facts: Facts): string {
  const { sets, deletes, same } = countsOf(diff);
  const head = renderFacts(colors, [
    ['source', facts.source],
    ['as it was at', `${facts.position}, of ${showDeadline(facts.timestampMs)}`],
    ['to set', showCount(sets)],
    ['to delete', showCount(deletes)],
    ['the same', showCount(same)],
  ]);
  if (diff.changes.length === 0) return head;
  const rows = diff.changes
    .slice(0, SHOWN_MAX)
    .map((change) => [
      change.op,
      showText(change.key),
      change.seen === undefined ? 'missing' : showPosition(change.seen),
      change.op === 'set' ? showValue(change.value) : '-',
    ]);
  const more = diff.changes.length - rows.length;
  const rest = more === 0 ? '' : `and ${showCount(more)} more: --json lists all\n`;
  return `${head}\n${renderTable(colors, ['CHANGE', 'KEY', 'VERSION NOW', 'VALUE THEN'], rows)}${rest}`;
}

function renderOutcome({ colors }: Invocation, { applied, unmade }: Outcome): string {
  const done = `${countOf(applied, 'change')} made`;
  if (unmade.length === 0) return `${colors.green(done)}\n`;
  const rows = unmade.slice(0, SHOWN_MAX).map(({ key, why }) => [showText(key), why]);
  const more = unmade.length - rows.length;
  const rest = more === 0 ? '' : `and ${showCount(more)} more: --json lists all\n`;
  const table = renderTable(colors, ['NOT CHANGED', 'BECAUSE'], rows);
  return `${done}, ${colors.red(`${showCount(unmade.length)} not`)}\n${table}${rest}`;
}
