/**
 * Makes a data directory for each group of a backup of a cluster, and drills that. Each is the
 * directory of a master that belongs to no cluster yet: a member that adopts it, and empty ones
 * beside it, become a group of a new cluster, which owns the slots that its log says (ADR 18).
 *
 * Before anything is made every file of every group is read and its SHA-256 compared, and of an earlier
 * time every log is replayed to see that it says which slots its group owned.
 */
import { type BackupManifest, encodeBackupManifest, imageOfBackup } from '#backup/backup-manifest.ts';
import type { BackupRepository } from '#backup/backup-repository.ts';
import { whyNotReached } from '#backup/cluster-backups.ts';
import type { ClusterManifest, GroupBackup } from '#backup/cluster-manifest.ts';
import { type FoldTarget, foldLog } from '#backup/fold-log.ts';
import { BackupRequestError, ImageDamageError, type LogImage } from '#backup/log-image.ts';
import { checkEmpty, type Restored, restoreImage } from '#backup/restore-backup.ts';
import { removeFiles, type ShadowParts } from '#backup/shadow.ts';
import { findOwnerFault, type SlotRun } from '#model/slots.ts';
import { sha256Hex } from '#platform/sha256.ts';

export interface RestoreClusterOptions {
  readonly to: string;
  /** The end, or a time of the log clock: a record is one of one group. */
  readonly target: FoldTarget;
  /** Ids of groups; undefined: all. */
  readonly only?: readonly string[] | undefined;
}

export interface RestoredGroup {
  readonly group: string;
  readonly directory: string;
  readonly restored: Restored;
}

/**
 * Restores the groups into `<to>/<group>`, one after the other. Throws `ImageDamageError` and
 * `BackupRequestError` before anything is made where a file is damaged or missing,
 * a directory contains data, or the groups do not reach `target` as a cluster.
 */
export async function restoreCluster(
  parts: ShadowParts,
  repository: BackupRepository,
  manifest: ClusterManifest,
  { to, target, only }: RestoreClusterOptions,
  onGroup: (done: RestoredGroup) => void,
): Promise<RestoredGroup[]> {
  const groups = chosen(manifest, only);
  const images = new Map<string, LogImage>();
  for (const one of groups) {
    await checkEmpty(parts, `${to}/${one.group}`);
    images.set(one.group, await openVerified(repository, one));
  }
  refuse(await whyNotReached(repository, groups, target));
  if (target.kind === 'time')
    refuse(await whyNotOwned(parts, images, target, groups.length === manifest.groups.length));
  const done: RestoredGroup[] = [];
  for (const one of groups) {
    const directory = `${to}/${one.group}`;
    const image = images.get(one.group) as LogImage;
    const restored = await restoreImage(parts, image, target, directory);
    checkDigest(one, restored, target);
    const result = { group: one.group, directory, restored };
    onGroup(result);
    done.push(result);
  }
  return done;
}

/**
 * Why the groups cannot be a cluster as they were at a time: a log does not say yet which slots its group owns, or,
 * of a whole cluster, a slot has no owner or two. A move of slots ends at another time in each log. Undefined if they can.
 */
async function whyNotOwned(
  parts: ShadowParts,
  images: ReadonlyMap<string, LogImage>,
  target: FoldTarget & { readonly kind: 'time' },
  isWhole: boolean,
): Promise<string | undefined> {
  const at = new Date(target.timeMs).toISOString();
  const runs: (SlotRun & { group: string })[] = [];
  for (const [group, image] of images) {
    // One after the other, so that no two states are in memory at once.
    const owned = await ownedAt(parts, image, target);
    if (owned === undefined)
      return `the log of group ${group} did not say at ${at} yet which slots it owns. Give a later --to-time`;
    runs.push(...owned.map((run) => ({ ...run, group })));
  }
  const fault = isWhole ? findOwnerFault(runs) : undefined;
  if (fault === undefined) return undefined;
  const what =
    fault.kind === 'two'
      ? `slot ${fault.slot} belonged to ${fault.groups.join(' and to ')}`
      : `slots ${fault.first} to ${fault.last} belonged to no group`;
  return `at ${at} ${what}: slots were being moved. Give another --to-time`;
}

async function ownedAt(
  parts: ShadowParts,
  image: LogImage,
  target: FoldTarget,
): Promise<readonly SlotRun[] | undefined> {
  const { store } = await foldLog(parts, image, { target });
  return store.ownership.current?.owned;
}

function refuse(why: string | undefined): void {
  if (why !== undefined) throw new BackupRequestError(why);
}

export interface DrilledGroup {
  readonly group: string;
  /** Why it cannot be restored as it was; undefined: it can. */
  readonly failure: string | undefined;
  readonly restored: Restored | undefined;
}

/**
 * Restores each group into a directory of `scratch`, one after the other, and goes on where one is
 * damaged. Each is removed before the next one is made, unless `isKept`.
 */
export async function drillCluster(
  parts: ShadowParts,
  repository: BackupRepository,
  { groups }: ClusterManifest,
  scratch: string,
  isKept: boolean,
  onGroup: (drilled: DrilledGroup) => void,
): Promise<void> {
  for (const one of groups) {
    const directory = `${scratch}/${one.group}`;
    onGroup(await drillGroup(parts, repository, one, directory));
    if (!isKept) await removeFiles(parts, directory);
  }
}

async function drillGroup(
  parts: ShadowParts,
  repository: BackupRepository,
  one: GroupBackup,
  directory: string,
): Promise<DrilledGroup> {
  const { group } = one;
  try {
    const restored = await restoreImage(parts, await openVerified(repository, one), END, directory);
    checkDigest(one, restored, END);
    return { group, failure: undefined, restored };
  } catch (error) {
    if (!(error instanceof ImageDamageError || error instanceof BackupRequestError)) throw error;
    return { group, failure: error.message, restored: undefined };
  }
}

const END: FoldTarget = { kind: 'end' };

function chosen({ id, groups }: ClusterManifest, only: readonly string[] | undefined): GroupBackup[] {
  const known = groups.map(({ group }) => group);
  const missing = only?.find((group) => !known.includes(group));
  if (missing !== undefined)
    throw new BackupRequestError(`backup ${id} has no group ${missing}: it has ${known.join(', ')}`);
  return groups.filter(({ group }) => only === undefined || only.includes(group));
}

/** The log of the group as a master's, after every byte of it was hashed. */
async function openVerified(repository: BackupRepository, one: GroupBackup): Promise<LogImage> {
  const backup = await findOf(repository, one);
  for (const file of backup.files) await repository.verifyObject(file.sha256, file.bytes);
  const image = imageOfBackup(backup, (sha256) => repository.objectPath(sha256));
  return { ...image, manifest: { ...image.manifest, role: 'master', upstream: '' } };
}

async function findOf(repository: BackupRepository, { group, backup: id, sha256 }: GroupBackup) {
  const backup = await repository.find(id).catch((error: unknown) => {
    if (!(error instanceof BackupRequestError)) throw error;
    throw new BackupRequestError(
      `${group} is missing: its backup ${id} is not in ${repository.path}. Copy ${id}.backup.json and objects/ there`,
    );
  });
  if (sha256Hex(encodeBackupManifest(backup)) === sha256) return backup;
  const why = `the manifest of ${group} is another one than when the backup of the cluster was made`;
  throw new ImageDamageError({ file: manifestOf(repository, backup), byte: 0, lsn: 0, why });
}

function manifestOf({ path }: BackupRepository, { id }: BackupManifest): string {
  return `${path}/${id}.backup.json`;
}

function checkDigest({ group, to, digest }: GroupBackup, restored: Restored, target: FoldTarget): void {
  if (target.kind !== 'end' || restored.digest === digest) return;
  const why = `${group} has digest ${restored.digest}; when it was backed up it had ${digest}`;
  throw new ImageDamageError({ file: group, byte: 0, lsn: to.lsn, why });
}
