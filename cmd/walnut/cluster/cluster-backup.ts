/** `walnut cluster backup`, `backups`, `restore` and `drill`. The work is done by `internal/backup/`. */
import { tmpdir } from 'node:os';
import type { Command } from 'commander';
import { BackupRepository } from '#backup/backup-repository.ts';
import { ClusterBackups, type ListedClusterBackup } from '#backup/cluster-backups.ts';
import type { ClusterManifest } from '#backup/cluster-manifest.ts';
import { createClusterBackup } from '#backup/create-cluster-backup.ts';
import { drillCluster, restoreCluster } from '#backup/restore-cluster.ts';
import { collectPaths, parsePath } from '../arguments.ts';
import {
  CLUSTER_LABEL,
  type DrillOutcome,
  leaveDrillMetrics,
  recoveryGauge,
} from '../backup/drill-metrics.ts';
import { checkRestorePlace } from '../backup/restore-place.ts';
import { Scratch } from '../backup/scratch.ts';
import { EXIT, type ExitCode } from '../cli-error.ts';
import { type CommandHost, type Invocation, show, usageError } from '../command-host.ts';
import {
  chooseTarget,
  cleanPath,
  createFileParts,
  findClusterBackup,
  onFiles,
  parseTimeMs,
} from '../log/log-files.ts';
import { countOf, showBytes, showDuration } from '../output/output.ts';
import {
  backupsJson,
  backupsText,
  backupText,
  type DrillLine,
  drillJson,
  drillText,
  longestMs,
  manifestJson,
  restoredJson,
  restoredText,
} from './backup-views.ts';
import { endingAfterGroup, note, throwIfInterrupted } from './group-progress.ts';

interface BackupOptions {
  readonly to: string;
  readonly from?: readonly string[];
  readonly backup?: readonly string[];
}

interface RestoreOptions {
  readonly to: string;
  readonly toTime?: number;
  readonly group?: readonly string[];
}

interface DrillOptions {
  readonly scratch?: string;
  readonly keep?: boolean;
  readonly metricsFile?: string;
}

export function addBackups(cluster: Command, host: CommandHost): void {
  addBackup(cluster, host);
  cluster
    .command('backups')
    .summary('list the backups of clusters in a repository')
    .description(
      'Lists them, oldest first, with the position of each group. Exits 1 if a manifest is damaged.',
    )
    .argument('<repository>', 'directory of backups', parsePath)
    .addHelpText(
      'after',
      '\nExamples:\n  walnut cluster backups /backup/walnut\n  walnut cluster backups /backup/walnut --json',
    )
    .action(host.offline(runBackups));
  addRestore(cluster, host);
  addDrill(cluster, host);
}

function addBackup(cluster: Command, host: CommandHost): void {
  cluster
    .command('backup')
    .summary('back up every group, and tie the backups')
    .description(
      'Copies the log of one node of each group, running or stopped, each up to its last record, replays ' +
        'the copies, and writes a manifest that ties them. It takes as much memory as one group’s data. ' +
        'Refused where a group is missing: the logs say which slots each group owns.',
    )
    .requiredOption('--to <repository>', 'directory of backups; created if it is missing', parsePath)
    .option(
      '--from <dir>',
      'wal.directory of a node of a group, not of one that was replaced; repeatable, once for each group',
      collectPaths,
    )
    .option(
      '--backup <id>',
      'of a group whose files are elsewhere: what walnut backup create --verify made in this repository; repeatable',
      collect,
    )
    .addHelpText(
      'after',
      `
Examples:
  walnut cluster backup --to /backup/walnut --from data/cluster/node-1 --from data/cluster/node-3
  walnut cluster backup --to /backup/walnut --backup 20270131T1200 --backup 20270131T1205`,
    )
    .action(host.offline<BackupOptions>(runBackup));
}

function addRestore(cluster: Command, host: CommandHost): void {
  cluster
    .command('restore')
    .summary('make a data directory for each group from a backup')
    .description(
      'Makes a directory for each group within --to, named like the group, and says how a new cluster ' +
        'begins with them. Every file is checked before anything is made.',
    )
    .argument('<backup>', 'REPOSITORY/ID, or REPOSITORY for the newest that reaches the time', parsePath)
    .requiredOption('--to <dir>', 'where the directories are made', parsePath)
    .option('--to-time <time>', 'restore every group up to this time of its log clock', parseTimeMs)
    .option('--group <id>', 'only this group; repeatable', collect)
    .addHelpText(
      'after',
      `
Examples:
  walnut cluster restore /backup/walnut --to data/restored
  walnut cluster restore /backup/walnut --to data/restored --group g1
  walnut cluster restore /backup/walnut --to data/restored --to-time 2027-01-31T12:00:00Z`,
    )
    .action(host.offline<RestoreOptions>(runRestore));
}

function addDrill(cluster: Command, host: CommandHost): void {
  cluster
    .command('drill')
    .summary('restore a backup into a scratch directory to prove that it works')
    .description(
      'Restores every group into a scratch directory, one after the other, recovers it with the code of ' +
        'every start, and compares its digest with the one of the backup. Exits 1 if one cannot be restored.',
    )
    .argument('<backup>', 'REPOSITORY/ID, or REPOSITORY for the newest', parsePath)
    .option('--scratch <dir>', 'where to restore (default: the system’s temporary directory)', parsePath)
    .option('--keep', 'keep what was restored')
    .option('--metrics-file <file>', 'write the result for node_exporter’s textfile collector', parsePath)
    .addHelpText(
      'after',
      '\nExamples:\n  walnut cluster drill /backup/walnut\n' +
        '  walnut cluster drill /backup/walnut --scratch /var/tmp --json\n' +
        '  walnut cluster drill /backup/walnut --metrics-file /var/lib/node_exporter/walnut_cluster_drill.prom',
    )
    .action(host.offline<DrillOptions>(runDrill));
}

function collect(text: string, before: readonly string[] = []): string[] {
  return [...before, text];
}

async function runBackup(invocation: Invocation, options: BackupOptions): Promise<ExitCode> {
  const { from = [], backup = [] } = options;
  if (from.length + backup.length === 0)
    throw usageError(
      'expected --from DIR for each group: the wal.directory of any of its nodes',
      'See the nodes of each group with: walnut cluster map; where files are elsewhere: --backup ID',
    );
  const parts = createFileParts();
  const startedMs = parts.clock.monotonicMs();
  const to = cleanPath(options.to);
  const sources = { directories: from.map(cleanPath), backups: backup };
  let done = 0;
  const created = await endingAfterGroup(invocation, () =>
    createClusterBackup(parts, new BackupRepository(parts, to), sources, ({ manifest, copiedBytes }) => {
      const group = manifest.place?.group ?? '';
      note(
        invocation,
        `${group}: LSN ${manifest.to.lsn}, ${showBytes(copiedBytes)} copied (${++done} of ${from.length})`,
      );
      throwIfInterrupted(
        invocation,
        from.length - done,
        'nothing ties the groups yet; what was copied is found again by the next run',
      );
    }),
  );
  const { manifest, ...bytes } = created;
  const elapsedMs = Math.round(parts.clock.monotonicMs() - startedMs);
  await show(
    invocation,
    () => ({ ...manifestJson(manifest), ...bytes, elapsedMs }),
    () => backupText(invocation.colors, `${to}/${manifest.id}`, created, elapsedMs),
  );
  return EXIT.ok;
}

async function runBackups(invocation: Invocation): Promise<ExitCode> {
  const parts = createFileParts();
  const path = cleanPath(invocation.args[0] ?? '');
  const listed: ListedClusterBackup[] = await onFiles(() =>
    new ClusterBackups(new BackupRepository(parts, path)).list(),
  );
  await show(
    invocation,
    () => backupsJson(listed),
    () => backupsText(invocation.colors, listed),
  );
  return listed.every(({ manifest }) => manifest !== undefined) ? EXIT.ok : EXIT.negative;
}

async function runRestore(invocation: Invocation, options: RestoreOptions): Promise<ExitCode> {
  const parts = createFileParts();
  const target = chooseTarget(undefined, options.toTime, '--to-time');
  const to = cleanPath(options.to);
  const { manifest, groups } = await endingAfterGroup(invocation, async () => {
    const source = cleanPath(invocation.args[0] ?? '');
    const { backups, manifest } = await findClusterBackup(parts, source, target);
    await checkRestorePlace(parts.fileSystem, to, backups.repository.path);
    const rest = new Set(options.group ?? manifest.groups.map(({ group }) => group));
    const total = rest.size;
    const groups = await restoreCluster(
      parts,
      backups.repository,
      manifest,
      { to, target, only: options.group },
      ({ group, directory, restored }) => {
        const { entries, recoveryMs } = restored;
        const what = `${countOf(entries, 'entry', 'entries')} in ${showDuration(recoveryMs)}`;
        rest.delete(group);
        note(invocation, `${group}: ${directory}, ${what} (${total - rest.size} of ${total})`);
        const names = [...rest].map((one) => ` --group ${one}`).join('');
        throwIfInterrupted(
          invocation,
          rest.size,
          'the other groups were not restored',
          `Restore them with the same command and:${names}`,
        );
      },
    );
    return { manifest, groups };
  });
  await show(
    invocation,
    () => restoredJson(manifest, groups),
    () => restoredText(invocation.colors, manifest, groups),
  );
  return EXIT.ok;
}

async function runDrill(invocation: Invocation, options: DrillOptions): Promise<ExitCode> {
  const parts = createFileParts();
  const scratch = new Scratch(cleanPath(options.scratch ?? tmpdir()));
  const lines: DrillLine[] = [];
  const leaveMetrics = (outcome: DrillOutcome | undefined): Promise<void> =>
    leaveDrillMetrics(invocation, options.metricsFile, outcome, parts.clock.wallMs(), CLUSTER_LABEL);
  const isKept = options.keep === true;
  const work = () => drillAll(invocation, options, parts, scratch, lines);
  const manifest = await scratch
    .during(() => endingAfterGroup(invocation, work), isKept)
    .catch(async (error: unknown) => {
      if (!invocation.io.interrupted.aborted) await leaveMetrics(undefined);
      throw error;
    });
  const isPassed = lines.every(({ failure }) => failure === undefined);
  await leaveMetrics({ isPassed, gauges: [recoveryGauge(longestMs(lines) / 1_000)] });
  const kept = isKept ? scratch.path : undefined;
  await show(
    invocation,
    () => drillJson(manifest, lines, kept),
    () => drillText(invocation.colors, manifest, lines, kept),
  );
  return isPassed ? EXIT.ok : EXIT.negative;
}

/** Adds a line for each group, and resolves with what was drilled. */
async function drillAll(
  invocation: Invocation,
  options: DrillOptions,
  parts: ReturnType<typeof createFileParts>,
  scratch: Scratch,
  lines: DrillLine[],
): Promise<ClusterManifest> {
  const { backups, manifest } = await findClusterBackup(parts, cleanPath(invocation.args[0] ?? ''));
  const path = await scratch.make();
  let atMs = parts.clock.monotonicMs();
  await drillCluster(parts, backups.repository, manifest, path, options.keep === true, (drilled) => {
    const nowMs = parts.clock.monotonicMs();
    lines.push({ ...drilled, tookMs: Math.round(nowMs - atMs) });
    atMs = nowMs;
    note(
      invocation,
      `${drilled.group}: ${drilled.failure ?? 'as it was'} (${lines.length} of ${manifest.groups.length})`,
    );
    throwIfInterrupted(invocation, manifest.groups.length - lines.length, 'the drill is not whole');
  });
  return manifest;
}
