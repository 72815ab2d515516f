/**
 * Reads one segment from its header to its end, or to the first item that is
 * invalid or does not fit. Every reader uses it except a start, which continues
 * after damage below the snapshot. The caller judges where the walk stopped.
 * Errors of the file system come through.
 */
import type { ChainPoint } from '#model/replication.ts';
import type { File } from '#platform/file-system.ts';
import type { SegmentStop } from '#wal/judge-end.ts';
import { SEGMENT_HEADER_BYTES, type SegmentHeader } from '#wal/segment-format.ts';
import {
  type HeaderFault,
  isHeaderFault,
  judgeHeader,
  type SegmentIdentity,
  SegmentJudge,
} from '#wal/segment-judge.ts';
import { type RecordItem, SegmentScanner } from '#wal/segment-scanner.ts';

export interface SegmentWalk {
  readonly file: File;
  readonly header: SegmentHeader;
  /** Offset at which the walk ends, at most the file's size. */
  readonly endOffset: number;
  /** Bytes of one read; default 1 MiB. */
  readonly chunkBytes?: number;
  /** Called with each record, whose bytes are views, and its offsets. Returns true to end the walk before the record. */
  readonly onRecord?: (record: RecordItem) => boolean;
  /** Reads the next chunk; returns false to end the walk. Default: `scanner.fill()`. */
  readonly fill?: (scanner: SegmentScanner) => Promise<boolean>;
}

export interface WalkEnd {
  /** The last record read, or the one before the segment. */
  readonly chain: ChainPoint;
  /** Offset of the end of the last record, or of the header. */
  readonly recordsEnd: number;
  readonly records: number;
  readonly isSealed: boolean;
  /** The last item is the mark of a clean stop. */
  readonly isStopped: boolean;
  /** `onRecord` or `fill` ended the walk. */
  readonly isCut: boolean;
  /** The place at which reading stopped without a seal; undefined if there is a seal, or the walk was ended. */
  readonly stop: SegmentStop | undefined;
}

/** Reads the header of a segment, or returns why it cannot be used. */
export async function readHeader(
  file: File,
  identity: SegmentIdentity,
): Promise<SegmentHeader | HeaderFault> {
  const bytes = Buffer.alloc(SEGMENT_HEADER_BYTES);
  return judgeHeader(bytes.subarray(0, await file.read(bytes, 0)), identity);
}

/** Reads the header of a segment that was judged before. Throws if it has changed. */
export async function rereadHeader(file: File, identity: SegmentIdentity): Promise<SegmentHeader> {
  const header = await readHeader(file, identity);
  if (isHeaderFault(header)) throw new Error(`the segment changed while it was read: ${header.why}`);
  return header;
}

export async function walkSegment(walk: SegmentWalk): Promise<WalkEnd> {
  const { file, header, endOffset, chunkBytes, onRecord, fill } = walk;
  const range = { fromOffset: SEGMENT_HEADER_BYTES, endOffset, salt: header.salt };
  const scanner = new SegmentScanner(file, chunkBytes === undefined ? range : { ...range, chunkBytes });
  const judge = new SegmentJudge(header);
  for (;;) {
    const item = scanner.tryNext();
    if (item === undefined) {
      if (fill === undefined) await scanner.fill();
      else if (!(await fill(scanner))) return endOf(judge, true);
      continue;
    }
    if (item.kind === 'end') {
      return endOf(judge, false, judge.isSealed ? undefined : { what: 'unsealed_end', offset: item.offset });
    }
    const { offset } = item;
    if (item.kind === 'bad') return endOf(judge, false, { ...item, what: 'item' });
    const why = judge.whyUnfit(item);
    if (why !== undefined) return endOf(judge, false, { what: 'item', offset, why });
    if (item.kind === 'record' && onRecord?.(item) === true) return endOf(judge, true);
    judge.take(item);
  }
}

function endOf(
  judge: SegmentJudge,
  isCut: boolean,
  at?: Pick<SegmentStop, 'what' | 'offset'> & Partial<SegmentStop>,
): WalkEnd {
  const { recordsEnd, records, isSealed, isStopped } = judge;
  const { epoch, lsn, crc } = judge.chain;
  return {
    chain: { epoch, lsn, crc },
    recordsEnd,
    records,
    isSealed,
    isStopped,
    isCut,
    stop: at && {
      what: at.what,
      offset: at.offset,
      why: at.why ?? '',
      isUnknown: at.isUnknown ?? false,
      lastLsn: lsn,
    },
  };
}
