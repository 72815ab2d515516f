/**
 * Makes a backup of a cluster: one of each group, from the data directory of any of its nodes or made
 * before by `createBackup`, and then the manifest that ties them. Each is replayed, so that the manifest
 * has its digest and the slots that its log owns: these show whether a group is missing. Nobody is
 * called, so a backup needs neither coordinators nor nodes that run.
 *
 * Throws as `createBackup`, and `BackupRequestError` where the groups are not all of one cluster. What
 * was copied until then is found again by the next backup.
 */
import { type BackupManifest, encodeBackupManifest } from '#backup/backup-manifest.ts';
import type { BackupRepository } from '#backup/backup-repository.ts';
import { ClusterBackups } from '#backup/cluster-backups.ts';
import {
  type ClusterManifest,
  type GroupBackup,
  type PlacedSource,
  whyNotOneCluster,
  whyNotTied,
  whyNotWhole,
} from '#backup/cluster-manifest.ts';
import { type CreatedBackup, createBackup, formatBackupId } from '#backup/create-backup.ts';
import { BackupRequestError, type ImageReaderParts } from '#backup/log-image.ts';
import { withLogImage } from '#backup/survey-log.ts';
import { sha256Hex } from '#platform/sha256.ts';

export interface ClusterSources {
  /** Data directories, at most one of each group. */
  readonly directories: readonly string[];
  /** Ids of backups that are in the repository, or beginnings of them. */
  readonly backups: readonly string[];
}

export interface CreatedClusterBackup {
  readonly manifest: ClusterManifest;
  readonly copiedBytes: number;
  readonly reusedBytes: number;
}

/** `onGroup` is called with the backup of each group that was made. */
export async function createClusterBackup(
  parts: ImageReaderParts,
  repository: BackupRepository,
  { directories, backups }: ClusterSources,
  onGroup: (created: CreatedBackup) => void,
): Promise<CreatedClusterBackup> {
  const given: BackupManifest[] = [];
  for (const id of backups) given.push(await repository.find(id));
  const placed = [...(await placesOf(parts, directories)), ...given.map(sourceOf)];
  if (placed.length === 0) throw new BackupRequestError('no group is named');
  refuse(whyNotOneCluster(placed));
  for (const manifest of given) refuse(whyNotTied(manifest));
  const made: CreatedBackup[] = [];
  for (const directory of directories) {
    const created = await createBackup(parts, directory, repository, { isReplayed: true });
    refuse(whyNotTied(created.manifest));
    onGroup(created);
    made.push(created);
  }
  const all = [...made.map(({ manifest }) => manifest), ...given];
  // A directory may have been given another place since it was looked at.
  refuse(whyNotOneCluster(all.map(sourceOf)));
  const manifest = tie(parts, all);
  refuse(whyNotWhole(manifest.groups));
  await new ClusterBackups(repository).put(manifest);
  const sum = (of: 'copiedBytes' | 'reusedBytes'): number => made.reduce((total, one) => total + one[of], 0);
  return { manifest, copiedBytes: sum('copiedBytes'), reusedBytes: sum('reusedBytes') };
}

async function placesOf(parts: ImageReaderParts, directories: readonly string[]): Promise<PlacedSource[]> {
  const sources: PlacedSource[] = [];
  for (const name of directories)
    sources.push(await withLogImage(parts, name, async ({ manifest }) => ({ name, place: manifest.member })));
  return sources;
}

function sourceOf({ id, place }: BackupManifest): PlacedSource {
  return { name: `backup ${id}`, place };
}

function tie({ clock, random }: ImageReaderParts, backups: readonly BackupManifest[]): ClusterManifest {
  const createdMs = clock.wallMs();
  const { cluster = '', clusterId = '' } = backups[0]?.place ?? {};
  const groups = backups.map(toGroup).sort((a, b) => (a.group < b.group ? -1 : 1));
  return {
    format: 1,
    id: formatBackupId(createdMs, random.uint32()),
    ...{ createdMs, cluster, clusterId, groups },
  };
}

function toGroup(manifest: BackupManifest): GroupBackup {
  const { id, place, to, toTimestampMs, state } = manifest;
  return {
    group: place?.group ?? '',
    backup: id,
    sha256: sha256Hex(encodeBackupManifest(manifest)),
    ...{ to, toTimestampMs },
    entries: state?.entries ?? 0,
    digest: state?.digest ?? '',
    owned: state?.owned ?? [],
  };
}

function refuse(why: string | undefined): void {
  if (why !== undefined) throw new BackupRequestError(why);
}
