/** The parts that the log's writer needs, and a result of it. */
import type { Lsn } from '#model/position.ts';
import type { Clock } from '#platform/clock.ts';
import type { Logger } from '#platform/logger.ts';
import type { LogEvents } from '#wal/log-events.ts';
import type { LogMeter } from '#wal/log-meter.ts';
import type { TailKeeper } from '#wal/tail-keeper.ts';

export interface LogWriterParts {
  readonly keeper: TailKeeper;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly events: LogEvents;
  /** Every batch is fdatasynced before it counts as committed. */
  readonly syncsEveryBatch: boolean;
  /** Interval of the fdatasyncs that run in parallel with writes; undefined: on request only. */
  readonly syncIntervalMs: number | undefined;
  readonly requestedSyncGapMs: number;
  readonly maxFileBytes: number;
  /** See `OpenLogOptions`. */
  readonly writeNowBytesMax: number | undefined;
  readonly meter: LogMeter | undefined;
  /** Deletes segments that are kept only for replicas; returns their number. */
  readonly releaseRetained: () => Promise<number>;
  /** Bytes free on the log's disk. */
  readonly freeBytes: () => Promise<number>;
}

export interface NewSegment {
  readonly segmentSeq: number;
  readonly firstLsn: Lsn;
}
