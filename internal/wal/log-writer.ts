/**
 * The one writer loop: everything that changes the end of the log happens in
 * it, one awaited step after another. What arrived while the last write (and,
 * at `always`, its fdatasync) ran goes out as one batch.
 *
 * Failures: a batch the disk has no room for is cut off again and refused with
 * everything queued behind it; the log goes on. Any other failure, and any
 * failed fdatasync or truncate, is `failure`: set once, final, and nothing is
 * acknowledged ever again.
 */

import type { Lsn } from '#model/position.ts';
import type { ChainPoint } from '#model/replication.ts';
import { assert } from '#platform/assert.ts';
import type { Timer } from '#platform/clock.ts';
import { Fifo } from '#platform/fifo.ts';
import { describeShortage, type Shortage, shortageOf } from '#platform/shortage.ts';
import { asError, messageOf } from '#platform/thrown.ts';
import { BatchBuffer } from '#wal/batch-buffer.ts';
import { BatchStart } from '#wal/batch-start.ts';
import { type Frame, whyNotNext } from '#wal/frame.ts';
import { pointOf } from '#wal/frame-run.ts';
import type { LogWriterParts, NewSegment } from '#wal/log-writer-parts.ts';
import { encodeMark, encodeSeal, NOTE_BYTES, PREFIX_BYTES } from '#wal/segment-format.ts';
import { SyncSchedule } from '#wal/sync-schedule.ts';
import type { OpenSegment } from '#wal/tail-keeper.ts';
import { isShortage } from '#wal/wal-errors.ts';
import { writeFully } from '#wal/whole-files.ts';
import { WritePace } from '#wal/write-pace.ts';

interface Task {
  /** Runs once this is written, or nothing is queued any more. */
  readonly afterLsn: number;
  readonly run: () => Promise<void>;
  readonly reject: (error: Error) => void;
}

const IDLE_BEFORE_MARK_MS = 100;
const PROBE_INTERVAL_MS = 1_000;
/** Free bytes from which a full disk counts as usable again. */
const PROBE_FREE_BYTES = 1_024 * 1_024;

export class LogWriter {
  readonly #parts: LogWriterParts;
  readonly #syncs: SyncSchedule;
  readonly #batch = new BatchBuffer();
  readonly #pace: WritePace;
  readonly #start: BatchStart;
  readonly #queue = new Fifo<Frame>();
  #queuedBytes = 0;
  #open: OpenSegment | undefined;
  #tasks: Task[] = [];
  #isRunning = false;
  #isClosed = false;
  #tail: ChainPoint;
  #written: ChainPoint;
  #durableLsn: number;
  /** The highest durable LSN that something written later tells of. */
  #vouchedLsn: number;
  #lastActivityMs = 0;
  #markTimer: Timer | undefined;
  #probeTimer: Timer | undefined;
  #shortage: Shortage | undefined;
  #failure: Error | undefined;

  constructor(parts: LogWriterParts, tail: ChainPoint, durableLsn: number) {
    this.#parts = parts;
    this.#pace = new WritePace(parts.clock);
    this.#start = new BatchStart(parts.clock, parts.syncsEveryBatch);
    this.#tail = tail;
    this.#written = tail;
    this.#durableLsn = durableLsn;
    this.#vouchedLsn = durableLsn;
    this.#syncs = new SyncSchedule({
      clock: parts.clock,
      intervalMs: parts.syncIntervalMs,
      requestedGapMs: parts.requestedSyncGapMs,
      state: () => ({
        writtenLsn: this.#open === undefined ? this.#durableLsn : this.#written.lsn,
        durableLsn: this.#durableLsn,
      }),
      sync: async () => {
        try {
          await this.#sync();
        } catch (error) {
          this.#fail(asError(error));
          throw error;
        }
      },
    });
  }

  get tail(): ChainPoint {
    return this.#tail;
  }

  get writtenLsn(): Lsn {
    return this.#written.lsn;
  }

  get durableLsn(): Lsn {
    return this.#durableLsn as Lsn;
  }

  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** What the last batch, or the last try to make room for one, was short of. */
  get shortage(): Shortage | undefined {
    return this.#shortage;
  }

  get failure(): Error | undefined {
    return this.#failure;
  }

  /** Gets the end of the log ready; a full disk leaves the log open for reading. */
  async open(): Promise<void> {
    try {
      await this.#openSegment();
    } catch (error) {
      if (!isShortage(error)) throw error;
      this.#becomeShort(error);
    }
  }

  append(frame: Frame): void {
    if (this.#failure !== undefined) throw this.#failure;
    assert(!this.#isClosed, 'nothing is appended to a closed log');
    const why = whyNotNext(this.#tail, frame);
    assert(why === undefined, why ?? '');
    this.#queue.push(frame);
    this.#queuedBytes += frame.frameBytes;
    this.#tail = pointOf(frame);
    this.#start.appended();
    this.#wake();
  }

  /** A record that is queued but not yet in the file. */
  findQueued(lsn: number): Frame | undefined {
    const first = this.#queue.at(0);
    return first === undefined || lsn < first.lsn ? undefined : this.#queue.at(lsn - first.lsn);
  }

  requestSync(): void {
    if (!this.#parts.syncsEveryBatch && this.#failure === undefined && !this.#isClosed) {
      this.#syncs.request(this.#tail.lsn);
    }
  }

  rotate(): Promise<NewSegment> {
    return this.#perform(0, async () => {
      try {
        const open = await this.#openSegment();
        const fresh = open.segment.records === 0 ? open : await this.#rotate(open);
        return { segmentSeq: fresh.segment.seq, firstLsn: fresh.segment.firstLsn };
      } catch (error) {
        await this.#undo();
        throw error;
      }
    });
  }

  drain(): Promise<void> {
    return this.#perform(this.#tail.lsn, () => this.#syncAll());
  }

  /**
   * Drains, ends the log with a clean mark and closes the file. Without room
   * for the mark the next start finds an unclean stop; a disk that fails only
   * now rejects. After an earlier failure it only closes.
   */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    let failure: unknown;
    if (this.#failure === undefined) {
      await this.#perform(this.#tail.lsn, () => this.#markCleanStop()).catch((error: unknown) => {
        this.#parts.logger.error({ error: messageOf(error) }, 'the log was not closed cleanly');
        if (!isShortage(error)) failure = error;
      });
    }
    this.#isClosed = true;
    this.#markTimer?.cancel();
    this.#probeTimer?.cancel();
    await this.#syncs.stop();
    await this.#open?.file.close();
    this.#open = undefined;
    if (failure !== undefined) throw failure;
  }

  // ---- the loop ------------------------------------------------------------------------------

  #perform<T>(afterLsn: number, work: () => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#failure !== undefined) return reject(this.#failure);
      assert(!this.#isClosed, 'a closed log does nothing');
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
      // The look for work and the end of the run are one synchronous step: no append falls between them.
      for (let step = this.#nextStep(); step !== undefined; step = this.#nextStep()) await step;
    } catch (error) {
      this.#fail(asError(error));
    } finally {
      this.#isRunning = false;
    }
    if (this.#failure === undefined) this.#scheduleMark();
  }

  /** Starts one batch or task; undefined where there is nothing to do. */
  #nextStep(): Promise<void> | undefined {
    if (this.#failure !== undefined) return undefined;
    const isEmpty = this.#queue.length === 0;
    const task = this.#tasks[0];
    if (task !== undefined && (isEmpty || this.#written.lsn >= task.afterLsn)) {
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
        this.#shortage = undefined;
        return;
      } catch (error) {
        if (this.#failure !== undefined || !isShortage(error)) throw error;
        await this.#undo();
        refusal = error;
        if (shortageOf(error) !== 'space') break;
        if (attempt === 1 && (await this.#parts.releaseRetained()) === 0) break;
      }
    }
    this.#becomeShort(refusal);
    this.#refuseQueued(asError(refusal));
  }

  /**
   * One batch; at `always` the next ones too, where nothing else is to be done in
   * between. Nothing is awaited from telling of one to the fdatasync of the next,
   * so that callers are answered beside it and not before.
   */
  async #writeBatches(): Promise<void> {
    const open = await this.#openFor((this.#queue.at(0) as Frame).frameBytes);
    const { events } = this.#parts;
    do {
      const writing = this.#writeBatch(open);
      const count = writing instanceof Promise ? await writing : writing;
      this.#accountFor(open.segment, count);
      this.#lastActivityMs = this.#parts.clock.monotonicMs();
      if (this.#parts.syncsEveryBatch) await this.#sync(false);
      events.onCommitted?.(this.#written.lsn);
      if (this.#parts.syncsEveryBatch) events.onDurable?.(this.durableLsn);
      else this.#syncs.written();
    } while (this.#parts.syncsEveryBatch && this.#goesOn(open));
  }

  /** Writes the oldest frames in the queue behind what is in the segment; how many. */
  #writeBatch({ segment, file, salt }: OpenSegment): number | Promise<number> {
    const durableLsn = this.#durableLsn;
    const room = this.#parts.maxFileBytes - NOTE_BYTES - segment.sizeBytes;
    const offset = segment.sizeBytes;
    const count = this.#batch.fill(this.#queue, { room, salt, durableLsn });
    const written = (): number => {
      this.#vouchedLsn = Math.max(this.#vouchedLsn, durableLsn);
      return count;
    };
    if (!this.#pace.allows(this.#batch.bytes, this.#syncs.syncingSinceMs))
      return this.#batch.write(file, offset).then(written);
    this.#pace.measure(() => this.#batch.writeNow(file, offset));
    return written();
  }

  /** Whether another batch follows, for which neither a task nor room nor a new segment is waited for. */
  #goesOn(open: OpenSegment): boolean {
    const next = this.#queue.at(0);
    if (next === undefined || this.#tasks.length > 0 || this.#failure !== undefined) return false;
    return this.#fits(open, next.frameBytes) && this.#parts.events.holdBack?.() === undefined;
  }

  /** Moves `count` frames from the queue to what is written. */
  #accountFor(segment: OpenSegment['segment'], count: number): void {
    for (let i = 0; i < count; i++) {
      const frame = this.#queue.at(i) as Frame;
      segment.index.note(frame.lsn, segment.sizeBytes);
      segment.sizeBytes += PREFIX_BYTES + frame.frameBytes;
      this.#queuedBytes -= frame.frameBytes;
    }
    const last = this.#queue.at(count - 1) as Frame;
    segment.records += count;
    segment.lastLsn = last.lsn;
    this.#written = pointOf(last);
    this.#queue.drop(count);
  }

  // ---- segments ------------------------------------------------------------------------------

  async #openSegment(): Promise<OpenSegment> {
    if (this.#open !== undefined) return this.#open;
    const repairs = this.#parts.keeper.needsRepair;
    this.#open = await this.#parts.keeper.prepare(this.#written);
    if (repairs) this.#advanceDurable(this.#written.lsn);
    return this.#open;
  }

  /** The open segment if a record of that size still fits, else the next. One larger than a segment gets its own. */
  async #openFor(frameBytes: number): Promise<OpenSegment> {
    const open = await this.#openSegment();
    return this.#fits(open, frameBytes) ? open : this.#rotate(open);
  }

  #fits({ segment }: OpenSegment, frameBytes: number): boolean {
    const end = segment.sizeBytes + PREFIX_BYTES + frameBytes + NOTE_BYTES;
    return segment.records === 0 || end <= this.#parts.maxFileBytes;
  }

  /** Seals and fdatasyncs the segment under every policy; only then the next one is created. */
  async #rotate(open: OpenSegment): Promise<OpenSegment> {
    const { segment, file, salt } = open;
    const { lsn: lastLsn, crc: lastCrc } = this.#written;
    const seal = { lastLsn, lastCrc, records: segment.records, durLag: lastLsn - this.#durableLsn };
    await writeFully(file, encodeSeal(salt, seal), segment.sizeBytes);
    await this.#syncs.settled();
    await this.#sync();
    segment.sizeBytes += NOTE_BYTES;
    segment.isSealed = true;
    this.#open = undefined;
    await file.close();
    return this.#openSegment();
  }

  /** Cuts the open segment back to its last whole item. Any failure of that is final. */
  async #undo(): Promise<void> {
    const open = this.#open;
    if (open === undefined || this.#failure !== undefined) return;
    try {
      await open.file.truncate(open.segment.sizeBytes);
    } catch (error) {
      throw new Error('cutting off a failed batch failed', { cause: error });
    }
    await this.#sync();
  }

  #refuseQueued(error: Error): void {
    const firstLsn = (this.#written.lsn + 1) as Lsn;
    this.#queue.clear();
    this.#queuedBytes = 0;
    this.#tail = this.#written;
    this.#parts.events.onRefused?.(firstLsn, error);
  }

  /** From now on it is tried every second, so that the log says by itself when it can be written again. */
  #becomeShort(error: unknown): void {
    const shortage = shortageOf(error) ?? 'space';
    if (this.#shortage !== shortage) {
      this.#parts.logger.warn(
        { error: messageOf(error), lsn: this.#written.lsn + 1 },
        `${describeShortage(shortage)}: writes are refused`,
      );
    }
    this.#shortage = shortage;
    this.#probeTimer ??= this.#parts.clock.after(PROBE_INTERVAL_MS, () => {
      this.#probeTimer = undefined;
      if (this.#isClosed || this.#shortage === undefined || this.#failure !== undefined) return;
      this.#perform(0, () => this.#probe()).catch(() => {});
    });
  }

  async #probe(): Promise<void> {
    try {
      if ((await this.#parts.freeBytes()) < PROBE_FREE_BYTES)
        return this.#becomeShort(new Error('still full'));
      await this.#openSegment();
      this.#shortage = undefined;
    } catch (error) {
      if (!isShortage(error)) throw error;
      this.#becomeShort(error);
    }
  }

  // ---- durability ----------------------------------------------------------------------------

  /** fdatasyncs the open segment: durable is what was written when it was issued. Failure is final. */
  async #sync(announces = true): Promise<void> {
    const open = this.#open;
    if (open === undefined) return;
    const { clock, onFsync } = this.#parts;
    const issuedLsn = this.#written.lsn;
    const startMs = clock.monotonicMs();
    try {
      await open.file.datasync();
    } catch (thrown) {
      const error = new Error(`fdatasync of ${open.segment.path} failed`, { cause: thrown });
      this.#fail(error);
      throw error;
    }
    const tookMs = clock.monotonicMs() - startMs;
    this.#start.noteSync(tookMs);
    onFsync?.(tookMs / 1_000);
    if (this.#failure !== undefined) throw this.#failure;
    if (announces) this.#advanceDurable(issuedLsn);
    else this.#durableLsn = Math.max(this.#durableLsn, issuedLsn);
  }

  async #syncAll(): Promise<void> {
    await this.#syncs.settled();
    if (this.#durableLsn < this.#written.lsn) await this.#sync();
  }

  #advanceDurable(lsn: number): void {
    if (lsn <= this.#durableLsn) return;
    this.#durableLsn = lsn;
    this.#parts.events.onDurable?.(lsn as Lsn);
    this.#scheduleMark();
  }

  /** After 100 ms of silence with durable records that nothing written later tells of, a mark does. */
  #scheduleMark(waitMs = IDLE_BEFORE_MARK_MS): void {
    if (this.#markTimer !== undefined || this.#durableLsn <= this.#vouchedLsn || this.#isClosed) return;
    const { clock } = this.#parts;
    this.#markTimer = clock.after(waitMs, () => {
      this.#markTimer = undefined;
      if (this.#failure !== undefined || this.#isClosed) return;
      const idleMs = clock.monotonicMs() - this.#lastActivityMs;
      if (this.#isRunning || idleMs < IDLE_BEFORE_MARK_MS) {
        this.#scheduleMark(Math.max(1, Math.min(IDLE_BEFORE_MARK_MS, IDLE_BEFORE_MARK_MS - idleMs)));
      } else if (this.#durableLsn > this.#vouchedLsn) {
        this.#perform(0, () => this.#writeMark(false)).catch(() => {});
      }
    });
  }

  async #writeMark(isCleanStop: boolean): Promise<void> {
    const open = this.#open;
    if (open === undefined) return;
    const lastLsn = this.#written.lsn;
    const durableLsn = this.#durableLsn;
    const mark = { lastLsn, durLag: lastLsn - durableLsn, isCleanStop };
    this.#vouchedLsn = durableLsn;
    try {
      await writeFully(open.file, encodeMark(open.salt, mark), open.segment.sizeBytes);
    } catch (error) {
      if (isShortage(error)) await this.#undo();
      throw error;
    }
    open.segment.sizeBytes += NOTE_BYTES;
    await this.#syncs.settled();
    await this.#sync();
  }

  async #markCleanStop(): Promise<void> {
    await this.#syncAll();
    const endBefore = this.#open?.segment.sizeBytes ?? 0;
    await this.#writeMark(true).catch(async (error: unknown) => {
      // The page cache may show a mark that the disk has not: the next start must not believe it.
      await this.#open?.file.truncate(endBefore).catch(() => {});
      throw error;
    });
  }

  #fail(error: Error): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#markTimer?.cancel();
    this.#probeTimer?.cancel();
    for (const task of this.#tasks.splice(0)) task.reject(error);
    const cause = error.cause === undefined ? undefined : messageOf(error.cause);
    this.#parts.logger.fatal(
      { error: error.message, cause },
      'the log failed: nothing is acknowledged any more',
    );
    this.#parts.events.onFailed?.(error);
  }
}
