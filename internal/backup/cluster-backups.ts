/** The backups of whole clusters in a repository, each a manifest `<id>.cluster.json` that names backups of groups. */
import { imageOfBackup } from '#backup/backup-manifest.ts';
import { type BackupRepository, findById } from '#backup/backup-repository.ts';
import {
  type ClusterManifest,
  encodeClusterManifest,
  type GroupBackup,
  tryDecodeClusterManifest,
} from '#backup/cluster-manifest.ts';
import { type FoldTarget, whyNotIn } from '#backup/fold-log.ts';
import { BackupRequestError, ImageDamageError } from '#backup/log-image.ts';

const SUFFIX = '.cluster.json';

/** A manifest that cannot be read is listed with the reason. */
export type ListedClusterBackup =
  | { readonly id: string; readonly manifest: ClusterManifest }
  | { readonly id: string; readonly manifest: undefined; readonly why: string };

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
  async list(): Promise<ListedClusterBackup[]> {
    const listed: ListedClusterBackup[] = [];
    for (const id of await this.repository.idsOf(SUFFIX)) {
      const bytes = await this.repository.readNamed(`${id}${SUFFIX}`);
      const read = bytes === undefined ? 'it was removed' : tryDecodeClusterManifest(bytes);
      const manifest = typeof read === 'string' || read.id === id ? read : `it is the manifest of ${read.id}`;
      listed.push(
        typeof manifest === 'string' ? { id, manifest: undefined, why: manifest } : { id, manifest },
      );
    }
    return listed;
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
        : `${path} contains no backup ${idOrStart} of a cluster. Expected REPOSITORY, a directory, or REPOSITORY/ID: see walnut cluster backups REPOSITORY`,
    );
    return this.#readable(found);
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
      if (why === undefined) return this.#readable(listed);
      reasons.push(why);
    }
    throw new BackupRequestError(`no backup in ${path} reaches there\n${reasons.join('\n')}`);
  }

  #readable(found: ListedClusterBackup): ClusterManifest {
    if (found.manifest !== undefined) return found.manifest;
    const file = `${this.repository.path}/${found.id}${SUFFIX}`;
    throw new ImageDamageError({ file, byte: 0, lsn: 0, why: found.why });
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
