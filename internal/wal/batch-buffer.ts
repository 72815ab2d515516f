/**
 * Lays queued frames out as records of a segment, each with its prefix, in one
 * buffer that is reused, so that a batch is one write. The buffer grows to
 * 4 MiB; a single larger record is written from its own bytes.
 */
import type { Fifo } from '#platform/fifo.ts';
import type { File } from '#platform/file-system.ts';
import { FRAME_HEADER_BYTES, type Frame } from '#wal/frame.ts';
import { PREFIX_BYTES, writeRecordPrefix } from '#wal/segment-format.ts';
import { writeFully, writeFullyNow } from '#wal/whole-files.ts';

const BUFFER_BYTES_MIN = 64 * 1_024;
export const BATCH_BYTES_MAX = 4 * 1_024 * 1_024;

export interface BatchLimits {
  /** Bytes left in the segment; the first record is taken even if it is larger. */
  readonly room: number;
  readonly salt: number;
  /** The current durable LSN, which the prefixes state. */
  readonly durableLsn: number;
}

export class BatchBuffer {
  #buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES_MIN);
  #bytes = 0;
  /** The payload of a record too large for the buffer; it is written after the buffer. */
  #large: Frame | undefined;

  /** Lays out as many of the oldest frames of `queue` as fit; returns their number. */
  fill(queue: Fifo<Frame>, limits: BatchLimits): number {
    this.#bytes = 0;
    this.#large = undefined;
    const room = Math.min(limits.room, BATCH_BYTES_MAX);
    let i = 0;
    for (; i < queue.length; i++) {
      const frame = queue.at(i) as Frame;
      const recordBytes = PREFIX_BYTES + frame.frameBytes;
      if (i > 0 && this.#bytes + recordBytes > room) break;
      if (recordBytes > BATCH_BYTES_MAX) {
        this.#large = frame;
        this.#put(frame, FRAME_HEADER_BYTES, limits);
        return 1;
      }
      this.#put(frame, frame.frameBytes, limits);
    }
    return i;
  }

  /** The first `bytes` of the frame. */
  #put(frame: Frame, bytes: number, limits: BatchLimits): void {
    const at = this.#bytes;
    const end = at + PREFIX_BYTES + bytes;
    if (end > this.#buffer.length) this.#grow(end);
    const from = frame.payloadOffset - FRAME_HEADER_BYTES;
    frame.buffer.copy(this.#buffer, at + PREFIX_BYTES, from, from + bytes);
    writeRecordPrefix(this.#buffer, at, limits.salt, frame.lsn - limits.durableLsn);
    this.#bytes = end;
  }

  #grow(bytes: number): void {
    const grown = Buffer.allocUnsafeSlow(Math.min(Math.max(bytes, this.#buffer.length * 2), BATCH_BYTES_MAX));
    this.#buffer.copy(grown, 0, 0, this.#bytes);
    this.#buffer = grown;
  }

  /** Bytes of the batch. */
  get bytes(): number {
    return this.#bytes + (this.#large?.payloadBytes ?? 0);
  }

  /** Like `write`, but on the calling thread; for a batch of at most `BATCH_BYTES_MAX`. */
  writeNow(file: File, position: number): void {
    writeFullyNow(file, this.#buffer.subarray(0, this.#bytes), position);
  }

  /** Writes the batch at byte `position` of the file, continuing after short writes. */
  async write(file: File, position: number): Promise<void> {
    await writeFully(file, this.#buffer.subarray(0, this.#bytes), position);
    if (this.#large === undefined) return;
    await writeFully(file, this.#large.bytes.subarray(FRAME_HEADER_BYTES), position + this.#bytes);
    this.#large = undefined;
  }
}
