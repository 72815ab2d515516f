/** `walnut backup`: create, verify, list and restore. The work is done by `internal/backup/`. */
import type { Command } from 'commander';
import { imageOfBackup } from '#backup/backup-manifest.ts';
import { BackupRepository, type ListedBackup } from '#backup/backup-repository.ts';
import { createBackup } from '#backup/create-backup.ts';
import { ImageDamageError } from '#backup/log-image.ts';
import { restoreImage } from '#backup/restore-backup.ts';
import type { ShadowParts } from '#backup/shadow.ts';
import { type VerifiedBackup, verifyBackup } from '#backup/verify-backup.ts';
import { formatPosition } from '#model/position.ts';
import { parsePath } from '../arguments.ts';
import { EXIT, type ExitCode } from '../cli-error.ts';
import { type CommandHost, type Invocation, show } from '../command-host.ts';
import {
  chooseTarget,
  cleanPath,
  createFileParts,
  findBackup,
  onFiles,
  parseLsn,
  parseTimeMs,
} from '../log/log-files.ts';
import { countOf, showBytes, showCount, showDeadline, showDuration } from '../output/output.ts';
import { renderFacts, renderTable } from '../output/table.ts';
import { checkRestorePlace } from './restore-place.ts';

interface CreateOptions {
  readonly from: string;
  readonly to: string;
  readonly verify?: boolean;
}

interface RestoreOptions {
  readonly to: string;
  readonly toLsn?: number;
  readonly toTime?: number;
}

export function addBackupCommand(program: Command, host: CommandHost): void {
  const backup = program
    .command('backup')
    .summary('back up a running node; list, verify, restore')
    .description(
      'Makes backups of a node’s wal.directory, whether the node runs or is stopped. A repository is a ' +
        'directory of backups, which share equal files.',
    )
    .addHelpText(
      'after',
      '\nExamples:\n  walnut backup create --from data/master --to /backup/walnut\n' +
        '  walnut backup verify /backup/walnut\n  walnut backup list /backup/walnut\n' +
        '  walnut backup restore /backup/walnut --to data/restored --to-time 2027-01-31T12:00:00Z',
    );
  addCreate(backup, host);
  addVerify(backup, host);
  addList(backup, host);
  addRestore(backup, host);
}

function addCreate(backup: Command, host: CommandHost): void {
  backup
    .command('create')
    .summary('copy a data directory into a repository')
    .description(
      'Copies the snapshot and the log of a node, running or stopped, up to its last record. The node ' +
        'is neither called nor disturbed. Files that an earlier backup has are not copied again.',
    )
    .requiredOption('--from <dir>', 'wal.directory of the node', parsePath)
    .requiredOption('--to <repository>', 'directory of backups; created if it is missing', parsePath)
    .option('--verify', 'replay the copy and store its digest; takes as much memory as the node’s data')
    .addHelpText(
      'after',
      '\nExamples:\n  walnut backup create --from data/master --to /backup/walnut\n' +
        '  walnut backup create --from data/slave-1 --to /backup/walnut --verify --json',
    )
    .action(host.offline<CreateOptions>(runCreate));
}

function addVerify(backup: Command, host: CommandHost): void {
  backup
    .command('verify')
    .summary('hash and replay a whole backup; exits 1 on damage')
    .description(
      'Reads every file of a backup, compares its SHA-256, replays every record and checks the digest. ' +
        'Takes as much memory as the data. Exits 1 on damage.',
    )
    .argument('<backup>', 'REPOSITORY/ID, or REPOSITORY for the newest', parsePath)
    .option('--all', 'every backup of the repository')
    .addHelpText(
      'after',
      '\nExamples:\n  walnut backup verify /backup/walnut\n  walnut backup verify /backup/walnut --all\n' +
        '  walnut backup verify /backup/walnut/20270131T120000.000Z-9f86d081',
    )
    .action(host.offline<{ all?: boolean }>(runVerify));
}

function addList(backup: Command, host: CommandHost): void {
  backup
    .command('list')
    .summary('list backups and the positions that each can restore')
    .description('Lists the backups of a repository, oldest first. Exits 1 if a manifest is damaged.')
    .argument('<repository>', 'directory of backups', parsePath)
    .addHelpText(
      'after',
      '\nExamples:\n  walnut backup list /backup/walnut\n  walnut backup list /backup/walnut --json',
    )
    .action(host.offline(runList));
}

function addRestore(backup: Command, host: CommandHost): void {
  backup
    .command('restore')
    .summary('make a data directory from a backup')
    .description(
      'Makes a data directory from a backup, up to its end or to a record or time. The directory must ' +
        'be new or without data of a node. It is recovered, and its state is compared with the backup, ' +
        'before it becomes valid. It belongs to a new node: it has a new node id, no replicas, and a new ' +
        'epoch at its first start as a master.',
    )
    .argument('<backup>', 'REPOSITORY/ID, or REPOSITORY for the newest that reaches the position', parsePath)
    .requiredOption('--to <dir>', 'the new data directory', parsePath)
    .option('--to-lsn <lsn>', 'the last record to restore', parseLsn)
    .option('--to-time <time>', 'restore up to this time of the log clock', parseTimeMs)
    .addHelpText(
      'after',
      '\nExamples:\n  walnut backup restore /backup/walnut --to data/restored\n' +
        '  walnut backup restore /backup/walnut --to data/restored --to-lsn 48213\n' +
        '  walnut backup restore /backup/walnut --to data/restored --to-time 2027-01-31T12:00:00Z',
    )
    .action(host.offline<RestoreOptions>(runRestore));
}

async function runCreate(invocation: Invocation, options: CreateOptions): Promise<ExitCode> {
  const parts = createFileParts();
  const startedMs = parts.clock.monotonicMs();
  const [from, to] = [cleanPath(options.from), cleanPath(options.to)];
  const created = await onFiles(() =>
    createBackup(parts, from, new BackupRepository(parts, to), { isReplayed: options.verify === true }),
  );
  const { manifest, copiedBytes, reusedBytes, copiedFiles, reusedFiles } = created;
  const elapsedMs = Math.round(parts.clock.monotonicMs() - startedMs);
  await show(
    invocation,
    () => ({ ...summaryOf(manifest), copiedFiles, copiedBytes, reusedFiles, reusedBytes, elapsedMs }),
    () =>
      renderFacts(invocation.colors, [
        ['backup', `${to}/${manifest.id}`],
        [
          'records',
          `LSN ${manifest.from.lsn} to ${manifest.to.lsn}, last of ${showDeadline(manifest.toTimestampMs)}`,
        ],
        ['copied', `${showBytes(copiedBytes)} in ${countOf(copiedFiles, 'file')}`],
        ['there already', `${showBytes(reusedBytes)} in ${countOf(reusedFiles, 'file')}`],
        ['took', showDuration(elapsedMs)],
      ]),
  );
  return EXIT.ok;
}

function summaryOf(manifest: NonNullable<ListedBackup['manifest']>) {
  const { id, createdMs, logId, nodeId, role, place, from, to, toTimestampMs, state, files } = manifest;
  return {
    ...{ id, createdMs, logId, nodeId, role },
    ...(place === undefined ? {} : { place }),
    from: formatPosition(from),
    to: formatPosition(to),
    toTimestampMs,
    entries: state?.entries ?? null,
    digest: state?.digest ?? null,
    files: files.length,
    bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}

type Verdict = { readonly id: string } & (VerifiedBackup | { readonly damage: string });

async function runVerify(invocation: Invocation, options: { all?: boolean }): Promise<ExitCode> {
  const parts = createFileParts();
  const path = cleanPath(invocation.args[0] ?? '');
  const verdicts = await onFiles(async () => {
    if (options.all === true) return verifyAll(parts, new BackupRepository(parts, path));
    const { repository, backup } = await findBackup(parts, path);
    return [{ id: backup.id, ...(await verifyBackup(parts, repository, backup)) }];
  });
  await show(
    invocation,
    () => verdicts,
    () => renderVerdicts(invocation, verdicts),
  );
  return verdicts.some((verdict) => 'damage' in verdict) ? EXIT.negative : EXIT.ok;
}

/** Verifies each backup, because one that is damaged says nothing about the others. */
async function verifyAll(parts: ShadowParts, repository: BackupRepository): Promise<Verdict[]> {
  const verdicts: Verdict[] = [];
  for (const { id } of await repository.list()) {
    try {
      verdicts.push({ id, ...(await verifyBackup(parts, repository, await repository.find(id))) });
    } catch (error) {
      if (!(error instanceof ImageDamageError)) throw error;
      verdicts.push({ id, damage: error.message });
    }
  }
  return verdicts;
}

function renderVerdicts({ colors }: Invocation, verdicts: readonly Verdict[]): string {
  const rows = verdicts.map((verdict) =>
    'damage' in verdict
      ? [verdict.id, colors.red(`damaged: ${verdict.damage}`)]
      : [
          verdict.id,
          'whole',
          showBytes(verdict.bytes),
          showCount(verdict.records),
          showCount(verdict.entries),
          verdict.digest,
        ],
  );
  return renderTable(colors, ['BACKUP', 'VERDICT', 'SIZE', 'REPLAYED', 'ENTRIES', 'DIGEST'], rows);
}

async function runList(invocation: Invocation): Promise<ExitCode> {
  const parts = createFileParts();
  const path = cleanPath(invocation.args[0] ?? '');
  const listed = await onFiles(() => new BackupRepository(parts, path).list());
  await show(
    invocation,
    () =>
      listed.map((one) =>
        one.manifest === undefined ? { id: one.id, damage: one.why } : summaryOf(one.manifest),
      ),
    () => (listed.length === 0 ? 'no backups\n' : renderList(invocation, listed)),
  );
  return listed.every(({ manifest }) => manifest !== undefined) ? EXIT.ok : EXIT.negative;
}

function renderList({ colors }: Invocation, listed: readonly ListedBackup[]): string {
  const rows = listed.map((one) => {
    if (one.manifest === undefined) return [one.id, colors.red(`damaged: ${one.why}`)];
    const { from, to, toTimestampMs, nodeId, place, files } = one.manifest;
    const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
    const range = `${from.lsn} to ${to.lsn}`;
    const group = place === undefined ? '' : ` of ${place.group} in ${place.cluster}`;
    return [one.id, range, showDeadline(toTimestampMs), showBytes(bytes), `${nodeId.slice(0, 8)}${group}`];
  });
  return renderTable(colors, ['BACKUP', 'LSN', 'LAST RECORD', 'SIZE', 'NODE'], rows);
}

async function runRestore(invocation: Invocation, options: RestoreOptions): Promise<ExitCode> {
  const parts = createFileParts();
  const target = chooseTarget(options.toLsn, options.toTime, '--to-lsn and --to-time');
  const to = cleanPath(options.to);
  const { backup, restored } = await onFiles(async () => {
    const { repository, backup } = await findBackup(parts, cleanPath(invocation.args[0] ?? ''), target);
    await checkRestorePlace(parts.fileSystem, to, repository.path);
    for (const file of backup.files) await repository.verifyObject(file.sha256, file.bytes);
    const image = imageOfBackup(backup, (sha256) => repository.objectPath(sha256));
    return { backup, restored: await restoreImage(parts, image, target, to) };
  });
  const { position, timestampMs, entries, digest, nodeId, role, leftOut, recoveryMs } = restored;
  const at = formatPosition(position);
  await show(
    invocation,
    () => ({
      backup: backup.id,
      directory: to,
      ...restored,
      position: at,
      recoveryMs: Math.round(recoveryMs),
    }),
    () =>
      renderFacts(invocation.colors, [
        ['directory', to],
        ['backup', backup.id],
        ['position', `${at}, of ${showDeadline(timestampMs)}; ${showCount(leftOut)} later records left out`],
        ['state', `${countOf(entries, 'entry', 'entries')}, digest ${digest}`],
        ['node', `${nodeId}, ${role}`],
        ['recovered in', showDuration(recoveryMs)],
      ]),
  );
  return EXIT.ok;
}
