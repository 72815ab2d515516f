/**
 * Reads the items of one segment in order, in bounded memory: chunks of 1 MiB,
 * more only for a record whose header is valid and says so. It decides nothing:
 * the first thing that is not an item is returned as `bad`, with the reason.
 *
 * Use: `tryNext()` until it returns undefined, then `await fill()`, and so on.
 * Frames are views into the chunk they were read with, which is reused only
 * where the caller says that it keeps none.
 */
import type { File } from '#platform/file-system.ts';
import { CHUNK_BYTES, type ChunkSource, FreshChunks, ReadAheadChunks } from '#wal/chunk-source.ts';
import {
  FRAME_HEADER_BYTES,
  type Frame,
  isHeaderIntact,
  isPayloadIntact,
  PAYLOAD_DIFFERS,
  tryDecodeFrameHeader,
} from '#wal/frame.ts';
import {
  ITEM_KIND,
  isPrefixValid,
  type Mark,
  NOTE_BYTES,
  PREFIX_BYTES,
  peekItemKind,
  peekUnknownKind,
  RECORD_OVERHEAD_BYTES,
  readDurLag,
  readMark,
  readSeal,
  type Seal,
} from '#wal/segment-format.ts';

export interface RecordItem {
  readonly kind: 'record';
  readonly offset: number;
  readonly nextOffset: number;
  readonly frame: Frame;
  readonly durLag: number;
}

export type SegmentItem =
  | RecordItem
  | { readonly kind: 'mark'; readonly offset: number; readonly nextOffset: number; readonly mark: Mark }
  | { readonly kind: 'seal'; readonly offset: number; readonly nextOffset: number; readonly seal: Seal }
  /** The range ends here, between two items. */
  | { readonly kind: 'end'; readonly offset: number }
  /**
   * There is no item. `isUnknown`: its checksums are valid and this program does not
   * know its format, which an interrupted write never leaves.
   */
  | { readonly kind: 'bad'; readonly offset: number; readonly why: string; readonly isUnknown: boolean };

type DecodedItem = SegmentItem | { readonly kind: 'need'; readonly bytes: number };

export interface ScanRange {
  /** Offset of the first item. */
  readonly fromOffset: number;
  /** Offset at which the scan ends, at most the file's size. */
  readonly endOffset: number;
  readonly salt: number;
  /** Bytes of one read; default 1 MiB. */
  readonly chunkBytes?: number;
  /** Set by a caller that reads to the end and keeps no frame after the next `fill`: two buffers are then used by turns. */
  readonly readsAhead?: boolean;
}

export class SegmentScanner {
  readonly #chunks: ChunkSource;
  readonly #range: ScanRange;
  #chunk: Buffer = Buffer.alloc(0);
  /** Offset in the file of the chunk's first byte. */
  #chunkOffset: number;
  /** Offset in the file of the next item. */
  #offset: number;
  #needBytes = 1;

  constructor(file: File, range: ScanRange) {
    const { fromOffset, endOffset, chunkBytes = CHUNK_BYTES, readsAhead = false } = range;
    this.#chunks = readsAhead
      ? new ReadAheadChunks(file, fromOffset, endOffset, chunkBytes)
      : new FreshChunks(file, endOffset, chunkBytes);
    this.#range = range;
    this.#chunkOffset = fromOffset;
    this.#offset = fromOffset;
  }

  /** Offset of the next item. */
  get offset(): number {
    return this.#offset;
  }

  /** Returns the next item, or undefined if `fill` must read more first. After `end` or `bad` it returns the same again. */
  tryNext(): SegmentItem | undefined {
    const at = this.#offset;
    const left = this.#range.endOffset - at;
    if (left <= 0) return { kind: 'end', offset: at };
    const item = decodeItem(this.#chunk, at - this.#chunkOffset, this.#chunkOffset, left, this.#range.salt);
    if (item.kind === 'need') {
      this.#needBytes = item.bytes;
      return undefined;
    }
    if (item.kind !== 'bad' && item.kind !== 'end') this.#offset = item.nextOffset;
    return item;
  }

  /** Reads the next chunk. Errors of the file system come through. */
  async fill(): Promise<void> {
    this.#chunk = await this.#chunks.load(this.#offset, this.#needBytes);
    this.#chunkOffset = this.#offset;
  }
}

/**
 * Decodes the item at `at` in `chunk`, which begins at byte `base` of the file;
 * `left` bytes remain in the file from the item on. A length is used only if the
 * CRC that covers it is valid and the file has that many bytes.
 */
function decodeItem(chunk: Buffer, at: number, base: number, left: number, salt: number): DecodedItem {
  const offset = base + at;
  const available = chunk.length - at;
  const headBytes = Math.min(left, RECORD_OVERHEAD_BYTES);
  if (available < headBytes) return { kind: 'need', bytes: headBytes };
  if (left < NOTE_BYTES) return bad(offset, `${left} bytes are too few for anything`);
  const kind = peekItemKind(chunk, at);
  if (kind === 0) {
    const other = peekUnknownKind(chunk, at, salt);
    if (other === undefined) return bad(offset, 'no record, mark or seal begins here');
    return unknown(offset, `unknown item kind ${other}`);
  }
  if (kind === ITEM_KIND.record && left < RECORD_OVERHEAD_BYTES)
    return bad(offset, 'the file ends inside a record');
  if (!isPrefixValid(chunk, at, salt)) return bad(offset, 'prefix CRC differs');
  const nextOffset = offset + NOTE_BYTES;
  if (kind === ITEM_KIND.mark) {
    const mark = readMark(chunk, at);
    if (mark === undefined) return unknown(offset, 'the mark has an unknown body');
    return { kind: 'mark', offset, nextOffset, mark };
  }
  if (kind === ITEM_KIND.seal) {
    const seal = readSeal(chunk, at);
    if (seal === undefined) return unknown(offset, 'the seal has an unknown body');
    return { kind: 'seal', offset, nextOffset, seal };
  }
  return decodeRecord(chunk, at, base, left);
}

function decodeRecord(chunk: Buffer, at: number, base: number, left: number): DecodedItem {
  const offset = base + at;
  const frame = tryDecodeFrameHeader(chunk, at + PREFIX_BYTES);
  if (typeof frame === 'string') return isHeaderIntact(frame) ? unknown(offset, frame) : bad(offset, frame);
  const bytes = RECORD_OVERHEAD_BYTES + frame.payloadBytes;
  if (bytes > left) return bad(offset, 'the file ends inside a record');
  if (bytes > chunk.length - at) return { kind: 'need', bytes };
  if (!isPayloadIntact(frame)) return bad(offset, PAYLOAD_DIFFERS);
  return { kind: 'record', offset, nextOffset: offset + bytes, frame, durLag: readDurLag(chunk, at) };
}

function bad(offset: number, why: string): SegmentItem {
  return { kind: 'bad', offset, why, isUnknown: false };
}

function unknown(offset: number, why: string): SegmentItem {
  return { kind: 'bad', offset, why, isUnknown: true };
}

/** The size of a damaged record whose frame header is valid, so that a search can step over it; undefined otherwise. */
export function tryStepOver(buffer: Buffer, at: number): number | undefined {
  if (buffer.length - at < RECORD_OVERHEAD_BYTES) return undefined;
  const header = tryDecodeFrameHeader(buffer, at + PREFIX_BYTES);
  return typeof header === 'string' ? undefined : PREFIX_BYTES + FRAME_HEADER_BYTES + header.payloadBytes;
}
