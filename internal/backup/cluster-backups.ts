/** The backups of whole clusters in a repository, each a manifest `<id>.cluster.json` that names backups of groups. */
import { type BackupRepository, findById } from '#backup/backup-repository.ts';
import {
  type ClusterManifest,
  encodeClusterManifest,
  tryDecodeClusterManifest,
} from '#backup/cluster-manifest.ts';
import { ImageDamageError } from '#backup/log-image.ts';

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
    const which = idOrStart === 'latest' ? '' : ` ${idOrStart}`;
    const found = findById(
      await this.list(),
      idOrStart,
      `${path} contains no backup${which} of a cluster: make one with walnut cluster backup --to ${path}`,
    );
    if (found.manifest !== undefined) return found.manifest;
    throw new ImageDamageError({ file: `${path}/${found.id}${SUFFIX}`, byte: 0, lsn: 0, why: found.why });
  }
}
