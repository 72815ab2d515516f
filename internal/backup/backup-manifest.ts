/**
 * The manifest of a backup: JSON that names every file with its size and
 * SHA-256, and ends with the SHA-256 of itself. Pure; decoding returns what is
 * wrong as text. A backup exists once its manifest is written.
 */
import type { ImageBase, ImageSegment, LogImage } from '#backup/log-image.ts';
import { encodeSealed, tryDecodeSealed } from '#backup/sealed-json.ts';
import { type Lsn, toLsn } from '#model/position.ts';
import type { ChainPoint } from '#model/replication.ts';
import type { SlotRun } from '#model/slots.ts';
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

/** The group and cluster to which a backed up node belonged. */
export interface BackupPlace {
  /** `cluster.name`. */
  readonly cluster: string;
  /** 32 hex digits; empty: the cluster was not made yet. */
  readonly clusterId: string;
  /** Empty: the node belonged to no group yet. */
  readonly group: string;
}

/** The state at the end of a backup, found by replaying it. */
export interface BackupState {
  readonly entries: number;
  readonly digest: string;
  /** The slots that the log says its group owns; absent: it says nothing, or an earlier version made the backup. */
  readonly owned?: readonly SlotRun[] | undefined;
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
  /** Absent: of no cluster, or an earlier version made the backup. */
  readonly place?: BackupPlace | undefined;
  /** The state can be restored to any record from `from` (the snapshot's; 0 where there is none) to `to`. */
  readonly from: ChainPoint;
  readonly to: ChainPoint;
  /** Log clock of the snapshot, or without one of the first record, milliseconds; 0: none is known. */
  readonly fromTimestampMs: number;
  /** Log clock of the last record. */
  readonly toTimestampMs: number;
  /** The state at `to`; null if the backup was not replayed when it was made. */
  readonly state: BackupState | null;
  readonly files: readonly BackupFile[];
}

export function encodeBackupManifest(manifest: BackupManifest): Buffer {
  return encodeSealed(manifest);
}

/** Decodes a manifest, or returns what is wrong with it. A text in which any byte was changed is refused. */
export function tryDecodeBackupManifest(bytes: Uint8Array): BackupManifest | string {
  const sealed = tryDecodeSealed(bytes, 1);
  if (typeof sealed === 'string') return sealed;
  // Its hash is right, so encodeBackupManifest wrote it.
  const decoded = sealed as BackupManifest;
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
  return {
    ...{ manifest, base, segments, last: to },
    firstTimestampMs: base === undefined ? fromTimestampMs : 0,
    lastTimestampMs: toTimestampMs,
    takenMs: backup.createdMs,
  };
}
