/**
 * A directory of backups:
 *
 *     <id>.backup.json       the manifest of one backup
 *     <id>.cluster.json      what ties the backups of the groups of a cluster
 *     objects/ab/abcd…       file contents, named by their SHA-256
 *     tmp/                   what is being written
 *
 * Backups share objects: the contents of an earlier backup are not written again. Files
 * are written under `tmp/`, fdatasynced, renamed, and their directory is
 * fsynced; the manifest comes last, so that a crash leaves whole backups and at
 * worst objects that nobody names. Two processes may write to one repository.
 */
import type { BackupManifest } from '#backup/backup-manifest.ts';
import { encodeBackupManifest, tryDecodeBackupManifest } from '#backup/backup-manifest.ts';
import {
  BackupRequestError,
  ImageDamageError,
  type ImageReaderParts,
  LogMovedError,
} from '#backup/log-image.ts';
import type { File } from '#platform/file-system.ts';
import { createSha256 } from '#platform/sha256.ts';
import { readWholeFile, writeFully } from '#wal/whole-files.ts';

const SUFFIX = '.backup.json';
const CHUNK_BYTES = 1 << 20;
/** The names of unfinished files: `Random.id128`. */
const UNFINISHED = /^[0-9a-f]{32}$/;
/** Unfinished files that a dead process left are deleted after this. */
const STALE_MS = 24 * 3_600_000;

export interface StoredObject {
  readonly sha256: string;
  /** The object existed already and was verified. */
  readonly isReused: boolean;
}

/** A manifest that cannot be read is listed with the reason. */
export type Listed<Manifest> =
  | { readonly id: string; readonly manifest: Manifest }
  | { readonly id: string; readonly manifest: undefined; readonly why: string };
export type ListedBackup = Listed<BackupManifest>;

/** Manifests of one kind: the end of the names of their files, and how these are read. */
export interface ManifestKind<Manifest> {
  readonly suffix: string;
  /** The manifest, or what is wrong with it. */
  readonly tryDecode: (bytes: Uint8Array) => Manifest | string;
}

const BACKUPS: ManifestKind<BackupManifest> = { suffix: SUFFIX, tryDecode: tryDecodeBackupManifest };

/**
 * The one of `all`, oldest first, with the id, or whose id alone begins so; the last for `latest`. Throws
 * `BackupRequestError` where there is none, with the message `none`.
 */
export function findById<T extends { readonly id: string }>(
  all: readonly T[],
  idOrStart: string,
  none: string,
): T {
  const matches =
    idOrStart === 'latest'
      ? all.slice(-1)
      : all.filter(({ id }) => idOrStart !== '' && id.startsWith(idOrStart));
  const exact = matches.find(({ id }) => id === idOrStart);
  const found = exact ?? matches[0];
  if (found === undefined) throw new BackupRequestError(none);
  if (exact === undefined && matches.length > 1)
    throw new BackupRequestError(`${matches.length} backups begin with ${idOrStart}`);
  return found;
}

/** Why a directory with these names cannot become a repository; undefined if it is one or empty. Pure. */
function whyNotRepository(path: string, names: readonly string[]): string | undefined {
  const isMark = (name: string): boolean => name === 'objects' || name.endsWith(SUFFIX);
  // The root of a volume has it from the beginning.
  const other = names.filter((name) => name !== 'lost+found').sort()[0];
  if (other === undefined || names.some(isMark)) return undefined;
  return `${path} has contents, such as ${other}, and is no repository of backups: there is no objects/ in it`;
}

export class BackupRepository {
  readonly path: string;
  readonly #parts: ImageReaderParts;

  constructor(parts: ImageReaderParts, path: string) {
    this.#parts = parts;
    this.path = path;
  }

  /**
   * Creates the directories that are missing and deletes old unfinished files of backups; everything else
   * in `tmp/` is left. Throws `BackupRequestError` as `checkPlace`.
   */
  async prepare(): Promise<void> {
    const { fileSystem, clock } = this.#parts;
    await this.checkPlace();
    const temporary = `${this.path}/tmp`;
    await fileSystem.makeDirectory(`${this.path}/objects`);
    await fileSystem.makeDirectory(temporary);
    for (const name of await fileSystem.readDirectory(temporary)) {
      if (!UNFINISHED.test(name)) continue;
      const stat = await fileSystem.stat(`${temporary}/${name}`);
      if (stat?.isRegular === true && clock.wallMs() - stat.modifiedMs > STALE_MS) {
        await fileSystem.remove(`${temporary}/${name}`);
      }
    }
  }

  /**
   * Throws `BackupRequestError` where the path is no directory, or one that has contents but is no repository.
   * A directory of something else is refused because the files of a repository would mix with its own.
   */
  async checkPlace(): Promise<void> {
    const { fileSystem } = this.#parts;
    const stat = await fileSystem.stat(this.path);
    if (stat === undefined) return;
    const why = !stat.isDirectory
      ? `${this.path} is not a directory`
      : whyNotRepository(this.path, await fileSystem.readDirectory(this.path));
    if (why === undefined) return;
    throw new BackupRequestError(
      `${why}. Expected a repository of backups, an empty directory, or a path that does not exist yet`,
    );
  }

  objectPath(sha256: string): string {
    return `${this.path}/objects/${sha256.slice(0, 2)}/${sha256}`;
  }

  /**
   * Stores the first `bytes` bytes of the file at `path`, which is opened in `fileSystem`.
   * Throws `LogMovedError` if they change meanwhile.
   */
  async putObject(
    { fileSystem }: Pick<ImageReaderParts, 'fileSystem'>,
    path: string,
    bytes: number,
  ): Promise<StoredObject> {
    const source = await fileSystem.open(path, 'read');
    try {
      const sha256 = await this.#hash(source, bytes);
      if (sha256 === undefined) throw new LogMovedError(`${path} shrank`);
      // An existing object is verified before it is reused: a damaged one would damage this backup too.
      if ((await this.#whyBad(sha256, bytes)) === undefined) return { sha256, isReused: true };
      await this.#store(source, bytes, sha256, path);
      return { sha256, isReused: false };
    } finally {
      await source.close();
    }
  }

  /** Reads and hashes the object; throws `ImageDamageError` if it is missing or does not match its name. */
  async verifyObject(sha256: string, bytes: number): Promise<void> {
    const why = await this.#whyBad(sha256, bytes);
    if (why !== undefined)
      throw new ImageDamageError({ file: this.objectPath(sha256), byte: 0, lsn: 0, why });
  }

  /** The last step of a backup, after which it exists. */
  putManifest(manifest: BackupManifest): Promise<void> {
    return this.putNamed(`${manifest.id}${SUFFIX}`, encodeBackupManifest(manifest));
  }

  /** Writes a file beside the manifests, whole or not at all. */
  async putNamed(name: string, bytes: Uint8Array): Promise<void> {
    const { fileSystem } = this.#parts;
    const temporary = this.#temporaryPath();
    const file = await fileSystem.open(temporary, 'create');
    try {
      await writeFully(file, bytes, 0);
      await file.datasync();
    } finally {
      await file.close();
    }
    await fileSystem.rename(temporary, `${this.path}/${name}`);
    await fileSystem.syncDirectory(this.path);
  }

  /** What stands before the suffix in the names of manifests, sorted: ids begin with their time. */
  async #idsOf(suffix: string): Promise<string[]> {
    const { fileSystem } = this.#parts;
    if ((await fileSystem.stat(this.path))?.isDirectory !== true) {
      throw new BackupRequestError(`there is no directory ${this.path}`);
    }
    const names = (await fileSystem.readDirectory(this.path)).filter((name) => name.endsWith(suffix));
    return names.map((name) => name.slice(0, -suffix.length)).sort();
  }

  /** All backups, oldest first. */
  list(): Promise<ListedBackup[]> {
    return this.listOf(BACKUPS);
  }

  /** All manifests of a kind, oldest first. */
  async listOf<Manifest extends { readonly id: string }>(
    kind: ManifestKind<Manifest>,
  ): Promise<Listed<Manifest>[]> {
    const listed: Listed<Manifest>[] = [];
    for (const id of await this.#idsOf(kind.suffix)) {
      const manifest = await this.#tryRead(id, kind);
      listed.push(
        typeof manifest === 'string' ? { id, manifest: undefined, why: manifest } : { id, manifest },
      );
    }
    return listed;
  }

  /** The manifest of what was listed. Throws `ImageDamageError` where it is damaged. */
  readable<Manifest>(found: Listed<Manifest>, { suffix }: ManifestKind<Manifest>): Manifest {
    if (!('why' in found)) return found.manifest;
    const file = `${this.path}/${found.id}${suffix}`;
    throw new ImageDamageError({ file, byte: 0, lsn: 0, why: found.why });
  }

  /** Finds a backup by `latest`, by its id, or by the beginning of exactly one id. */
  async find(idOrStart: string): Promise<BackupManifest> {
    const found = findById(
      await this.list(),
      idOrStart,
      idOrStart === 'latest'
        ? `${this.path} contains no backup`
        : `${this.path} contains neither a directory nor a backup with the name ${idOrStart}. Expected REPOSITORY or REPOSITORY/ID: see walnut backup list REPOSITORY`,
    );
    return this.readable(found, BACKUPS);
  }

  async #tryRead<Manifest extends { readonly id: string }>(
    id: string,
    { suffix, tryDecode }: ManifestKind<Manifest>,
  ): Promise<Manifest | string> {
    const { fileSystem } = this.#parts;
    const path = `${this.path}/${id}${suffix}`;
    // Somebody may have removed it since its name was read.
    if ((await fileSystem.stat(path)) === undefined) return 'it was removed';
    const manifest = tryDecode(await readWholeFile(fileSystem, path));
    if (typeof manifest === 'string') return manifest;
    return manifest.id === id ? manifest : `it is the manifest of ${manifest.id}`;
  }

  /** The hash of the file's first `bytes` bytes; undefined if it has fewer. `onChunk` is called with each chunk. */
  async #hash(
    file: File,
    bytes: number,
    onChunk?: (chunk: Uint8Array, offset: number) => Promise<void>,
  ): Promise<string | undefined> {
    const hash = createSha256();
    const buffer = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, Math.max(1, bytes)));
    for (let at = 0; at < bytes; ) {
      const chunk = buffer.subarray(0, Math.min(buffer.length, bytes - at));
      if ((await file.read(chunk, at)) < chunk.length) return undefined;
      hash.update(chunk);
      await onChunk?.(chunk, at);
      at += chunk.length;
    }
    return hash.hex();
  }

  async #whyBad(sha256: string, bytes: number): Promise<string | undefined> {
    const { fileSystem } = this.#parts;
    const path = this.objectPath(sha256);
    const stat = await fileSystem.stat(path);
    if (stat === undefined) return 'the object is missing';
    if (stat.sizeBytes !== bytes) return `the object has ${stat.sizeBytes} bytes instead of ${bytes}`;
    const file = await fileSystem.open(path, 'read');
    try {
      return (await this.#hash(file, bytes)) === sha256 ? undefined : 'the object’s SHA-256 differs';
    } finally {
      await file.close();
    }
  }

  async #store(source: File, bytes: number, sha256: string, path: string): Promise<void> {
    const { fileSystem } = this.#parts;
    const temporary = this.#temporaryPath();
    const target = await fileSystem.open(temporary, 'create');
    try {
      const written = await this.#hash(source, bytes, (chunk, offset) => writeFully(target, chunk, offset));
      await target.datasync();
      if (written !== sha256) throw new LogMovedError(`${path} changed while it was copied`);
    } catch (error) {
      // On a full disk an unfinished file would take the room that is left.
      await fileSystem.remove(temporary).catch(() => undefined);
      throw error;
    } finally {
      await target.close();
    }
    const directory = `${this.path}/objects/${sha256.slice(0, 2)}`;
    await fileSystem.makeDirectory(directory);
    await fileSystem.rename(temporary, this.objectPath(sha256));
    await fileSystem.syncDirectory(directory);
  }

  #temporaryPath(): string {
    return `${this.path}/tmp/${this.#parts.random.id128()}`;
  }
}
