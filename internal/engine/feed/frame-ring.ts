/**
 * The newest frames of the log in memory: a window of consecutive LSNs with a limit
 * in bytes, which all readers share. A reader that needs older frames reads the log.
 *
 * The frames lie one after another in chunks, which are filled once and dropped as a
 * whole. So a read returns a view without copying, and hundreds of thousands of records
 * are few objects for the garbage collector. A large frame that nobody writes to again,
 * and whose buffer has little else, is a chunk by itself without a copy. A chunk of which
 * nobody has a view is filled again when it is dropped: chunks live for too long to be
 * collected as new objects, so each would otherwise bring the next full collection nearer.
 */
import type { Lsn } from '#model/position.ts';
import type { ChainPoint } from '#model/replication.ts';
import { assert } from '#platform/assert.ts';
import { asBuffer, isMostOfBuffer } from '#platform/bytes.ts';
import { FRAME_HEADER_BYTES, type Frame } from '#wal/frame.ts';
import { type FrameRun, pointOfFrameAt } from '#wal/frame-run.ts';

/** The size of a chunk, and so of what the window drops at once. */
const CHUNK_BYTES = 256 * 1_024;

interface Chunk {
  readonly buffer: Buffer;
  readonly firstLsn: Lsn;
  /** The offset in `buffer` where each frame ends. */
  readonly ends: Uint32Array;
  count: number;
  /** Somebody else has the buffer, or a view of it. */
  isLent: boolean;
}

export class FrameRing {
  readonly #chunkBytes: number;
  /** Oldest first, none empty. */
  readonly #chunks: Chunk[] = [];
  /** Memory of all chunks, used or not. */
  #bytes = 0;

  constructor(chunkBytes = CHUNK_BYTES) {
    this.#chunkBytes = chunkBytes;
  }

  /** Bytes of memory in use. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Frees the memory; the next frame added may have any LSN. */
  clear(): void {
    this.#chunks.length = 0;
    this.#bytes = 0;
  }

  /** The oldest LSN in memory; undefined if the ring is empty. */
  get oldestLsn(): Lsn | undefined {
    return this.#chunks[0]?.firstLsn;
  }

  get #newestLsn(): number {
    const newest = this.#chunks.at(-1);
    return newest === undefined ? 0 : newest.firstLsn + newest.count - 1;
  }

  /** Adds the frame after the newest one and drops the oldest chunks until `bytesMax` is kept, or this frame is alone. */
  add(frame: Frame, bytesMax: number): void {
    const isNext = this.#chunks.length === 0 || frame.lsn === this.#newestLsn + 1;
    assert(isNext, 'the ring contains consecutive records');
    const bytes = frame.frameBytes;
    const isOwn = frame.isFinal && bytes >= this.#chunkBytes && isMostOfBuffer(frame.bytes);
    const own = isOwn ? asBuffer(frame.bytes) : undefined;
    const chunk = this.#chunkFor(frame.lsn, bytes, bytesMax, own);
    const start = endOf(chunk, chunk.count - 1);
    const from = frame.payloadOffset - FRAME_HEADER_BYTES;
    if (own === undefined) frame.buffer.copy(chunk.buffer, start, from, from + bytes);
    chunk.ends[chunk.count++] = start + bytes;
  }

  /**
   * Whole frames from `fromLsn` through `throughLsn`, at least one, at most
   * `bytesMax` bytes unless the first is larger; undefined if the ring does
   * not contain `fromLsn`.
   */
  read(fromLsn: Lsn, throughLsn: Lsn, bytesMax: number): FrameRun | undefined {
    const lastLsn = Math.min(throughLsn, this.#newestLsn);
    const first = this.#indexOf(fromLsn);
    if (first === undefined || lastLsn < fromLsn) return undefined;
    const parts: Buffer[] = [];
    let bytes = 0;
    let last: ChainPoint | undefined;
    for (let i = first; i < this.#chunks.length; i++) {
      const chunk = this.#chunks[i] as Chunk;
      const begin = Math.max(0, fromLsn - chunk.firstLsn);
      const start = endOf(chunk, begin - 1);
      const beyond = this.#beyond(chunk, begin, lastLsn, bytesMax - bytes, last === undefined);
      if (beyond === begin) break;
      const end = endOf(chunk, beyond - 1);
      parts.push(chunk.buffer.subarray(start, end));
      chunk.isLent = true;
      bytes += end - start;
      last = pointOfFrameAt(chunk.buffer, endOf(chunk, beyond - 2));
      if (beyond < chunk.count || last.lsn === lastLsn) break;
    }
    assert(last !== undefined, 'the first frame is always taken');
    return { bytes: parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts), last };
  }

  /** Epoch, LSN and CRC of the record at `lsn`; undefined if it is not in memory. */
  at(lsn: Lsn): ChainPoint | undefined {
    const index = this.#indexOf(lsn);
    if (index === undefined) return undefined;
    const chunk = this.#chunks[index] as Chunk;
    return pointOfFrameAt(chunk.buffer, endOf(chunk, lsn - chunk.firstLsn - 1));
  }

  /** The index after the last frame that the read takes from this chunk. */
  #beyond(chunk: Chunk, begin: number, lastLsn: number, bytesLeft: number, takesFirst: boolean): number {
    const start = endOf(chunk, begin - 1);
    const countMax = Math.min(chunk.count, lastLsn - chunk.firstLsn + 1);
    // Binary search for the first frame that ends beyond `bytesLeft`.
    let low = begin;
    let high = countMax;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (endOf(chunk, middle) - start <= bytesLeft) low = middle + 1;
      else high = middle;
    }
    return takesFirst ? Math.max(low, begin + 1) : low;
  }

  #indexOf(lsn: Lsn): number | undefined {
    const chunks = this.#chunks;
    if (lsn < (this.oldestLsn ?? Number.POSITIVE_INFINITY) || lsn > this.#newestLsn) return undefined;
    let low = 0;
    let high = chunks.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((chunks[middle] as Chunk).firstLsn <= lsn) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /**
   * The newest chunk if the frame fits into it, otherwise a new one, for which the oldest
   * are dropped. `own`: the bytes of a large frame, which become a chunk as they are.
   */
  #chunkFor(lsn: Lsn, frameBytes: number, bytesMax: number, own: Buffer | undefined): Chunk {
    const newest = this.#chunks.at(-1);
    if (newest !== undefined && newest.count < newest.ends.length) {
      if (endOf(newest, newest.count - 1) + frameBytes <= newest.buffer.length) return newest;
    }
    const bytes = Math.max(this.#chunkBytes, frameBytes);
    // A frame at least as large as a chunk gets a chunk for itself.
    const frames = frameBytes >= this.#chunkBytes ? 1 : Math.ceil(bytes / FRAME_HEADER_BYTES);
    let spare: Chunk | undefined;
    while (this.#chunks.length > 0 && this.#bytes + bytes + 4 * frames > bytesMax) {
      const dropped = this.#chunks.shift() as Chunk;
      this.#bytes -= bytesOf(dropped);
      if (!dropped.isLent && dropped.buffer.length === bytes && dropped.ends.length === frames)
        spare = dropped;
    }
    const chunk: Chunk = {
      buffer: own ?? spare?.buffer ?? Buffer.allocUnsafeSlow(bytes),
      firstLsn: lsn,
      ends: spare?.ends ?? new Uint32Array(frames),
      count: 0,
      isLent: own !== undefined,
    };
    this.#chunks.push(chunk);
    this.#bytes += bytesOf(chunk);
    return chunk;
  }
}

/** Memory that a chunk takes. */
function bytesOf({ buffer, ends }: Chunk): number {
  return buffer.length + ends.byteLength;
}

/** Where the frame at `index` ends; 0 before the first. */
function endOf(chunk: Chunk, index: number): number {
  return index < 0 ? 0 : (chunk.ends[index] as number);
}
