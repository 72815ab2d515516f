/**
 * The end of the log on disk: the open segment, what is written in it, and how
 * much of that is durable. Only the writer loop calls it, one step at a time; only
 * the fdatasyncs of the schedule run in parallel.
 *
 * A failed fdatasync or truncate is final: `onFailed` is called, and the call rejects.
 */
import type { Lsn } from '#model/position.ts';
import type { ChainPoint } from '#model/replication.ts';
import type { Clock } from '#platform/clock.ts';
import type { Fifo } from '#platform/fifo.ts';
import { asError } from '#platform/thrown.ts';
import type { Frame } from '#wal/frame.ts';
import { pointOf } from '#wal/frame-run.ts';
import { encodeMark, encodeSeal, NOTE_BYTES, PREFIX_BYTES } from '#wal/segment-format.ts';
import { SyncSchedule } from '#wal/sync-schedule.ts';
import type { OpenSegment, TailKeeper } from '#wal/tail-keeper.ts';
import { isShortage } from '#wal/wal-errors.ts';
import { writeFully } from '#wal/whole-files.ts';

/** A block of the usual file systems, and so much that a try each second costs little. */
const TRIED_BYTES_MIN = 4_096;
const TRIED_BYTES_MAX = 65_536;

export interface LogEndParts {
  readonly keeper: TailKeeper;
  readonly clock: Clock;
  readonly maxFileBytes: number;
  /** Interval of the fdatasyncs that run in parallel with writes; undefined: on request only. */
  readonly syncIntervalMs: number | undefined;
  readonly requestedSyncGapMs: number;
  readonly onSynced: (tookMs: number) => void;
  readonly onDurable: (lsn: Lsn) => void;
  readonly onFailed: (error: Error) => void;
  /** Returns the failure that has ended the log, if there is one. */
  readonly failure: () => Error | undefined;
}

export class LogEnd {
  readonly #parts: LogEndParts;
  readonly syncs: SyncSchedule;
  #open: OpenSegment | undefined;
  #written: ChainPoint;
  #durableLsn: number;
  /** The highest LSN that an item written later states to be durable. */
  #vouchedLsn: number;

  constructor(parts: LogEndParts, written: ChainPoint, durableLsn: number) {
    this.#parts = parts;
    this.#written = written;
    this.#durableLsn = durableLsn;
    this.#vouchedLsn = durableLsn;
    this.syncs = new SyncSchedule({
      clock: parts.clock,
      intervalMs: parts.syncIntervalMs,
      requestedGapMs: parts.requestedSyncGapMs,
      state: () => ({
        writtenLsn: this.#open === undefined ? this.#durableLsn : this.#written.lsn,
        durableLsn: this.#durableLsn,
      }),
      sync: async () => {
        try {
          await this.sync();
        } catch (error) {
          parts.onFailed(asError(error));
          throw error;
        }
      },
    });
  }

  /** The last record that is written to the segment. */
  get written(): ChainPoint {
    return this.#written;
  }

  get durableLsn(): Lsn {
    return this.#durableLsn as Lsn;
  }

  /** True if an item written later states that the last durable record is durable. */
  get isVouched(): boolean {
    return this.#durableLsn <= this.#vouchedLsn;
  }

  // ---- segments ------------------------------------------------------------------------------

  async open(): Promise<OpenSegment> {
    if (this.#open !== undefined) return this.#open;
    const repairs = this.#parts.keeper.needsRepair;
    this.#open = await this.#parts.keeper.prepare(this.#written);
    if (repairs) this.#advanceDurable(this.#written.lsn);
    return this.#open;
  }

  /** The open segment if a record of that size still fits; undefined: see `openFor`. */
  readyFor(frameBytes: number): OpenSegment | undefined {
    const open = this.#open;
    return open !== undefined && this.fits(open, frameBytes) ? open : undefined;
  }

  /** Returns the open segment if a record of that size still fits, otherwise a new one. A record larger than a segment gets its own. */
  async openFor(frameBytes: number): Promise<OpenSegment> {
    const open = await this.open();
    return this.fits(open, frameBytes) ? open : this.rotate(open);
  }

  fits({ segment }: OpenSegment, frameBytes: number): boolean {
    const end = segment.sizeBytes + PREFIX_BYTES + frameBytes + NOTE_BYTES;
    return segment.records === 0 || end <= this.#parts.maxFileBytes;
  }

  /** Bytes of records that still fit into the segment, with room for its seal. */
  roomIn({ segment }: OpenSegment): number {
    return this.#parts.maxFileBytes - NOTE_BYTES - segment.sizeBytes;
  }

  /** Seals and fdatasyncs the segment, under every fsync policy, and then creates the next one. */
  async rotate(open: OpenSegment): Promise<OpenSegment> {
    const { segment, file, salt } = open;
    const { lsn: lastLsn, crc: lastCrc } = this.#written;
    const seal = { lastLsn, lastCrc, records: segment.records, durLag: lastLsn - this.#durableLsn };
    await writeFully(file, encodeSeal(salt, seal), segment.sizeBytes);
    await this.syncs.settled();
    await this.sync();
    segment.sizeBytes += NOTE_BYTES;
    segment.isSealed = true;
    this.#open = undefined;
    await file.close();
    return this.open();
  }

  /** Notes that the oldest `count` frames are written, and that their prefixes state `vouchedLsn` as durable. */
  noteWritten({ segment }: OpenSegment, frames: Fifo<Frame>, count: number, vouchedLsn: number): void {
    for (let i = 0; i < count; i++) {
      const frame = frames.at(i) as Frame;
      segment.index.note(frame.lsn, segment.sizeBytes);
      segment.sizeBytes += PREFIX_BYTES + frame.frameBytes;
    }
    const last = frames.at(count - 1) as Frame;
    segment.records += count;
    segment.lastLsn = last.lsn;
    this.#written = pointOf(last);
    this.#vouchedLsn = Math.max(this.#vouchedLsn, vouchedLsn);
  }

  /** Writes zeros where a record of that size would be written, and cuts them off again. Rejects where there is no room. */
  async tryRoom(frameBytes: number): Promise<void> {
    try {
      const { file, segment } = await this.openFor(frameBytes);
      const bytes = Math.min(Math.max(frameBytes, TRIED_BYTES_MIN), TRIED_BYTES_MAX);
      await writeFully(file, Buffer.alloc(bytes), segment.sizeBytes);
    } finally {
      await this.cutBack();
    }
  }

  /** Cuts the open segment back to its last whole item. A failure is final. */
  async cutBack(): Promise<void> {
    const open = this.#open;
    if (open === undefined || this.#parts.failure() !== undefined) return;
    try {
      await open.file.truncate(open.segment.sizeBytes);
    } catch (error) {
      throw new Error('cutting off a failed batch failed', { cause: error });
    }
    await this.sync();
  }

  async close(): Promise<void> {
    await this.syncs.stop();
    await this.#open?.file.close();
    this.#open = undefined;
  }

  // ---- durability ----------------------------------------------------------------------------

  /** Fdatasyncs the open segment. What was written before the call is durable afterwards. A failure is final. */
  async sync(announces = true): Promise<void> {
    const open = this.#open;
    if (open === undefined) return;
    const { clock, onSynced, onFailed, failure } = this.#parts;
    const issuedLsn = this.#written.lsn;
    const startMs = clock.monotonicMs();
    try {
      await open.file.datasync();
    } catch (thrown) {
      const error = new Error(`fdatasync of ${open.segment.path} failed`, { cause: thrown });
      onFailed(error);
      throw error;
    }
    onSynced(clock.monotonicMs() - startMs);
    const failed = failure();
    if (failed !== undefined) throw failed;
    if (announces) this.#advanceDurable(issuedLsn);
    else this.#durableLsn = Math.max(this.#durableLsn, issuedLsn);
  }

  async syncAll(): Promise<void> {
    await this.syncs.settled();
    if (this.#durableLsn < this.#written.lsn) await this.sync();
  }

  #advanceDurable(lsn: number): void {
    if (lsn <= this.#durableLsn) return;
    this.#durableLsn = lsn;
    this.#parts.onDurable(lsn as Lsn);
  }

  /** Writes a mark that states what is durable. Without room for it the mark is cut off again, and the call rejects. */
  async writeMark(isCleanStop: boolean): Promise<void> {
    const open = this.#open;
    if (open === undefined) return;
    const lastLsn = this.#written.lsn;
    const durableLsn = this.#durableLsn;
    const mark = { lastLsn, durLag: lastLsn - durableLsn, isCleanStop };
    this.#vouchedLsn = durableLsn;
    try {
      await writeFully(open.file, encodeMark(open.salt, mark), open.segment.sizeBytes);
    } catch (error) {
      if (isShortage(error)) await this.cutBack();
      throw error;
    }
    open.segment.sizeBytes += NOTE_BYTES;
    await this.syncs.settled();
    await this.sync();
  }

  async markCleanStop(): Promise<void> {
    await this.syncAll();
    const endBefore = this.#open?.segment.sizeBytes ?? 0;
    await this.writeMark(true).catch(async (error: unknown) => {
      // The page cache may contain a mark that the disk does not: the next start must not see it.
      await this.#open?.file.truncate(endBefore).catch(() => {});
      throw error;
    });
  }
}
