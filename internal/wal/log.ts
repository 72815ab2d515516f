/**
 * The log: appends frames, reads them back, and deletes segments that a snapshot
 * covers.
 *
 * `openLog` replays the log on disk and repairs its end. It throws `WalOpenError`
 * (exit code 3) if durable records are damaged. While the log is open, `failure`
 * is final (exit code 4); a full disk is not a failure, see `onRefused`.
 */

import type { FsyncPolicy } from '#model/fsync-policy.ts';
import type { Lsn } from '#model/position.ts';
import type { ChainPoint } from '#model/replication.ts';
import { assert } from '#platform/assert.ts';
import type { Clock } from '#platform/clock.ts';
import type { Logger } from '#platform/logger.ts';
import type { Random } from '#platform/random.ts';
import type { Shortage } from '#platform/shortage.ts';
import { messageOf } from '#platform/thrown.ts';
import { countDeletable, deleteOldest, snapshotLsn } from '#wal/compaction.ts';
import type { Frame } from '#wal/frame.ts';
import { pointOf } from '#wal/frame-run.ts';
import type { LogEvents } from '#wal/log-events.ts';
import type { LogMeter } from '#wal/log-meter.ts';
import { LogReader, prunedError } from '#wal/log-reader.ts';
import { LogWriter } from '#wal/log-writer.ts';
import type { NewSegment } from '#wal/log-writer-parts.ts';
import type { LogReach } from '#wal/manifest.ts';
import { recoverLog } from '#wal/recovery.ts';
import type { RecoveryProgress } from '#wal/recovery-progress.ts';
import { SegmentTable } from '#wal/segment-table.ts';
import { TailKeeper, type TornTail } from '#wal/tail-keeper.ts';
import { verifySegment } from '#wal/verify-segments.ts';
import type { WalDirectory } from '#wal/wal-directory.ts';
import { type DamagePlace, isShortage, WalOpenError } from '#wal/wal-errors.ts';

export interface OpenLogOptions {
  /** Locked and initialised. */
  readonly directory: WalDirectory;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly fsync: FsyncPolicy;
  /** At `interval`: the longest time a record waits for its fdatasync to be issued. */
  readonly syncIntervalMs: number;
  /** The least time between two fdatasyncs issued on request. */
  readonly requestedSyncGapMs: number;
  /** A segment is closed before it grows over this; a larger record gets one of its own. */
  readonly maxFileBytes: number;
  /** Batches of at most so many bytes may be written on the calling thread; default 64 KiB, 0: none. */
  readonly writeNowBytesMax?: number | undefined;
  /** Bytes of segments that are kept although the snapshot covers them. */
  readonly retentionBytes: number;
  /** The record at which the loaded snapshot was made; zeros without a snapshot. `onFrame` continues after it. */
  readonly from: ChainPoint;
  readonly logId: string;
  /**
   * Called with every record after `from`, in order. The frame's bytes are views
   * into a read buffer: copy what is kept. An error thrown here means that the log
   * is corrupt.
   */
  readonly onFrame: (frame: Frame) => void;
  readonly onProgress?: ((progress: RecoveryProgress) => void) | undefined;
  readonly meter?: LogMeter | undefined;
}

export interface OpenedLog {
  readonly log: Log;
  /** The log ended with a clean stop, so no record that it accepted is missing. False in a fresh directory. */
  readonly wasClean: boolean;
  readonly tornTail: TornTail | undefined;
  /** Records replayed. */
  readonly records: number;
}

export async function openLog(options: OpenLogOptions): Promise<OpenedLog> {
  const { directory, random, logger, logId } = options;
  const recovery = await recoverLog(options).catch((error: unknown) => {
    throw asOpenError(error, directory.path, 'cannot be read');
  });
  const table = new SegmentTable(recovery.segments, recovery.readableFromLsn);
  const keeper = new TailKeeper({ directory, table, random, logger, logId }, recovery);
  const log = new Log(options, table, keeper, recovery);
  try {
    await log.openTail();
  } catch (error) {
    throw asOpenError(error, directory.path, 'the end of the log cannot be written');
  }
  directory.reach = () => log.reach;
  const wasClean = recovery.tailState.kind === 'clean';
  return { log, wasClean, tornTail: keeper.tornTail, records: recovery.records };
}

function asOpenError(error: unknown, path: string, what: string): WalOpenError {
  if (error instanceof WalOpenError) return error;
  return new WalOpenError('unusable', `${path}: ${what}: ${messageOf(error)}`, error);
}

export class Log implements LogEvents {
  /**
   * Called once for each batch, in order: every record up to `lsn` may be applied.
   * At `always` they are durable, otherwise written.
   */
  onCommitted: ((lsn: Lsn) => void) | undefined;
  /** Called when every record up to `lsn` is durable. */
  onDurable: ((lsn: Lsn) => void) | undefined;
  /** Called when the disk has no room: `firstLsn` and all records after it were not appended, and `tail` is the record before it. */
  onRefused: ((firstLsn: Lsn, error: Error) => void) | undefined;
  /** Called once, when the disk has failed: nothing is acknowledged after that. */
  onFailed: ((error: Error) => void) | undefined;
  /** Called before each batch is written; if it returns a promise, the batch waits for it. */
  holdBack: (() => Promise<void> | undefined) | undefined;

  readonly #options: OpenLogOptions;
  readonly #table: SegmentTable;
  readonly #writer: LogWriter;
  readonly #reader: LogReader;
  readonly #pins = new Set<{ readonly lsn: number; readonly bytesMax: number }>();
  #compaction: Promise<unknown> = Promise.resolve();

  constructor(
    options: OpenLogOptions,
    table: SegmentTable,
    keeper: TailKeeper,
    recovered: { readonly tail: ChainPoint; readonly durableLsn: number },
  ) {
    const { directory, clock, logger, fsync, requestedSyncGapMs, maxFileBytes, meter } = options;
    this.#options = options;
    this.#table = table;
    this.#reader = new LogReader(directory, table);
    const parts = {
      keeper,
      clock,
      logger,
      events: this,
      syncsEveryBatch: fsync === 'always',
      syncIntervalMs: fsync === 'interval' ? options.syncIntervalMs : undefined,
      requestedSyncGapMs,
      maxFileBytes,
      writeNowBytesMax: options.writeNowBytesMax,
      meter,
      releaseRetained: () => this.#compact(snapshotLsn(directory), 0, true).catch(noneWithoutSpace),
      freeBytes: () => directory.fileSystem.freeBytes(directory.path),
    };
    this.#writer = new LogWriter(parts, recovered.tail, recovered.durableLsn);
  }

  /** Prepares the end of the log for appending; called by `openLog` only. */
  openTail(): Promise<void> {
    return this.#writer.open();
  }

  /** The last record accepted by `append`, written or not. */
  get tail(): ChainPoint {
    return this.#writer.tail;
  }

  get writtenLsn(): Lsn {
    return this.#writer.writtenLsn;
  }

  get durableLsn(): Lsn {
    return this.#writer.durableLsn;
  }

  /** The first record that can be read; `tail + 1` if there is none. */
  get earliestLsn(): Lsn {
    return this.#table.earliestLsn(this.#writer.tail.lsn);
  }

  get segmentCount(): number {
    return this.#table.count;
  }

  /** Bytes of all segments. */
  get bytes(): number {
    return this.#table.bytes;
  }

  /** Bytes of frames that are accepted and not yet written; back-pressure depends on it. */
  get queuedBytes(): number {
    return this.#writer.queuedBytes;
  }

  /**
   * What the last batch was short of. Appending is still tried, so the log recovers
   * by itself, and this becomes undefined within about a second after that.
   */
  get shortage(): Shortage | undefined {
    return this.#writer.shortage;
  }

  /** True if records are committed once they are durable, and not before. */
  get syncsEveryBatch(): boolean {
    return this.#options.fsync === 'always';
  }

  /** Set once, for good. */
  get failure(): Error | undefined {
    return this.#writer.failure;
  }

  /** Queues the next record. Throws `failure` once it is set. */
  append(frame: Frame): void {
    this.#writer.append(frame);
  }

  /** Requests an fdatasync of everything appended so far; it is issued as soon as the gap allows. */
  requestSync(): void {
    this.#writer.requestSync();
  }

  /** Seals the segment, unless it has no record, and begins the next one. Rejects if the disk has no room. */
  rotate(): Promise<NewSegment> {
    return this.#writer.rotate();
  }

  /** Resolves when everything appended so far is durable, or was refused. */
  drain(): Promise<void> {
    return this.#writer.drain();
  }

  /** The last segment and the durable LSN, as MANIFEST stores them; undefined if the log has no segment. */
  get reach(): LogReach | undefined {
    const { last } = this.#table;
    return last === undefined ? undefined : { segment: last.name, lsn: this.durableLsn };
  }

  /** Writes what is queued, marks a clean stop, stores the end of the log in MANIFEST and closes the log. The directory stays open. */
  async close(): Promise<void> {
    const { directory, logger } = this.#options;
    await this.#compaction.catch(() => {});
    try {
      await this.#writer.close();
      const { reach } = this;
      if (reach === undefined || this.failure !== undefined || directory.failure !== undefined) return;
      await directory.vouch(reach).catch((error: unknown) => {
        if (!isShortage(error)) throw error;
        logger.warn({ error: messageOf(error) }, 'no space to store the end of the log in MANIFEST');
      });
    } finally {
      directory.reach = undefined;
    }
  }

  /**
   * Whole durable frames from `fromLsn` to `uptoLsn` (default: the last): at least
   * one, then as many as fit into `bytesMax`; none if `fromLsn` is not durable yet.
   * Throws `WalReadError`: `pruned` below `earliestLsn`, `corrupt` on damage.
   */
  async read(fromLsn: number, bytesMax: number, uptoLsn = Number.POSITIVE_INFINITY): Promise<Frame[]> {
    if (fromLsn < this.earliestLsn) throw prunedError(fromLsn);
    const lastLsn = Math.min(uptoLsn, this.durableLsn);
    if (fromLsn > lastLsn) return [];
    const release = this.pin(fromLsn);
    try {
      return await this.#reader.read({ fromLsn, lastLsn, bytesMax });
    } finally {
      release();
    }
  }

  /** The record's place in the chain; undefined if the log no longer or not yet has it. Throws `WalReadError` on damage. */
  async lookup(lsn: number): Promise<ChainPoint | undefined> {
    const { from } = this.#options;
    if (lsn === this.tail.lsn) return this.tail;
    if (lsn === from.lsn) return from;
    const queued = this.#writer.findQueued(lsn);
    if (queued !== undefined) return { epoch: queued.epoch, lsn: queued.lsn, crc: queued.crc };
    const earliestLsn = this.earliestLsn;
    if (lsn > this.tail.lsn || lsn < earliestLsn - 1 || lsn < 1) return undefined;
    if (lsn === earliestLsn - 1) {
      const first = this.#table.all[0];
      return first?.firstLsn === earliestLsn ? this.#reader.pointBefore(first) : undefined;
    }
    const [frame] = await this.#reader.read({ fromLsn: lsn, lastLsn: lsn, bytesMax: 1 });
    return frame === undefined ? undefined : pointOf(frame);
  }

  /**
   * Deletes segments that the base snapshot at `belowLsn` covers and that neither
   * retention nor a pin keeps. Returns their number.
   */
  compact(belowLsn: number): Promise<number> {
    assert(belowLsn <= this.durableLsn, 'a snapshot is published after its log is durable');
    return this.#compact(belowLsn, this.#options.retentionBytes);
  }

  /** With `isOutOfRoom`, segments that are kept only for replicas are deleted too, even if a pin with a limit keeps them. */
  #compact(belowLsn: number, retentionBytes: number, isOutOfRoom = false): Promise<number> {
    const done = this.#compaction.then(async () => {
      const pins = [...this.#pins].filter(
        ({ lsn, bytesMax }) =>
          bytesMax === Number.POSITIVE_INFINITY || (!isOutOfRoom && this.#bytesFrom(lsn) <= bytesMax),
      );
      const pinnedLsn = Math.min(Number.POSITIVE_INFINITY, ...pins.map((pin) => pin.lsn));
      const count = countDeletable(this.#table.all, { belowLsn, pinnedLsn, retentionBytes });
      await deleteOldest(this.#options.directory, this.#table, count);
      return count;
    });
    this.#compaction = done.catch(() => {});
    return done;
  }

  /**
   * Keeps the log from `lsn` on until the returned function is called. A pin with
   * `bytesMax` ends when that part of the log takes more bytes, or the disk is full.
   */
  pin(lsn: number, bytesMax = Number.POSITIVE_INFINITY): () => void {
    const pin = { lsn, bytesMax };
    this.#pins.add(pin);
    return () => this.#pins.delete(pin);
  }

  #bytesFrom(lsn: number): number {
    const kept = this.#table.all.filter((segment) => segment.lastLsn >= lsn);
    return kept.reduce((sum, segment) => sum + segment.sizeBytes, 0);
  }

  /** Reads and checks all sealed segments, in slices. Returns the first damage, or undefined. */
  async verifyKept(signal: AbortSignal): Promise<DamagePlace | undefined> {
    const { directory, clock } = this.#options;
    for (const segment of [...this.#table.all]) {
      if (signal.aborted) return undefined;
      if (!segment.isSealed || !this.#table.all.includes(segment)) continue;
      const damage = await verifySegment(directory, segment, clock, signal);
      // A segment may have been deleted meanwhile, which is no damage.
      if (damage !== undefined && this.#table.all.includes(segment)) return damage;
    }
    return undefined;
  }
}

/** There may be no room even for MANIFEST: then no segment was deleted. */
function noneWithoutSpace(error: unknown): number {
  if (!isShortage(error)) throw error;
  return 0;
}
