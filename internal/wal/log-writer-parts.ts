/** What the log's writer is made of, and what it gives. */
import type { Lsn } from '#model/position.ts';
import type { Clock } from '#platform/clock.ts';
import type { Logger } from '#platform/logger.ts';
import type { LogEvents } from '#wal/log-events.ts';
import type { TailKeeper } from '#wal/tail-keeper.ts';

export interface LogWriterParts {
  readonly keeper: TailKeeper;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly events: LogEvents;
  /** Every batch is fdatasynced before it counts as committed. */
  readonly syncsEveryBatch: boolean;
  /** Between fdatasyncs beside the writes; undefined: on request only. */
  readonly syncIntervalMs: number | undefined;
  readonly requestedSyncGapMs: number;
  readonly maxFileBytes: number;
  readonly onFsync: ((seconds: number) => void) | undefined;
  /** Deletes segments kept only for replicas; returns how many. */
  readonly releaseRetained: () => Promise<number>;
  /** Bytes free on the log's disk. */
  readonly freeBytes: () => Promise<number>;
}

export interface NewSegment {
  readonly segmentSeq: number;
  readonly firstLsn: Lsn;
}
