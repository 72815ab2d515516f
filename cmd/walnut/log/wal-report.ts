/** The result of an inspection of a log: segments, snapshots and damage. */
import type { ChainPoint } from '#model/replication.ts';
import type { Manifest } from '#wal/manifest.ts';

export interface Finding {
  /**
   * `torn`: the next start cuts it off. `corrupt`, `missing`: the next start refuses.
   * `decayed`: damage below the snapshot. `newer`: a whole item in a format that this
   * program does not know, which the next start refuses.
   */
  readonly kind: 'torn' | 'newer' | 'corrupt' | 'missing' | 'decayed';
  readonly file: string;
  readonly byte: number;
  /** The LSN of the record, or the one expected there; 0 if there is none. */
  readonly lsn: number;
  readonly why: string;
}

export interface FileReport {
  readonly name: string;
  readonly bytes: number;
}

export interface SnapshotReport extends FileReport {
  readonly position: string;
  /** True for the snapshot that the log continues. */
  readonly isBase: boolean;
}

export interface WalReport {
  readonly directory: string;
  readonly manifest: Manifest | undefined;
  readonly segments: readonly SegmentReport[];
  readonly snapshots: readonly SnapshotReport[];
  /** Segments that MANIFEST excludes from the log. */
  readonly excluded: readonly FileReport[];
  /** Files in `aside/`. */
  readonly aside: readonly FileReport[];
  readonly findings: readonly Finding[];
}

export interface SegmentReport {
  readonly name: string;
  readonly bytes: number;
  readonly firstLsn: number;
  /** `firstLsn - 1` if the segment contains no record. */
  readonly lastLsn: number;
  readonly records: number;
  /** Epochs of its records, in order. */
  readonly epochs: readonly number[];
  /** Log-clock times of its first and last record; 0 if there is none. */
  readonly firstTimestampMs: number;
  readonly lastTimestampMs: number;
  /** `empty`: no more than a header, recreated at the next start. */
  readonly end: 'sealed' | 'stopped' | 'open' | 'empty' | 'damaged';
  readonly finding: Finding | undefined;
  /** Its last record. */
  readonly chain: ChainPoint;
}
