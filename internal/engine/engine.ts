/**
 * The only write path, accept → log → apply, for masters, replicas and recovery. A
 * master submits mutations, a replica appends its master's frames verbatim. Both
 * become visible through `#applyFrame`, in LSN order, when the log reports that the
 * fsync policy has committed them. On a delayed replica the engine only logs and
 * commits; `DelayedApply` reads the log again and passes the frames to `replay`, as
 * recovery does.
 *
 * Each record of a batch that the disk has no room for gets `resource_exhausted`, and
 * nothing of it stays. A failed disk is final (`log.failure`).
 */

import type { CheckedFrames } from '#engine/checked-frames.ts';
import { DigestWindow } from '#engine/digest-window.ts';
import { EpochTable, type PositionStanding } from '#engine/epoch-table.ts';
import { Feed } from '#engine/feed/feed.ts';
import type { FormatStep } from '#engine/format-step.ts';
import type { LogClock } from '#engine/log-clock.ts';
import { LsnWaiters } from '#engine/lsn-waiters.ts';
import { type PendingRecord, type RecordDone, type RecordOwner, tellDone } from '#engine/pending-record.ts';
import { decodeConfig, encodeConfig } from '#engine/records/config-record.ts';
import { encodeEpochParent } from '#engine/records/epoch-record.ts';
import type { PayloadWriter } from '#engine/records/payload-writer.ts';
import { RECORD_TYPE, type RecordState } from '#engine/records/record-kind.ts';
import { applyTo, recordKindOf } from '#engine/records/record-table.ts';
import { shortageError, storageFailed } from '#engine/short-disk.ts';
import type { StoreLimits } from '#model/entry.ts';
import type { Epoch, EpochStart, Lsn, Position } from '#model/position.ts';
import { nextLsn } from '#model/position.ts';
import type { ChainPoint } from '#model/replication.ts';
import { assert } from '#platform/assert.ts';
import type { Clock } from '#platform/clock.ts';
import { Fifo } from '#platform/fifo.ts';
import { Listeners } from '#platform/listeners.ts';
import type { Logger } from '#platform/logger.ts';
import type { LoggedConfig } from '#storage/logged-config.ts';
import { encodeMembers, type LoggedMembers } from '#storage/logged-members.ts';
import { encodeOwnership, type LoggedOwnership } from '#storage/logged-ownership.ts';
import type { Store } from '#storage/store.ts';
import type { TimeTable } from '#storage/time-table.ts';
import { encodeFrame, type Frame, type FrameHeader } from '#wal/frame.ts';
import type { Log } from '#wal/log.ts';

/** Is called before each record is applied, while the store still has what it replaces. It must not throw. */
export interface RecordWitness {
  beforeApply(frame: Frame): void;
}

/** What recovery passes to a new engine: the state at `applied`, and what the log states besides. */
export interface EngineParts {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly store: Store;
  readonly epochs: EpochTable;
  readonly logClock: LogClock;
  readonly times: TimeTable;
  readonly formats: FormatStep;
  readonly applied: ChainPoint;
  /** The log clock at `applied`; 0 where there is nothing. */
  readonly appliedClockMs: number;
  /** True if records are only logged, to be applied by `replay` when their time has come. */
  readonly holds: boolean;
}

export class Engine implements RecordState {
  readonly store: Store;
  readonly epochs: EpochTable;
  readonly logClock: LogClock;
  /** When the records were made that are applied. */
  readonly times: TimeTable;
  /** True if records of version 2 may be logged. */
  readonly formats: FormatStep;
  /** The digest after each of the last records. */
  readonly digests = new DigestWindow();
  readonly #logger: Logger;
  readonly #appliedWaiters: LsnWaiters;
  readonly #durableWaiters: LsnWaiters;
  #log: Log | undefined;
  // Stored as numbers, since they change with every record; `applied` and `position` create their objects on demand.
  #appliedEpoch: Epoch;
  #appliedLsn: Lsn;
  #appliedCrc: number;
  #appliedPoint: ChainPoint | undefined;
  #appliedPosition: Position | undefined;
  #lastTimestampMs = 0;
  #appliedClockMs: number;
  #holds: boolean;
  /** The timestamp of the last record that was appended while every earlier record was applied; see `behindSinceMs`. */
  #behindSinceMs = 0;
  /** The newest committed record; on a delayed replica it may wait to be applied. */
  #committedLsn: Lsn;
  /** Epochs that begin with records that are not applied yet. */
  #epochsAhead: EpochStart[] = [];
  /** Records on their way to disk, oldest first. */
  readonly #pending = new Fifo<PendingRecord>();

  /** The records of the log after a position. */
  readonly feed: Feed;
  /** Called with every frame just before it is applied; undefined: there is no subscriber. */
  witness: RecordWitness | undefined;
  /** Every frame as it becomes visible here, in order. */
  readonly appliedFrames = new Listeners<Frame>();
  /** The last record on the disk, whenever more is. */
  readonly durable = new Listeners<Lsn>();
  /** Called with the reason when memory was altered and the state must be recovered again. */
  readonly altered = new Listeners<string>();
  /** Called when the disk has failed; the process must stop then. */
  readonly failed = new Listeners<Error>();

  constructor(parts: EngineParts) {
    this.store = parts.store;
    this.epochs = parts.epochs;
    this.logClock = parts.logClock;
    this.times = parts.times;
    this.formats = parts.formats;
    this.#logger = parts.logger;
    this.#appliedEpoch = parts.applied.epoch;
    this.#appliedLsn = parts.applied.lsn;
    this.#appliedCrc = parts.applied.crc;
    this.#committedLsn = parts.applied.lsn;
    this.#appliedClockMs = parts.appliedClockMs;
    this.#holds = parts.holds;
    this.digests.note(parts.applied.lsn, parts.store);
    this.#appliedWaiters = new LsnWaiters(parts.clock);
    this.#durableWaiters = new LsnWaiters(parts.clock);
    this.feed = new Feed(this);
  }

  /** Applies a frame that is already in the log: in recovery, and on a delayed replica. Throws if its payload is ill-formed. */
  replay(frame: Frame): void {
    this.#noteLevel(frame);
    this.#applyFrame(frame);
    this.#appliedWaiters.advance(frame.lsn);
    this.feed.advance();
  }

  /** Recovery of a delayed replica: checks a frame that `replay` will get when its time has come. */
  hold(frame: Frame): void {
    assert(this.#holds, 'this engine applies late');
    const kind = recordKindOf(frame);
    kind.check(frame);
    this.#noteLevel(frame);
    this.#noteAppended(frame);
    kind.hold(frame, this);
    this.#committedLsn = frame.lsn;
  }

  /** Begins or ends applying late, for records committed from now on. Every record of the log must be applied. */
  setHolding(holds: boolean): void {
    assert(this.#appliedLsn === this.log.tail.lsn, 'everything is applied');
    this.#holds = holds;
  }

  /** Recovery is over: from here on records go through `log`. */
  attach(log: Log): void {
    assert(this.#log === undefined, 'an engine has one log');
    assert(log.tail.lsn === this.#committedLsn, 'the log ends where recovery did');
    this.#log = log;
    log.onCommitted = (lsn) => this.#commit(lsn);
    log.onDurable = (lsn) => {
      this.#durableWaiters.advance(lsn);
      this.feed.advance();
      this.durable.tell(lsn);
    };
    log.onRefused = (firstLsn, error) => this.#refuse(firstLsn, error);
    log.onFailed = (error) => this.#fail(error);
  }

  get log(): Log {
    assert(this.#log !== undefined, 'recovery is over');
    return this.#log;
  }

  get appliedLsn(): Lsn {
    return this.#appliedLsn;
  }

  /** The last visible record. */
  get applied(): ChainPoint {
    this.#appliedPoint ??= { epoch: this.#appliedEpoch, lsn: this.#appliedLsn, crc: this.#appliedCrc };
    return this.#appliedPoint;
  }

  /** The last visible record as a position; one object per record, so reads allocate nothing. */
  get position(): Position {
    this.#appliedPosition ??= { epoch: this.#appliedEpoch, lsn: this.#appliedLsn };
    return this.#appliedPosition;
  }

  /** The last committed record: visible, or on a delayed replica waiting to be applied. */
  get committedLsn(): Lsn {
    return this.#committedLsn;
  }

  /**
   * The time by which reads judge expiry: that of the log clock, or on a delayed
   * replica the timestamp of the last applied record, because that is when the master
   * had this state. `nowMs` is the log clock's time if the caller has read it already.
   */
  readNowMs(nowMs = this.logClock.nowMs()): number {
    return this.#holds ? this.#appliedClockMs : nowMs;
  }

  /** A time by the log clock, not later than the moment when the visible state stopped being the newest in the log. */
  get behindSinceMs(): number {
    return this.#behindSinceMs;
  }

  /** The time of `readNowMs`, but not before the newest applied record: on a replica the master's clock may be ahead. */
  stateClockMs(): number {
    return Math.max(this.readNowMs(), this.#appliedClockMs);
  }

  get durableLsn(): Lsn {
    return this.log.durableLsn;
  }

  /** The last record that is durable on this node's disk. */
  get durablePosition(): Position {
    const lsn = this.log.durableLsn;
    return { epoch: this.epochAt(lsn), lsn };
  }

  /** The first record in the log; one after the tail if the log has none. */
  get earliestPosition(): Position {
    const lsn = this.log.earliestLsn;
    return { epoch: this.epochAt(lsn), lsn };
  }

  /** The epoch of the record at `lsn`, which may still be on its way to disk. */
  epochAt(lsn: Lsn): Epoch {
    const ahead = this.#epochsAhead.findLast((start) => start.firstLsn <= lsn);
    return ahead?.epoch ?? this.epochs.epochAt(lsn);
  }

  /** The epochs of the log, oldest first, those of records not applied yet included. */
  epochStarts(): EpochStart[] {
    return [...this.epochs.starts(), ...this.#epochsAhead];
  }

  /** True if a position belongs to the history of this node's log. */
  standingOf(position: Position): PositionStanding {
    const table = this.#epochsAhead.length === 0 ? this.epochs : new EpochTable(this.epochStarts());
    return table.standingOf(position);
  }

  /** The newest timestamp in the log; 0: it has no record behind its snapshot. */
  get lastTimestampMs(): number {
    return this.#lastTimestampMs;
  }

  /** The LSN that the next record will get. */
  get nextLsn(): Lsn {
    return nextLsn(this.log.tail.lsn);
  }

  /** Master: logs the payload as one record, made at `nowMs` by the log clock. `done` is called once, never before this returns. */
  submit(payload: PayloadWriter, done?: RecordDone | RecordOwner, nowMs = this.logClock.nowMs()): Frame {
    const frame = payload.toFrame(this.#nextHeader(RECORD_TYPE.data, this.log.tail.epoch, nowMs));
    this.#append({ frame, done });
    return frame;
  }

  /** Master: logs the limits that apply from this record on. */
  submitLimits(limits: StoreLimits, done?: RecordDone): Lsn {
    return this.#submitConfig({ limits, wallOffsetMs: this.#newestConfig.wallOffsetMs }, done);
  }

  /** Master: logs the milliseconds that from this record on are added to the log clock to get wall time. */
  submitWallOffset(wallOffsetMs: number, done?: RecordDone): Lsn {
    return this.#submitConfig({ limits: this.#newestConfig.limits, wallOffsetMs }, done);
  }

  /** Master: logs the member list that applies from this record on. Formats of level 1 must be ready. */
  submitMembers(members: LoggedMembers, done?: RecordDone): Lsn {
    return this.#submitControl(RECORD_TYPE.members, encodeMembers(members), done);
  }

  /** Master: logs which slots the group owns from this record on. Formats of level 1 must be ready. */
  submitOwnership(ownership: LoggedOwnership, done?: RecordDone): Lsn {
    return this.#submitControl(RECORD_TYPE.ownership, encodeOwnership(ownership), done);
  }

  /** What the log states once every record in flight is applied: a CONFIG record states all of it. */
  get #newestConfig(): LoggedConfig {
    const ahead = this.#pending.findLast(({ frame }) => frame.type === RECORD_TYPE.config);
    if (ahead !== undefined) return decodeConfig(ahead.frame.payload);
    return { limits: this.store.limits, wallOffsetMs: this.logClock.wallOffsetMs };
  }

  #submitConfig(config: LoggedConfig, done: RecordDone | undefined): Lsn {
    return this.#submitControl(RECORD_TYPE.config, encodeConfig(config), done);
  }

  #submitControl(type: number, payload: Buffer, done?: RecordDone, epoch = this.log.tail.epoch): Lsn {
    const header = this.#nextHeader(type, epoch);
    const frame = encodeFrame(header, payload.length, (target, offset) => target.set(payload, offset));
    return this.#append({ frame, done });
  }

  /** Master: begins an epoch. No other record may be in flight. */
  submitEpoch(epoch: Epoch, done?: RecordDone): Lsn {
    assert(this.#pending.length === 0, 'an epoch begins on a quiet log');
    return this.#submitControl(RECORD_TYPE.epoch, encodeEpochParent(this.log.tail), done, epoch);
  }

  /**
   * Replica: appends frames `from` to `to` of its master verbatim. The caller knows that they
   * continue the log. `done` is told what became of the last one.
   */
  appendFrames(frames: CheckedFrames, done?: RecordDone, from = 0, to = frames.length): void {
    for (let i = from; i < to; i++)
      this.#append({ frame: frames[i] as Frame, done: i === to - 1 ? done : undefined });
  }

  /** Throws `storage_failed` once the disk has failed: from then on nothing is acknowledged. */
  checkDisk(): void {
    if (this.log.failure !== undefined) throw storageFailed(this.log.failure);
  }

  /** Resolves true once `lsn` is visible here, false after the timeout or an abort. */
  async waitApplied(lsn: Lsn, timeoutMs: number, signal?: AbortSignal): Promise<boolean> {
    return this.#appliedLsn >= lsn || this.#appliedWaiters.wait(lsn, timeoutMs, signal);
  }

  /** Requests an fdatasync. Resolves true once `lsn` is durable here, false after the timeout, an abort or a failed disk. */
  async waitDurable(lsn: Lsn, timeoutMs: number, signal?: AbortSignal): Promise<boolean> {
    if (this.log.durableLsn >= lsn) return true;
    if (this.log.failure !== undefined) return false;
    this.log.requestSync();
    return this.#durableWaiters.wait(lsn, timeoutMs, signal);
  }

  /** Ends all waits. The owner closes the log. */
  release(): void {
    this.#appliedWaiters.release();
    this.#durableWaiters.release();
  }

  #nextHeader(type: FrameHeader['type'], epoch: Epoch, nowMs = this.logClock.nowMs()): FrameHeader {
    const tail = this.log.tail;
    const timestampMs = Math.max(nowMs, this.#lastTimestampMs);
    return { lsn: nextLsn(tail.lsn), epoch, prevCrc: tail.crc, type, flags: 0, timestampMs };
  }

  #append(record: PendingRecord): Lsn {
    this.checkDisk();
    const { level } = recordKindOf(record.frame);
    assert(this.formats.allows(level), 'MANIFEST says first that the log needs a newer reader');
    this.log.append(record.frame);
    this.#noteAppended(record.frame);
    this.#pending.push(record);
    return record.frame.lsn;
  }

  /** Raises the level in MANIFEST if the record needs it: the MANIFEST of a restored log may state a lower one. */
  #noteLevel(frame: Frame): void {
    if (recordKindOf(frame).level > 0) this.formats.meet();
  }

  #noteAppended(frame: Frame): void {
    this.#lastTimestampMs = Math.max(this.#lastTimestampMs, frame.timestampMs);
    if (frame.lsn === this.#appliedLsn + 1) this.#behindSinceMs = frame.timestampMs;
    if (recordKindOf(frame).beginsEpoch) this.#epochsAhead.push({ epoch: frame.epoch, firstLsn: frame.lsn });
  }

  #commit(uptoLsn: Lsn): void {
    for (let record = this.#pending.at(0); record !== undefined; record = this.#pending.at(0)) {
      if (record.frame.lsn > uptoLsn) break;
      this.#pending.drop(1);
      this.#committedLsn = record.frame.lsn;
      if (this.#holds) recordKindOf(record.frame).hold(record.frame, this);
      else this.#applyFrame(record.frame);
      this.feed.add(record.frame);
      tellDone(record);
    }
    this.#appliedWaiters.advance(this.#appliedLsn);
    this.feed.added();
  }

  /** The only place where records change the state; it reads the record's bytes. */
  #applyFrame(frame: Frame): void {
    assert(frame.lsn === this.#appliedLsn + 1, 'a record applies right after the one before it');
    this.witness?.beforeApply(frame);
    applyTo(frame, this);
    if (this.#epochsAhead.length > 0)
      this.#epochsAhead = this.#epochsAhead.filter((start) => start.firstLsn > frame.lsn);
    this.#appliedEpoch = frame.epoch;
    this.#appliedLsn = frame.lsn;
    this.#appliedCrc = frame.crc;
    this.#appliedPoint = undefined;
    this.#appliedPosition = undefined;
    this.digests.note(frame.lsn, this.store);
    this.#lastTimestampMs = Math.max(this.#lastTimestampMs, frame.timestampMs);
    this.#appliedClockMs = Math.max(this.#appliedClockMs, frame.timestampMs);
    this.#committedLsn = Math.max(this.#committedLsn, frame.lsn) as Lsn;
    this.appliedFrames.tell(frame);
  }

  #refuse(firstLsn: Lsn, error: Error): void {
    const oldestLsn = this.#pending.at(0)?.frame.lsn ?? firstLsn;
    const refused = this.#pending.cut(Math.max(0, firstLsn - oldestLsn));
    this.#epochsAhead = this.#epochsAhead.filter((start) => start.firstLsn < firstLsn);
    this.#logger.warn({ firstLsn, records: refused.length, error: error.message }, 'writes refused');
    const reason = shortageError(error);
    for (const record of refused) tellDone(record, reason);
  }

  #fail(error: Error): void {
    const failed = this.#pending.cut(0);
    const reason = storageFailed(error);
    for (const record of failed) tellDone(record, reason);
    this.release();
    this.failed.tell(error);
  }
}
