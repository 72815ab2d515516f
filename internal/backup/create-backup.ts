/**
 * Makes a backup of the data directory of a node, running or stopped: the base
 * snapshot, the sealed segments, and the last segment up to its last valid record.
 * It takes no lock and writes only to the repository.
 *
 * The CRCs of every segment are checked before it is copied, and the copy of the
 * segment that was still being written is read again. Throws `ImageDamageError` on a
 * damaged source, `BackupRequestError` if there is nothing to back up.
 */
import {
  type BackupFile,
  type BackupManifest,
  type BackupPlace,
  type BackupState,
  imageOfBackup,
} from '#backup/backup-manifest.ts';
import type { BackupRepository } from '#backup/backup-repository.ts';
import { foldLog } from '#backup/fold-log.ts';
import { checkTail } from '#backup/live-segment.ts';
import {
  BackupRequestError,
  ImageDamageError,
  type ImageReaderParts,
  type LogImage,
  NO_RECORD,
} from '#backup/log-image.ts';
import { checkSnapshot } from '#backup/snapshot-file.ts';
import { withLogImage } from '#backup/survey-log.ts';
import { SnapshotError } from '#storage/snapshot-bytes.ts';
import type { MemberPlace } from '#wal/manifest.ts';

export interface CreatedBackup {
  readonly manifest: BackupManifest;
  readonly copiedBytes: number;
  readonly reusedBytes: number;
  readonly copiedFiles: number;
  readonly reusedFiles: number;
}

export interface CreateBackupOptions {
  /** Replays the copy and writes the digest of its state into the manifest, which takes as much memory as the state. */
  readonly isReplayed: boolean;
}

export async function createBackup(
  parts: ImageReaderParts,
  from: string,
  repository: BackupRepository,
  { isReplayed }: CreateBackupOptions,
): Promise<CreatedBackup> {
  const created = await withLogImage(parts, from, async (image, held) => {
    if (image.last.lsn === 0) throw new BackupRequestError(`${from} has no record yet`);
    await repository.prepare();
    return copyImage(held, image, repository);
  });
  const state = isReplayed ? await replay(parts, created.manifest, repository) : null;
  const manifest = { ...created.manifest, state };
  await repository.putManifest(manifest);
  return { ...created, manifest };
}

async function copyImage(
  parts: ImageReaderParts,
  image: LogImage,
  repository: BackupRepository,
): Promise<CreatedBackup> {
  const { base, segments } = image;
  const counts = { copiedBytes: 0, reusedBytes: 0, copiedFiles: 0, reusedFiles: 0 };
  const files: BackupFile[] = [];
  const put = async (file: Omit<BackupFile, 'sha256'>, path: string): Promise<string> => {
    const { sha256, isReused } = await repository.putObject(parts, path, file.bytes);
    counts[isReused ? 'reusedBytes' : 'copiedBytes'] += file.bytes;
    counts[isReused ? 'reusedFiles' : 'copiedFiles']++;
    files.push({ ...file, sha256 });
    return repository.objectPath(sha256);
  };
  if (base !== undefined) {
    const { name, bytes, path, point } = base;
    const range = { firstLsn: point.lsn, lastLsn: point.lsn, isSealed: true };
    const copy = await put({ name, kind: 'snapshot', bytes, ...range }, path);
    await checkSnapshot(parts, { path: copy, bytes }).catch((error: unknown) => {
      if (!(error instanceof SnapshotError)) throw error;
      throw new ImageDamageError({ file: path, byte: error.offset, lsn: point.lsn, why: error.why });
    });
  }
  for (const segment of segments) {
    const { name, bytes, path, firstLsn, lastLsn, isSealed } = segment;
    const copy = await put({ name, kind: 'segment', bytes, firstLsn, lastLsn, isSealed }, path);
    if (!isSealed) await checkTail(parts, { ...segment, path: copy }, image.last);
  }
  return { manifest: describe(parts, image, files), ...counts };
}

function describe(parts: ImageReaderParts, image: LogImage, files: readonly BackupFile[]): BackupManifest {
  const { logId, nodeId, role, upstream, term, member } = image.manifest;
  const createdMs = image.takenMs;
  return {
    format: 1,
    id: formatBackupId(createdMs, parts.random.uint32()),
    createdMs,
    logId,
    nodeId,
    role,
    upstream,
    term,
    ...(member === undefined ? {} : { place: placeIn(member) }),
    from: image.base?.point ?? NO_RECORD,
    to: image.last,
    fromTimestampMs: image.base?.logClockMs ?? image.firstTimestampMs,
    toTimestampMs: image.lastTimestampMs,
    state: null,
    files,
  };
}

/** Sorts by time: `20261121T044500.123Z-9f86d081`. */
export function formatBackupId(createdMs: number, nonce: number): string {
  const time = new Date(createdMs).toISOString().replace(/[-:]/g, '');
  return `${time}-${nonce.toString(16).padStart(8, '0')}`;
}

async function replay(
  parts: ImageReaderParts,
  manifest: BackupManifest,
  repository: BackupRepository,
): Promise<BackupState> {
  const image = imageOfBackup(manifest, (sha256) => repository.objectPath(sha256));
  const { store } = await foldLog(parts, image);
  const { entries, ownership } = store;
  const owned = ownership.current?.owned;
  return { entries, digest: store.stateDigest(), ...(owned === undefined ? {} : { owned }) };
}

function placeIn({ cluster, clusterId, group }: MemberPlace): BackupPlace {
  return { cluster, clusterId, group };
}
