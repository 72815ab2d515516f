/**
 * A log as files that can be read without owning them: the base snapshot and
 * the segments from it on, each with how far it counts. Taken from the data
 * directory of a node, running or stopped, or from a backup; backups, drills
 * and point-in-time reads all begin here.
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
  /** S: the record whose state it is exactly. */
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
  /** The file's first bytes that count: whole with a seal, else up to the end of its last record. */
  readonly bytes: number;
  readonly isSealed: boolean;
}

export interface LogImage {
  /** Of the node it was taken from. */
  readonly manifest: Manifest;
  readonly base: ImageBase | undefined;
  /** Oldest first, each with at least one record behind the base. */
  readonly segments: readonly ImageSegment[];
  /** The last record; the base's where there is none behind it. */
  readonly last: ChainPoint;
  /** Log clock of the last record, milliseconds; 0 where only the base is there. */
  readonly lastTimestampMs: number;
  /** Wall milliseconds when it was taken: of what happened later it knows nothing. */
  readonly takenMs: number;
}

/** The seams that reading an image takes. */
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

/** The files changed under the reader: to be tried again. */
export class LogMovedError extends Error {
  override readonly name = 'LogMovedError';
}

/** The request cannot be met as it stands: no such directory, backup, record or time. */
export class BackupRequestError extends Error {
  override readonly name = 'BackupRequestError';
}
