/** What an inspection of a log finds: its segments, snapshots, and damage. */
import type { ChainPoint } from '#model/replication.ts';
import type { Manifest } from '#wal/manifest.ts';

export interface Finding {
  /** `torn`: the next start cuts it off by itself; `corrupt` and `missing`: the next start refuses; `decayed`: below the snapshot; `newer`: whole, and of a format that this program does not know, which the next start refuses. */
  readonly kind: 'torn' | 'newer' | 'corrupt' | 'missing' | 'decayed';
  readonly file: string;
  readonly byte: number;
  /** The record concerned, or the one expected there; 0 where none is. */
  readonly lsn: number;
  readonly why: string;
}

export interface FileReport {
  readonly name: string;
  readonly bytes: number;
}

export interface SnapshotReport extends FileReport {
  readonly position: string;
  /** The one that the log goes on from. */
  readonly isBase: boolean;
}

export interface WalReport {
  readonly directory: string;
  readonly manifest: Manifest | undefined;
  readonly segments: readonly SegmentReport[];
  readonly snapshots: readonly SnapshotReport[];
  /** Segments that the manifest does not count to the log any more. */
  readonly excluded: readonly FileReport[];
  /** What was kept when the log let go of it. */
  readonly aside: readonly FileReport[];
  readonly findings: readonly Finding[];
}

export interface SegmentReport {
  readonly name: string;
  readonly bytes: number;
  readonly firstLsn: number;
  /** `firstLsn - 1` where the segment holds no record. */
  readonly lastLsn: number;
  readonly records: number;
  /** Epochs of its records, in order. */
  readonly epochs: readonly number[];
  /** Log-clock times of its first and last record; 0 where there is none. */
  readonly firstTimestampMs: number;
  readonly lastTimestampMs: number;
  /** `empty`: no more than a header, recreated at the next start. */
  readonly end: 'sealed' | 'stopped' | 'open' | 'empty' | 'damaged';
  readonly finding: Finding | undefined;
  /** Its last record. */
  readonly chain: ChainPoint;
}
