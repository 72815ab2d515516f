/**
 * The writer loop: the only place that changes the end of the log, one awaited
 * step after another. Records that are appended while the last write (and, at
 * `always`, its fdatasync) runs are written together as the next batch.
 *
 * If the disk has no room for a batch, the batch is cut off again and refused,
 * with every record queued after it, and the log continues. Any other error, and
 * any failed fdatasync or truncate, becomes `failure`: it is set once, and nothing
 * is acknowledged after it.
 *
 * The parts of the loop are in `write-queue.ts` (what is queued), `log-end.ts`
 * (what is written and durable), `disk-shortage.ts` and `idle-mark.ts`.
 */
import type { Lsn } from '#model/position.ts';
import type { ChainPoint } from '#model/replication.ts';
import { assert } from '#platform/assert.ts';
import { type Shortage, shortageOf } from '#platform/shortage.ts';
import { asError, messageOf } from '#platform/thrown.ts';
import { BatchBuffer } from '#wal/batch-buffer.ts';
import { BatchStart } from '#wal/batch-start.ts';
import { DiskShortage } from '#wal/disk-shortage.ts';
import type { Frame } from '#wal/frame.ts';
import { IdleMark } from '#wal/idle-mark.ts';
import { LogEnd } from '#wal/log-end.ts';
import type { LogWriterParts, NewSegment } from '#wal/log-writer-parts.ts';
import type { OpenSegment } from '#wal/tail-keeper.ts';
import { isShortage } from '#wal/wal-errors.ts';
import { WritePace } from '#wal/write-pace.ts';
import { WriteQueue } from '#wal/write-queue.ts';

interface Task {
  /** The task runs once this LSN is written, or nothing is queued. */
  readonly afterLsn: number;
  readonly run: () => Promise<void>;
  readonly reject: (error: Error) => void;
}

export class LogWriter {
  readonly #parts: LogWriterParts;
  readonly #queue: WriteQueue;
  readonly #end: LogEnd;
  readonly #shortage: DiskShortage;
  /** The size of the record that was refused last. */
  #refusedBytes = 0;
  readonly #mark: IdleMark;
  readonly #batch = new BatchBuffer();
  readonly #pace: WritePace;
  readonly #start: BatchStart;
  #tasks: Task[] = [];
  #isRunning = false;
  #closing: Promise<void> | undefined;
  #isClosed = false;
  #failure: Error | undefined;

  constructor(parts: LogWriterParts, tail: ChainPoint, durableLsn: number) {
    const { clock, logger, freeBytes } = parts;
    this.#parts = parts;
    this.#pace = new WritePace(clock, parts.writeNowBytesMax);
    this.#start = new BatchStart(clock, parts.syncsEveryBatch);
    this.#queue = new WriteQueue(tail);
    this.#end = this.#createEnd(tail, durableLsn);
    this.#shortage = new DiskShortage({
      clock,
      logger,
      freeBytes,
      tryRoom: () => this.#end.tryRoom(this.#refusedBytes),
      onProbe: () => this.#attempt(() => this.#shortage.probe()),
      writtenLsn: () => this.writtenLsn,
    });
    this.#mark = new IdleMark({
      clock,
      isNeeded: () => !this.#end.isVouched,
      isBusy: () => this.#isRunning,
      write: () => this.#attempt(() => this.#end.writeMark(false)),
    });
  }

  #createEnd(tail: ChainPoint, durableLsn: number): LogEnd {
    const { keeper, clock, maxFileBytes, syncIntervalMs, requestedSyncGapMs, events } = this.#parts;
    const parts = {
      keeper,
      clock,
      maxFileBytes,
      syncIntervalMs,
      requestedSyncGapMs,
      onSynced: (tookMs: number) => {
        this.#start.noteSync(tookMs);
        this.#parts.meter?.synced(tookMs / 1_000);
      },
      onDurable: (lsn: Lsn) => {
        events.onDurable?.(lsn);
        this.#mark.schedule();
      },
      onFailed: (error: Error) => this.#fail(error),
      failure: () => this.#failure,
    };
    return new LogEnd(parts, tail, durableLsn);
  }

  get tail(): ChainPoint {
    return this.#queue.tail;
  }

  get writtenLsn(): Lsn {
    return this.#end.written.lsn;
  }

  get durableLsn(): Lsn {
    return this.#end.durableLsn;
  }

  get queuedBytes(): number {
    return this.#queue.bytes;
  }

  /** What the last batch was short of; undefined: nothing. */
  get shortage(): Shortage | undefined {
    return this.#shortage.current;
  }

  get failure(): Error | undefined {
    return this.#failure;
  }

  /** Prepares the end of the log for appending; on a full disk the log is opened for reading only. */
  async open(): Promise<void> {
    try {
      await this.#end.open();
    } catch (error) {
      if (!isShortage(error)) throw error;
      this.#shortage.begin(error);
    }
  }

  append(frame: Frame): void {
    if (this.#failure !== undefined) throw this.#failure;
    assert(!this.#isClosed, 'nothing is appended to a closed log');
    this.#queue.push(frame);
    this.#start.appended();
    this.#wake();
  }

  /** Finds a record that is queued and not written yet. */
  findQueued(lsn: number): Frame | undefined {
    return this.#queue.find(lsn);
  }

  requestSync(): void {
    if (!this.#parts.syncsEveryBatch && this.#failure === undefined && !this.#isClosed) {
      this.#end.syncs.request(this.#queue.tail.lsn);
    }
  }

  rotate(): Promise<NewSegment> {
    return this.#perform(0, async () => {
      try {
        const open = await this.#end.open();
        const fresh = open.segment.records === 0 ? open : await this.#end.rotate(open);
        return { segmentSeq: fresh.segment.seq, firstLsn: fresh.segment.firstLsn };
      } catch (error) {
        await this.#end.cutBack();
        throw error;
      }
    });
  }

  drain(): Promise<void> {
    return this.#perform(this.#queue.tail.lsn, () => this.#end.syncAll());
  }

  /**
   * Writes what is queued, ends the log with a clean mark and closes the file.
   * Without room for the mark the next start finds an unclean stop; if the disk
   * fails, the call rejects. After an earlier failure it only closes the file.
   * Later tasks are refused, because nobody would close a segment that they open.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    let failure: unknown;
    if (this.#failure === undefined) {
      await this.#perform(this.#queue.tail.lsn, () => this.#end.markCleanStop()).catch((error: unknown) => {
        this.#parts.logger.error({ error: messageOf(error) }, 'the log was not closed cleanly');
        if (!isShortage(error)) failure = error;
      });
    }
    this.#isClosed = true;
    this.#mark.stop();
    this.#shortage.stop();
    await this.#end.close();
    if (failure !== undefined) throw failure;
  }

  // ---- the loop ------------------------------------------------------------------------------

  /** Runs `work` if the log can still be written. An error of it is either a `failure`, or a shortage, after which it is tried again. */
  #attempt(work: () => Promise<void>): void {
    if (this.#closing !== undefined || this.#failure !== undefined) return;
    this.#perform(0, work).catch(() => {});
  }

  #perform<T>(afterLsn: number, work: () => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#failure !== undefined) return reject(this.#failure);
      if (this.#closing !== undefined) return reject(new Error('the log is closing'));
      const run = async (): Promise<void> => {
        try {
          resolve(await work());
        } catch (error) {
          reject(asError(error));
          if (!isShortage(error)) throw error;
        }
      };
      this.#tasks.push({ afterLsn, run, reject });
      this.#wake();
    });
  }

  #wake(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    void this.#run();
  }

  async #run(): Promise<void> {
    try {
      await this.#start.gather();
      // No append can come between finding nothing to do and ending the run: both happen in one synchronous step.
      for (let step = this.#nextStep(); step !== undefined; step = this.#nextStep()) await step;
    } catch (error) {
      this.#fail(asError(error));
    } finally {
      this.#isRunning = false;
    }
    if (this.#failure === undefined) this.#mark.schedule();
  }

  /** Starts one batch or task; undefined if there is nothing to do. */
  #nextStep(): Promise<void> | undefined {
    if (this.#failure !== undefined) return undefined;
    const isEmpty = this.#queue.frames.length === 0;
    const task = this.#tasks[0];
    if (task !== undefined && (isEmpty || this.writtenLsn >= task.afterLsn)) {
      this.#tasks.shift();
      return task.run();
    }
    return isEmpty ? undefined : this.#writeOrRefuse();
  }

  async #writeOrRefuse(): Promise<void> {
    const room = this.#parts.events.holdBack?.();
    if (room !== undefined) await room;
    let refusal: unknown;
    for (let attempt = 1; attempt <= 2; attempt++) {
      try {
        await this.#writeBatches();
        this.#shortage.end();
        return;
      } catch (error) {
        if (this.#failure !== undefined || !isShortage(error)) throw error;
        await this.#end.cutBack();
        refusal = error;
        if (shortageOf(error) !== 'space') break;
        if (attempt === 1 && (await this.#parts.releaseRetained()) === 0) break;
      }
    }
    this.#shortage.begin(refusal);
    this.#refusedBytes = (this.#queue.frames.at(0) as Frame).frameBytes;
    const firstLsn = (this.writtenLsn + 1) as Lsn;
    this.#parts.meter?.refused(this.#queue.frames.length);
    this.#queue.clear(this.#end.written);
    this.#parts.events.onRefused?.(firstLsn, asError(refusal));
  }

  /**
   * Writes one batch; at `always` also the following ones, as long as nothing else
   * is to be done between them. Nothing is awaited between announcing one batch and
   * the fdatasync of the next, so that callers are answered in parallel with it.
   */
  async #writeBatches(): Promise<void> {
    const end = this.#end;
    const { frames } = this.#queue;
    const { events, syncsEveryBatch, meter } = this.#parts;
    const { frameBytes } = frames.at(0) as Frame;
    const open = end.readyFor(frameBytes) ?? (await end.openFor(frameBytes));
    do {
      // The LSN that the prefixes state: a parallel fdatasync may raise the durable LSN during the write.
      const vouchedLsn = end.durableLsn;
      const writing = this.#writeBatch(open, vouchedLsn);
      const count = writing instanceof Promise ? await writing : writing;
      end.noteWritten(open, frames, count, vouchedLsn);
      const queuedBytes = this.#queue.bytes;
      this.#queue.drop(count);
      meter?.written(count, queuedBytes - this.#queue.bytes);
      this.#mark.noteActivity();
      if (syncsEveryBatch) await end.sync(false);
      events.onCommitted?.(end.written.lsn);
      if (syncsEveryBatch) events.onDurable?.(end.durableLsn);
      else end.syncs.written();
    } while (syncsEveryBatch && this.#goesOn(open));
  }

  /** Writes the oldest queued frames at the end of the segment; returns their number. */
  #writeBatch(open: OpenSegment, durableLsn: Lsn): number | Promise<number> {
    const { segment, file, salt } = open;
    const offset = segment.sizeBytes;
    const room = this.#end.roomIn(open);
    const count = this.#batch.fill(this.#queue.frames, { room, salt, durableLsn });
    if (!this.#pace.allows(this.#batch.bytes, this.#end.syncs.syncingSinceMs))
      return this.#batch.write(file, offset).then(() => count);
    this.#pace.measure(() => this.#batch.writeNow(file, offset));
    return count;
  }

  /** True if another batch can follow at once: no task waits, it fits into the segment, and `holdBack` does not delay it. */
  #goesOn(open: OpenSegment): boolean {
    const next = this.#queue.frames.at(0);
    if (next === undefined || this.#tasks.length > 0 || this.#failure !== undefined) return false;
    return this.#end.fits(open, next.frameBytes) && this.#parts.events.holdBack?.() === undefined;
  }

  #fail(error: Error): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#mark.stop();
    this.#shortage.stop();
    for (const task of this.#tasks.splice(0)) task.reject(error);
    const cause = error.cause === undefined ? undefined : messageOf(error.cause);
    this.#parts.logger.fatal(
      { error: error.message, cause },
      'the log failed: nothing is acknowledged any more',
    );
    this.#parts.events.onFailed?.(error);
  }
}
