/**
 * The one write path: accept → log → apply, for masters, replicas and recovery
 * alike. A master submits mutations, a replica appends its master's frames
 * verbatim; both become visible through `#applyFrame`, in LSN order, when the
 * log says that they are committed by the fsync policy.
 *
 * Failures: a refused batch (disk full) reports `resource_exhausted` to every
 * record in it and leaves no trace; a failed disk is final (`log.failure`).
 */

import { DigestWindow } from '#engine/digest-window.ts';
import type { EpochTable } from '#engine/epoch-table.ts';
import type { LogClock } from '#engine/log-clock.ts';
import { LsnWaiters } from '#engine/lsn-waiters.ts';
import {
  decodeEpochParent,
  decodeLimits,
  decodeMutations,
  encodeEpochParent,
  encodeLimits,
  mutationsBytes,
  writeMutations,
} from '#engine/record-codec.ts';
import type { Mutation, StoreLimits } from '#model/entry.ts';
import { WalnutError } from '#model/errors.ts';
import type { Epoch, Lsn, Position } from '#model/position.ts';
import { nextLsn } from '#model/position.ts';
import type { ChainPoint } from '#model/replication.ts';
import { assert } from '#platform/assert.ts';
import type { Clock } from '#platform/clock.ts';
import type { Logger } from '#platform/logger.ts';
import type { Store } from '#storage/store.ts';
import { encodeFrame, type Frame, type FrameHeader, RECORD_TYPE } from '#wal/frame.ts';
import type { Log } from '#wal/log.ts';

/** Called once: when the record is visible here, or with why it never will be. */
export type RecordDone = (error?: WalnutError) => void;

interface PendingRecord {
  readonly frame: Frame;
  /** Undefined on records other than DATA. */
  readonly mutations: readonly Mutation[] | undefined;
  readonly done: RecordDone | undefined;
}

/** What recovery hands over: the state at `applied`, and the log that continues it. */
export interface EngineParts {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly store: Store;
  readonly epochs: EpochTable;
  readonly logClock: LogClock;
  readonly applied: ChainPoint;
}

export class Engine {
  readonly store: Store;
  readonly epochs: EpochTable;
  readonly logClock: LogClock;
  /** What the digest was after each of the last records. */
  readonly digests = new DigestWindow();
  readonly #logger: Logger;
  readonly #appliedWaiters: LsnWaiters;
  readonly #durableWaiters: LsnWaiters;
  #log: Log | undefined;
  #applied: ChainPoint;
  #appliedPosition: Position;
  #lastTimestampMs = 0;
  /** Records on their way to disk, oldest first; `#pendingHead` is the first not yet applied. */
  #pending: PendingRecord[] = [];
  #pendingHead = 0;

  /** Told every frame that became visible here, in order: feeds the replication ring. */
  onApplied: ((frame: Frame) => void) | undefined;
  /** Told the durable LSN as it rises: wakes pushers. */
  onDurable: ((lsn: Lsn) => void) | undefined;
  /** Told once when the disk failed: the process must stop. */
  onFailed: ((error: Error) => void) | undefined;

  constructor(parts: EngineParts) {
    this.store = parts.store;
    this.epochs = parts.epochs;
    this.logClock = parts.logClock;
    this.#logger = parts.logger;
    this.#applied = parts.applied;
    this.#appliedPosition = { epoch: parts.applied.epoch, lsn: parts.applied.lsn };
    this.digests.note(parts.applied.lsn, parts.store);
    this.#appliedWaiters = new LsnWaiters(parts.clock);
    this.#durableWaiters = new LsnWaiters(parts.clock);
  }

  /** Recovery: applies a frame that is in the log already. Throws on an ill-formed payload. */
  replay(frame: Frame): void {
    this.#applyFrame(frame, frame.type === RECORD_TYPE.data ? mutationsOf(frame) : undefined);
  }

  /** Recovery is over: from here on records go through `log`. */
  attach(log: Log): void {
    assert(this.#log === undefined, 'an engine has one log');
    assert(log.tail.lsn === this.#applied.lsn, 'the log ends where recovery did');
    this.#log = log;
    log.onCommitted = (lsn) => this.#commit(lsn);
    log.onDurable = (lsn) => {
      this.#durableWaiters.advance(lsn);
      this.onDurable?.(lsn);
    };
    log.onRefused = (firstLsn, error) => this.#refuse(firstLsn, error);
    log.onFailed = (error) => this.#fail(error);
  }

  get log(): Log {
    assert(this.#log !== undefined, 'recovery is over');
    return this.#log;
  }

  /** The last visible record. */
  get applied(): ChainPoint {
    return this.#applied;
  }

  /** The last visible record as a position; one object per record, so reads allocate nothing. */
  get position(): Position {
    return this.#appliedPosition;
  }

  get durableLsn(): Lsn {
    return this.log.durableLsn;
  }

  /** The newest record that is fdatasynced here. */
  get durablePosition(): Position {
    const lsn = this.log.durableLsn;
    return { epoch: this.epochAt(lsn), lsn };
  }

  /** The first record the log holds; one beyond the tail where it holds none. */
  get earliestPosition(): Position {
    const lsn = this.log.earliestLsn;
    return { epoch: this.epochAt(lsn), lsn };
  }

  /** The epoch of the record at `lsn`, records on their way to disk included. */
  epochAt(lsn: Lsn): Epoch {
    return lsn > this.#applied.lsn ? this.log.tail.epoch : this.epochs.epochAt(lsn);
  }

  get lastTimestampMs(): number {
    return this.#lastTimestampMs;
  }

  /** The LSN that the next record will get. */
  get nextLsn(): Lsn {
    return nextLsn(this.log.tail.lsn);
  }

  /** Master: logs mutations as one record. `done` is called once, never before this returns. */
  submit(mutations: readonly Mutation[], done?: RecordDone): Lsn {
    const header = this.#nextHeader(RECORD_TYPE.data, this.log.tail.epoch);
    const frame = encodeFrame(header, mutationsBytes(mutations), (target, offset) =>
      writeMutations(mutations, target, offset),
    );
    return this.#append({ frame, mutations, done });
  }

  /** Master: logs limits that hold from here on. */
  submitLimits(limits: StoreLimits, done?: RecordDone): Lsn {
    const payload = encodeLimits(limits);
    const header = this.#nextHeader(RECORD_TYPE.config, this.log.tail.epoch);
    const frame = encodeFrame(header, payload.length, (target, offset) => target.set(payload, offset));
    return this.#append({ frame, mutations: undefined, done });
  }

  /** Master: begins a history. Nothing else may be on its way to disk. */
  submitEpoch(epoch: Epoch, done?: RecordDone): Lsn {
    assert(this.#pendingHead === this.#pending.length, 'an epoch begins on a quiet log');
    const payload = encodeEpochParent(this.log.tail);
    const header = this.#nextHeader(RECORD_TYPE.epoch, epoch);
    const frame = encodeFrame(header, payload.length, (target, offset) => target.set(payload, offset));
    return this.#append({ frame, mutations: undefined, done });
  }

  /**
   * Replica: appends its master's frames verbatim. The caller has checked that
   * they continue the tail; a payload that cannot be decoded throws
   * `RecordError` and nothing of it or after it is appended.
   */
  appendFrames(frames: readonly Frame[], done?: RecordDone): void {
    const records = frames.map((frame) => ({
      frame,
      mutations: frame.type === RECORD_TYPE.data ? mutationsOf(frame) : checkControl(frame),
    }));
    const last = records.length - 1;
    records.forEach((record, index) => {
      this.#append({ ...record, done: index === last ? done : undefined });
    });
  }

  /** Throws `storage_failed` once the disk has failed: from then on nothing is acknowledged. */
  checkDisk(): void {
    if (this.log.failure !== undefined) throw storageFailed(this.log.failure);
  }

  /** Resolves true once `lsn` is visible here, false after the timeout or an abort. */
  async waitApplied(lsn: Lsn, timeoutMs: number, signal?: AbortSignal): Promise<boolean> {
    return this.#applied.lsn >= lsn || this.#appliedWaiters.wait(lsn, timeoutMs, signal);
  }

  /** Makes the log fdatasync soon and resolves true once `lsn` is durable here, false as `waitApplied`. */
  async waitDurable(lsn: Lsn, timeoutMs: number, signal?: AbortSignal): Promise<boolean> {
    if (this.log.durableLsn >= lsn) return true;
    if (this.log.failure !== undefined) return false;
    this.log.requestSync();
    return this.#durableWaiters.wait(lsn, timeoutMs, signal);
  }

  /** Ends all waits; the log is closed by its owner. */
  release(): void {
    this.#appliedWaiters.release();
    this.#durableWaiters.release();
  }

  #nextHeader(type: FrameHeader['type'], epoch: Epoch): FrameHeader {
    const tail = this.log.tail;
    const timestampMs = Math.max(this.logClock.nowMs(), this.#lastTimestampMs);
    return { lsn: nextLsn(tail.lsn), epoch, prevCrc: tail.crc, type, flags: 0, timestampMs };
  }

  #append(record: PendingRecord): Lsn {
    this.checkDisk();
    this.log.append(record.frame);
    this.#lastTimestampMs = Math.max(this.#lastTimestampMs, record.frame.timestampMs);
    this.#pending.push(record);
    return record.frame.lsn;
  }

  #commit(uptoLsn: Lsn): void {
    const pending = this.#pending;
    let head = this.#pendingHead;
    while (head < pending.length) {
      const record = pending[head];
      if (record === undefined || record.frame.lsn > uptoLsn) break;
      head++;
      this.#pendingHead = head;
      this.#applyFrame(record.frame, record.mutations);
      record.done?.();
    }
    // Shifting is amortised: the applied half goes when it is the larger one.
    if (head === pending.length) this.#resetPending([]);
    else if (head > 1_024 && head * 2 > pending.length) this.#resetPending(pending.slice(head));
    this.#appliedWaiters.advance(this.#applied.lsn);
  }

  #resetPending(records: PendingRecord[]): void {
    this.#pending = records;
    this.#pendingHead = 0;
  }

  /** The one apply path. */
  #applyFrame(frame: Frame, mutations: readonly Mutation[] | undefined): void {
    assert(frame.lsn === this.#applied.lsn + 1, `record ${frame.lsn} applies after ${this.#applied.lsn}`);
    const position: Position = { epoch: frame.epoch, lsn: frame.lsn };
    if (mutations !== undefined) {
      for (const mutation of mutations) this.store.apply(mutation, position);
    } else if (frame.type === RECORD_TYPE.epoch) {
      this.epochs.add(frame.epoch, frame.lsn);
    } else {
      this.store.setLimits(decodeLimits(frame.payload));
    }
    this.#applied = { epoch: frame.epoch, lsn: frame.lsn, crc: frame.crc };
    this.#appliedPosition = position;
    this.digests.note(frame.lsn, this.store);
    this.#lastTimestampMs = Math.max(this.#lastTimestampMs, frame.timestampMs);
    this.onApplied?.(frame);
  }

  #refuse(firstLsn: Lsn, error: Error): void {
    const first = this.#pending.findIndex((record) => record.frame.lsn >= firstLsn);
    const refused = first === -1 ? [] : this.#pending.splice(first);
    this.#logger.warn(
      { firstLsn, records: refused.length, error: error.message },
      'disk full: writes refused',
    );
    const reason = new WalnutError(
      'resource_exhausted',
      'the disk under wal.directory is full; nothing was written',
      {
        cause: error,
      },
    );
    for (const record of refused) record.done?.(reason);
  }

  #fail(error: Error): void {
    const failed = this.#pending.slice(this.#pendingHead);
    this.#resetPending([]);
    const reason = storageFailed(error);
    for (const record of failed) record.done?.(reason);
    this.release();
    this.onFailed?.(error);
  }
}

function storageFailed(cause: Error): WalnutError {
  return new WalnutError('storage_failed', 'the disk under wal.directory failed; this node is stopping', {
    cause,
  });
}

function mutationsOf({ buffer, payloadOffset, payloadBytes }: Frame): Mutation[] {
  return decodeMutations(buffer, payloadOffset, payloadOffset + payloadBytes);
}

/** Refuses a control record that could not be applied, before it is appended. */
function checkControl(frame: Frame): undefined {
  if (frame.type === RECORD_TYPE.epoch) decodeEpochParent(frame.payload);
  else decodeLimits(frame.payload);
  return undefined;
}
