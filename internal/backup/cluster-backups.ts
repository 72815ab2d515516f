/** The backups of whole clusters in a repository, each a manifest `<id>.cluster.json` that names backups of groups. */
import { imageOfBackup } from '#backup/backup-manifest.ts';
import {
  type BackupRepository,
  findById,
  type Listed,
  type ManifestKind,
} from '#backup/backup-repository.ts';
import {
  type ClusterManifest,
  encodeClusterManifest,
  type GroupBackup,
  tryDecodeClusterManifest,
} from '#backup/cluster-manifest.ts';
import { type FoldTarget, whyNotIn } from '#backup/fold-log.ts';
import { BackupRequestError } from '#backup/log-image.ts';

const SUFFIX = '.cluster.json';
const CLUSTERS: ManifestKind<ClusterManifest> = { suffix: SUFFIX, tryDecode: tryDecodeClusterManifest };

export type ListedClusterBackup = Listed<ClusterManifest>;

export class ClusterBackups {
  readonly repository: BackupRepository;

  constructor(repository: BackupRepository) {
    this.repository = repository;
  }

  /** The last step of a backup, after which it exists. */
  async put(manifest: ClusterManifest): Promise<void> {
    await this.repository.putNamed(`${manifest.id}${SUFFIX}`, encodeClusterManifest(manifest));
  }

  /** All of them, oldest first. */
  list(): Promise<ListedClusterBackup[]> {
    return this.repository.listOf(CLUSTERS);
  }

  /**
   * By `latest`, by its id, or by the beginning of exactly one id. Throws `BackupRequestError` where
   * there is none, `ImageDamageError` where its manifest is damaged.
   */
  async find(idOrStart: string): Promise<ClusterManifest> {
    const { path } = this.repository;
    const found = findById(
      await this.list(),
      idOrStart,
      idOrStart === 'latest'
        ? `${path} contains no backup of a cluster: make one with walnut cluster backup --to ${path}`
        : `${path} contains neither a directory nor a backup of a cluster with the name ${idOrStart}. Expected REPOSITORY or REPOSITORY/ID: see walnut cluster backups REPOSITORY`,
    );
    return this.repository.readable(found, CLUSTERS);
  }

  /**
   * The newest whose groups all reach `target`. Throws as `find`, and `BackupRequestError` where none reaches it
   * or where the repository has backups of several clusters.
   */
  async findReaching(target: FoldTarget): Promise<ClusterManifest> {
    const { path } = this.repository;
    const all = await this.list();
    const clusters = new Map(
      all.flatMap(({ manifest }) => (manifest ? [[manifest.clusterId, manifest]] : [])),
    );
    if (clusters.size > 1) {
      const each = [...clusters.values()].map((one) => `${one.cluster} (${one.clusterId}) ${path}/${one.id}`);
      throw new BackupRequestError(
        `${path} has backups of ${clusters.size} clusters. Name one backup; the newest of each is of ${each.join(', of ')}`,
      );
    }
    // A damaged newest one must not be silently replaced by an older one.
    if (target.kind === 'end' || all.length === 0) return this.find('latest');
    const reasons: string[] = [];
    for (const listed of all.reverse()) {
      const why =
        listed.manifest === undefined
          ? `${listed.id}: ${listed.why}`
          : await whyNotReached(this.repository, listed.manifest.groups, target);
      if (why === undefined) return this.repository.readable(listed, CLUSTERS);
      reasons.push(why);
    }
    throw new BackupRequestError(`no backup in ${path} reaches there\n${reasons.join('\n')}`);
  }
}

/** Why the backup of a group does not reach `target`, with the names of both; undefined if all do. */
export async function whyNotReached(
  repository: BackupRepository,
  groups: readonly GroupBackup[],
  target: FoldTarget,
): Promise<string | undefined> {
  const listed = new Map((await repository.list()).map(({ id, manifest }) => [id, manifest]));
  for (const { group, backup: id } of groups) {
    const backup = listed.get(id);
    // restoreCluster reports a missing or damaged one with more detail when it opens its files.
    if (backup === undefined) continue;
    const why = whyNotIn(
      imageOfBackup(backup, (sha256) => repository.objectPath(sha256)),
      target,
    );
    if (why !== undefined) return `group ${group}, backup ${id}: ${why}`;
  }
  return undefined;
}
