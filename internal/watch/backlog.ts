/**
 * Small records that were applied and are not matched yet, side by side in one buffer. To match
 * many together costs a fraction of matching each between two writes, where neither the code
 * nor the tables are in the processor's caches.
 *
 *     f64  LSN, epoch and time
 *     i32  type
 *     i32  length of the payload
 *     payload
 */
import type { RecordBytes } from '#engine/records/record-kind.ts';
import type { Epoch, Lsn } from '#model/position.ts';
import type { Frame } from '#wal/frame.ts';
import { CHUNK_BYTES, copy, UNIT_BYTES } from '#watch/event-bytes.ts';

/** Records that wait: some hundreds of microseconds of matching. */
export const BACKLOG_BYTES = 131_072;
/** A larger record is matched as it is applied: its long values may stay where they are. */
const RECORD_BYTES_MAX = CHUNK_BYTES / 4;
const HEAD_BYTES = 4 * UNIT_BYTES;

/** What changes are made from. */
export type KeptRecord = RecordBytes & Pick<Frame, 'lsn' | 'epoch' | 'timestampMs'>;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export class Backlog {
  readonly #buffer = Buffer.allocUnsafeSlow(BACKLOG_BYTES);
  readonly #doubles = new Float64Array(this.#buffer.buffer);
  readonly #words = new Int32Array(this.#buffer.buffer);
  #at = 0;
  #end = 0;
  /** The same for every record. */
  readonly #record: Mutable<KeptRecord> = {
    ...{ type: 0, buffer: this.#buffer, payloadOffset: 0, payloadBytes: 0, isFinal: false },
    ...{ lsn: 0 as Lsn, epoch: 0 as Epoch, timestampMs: 0 },
  };

  get isEmpty(): boolean {
    return this.#at === this.#end;
  }

  /** Returns false where the record is too large, or there is no room for it now. */
  tryAdd(frame: Frame): boolean {
    const { payloadBytes } = frame;
    const from = this.#end;
    if (payloadBytes > RECORD_BYTES_MAX || from + HEAD_BYTES + payloadBytes > BACKLOG_BYTES) return false;
    const unit = from / UNIT_BYTES;
    this.#doubles[unit] = frame.lsn;
    this.#doubles[unit + 1] = frame.epoch;
    this.#doubles[unit + 2] = frame.timestampMs;
    this.#words[2 * unit + 6] = frame.type;
    this.#words[2 * unit + 7] = payloadBytes;
    copy(frame.buffer, frame.payloadOffset, this.#buffer, from + HEAD_BYTES, payloadBytes);
    this.#end = endOf(from, payloadBytes);
    return true;
  }

  /** Takes the oldest record, which is good until the next call; undefined where there is none. */
  next(): KeptRecord | undefined {
    if (this.isEmpty) {
      this.#at = this.#end = 0;
      return undefined;
    }
    const unit = this.#at / UNIT_BYTES;
    const record = this.#record;
    record.lsn = this.#doubles[unit] as Lsn;
    record.epoch = this.#doubles[unit + 1] as Epoch;
    record.timestampMs = this.#doubles[unit + 2] as number;
    record.type = this.#words[2 * unit + 6] as number;
    record.payloadBytes = this.#words[2 * unit + 7] as number;
    record.payloadOffset = this.#at + HEAD_BYTES;
    this.#at = endOf(this.#at, record.payloadBytes);
    return record;
  }
}

/** Where the next record begins. */
function endOf(from: number, payloadBytes: number): number {
  return Math.ceil((from + HEAD_BYTES + payloadBytes) / UNIT_BYTES) * UNIT_BYTES;
}
