/**
 * The data directory: its lock, its MANIFEST and its `aside/`.
 *
 * Every change that must be atomic (initialising, snapshot install, cut, restore,
 * change of role, compaction) is one `commit` or `update`. `sweepAside` moves the
 * files that the manifest excludes to `aside/`, where they are never read or
 * deleted by this class. `openDirectory` throws `WalOpenError`. After a commit that
 * failed for another reason than a full disk, or after its rename, nobody knows
 * which manifest is on the disk: every later commit throws the same error, and
 * `onFailed` is called.
 */

import { assert } from '#platform/assert.ts';
import type { DirectoryLock, FileSystem, OpenedDirectory } from '#platform/file-system.ts';
import type { Logger } from '#platform/logger.ts';
import { asError } from '#platform/thrown.ts';
import { findNodeData } from '#wal/empty-directory.ts';
import {
  ASIDE_NAME,
  isUnfinishedName,
  LOCK_NAME,
  MANIFEST_NAME,
  parseSegmentName,
  parseSnapshotName,
  type SegmentName,
  TEMPORARY_SUFFIX,
} from '#wal/file-names.ts';
import { withReach } from '#wal/log-reach.ts';
import {
  encodeManifest,
  isSegmentExcluded,
  type LogReach,
  type Manifest,
  tryDecodeManifest,
} from '#wal/manifest.ts';
import { isShortage, orUnusable, WalOpenError } from '#wal/wal-errors.ts';
import { readWholeFile, writeFully } from '#wal/whole-files.ts';

export interface OpenDirectoryOptions {
  readonly fileSystem: FileSystem;
  readonly path: string;
  readonly logger: Logger;
  /** There is no MANIFEST yet: every commit changes it in memory only, until `publish` writes it. */
  readonly isDraft?: boolean;
}

/** Takes the lock and reads MANIFEST; creates the directory if it is missing. */
export async function openDirectory(options: OpenDirectoryOptions): Promise<WalDirectory> {
  const { fileSystem, path } = options;
  const owned = await orUnusable(path, () => tryOwnDirectory(fileSystem, path));
  if (owned === undefined) {
    const owner = await fileSystem.lockOwner?.(`${path}/${LOCK_NAME}`);
    const lock = owner === undefined ? 'LOCK' : `LOCK is held by process ${owner}`;
    throw new WalOpenError('locked', `${path}: another process uses this directory (${lock}); stop it first`);
  }
  try {
    const manifest = await orUnusable(path, () => readManifest(fileSystem, path, owned.names));
    const directory = new WalDirectory(options, owned, manifest);
    if (manifest === undefined) await orUnusable(path, () => setUninitialisedAside(options, directory));
    return directory;
  } catch (error) {
    await disown(owned);
    throw error;
  }
}

/** What the owner of a directory keeps open until it closes the directory. */
export interface OwnedDirectory {
  readonly lock: DirectoryLock;
  /** Kept open so that a commit needs no new descriptor after its rename. */
  readonly names: OpenedDirectory;
}

/** Creates the directory if it is missing, and locks it; undefined if another process owns the lock. */
export async function tryOwnDirectory(
  fileSystem: FileSystem,
  path: string,
): Promise<OwnedDirectory | undefined> {
  await fileSystem.makeDirectory(path);
  const lock = await fileSystem.lock(`${path}/${LOCK_NAME}`);
  if (lock === undefined) return undefined;
  try {
    return { lock, names: await fileSystem.openDirectory(path) };
  } catch (error) {
    await lock.release();
    throw error;
  }
}

async function disown({ lock, names }: OwnedDirectory): Promise<void> {
  try {
    await names.close();
  } finally {
    await lock.release();
  }
}

export class WalDirectory {
  readonly path: string;
  readonly fileSystem: FileSystem;
  /** Called once, when nothing can be committed any more. */
  onFailed: ((error: Error) => void) | undefined;
  /** Returns the durable end of the open log, which each new manifest then states. */
  reach: (() => LogReach | undefined) | undefined;
  readonly #logger: Logger;
  readonly #owned: OwnedDirectory;
  #manifest: Manifest | undefined;
  #commits: Promise<unknown> = Promise.resolve();
  #failure: Error | undefined;
  #isDraft: boolean;

  constructor(options: OpenDirectoryOptions, owned: OwnedDirectory, manifest: Manifest | undefined) {
    this.path = options.path;
    this.fileSystem = options.fileSystem;
    this.#logger = options.logger;
    this.#owned = owned;
    this.#manifest = manifest;
    this.#isDraft = options.isDraft === true;
  }

  /** The committed manifest; undefined in a fresh directory. */
  get manifest(): Manifest | undefined {
    return this.#manifest;
  }

  /** Makes creations, renames and removals directly in the directory durable. Needs no file descriptor. */
  syncNames(): Promise<void> {
    return this.#owned.names.sync();
  }

  /** Replaces the manifest, atomically and durably. Commits run one after another. */
  commit(manifest: Manifest): Promise<void> {
    return this.update(() => manifest);
  }

  /** Like `commit`, but changes the manifest that is current then, so that owners of different fields do not undo each other's changes. */
  update(change: (current: Manifest | undefined) => Manifest): Promise<void> {
    const done = this.#commits.then(() => this.#replace(change(this.#manifest)));
    this.#commits = done.catch(() => {});
    return done;
  }

  /**
   * Makes the manifest state that the log reaches this far; a start then refuses a
   * log that does not. The records and the segment's name must be durable already.
   */
  async vouch(reach: LogReach): Promise<void> {
    const said = this.#manifest?.reaches;
    if (said?.segment === reach.segment && said.lsn === reach.lsn) return;
    await this.update((manifest) => {
      assert(manifest !== undefined, 'the directory is initialised');
      return withReach(manifest, reach);
    });
  }

  /** Set once, when nothing can be committed any more. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /** Ends the draft: writes the manifest that the commits made, atomically and durably. */
  publish(): Promise<void> {
    this.#isDraft = false;
    return this.update((manifest) => {
      assert(manifest !== undefined, 'a draft has a manifest');
      return manifest;
    });
  }

  async #replace(change: Manifest): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    const manifest = withReach(change, this.reach?.());
    if (!this.#isDraft) await this.#write(manifest);
    this.#manifest = manifest;
  }

  async #write(manifest: Manifest): Promise<void> {
    const target = `${this.path}/${MANIFEST_NAME}`;
    const temporary = target + TEMPORARY_SUFFIX;
    let isReplaced = false;
    try {
      const file = await this.fileSystem.open(temporary, 'replace');
      try {
        await writeFully(file, encodeManifest(manifest), 0);
        await file.datasync();
      } finally {
        await file.close();
      }
      await this.fileSystem.rename(temporary, target);
      isReplaced = true;
      await this.syncNames();
    } catch (error) {
      if (isReplaced || !isShortage(error)) this.#fail(asError(error));
      throw error;
    }
  }

  #fail(error: Error): void {
    this.#failure = error;
    this.onFailed?.(error);
  }

  /** The segments that belong to the log, in order. */
  async segments(): Promise<SegmentName[]> {
    const manifest = this.#manifest;
    assert(manifest !== undefined, 'the directory is initialised');
    const all = await this.allSegments();
    return all.filter((segment) => !isSegmentExcluded(manifest, segment.seq));
  }

  /** Every file named like a segment, excluded ones included, in order. */
  async allSegments(): Promise<SegmentName[]> {
    const segments: SegmentName[] = [];
    for (const name of await this.fileSystem.readDirectory(this.path)) {
      const segment = parseSegmentName(name);
      if (segment !== undefined) segments.push(segment);
    }
    return segments.sort((a, b) => a.seq - b.seq);
  }

  /** A number above every segment number that was ever used in this directory. */
  async nextSegmentSeq(): Promise<number> {
    const last = (await this.allSegments()).at(-1)?.seq ?? 0;
    const cuts = (this.#manifest?.excludedSegments ?? []).map(([, lastExcluded]) => lastExcluded);
    const known = parseSegmentName(this.#manifest?.reaches?.segment ?? '')?.seq ?? 0;
    return Math.max(last, known, (this.#manifest?.lowestSegment ?? 1) - 1, ...cuts) + 1;
  }

  /**
   * Moves the files that the manifest excludes (segments, snapshots that are not the
   * base) to `aside/<n>/`, and deletes its own files that were never finished.
   * Returns the new names, relative to the directory. May be repeated.
   */
  async sweepAside(): Promise<string[]> {
    const manifest = this.#manifest;
    assert(manifest !== undefined, 'the directory is initialised');
    const excluded: string[] = [];
    for (const name of await this.fileSystem.readDirectory(this.path)) {
      const segment = parseSegmentName(name);
      const isOut =
        segment === undefined
          ? parseSnapshotName(name) !== undefined && name !== manifest.snapshot
          : isSegmentExcluded(manifest, segment.seq);
      if (isOut) excluded.push(name);
      else if (isUnfinishedName(name)) await this.#removeFile(name);
    }
    return this.moveAside(excluded.sort());
  }

  async #removeFile(name: string): Promise<void> {
    const path = `${this.path}/${name}`;
    if ((await this.fileSystem.stat(path))?.isRegular === true) await this.fileSystem.remove(path);
  }

  /** Moves files of this directory to a new `aside/<n>/`. Returns the new names, relative to the directory. */
  async moveAside(names: readonly string[]): Promise<string[]> {
    if (names.length === 0) return [];
    const folder = await this.makeAsideFolder();
    // The directory is opened first, so that nothing is moved if no descriptor is left.
    const target = await this.fileSystem.openDirectory(`${this.path}/${folder}`);
    try {
      for (const name of names) {
        await this.fileSystem.rename(`${this.path}/${name}`, `${this.path}/${folder}/${name}`);
      }
      await target.sync();
    } finally {
      await target.close();
    }
    await this.syncNames();
    this.#logger.warn({ folder, names }, 'set aside: kept, but no part of the log any more');
    return names.map((name) => `${folder}/${name}`);
  }

  /** Creates the next `aside/<n>` and returns its name, relative to the directory. */
  async makeAsideFolder(): Promise<string> {
    const aside = `${this.path}/${ASIDE_NAME}`;
    await this.fileSystem.makeDirectory(aside);
    const numbers = (await this.fileSystem.readDirectory(aside)).map(Number).filter(Number.isSafeInteger);
    const folder = `${ASIDE_NAME}/${Math.max(0, ...numbers) + 1}`;
    await this.fileSystem.makeDirectory(`${this.path}/${folder}`);
    await this.fileSystem.syncDirectory(aside);
    await this.syncNames();
    return folder;
  }

  /** Waits for a running commit, closes the directory and releases the lock. */
  async close(): Promise<void> {
    await this.#commits;
    await disown(this.#owned);
  }
}

async function readManifest(
  fileSystem: FileSystem,
  path: string,
  names: OpenedDirectory,
): Promise<Manifest | undefined> {
  const file = `${path}/${MANIFEST_NAME}`;
  if ((await fileSystem.stat(file)) === undefined) return undefined;
  // The page cache may show a name that is not durable; decisions need what the disk has.
  await names.sync();
  const decoded = tryDecodeManifest(await readWholeFile(fileSystem, file));
  if (typeof decoded !== 'string') return decoded;
  throw new WalOpenError(
    'corrupt',
    `${file}: ${decoded}. Nothing was changed; look with: walnut wal verify ${path}`,
  );
}

/** Refuses a directory that has data and no MANIFEST. Empty segments, whose names a new log needs, are set aside. */
async function setUninitialisedAside(options: OpenDirectoryOptions, directory: WalDirectory): Promise<void> {
  const { fileSystem, path } = options;
  const { holder, leftovers } = await findNodeData(fileSystem, path);
  if (holder !== undefined) {
    throw new WalOpenError(
      'corrupt',
      `${path}: MANIFEST is missing, but ${holder} contains data. Nothing was changed; look with: walnut wal inspect ${path}`,
    );
  }
  await directory.moveAside(leftovers);
}
