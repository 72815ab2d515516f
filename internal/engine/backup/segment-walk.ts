/**
 * Reads the items of one segment in order, checking that they hold together,
 * and tells each record. It decides nothing: where the segment stops making
 * sense is returned with the reason.
 */
import { type ImageReaderParts, type ImageSegment, LogMovedError } from '#engine/backup/log-image.ts';
import type { ChainPoint } from '#model/replication.ts';
import type { Clock } from '#platform/clock.ts';
import type { File } from '#platform/file-system.ts';
import { type Frame, whyNotNext } from '#wal/frame.ts';
import { pointOf } from '#wal/frame-run.ts';
import { SEGMENT_HEADER_BYTES, type SegmentHeader, tryDecodeSegmentHeader } from '#wal/segment-format.ts';
import { type SegmentItem, SegmentScanner } from '#wal/segment-scanner.ts';

export interface SegmentWalk {
  readonly file: File;
  readonly header: SegmentHeader;
  /** Bytes of the file that count. */
  readonly endOffset: number;
  readonly clock: Clock;
  /** Called with each record and where it ends; its bytes are views. Returns true to end the walk before it. */
  readonly onRecord: (frame: Frame, endOffset: number) => boolean;
}

export interface WalkEnd {
  /** The last record taken; the one before the segment where there is none. */
  readonly chain: ChainPoint;
  /** Behind the last record, or the header. */
  readonly recordsEnd: number;
  readonly records: number;
  readonly isSealed: boolean;
  /** `onRecord` ended the walk. */
  readonly isCut: boolean;
  readonly bad: { readonly offset: number; readonly why: string } | undefined;
}

/** The header of a segment, or what is wrong with it. */
export async function tryReadSegmentHeader(file: File): Promise<SegmentHeader | string> {
  const bytes = Buffer.alloc(SEGMENT_HEADER_BYTES);
  return tryDecodeSegmentHeader(bytes.subarray(0, await file.read(bytes, 0)));
}

export async function walkSegment(walk: SegmentWalk): Promise<WalkEnd> {
  const { file, header, endOffset, clock } = walk;
  const range = { fromOffset: SEGMENT_HEADER_BYTES, endOffset, salt: header.salt };
  const scanner = new SegmentScanner(file, range);
  const state = new WalkState(walk);
  for (;;) {
    const item = scanner.tryNext();
    if (item === undefined) {
      await clock.yield();
      await fill(scanner, walk);
      continue;
    }
    if (item.kind === 'end') return state.end(false, undefined);
    const why = state.tryTake(item);
    if (why === 'cut') return state.end(true, undefined);
    if (why !== undefined) return state.end(false, { offset: item.offset, why });
  }
}

/** A batch that a full disk refused is cut off again: the file may end earlier than it did. */
async function fill(scanner: SegmentScanner, { file, endOffset }: SegmentWalk): Promise<void> {
  try {
    await scanner.fill();
  } catch (error) {
    if ((await file.stat()).sizeBytes < endOffset)
      throw new LogMovedError('a segment was cut while it was read');
    throw error;
  }
}

class WalkState {
  readonly #walk: SegmentWalk;
  #chain: ChainPoint;
  #recordsEnd = SEGMENT_HEADER_BYTES;
  #records = 0;
  #isSealed = false;

  constructor(walk: SegmentWalk) {
    this.#walk = walk;
    const { firstLsn, epoch, lastCrc } = walk.header;
    this.#chain = { epoch, lsn: (firstLsn - 1) as ChainPoint['lsn'], crc: lastCrc };
  }

  end(isCut: boolean, bad: WalkEnd['bad']): WalkEnd {
    return {
      chain: this.#chain,
      recordsEnd: this.#recordsEnd,
      records: this.#records,
      isSealed: this.#isSealed,
      isCut,
      bad,
    };
  }

  /** Why the item cannot stand there, or `cut`; undefined where it can. */
  tryTake(item: Exclude<SegmentItem, { kind: 'end' }>): string | undefined {
    if (item.kind === 'bad') return item.why;
    if (this.#isSealed) return 'something stands behind the seal';
    if (item.kind === 'record') return this.#tryTakeRecord(item.frame, item.nextOffset);
    const { lsn, crc } = this.#chain;
    if (item.kind === 'mark') {
      return item.mark.lastLsn === lsn
        ? undefined
        : `a mark of LSN ${item.mark.lastLsn} stands after LSN ${lsn}`;
    }
    const { lastLsn, lastCrc, records } = item.seal;
    if (lastLsn !== lsn || lastCrc !== crc || records !== this.#records) {
      return `the seal (LSN ${lastLsn}, ${records} records) does not fit LSN ${lsn}`;
    }
    this.#isSealed = true;
    return undefined;
  }

  #tryTakeRecord(frame: Frame, nextOffset: number): string | undefined {
    const why = whyNotNext(this.#chain, frame);
    if (why !== undefined) return why;
    if (this.#walk.onRecord(frame, nextOffset)) return 'cut';
    this.#chain = pointOf(frame);
    this.#recordsEnd = nextOffset;
    this.#records++;
    return undefined;
  }
}

/**
 * Reads the copy of a segment that was still being written, and throws
 * `LogMovedError` where it is not of one piece up to `last`: what a full disk
 * refused is cut off again, and its LSNs are reused.
 */
export async function checkTail(
  { fileSystem, clock }: ImageReaderParts,
  copy: ImageSegment,
  last: ChainPoint,
): Promise<void> {
  const file = await fileSystem.open(copy.path, 'read');
  try {
    const header = await tryReadSegmentHeader(file);
    if (typeof header === 'string') throw new LogMovedError(`${copy.name}: ${header}`);
    const walk = { file, header, endOffset: copy.bytes, clock, onRecord: () => false };
    const { bad, chain } = await walkSegment(walk);
    const isSame = bad === undefined && chain.lsn === copy.lastLsn && chain.crc === last.crc;
    if (!isSame) throw new LogMovedError(`${copy.name} was written to while it was copied`);
  } finally {
    await file.close();
  }
}
