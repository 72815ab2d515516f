/**
 * The manifest of a backup: JSON that names every file with its size and
 * SHA-256, and ends with the SHA-256 of itself. Pure; decoding returns what is
 * wrong as text. A backup exists once its manifest is written.
 */
import type { ImageBase, ImageSegment, LogImage } from '#backup/log-image.ts';
import { type Lsn, toLsn } from '#model/position.ts';
import type { ChainPoint } from '#model/replication.ts';
import { sha256Hex } from '#platform/sha256.ts';
import { parseSegmentName, parseSnapshotName } from '#wal/file-names.ts';
import type { Manifest } from '#wal/manifest.ts';

/** One file of the log; the object named by `sha256` contains its bytes. */
export interface BackupFile {
  /** The name it has in a data directory. */
  readonly name: string;
  readonly kind: 'snapshot' | 'segment';
  readonly bytes: number;
  /** 64 lower-case hex digits. */
  readonly sha256: string;
  readonly firstLsn: number;
  readonly lastLsn: number;
  /** True if the segment has its seal; one without ends with its last record. */
  readonly isSealed: boolean;
}

export interface BackupManifest {
  readonly format: 1;
  readonly id: string;
  /** Wall milliseconds since the Unix epoch. */
  readonly createdMs: number;
  readonly logId: string;
  readonly nodeId: string;
  readonly role: Manifest['role'];
  readonly upstream: string;
  readonly term: number;
  /** The state can be restored to any record from `from` (the snapshot's; 0 where there is none) to `to`. */
  readonly from: ChainPoint;
  readonly to: ChainPoint;
  /** Log clock of the snapshot, milliseconds; 0 without one. */
  readonly fromTimestampMs: number;
  /** Log clock of the last record. */
  readonly toTimestampMs: number;
  /** Entries and digest of the state at `to`; null if the backup was not replayed when it was made. */
  readonly state: { readonly entries: number; readonly digest: string } | null;
  readonly files: readonly BackupFile[];
}

export function encodeBackupManifest(manifest: BackupManifest): Buffer {
  const sha256 = sha256Hex(Buffer.from(JSON.stringify(manifest)));
  return Buffer.from(`${JSON.stringify({ ...manifest, sha256 }, null, 2)}\n`);
}

/** Decodes a manifest, or returns what is wrong with it. A text in which any byte was changed is refused. */
export function tryDecodeBackupManifest(bytes: Uint8Array): BackupManifest | string {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch {
    return 'it is not JSON';
  }
  if (typeof value !== 'object' || value === null) return 'it is not a JSON object';
  const { sha256, ...manifest } = value as Record<string, unknown> & { sha256?: unknown };
  if (manifest['format'] !== 1)
    return `format ${JSON.stringify(manifest['format'])} is not known to this program`;
  if (sha256 !== sha256Hex(Buffer.from(JSON.stringify(manifest)))) return 'its own SHA-256 differs';
  // Its hash is right, so encodeBackupManifest wrote it.
  const decoded = manifest as unknown as BackupManifest;
  if (!encodeBackupManifest(decoded).equals(bytes)) return 'its text was changed';
  const unnamed = decoded.files.find(({ name }) => !parseSegmentName(name) && !parseSnapshotName(name));
  return unnamed === undefined ? decoded : 'a file has a name that no log has';
}

/** The backup as a log image whose files are objects of the repository. */
export function imageOfBackup(backup: BackupManifest, objectPath: (sha256: string) => string): LogImage {
  const { logId, nodeId, role, upstream, term, from, to, fromTimestampMs, toTimestampMs } = backup;
  const snapshot = backup.files.find(({ kind }) => kind === 'snapshot');
  const base: ImageBase | undefined =
    snapshot === undefined
      ? undefined
      : {
          name: snapshot.name,
          path: objectPath(snapshot.sha256),
          bytes: snapshot.bytes,
          point: from,
          logClockMs: fromTimestampMs,
        };
  const segments = backup.files.flatMap((file): ImageSegment[] => {
    const parsed = file.kind === 'segment' ? parseSegmentName(file.name) : undefined;
    if (parsed === undefined) return [];
    const { name, bytes, sha256, isSealed } = file;
    const lastLsn: Lsn = toLsn(file.lastLsn);
    return [
      {
        name,
        path: objectPath(sha256),
        seq: parsed.seq,
        firstLsn: parsed.firstLsn,
        lastLsn,
        bytes,
        isSealed,
      },
    ];
  });
  const manifest: Manifest = {
    format: 1,
    logId,
    nodeId,
    role,
    upstream,
    term,
    snapshot: snapshot?.name ?? '',
    lowestSegment: segments[0]?.seq ?? 1,
    replicas: { added: [], removed: [] },
    quarantine: null,
  };
  return { manifest, base, segments, last: to, lastTimestampMs: toTimestampMs, takenMs: backup.createdMs };
}
