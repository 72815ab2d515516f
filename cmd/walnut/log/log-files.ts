/**
 * Shared by the commands that work on files: file system and clock, how sources are named,
 * and errors as exit codes.
 */
import { basename, dirname } from 'node:path';
import { InvalidArgumentError } from 'commander';
import type { BackupManifest } from '#backup/backup-manifest.ts';
import { imageOfBackup } from '#backup/backup-manifest.ts';
import { BackupRepository, type ListedBackup } from '#backup/backup-repository.ts';
import { ClusterBackups } from '#backup/cluster-backups.ts';
import type { ClusterManifest } from '#backup/cluster-manifest.ts';
import { type FoldTarget, whyNotIn } from '#backup/fold-log.ts';
import { BackupRequestError, ImageDamageError } from '#backup/log-image.ts';
import type { ShadowParts } from '#backup/shadow.ts';
import type { FileSystem } from '#platform/file-system.ts';
import { silentLogger } from '#platform/logger.ts';
import { createNodeClock } from '#platform/node-clock.ts';
import { createNodeFileSystem } from '#platform/node-file-system.ts';
import { createNodeRandom } from '#platform/random.ts';
import { shortageOf } from '#platform/shortage.ts';
import { parseTime } from '#platform/time.ts';
import { SnapshotError } from '#storage/snapshot-bytes.ts';
import { MANIFEST_NAME, parseSegmentName, parseSnapshotName } from '#wal/file-names.ts';
import { WalOpenError } from '#wal/wal-errors.ts';
import { parseCount } from '../arguments.ts';
import { CliError, EXIT, inputFailure, isSystemError } from '../cli-error.ts';
import { usageError } from '../command-host.ts';

const BACKUP_SUFFIX = '.backup.json';
const CLUSTER_SUFFIX = '.cluster.json';

export function createFileParts(): ShadowParts {
  return {
    fileSystem: createNodeFileSystem(),
    clock: createNodeClock(),
    random: createNodeRandom(),
    logger: silentLogger,
  };
}

/** Removes slashes at the end. */
export function cleanPath(path: string): string {
  return path.replace(/(?<=.)\/+$/, '');
}

/**
 * Runs work on the directory of a log. A directory that contains no part of a log is a usage
 * error, and one that cannot be read one of input: a mistyped path must not be reported as a
 * log without damage.
 */
export async function onLogDirectory<T>(
  fileSystem: FileSystem,
  directory: string,
  work: () => Promise<T>,
): Promise<T> {
  const advice = 'Give the wal.directory of a node.';
  try {
    const names = await fileSystem.readDirectory(directory);
    const isOfLog = (name: string) =>
      name === MANIFEST_NAME || (parseSegmentName(name) ?? parseSnapshotName(name)) !== undefined;
    if (!names.some(isOfLog))
      throw usageError(`${directory} contains no log: neither MANIFEST nor a segment is there`, advice);
    return await work();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (!(error instanceof Error) || code === undefined) throw error;
    throw inputFailure(`cannot read ${directory}: ${message}`, error, advice);
  }
}

export const parseLsn = parseCount(0);

/** Milliseconds since the Unix epoch or an ISO 8601 time. */
export function parseTimeMs(text: string): number {
  const ms = parseTime(text) ?? 0;
  if (ms > 0 && !Number.isNaN(new Date(ms).getTime())) return ms;
  throw new InvalidArgumentError('Expected a time such as 2027-01-31T12:00:00Z, or milliseconds since 1970.');
}

/** Throws if both are given. With neither, the target is the end of the log. */
export function chooseTarget(lsn: number | undefined, timeMs: number | undefined, names: string): FoldTarget {
  if (lsn !== undefined && timeMs !== undefined) throw usageError(`give one of ${names}, not both`);
  if (lsn !== undefined) return { kind: 'lsn', lsn };
  return timeMs === undefined ? { kind: 'end' } : { kind: 'time', timeMs };
}

export interface FoundBackup {
  readonly repository: BackupRepository;
  readonly backup: BackupManifest;
}

/**
 * `BACKUPS/ID` names a backup; the beginning of its id suffices. `BACKUPS` means the newest
 * backup that reaches `target`.
 */
export async function findBackup(
  parts: ShadowParts,
  path: string,
  target: FoldTarget = { kind: 'end' },
): Promise<FoundBackup> {
  const stat = await parts.fileSystem.stat(path);
  if (stat?.isDirectory === true) {
    const repository = new BackupRepository(parts, path);
    return { repository, backup: await findReaching(repository, target) };
  }
  const repository = new BackupRepository(parts, dirname(path));
  const id = basename(path).replace(BACKUP_SUFFIX, '');
  return { repository, backup: await repository.find(id) };
}

/** `BACKUPS/ID` names a backup of a cluster, and `BACKUPS` the newest one that reaches `target`. */
export async function findClusterBackup(
  parts: ShadowParts,
  path: string,
  target: FoldTarget = { kind: 'end' },
): Promise<{ readonly backups: ClusterBackups; readonly manifest: ClusterManifest }> {
  const isRepository = (await parts.fileSystem.stat(path))?.isDirectory === true;
  const backups = new ClusterBackups(new BackupRepository(parts, isRepository ? path : dirname(path)));
  if (isRepository) return { backups, manifest: await backups.findReaching(target) };
  return { backups, manifest: await backups.find(basename(path).replace(CLUSTER_SUFFIX, '')) };
}

async function findReaching(repository: BackupRepository, target: FoldTarget): Promise<BackupManifest> {
  const all = await repository.list();
  const reasons: string[] = [];
  for (const listed of all.reverse()) {
    const why =
      listed.manifest === undefined
        ? listed.why
        : whyNotIn(
            imageOfBackup(listed.manifest, (sha256) => repository.objectPath(sha256)),
            target,
          );
    if (why === undefined && listed.manifest !== undefined) return listed.manifest;
    // Without an id the newest backup is meant. If it is damaged, an older one must not
    // silently replace it.
    if (target.kind === 'end') throw new ImageDamageError(placeOf(repository, listed, why ?? ''));
    reasons.push(`${listed.id}: ${why}`);
  }
  if (reasons.length === 0) throw new BackupRequestError(`${repository.path} contains no backup`);
  throw new BackupRequestError(`no backup in ${repository.path} reaches there\n${reasons.join('\n')}`);
}

function placeOf(repository: BackupRepository, { id }: ListedBackup, why: string) {
  return { file: `${repository.path}/${id}${BACKUP_SUFFIX}`, byte: 0, lsn: 0, why };
}

/**
 * Runs work on files and converts its failures to exit codes: 2 for a request that cannot
 * be met, 1 for damage, 6 for an error of the operating system.
 */
export async function onFiles<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw describeFileFailure(error);
  }
}

function describeFileFailure(error: unknown): unknown {
  if (error instanceof BackupRequestError) return usageError(error.message);
  if (error instanceof ImageDamageError || error instanceof SnapshotError || error instanceof WalOpenError) {
    return new CliError(EXIT.negative, `damage: ${error.message}`, undefined, error);
  }
  if (isSystemError(error)) {
    const advice =
      shortageOf(error) === 'space'
        ? 'Make room there, or name another place; what was there before is unchanged.'
        : error.code === 'ENOENT' || error.code === 'ENOTDIR'
          ? 'Expected a path whose directories exist: see which one is missing or is a file, and type it anew.'
          : undefined;
    return new CliError(EXIT.inputOutput, error.message, advice, error);
  }
  return error;
}
