/**
 * Reads one segment from its header to its end, or to the first place that
 * makes no sense, for everyone but a start, which reads on behind damage below
 * the snapshot. It decides nothing. Errors of the file system come through.
 */
import type { ChainPoint } from '#model/replication.ts';
import type { File } from '#platform/file-system.ts';
import type { Frame } from '#wal/frame.ts';
import type { SegmentStop } from '#wal/judge-end.ts';
import { SEGMENT_HEADER_BYTES, type SegmentHeader } from '#wal/segment-format.ts';
import {
  type HeaderFault,
  isHeaderFault,
  judgeHeader,
  type SegmentIdentity,
  SegmentJudge,
} from '#wal/segment-judge.ts';
import { SegmentScanner } from '#wal/segment-scanner.ts';

export interface SegmentWalk {
  readonly file: File;
  readonly header: SegmentHeader;
  /** Bytes of the file that count. */
  readonly endOffset: number;
  /** How much to read at once; default 1 MiB. */
  readonly chunkBytes?: number;
  /** Called with each record and where it ends; its bytes are views. Returns true to end the walk before it. */
  readonly onRecord?: (frame: Frame, endOffset: number) => boolean;
  /** Reads on; returns false to end the walk. Default: `scanner.fill()`. */
  readonly fill?: (scanner: SegmentScanner) => Promise<boolean>;
}

export interface WalkEnd {
  /** The last record taken; the one before the segment where there is none. */
  readonly chain: ChainPoint;
  /** Behind the last record, or the header. */
  readonly recordsEnd: number;
  readonly records: number;
  readonly isSealed: boolean;
  /** It ends with the mark of a clean stop. */
  readonly isStopped: boolean;
  /** `onRecord` or `fill` ended the walk. */
  readonly isCut: boolean;
  /** Where it stopped before the seal that every closed segment has; undefined where there is the seal, or it was cut. */
  readonly stop: SegmentStop | undefined;
}

/** The header of a segment, or why it is not that segment's. */
export async function readHeader(
  file: File,
  identity: SegmentIdentity,
): Promise<SegmentHeader | HeaderFault> {
  const bytes = Buffer.alloc(SEGMENT_HEADER_BYTES);
  return judgeHeader(bytes.subarray(0, await file.read(bytes, 0)), identity);
}

/** The header of a segment that was judged before. Throws where it is no longer what it was. */
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
    if (item.kind === 'record' && onRecord?.(item.frame, item.nextOffset) === true) return endOf(judge, true);
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
