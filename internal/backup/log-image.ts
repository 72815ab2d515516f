/**
 * A log as files that can be read without owning them: the base snapshot and the
 * segments after it, each with the number of bytes that belong to the log. It is
 * taken from a backup, or from the data directory of a node, running or stopped.
 * Backups, drills and point-in-time reads all begin with one.
 */
import type { Lsn } from '#model/position.ts';
import type { ChainPoint } from '#model/replication.ts';
import type { Clock } from '#platform/clock.ts';
import type { FileSystem } from '#platform/file-system.ts';
import type { Random } from '#platform/random.ts';
import type { Manifest } from '#wal/manifest.ts';
import type { DamagePlace } from '#wal/wal-errors.ts';

export interface ImageBase {
  /** The name it has in a data directory. */
  readonly name: string;
  readonly path: string;
  readonly bytes: number;
  /** The record at which the snapshot was made. */
  readonly point: ChainPoint;
  /** Log clock when it was begun, milliseconds. */
  readonly logClockMs: number;
}

export interface ImageSegment {
  /** The name it has in a data directory. */
  readonly name: string;
  readonly path: string;
  readonly seq: number;
  readonly firstLsn: Lsn;
  readonly lastLsn: Lsn;
  /** Bytes of the file that belong to the image: all if it is sealed, otherwise up to the end of its last record. */
  readonly bytes: number;
  readonly isSealed: boolean;
}

export interface LogImage {
  /** The manifest of the node from which the image was taken. */
  readonly manifest: Manifest;
  readonly base: ImageBase | undefined;
  /** Oldest first, each with at least one record after the base snapshot. */
  readonly segments: readonly ImageSegment[];
  /** The last record; that of the base snapshot if there is none after it. */
  readonly last: ChainPoint;
  /** Log clock of the first record where there is no base snapshot, milliseconds; 0 where that is not known. */
  readonly firstTimestampMs: number;
  /** Log clock of the last record, milliseconds; 0 if there is only the base snapshot. */
  readonly lastTimestampMs: number;
  /** Wall time at which the image was taken, milliseconds. */
  readonly takenMs: number;
}

/** The interfaces to the outside that reading an image needs. */
export interface ImageReaderParts {
  readonly fileSystem: FileSystem;
  readonly clock: Clock;
  readonly random: Random;
}

export const NO_RECORD: ChainPoint = { epoch: 0, lsn: 0 as Lsn, crc: 0 };

/** Durable bytes are damaged or missing. */
export class ImageDamageError extends Error {
  override readonly name = 'ImageDamageError';
  readonly place: DamagePlace;

  constructor(place: DamagePlace) {
    super(
      place.lsn === 0
        ? `${place.file}: ${place.why}`
        : `${place.file}: byte ${place.byte}, LSN ${place.lsn}: ${place.why}`,
    );
    this.place = place;
  }
}

/** The files changed while they were read; the caller tries again. */
export class LogMovedError extends Error {
  override readonly name = 'LogMovedError';
}

/** The request names a directory, backup, record or time that does not exist. */
export class BackupRequestError extends Error {
  override readonly name = 'BackupRequestError';
}
