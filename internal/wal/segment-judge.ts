/**
 * What a segment must be, in one place: whose it is, where it joins the log,
 * and how its records, marks and seal follow one another. Pure: callers read
 * the bytes and do something about the answer. A start, the background check,
 * backups and the tools all judge by this, so they find the same places and say
 * the same of them.
 */
import type { Lsn } from '#model/position.ts';
import type { ChainPoint } from '#model/replication.ts';
import { whyNotNext } from '#wal/frame.ts';
import type { Demand } from '#wal/log-reach.ts';
import {
  isUnknownSegmentFormat,
  SEGMENT_HEADER_BYTES,
  type SegmentHeader,
  tryDecodeSegmentHeader,
} from '#wal/segment-format.ts';
import type { SegmentItem } from '#wal/segment-scanner.ts';

/** An item whose checksums are valid. */
export type WholeItem = Exclude<SegmentItem, { kind: 'end' | 'bad' }>;

/** Why a segment's header cannot be used. */
export interface HeaderFault {
  /**
   * `unreadable`: its bytes are damaged; `misplaced`: it does not fit the log at
   * this place; `foreign`: it belongs to another log; `newer`: it is intact and has
   * a format that this program does not know.
   */
  readonly kind: 'unreadable' | 'misplaced' | 'newer' | 'foreign';
  /** Offset of the fault in the file. */
  readonly byte: number;
  readonly why: string;
}

/** What a segment's header must state, by its file name and its directory. */
export interface SegmentIdentity {
  readonly seq: number;
  readonly firstLsn: number;
  /** Undefined if it is not known. */
  readonly logId: string | undefined;
}

/** Decodes the header in a file's first 96 bytes; returns why it is not the header of that segment. */
export function judgeHeader(bytes: Buffer, identity: SegmentIdentity): SegmentHeader | HeaderFault {
  const header = tryDecodeSegmentHeader(bytes);
  if (typeof header === 'string') {
    return { kind: isUnknownSegmentFormat(bytes) ? 'newer' : 'unreadable', byte: 0, why: header };
  }
  const { seq, firstLsn, logId } = identity;
  if (logId !== undefined && header.logId !== logId) {
    const why = `the segment belongs to log ${header.logId}, this directory to log ${logId}`;
    return { kind: 'foreign', byte: 16, why };
  }
  if (header.seq === seq && header.firstLsn === firstLsn) return header;
  return { kind: 'misplaced', byte: 32, why: 'the file name and the header differ' };
}

export function isHeaderFault(header: SegmentHeader | HeaderFault): header is HeaderFault {
  return 'kind' in header;
}

/** The record before a segment, as the segment's header states it. */
export function pointBefore({ firstLsn, epoch, lastCrc }: SegmentHeader): ChainPoint {
  return { epoch, lsn: (firstLsn - 1) as Lsn, crc: lastCrc };
}

/** Why the segment does not continue after the record `before`, the end of `what`; undefined if it does. */
export function whyNotJoined(
  header: SegmentHeader,
  before: ChainPoint,
  what: 'the snapshot' | 'the segment before it',
): HeaderFault | undefined {
  const { lsn, crc, epoch } = pointBefore(header);
  if (lsn !== before.lsn) return { kind: 'misplaced', byte: 40, why: whyMissing(before.lsn) };
  if (crc === before.crc && epoch === before.epoch) return undefined;
  return { kind: 'misplaced', byte: 48, why: `the segment does not continue ${what}` };
}

/** Why a newest segment without a record cannot stand where the log ends at `lastLsn`; undefined where it can. */
export function whyNotNewest(firstLsn: number, lastLsn: number): string | undefined {
  return firstLsn > lastLsn + 1 ? whyMissing(lastLsn) : undefined;
}

function whyMissing(lastLsn: number): string {
  return `LSN ${lastLsn + 1} is missing before this segment`;
}

/** Why a log with a snapshot at `baseLsn` (0: none) cannot begin with a segment at `firstLsn`; undefined if it can. */
export function whyNotFirst(firstLsn: number, baseLsn: number): string | undefined {
  if (firstLsn <= baseLsn + 1) return undefined;
  const rest = baseLsn === 0 ? ' and there is no valid snapshot' : ' after the snapshot';
  return `the log begins here, but LSN ${baseLsn + 1} is missing${rest}`;
}

/** Why `record` contradicts the snapshot, which was made at the record `base`; undefined if it does not, or has another LSN. */
export function whyNotBase(base: ChainPoint, record: ChainPoint): string | undefined {
  if (record.lsn !== base.lsn || (record.crc === base.crc && record.epoch === base.epoch)) return undefined;
  return 'the record is not the one at which the snapshot was made';
}

/** True if a later segment than `seq` exists, or existed according to MANIFEST: then all of `seq` was durable. */
export function hasLaterSegment(seq: number, seqs: readonly number[], demand: Demand | undefined): boolean {
  return (demand?.seq ?? 0) > seq || seqs.some((other) => other > seq);
}

/** Takes the items of one segment in order, and judges whether each fits after the one before. */
export class SegmentJudge {
  #chain: ChainPoint;
  #records = 0;
  /** Damage was stepped over, so the seal's number of records cannot be checked. */
  #hasGap = false;
  #recordsEnd = SEGMENT_HEADER_BYTES;
  #validEnd = SEGMENT_HEADER_BYTES;
  #isSealed = false;
  #isStopped = false;

  constructor(header: SegmentHeader) {
    this.#chain = pointBefore(header);
  }

  /** The last record taken, or the one before the segment. It may be a frame, which keeps a reference to its buffer. */
  get chain(): ChainPoint {
    return this.#chain;
  }

  get records(): number {
    return this.#records;
  }

  /** Offset of the end of the last record, or of the header. */
  get recordsEnd(): number {
    return this.#recordsEnd;
  }

  /** Offset of the end of the last item taken, or of the header. */
  get validEnd(): number {
    return this.#validEnd;
  }

  get isSealed(): boolean {
    return this.#isSealed;
  }

  /** The last item is the mark of a clean stop. */
  get isStopped(): boolean {
    return this.#isStopped;
  }

  /** Takes the item if it fits; otherwise returns why it does not. */
  tryTake(item: WholeItem): string | undefined {
    const why = this.whyUnfit(item);
    if (why === undefined) this.take(item);
    return why;
  }

  /** Why the item does not fit; undefined if it does. */
  whyUnfit(item: WholeItem): string | undefined {
    if (this.#isSealed) return 'there is an item after the seal';
    if (item.kind === 'record') return whyNotNext(this.#chain, item.frame);
    const { lsn, crc } = this.#chain;
    if (item.kind === 'mark') {
      const { lastLsn } = item.mark;
      return lastLsn === lsn ? undefined : `a mark of LSN ${lastLsn} stands after LSN ${lsn}`;
    }
    const { lastLsn, lastCrc, records } = item.seal;
    const fits = lastLsn === lsn && lastCrc === crc && (this.#hasGap || records === this.#records);
    return fits ? undefined : `the seal (LSN ${lastLsn}, ${records} records) does not fit LSN ${lsn}`;
  }

  /** Takes an item that fits. */
  take(item: WholeItem): void {
    this.#validEnd = item.nextOffset;
    if (item.kind === 'record') {
      this.#chain = item.frame;
      this.#recordsEnd = item.nextOffset;
      this.#records++;
      this.#isStopped = false;
    } else if (item.kind === 'seal') {
      this.#isSealed = true;
      this.#isStopped = false;
    } else {
      this.#isStopped = item.mark.isCleanStop;
    }
  }

  /** Continues after damage that does not matter, at the record `lsn`, whose `prevCrc` is given. */
  stepOver(lsn: number, prevCrc: number): void {
    this.#chain = { epoch: 0, lsn: (lsn - 1) as Lsn, crc: prevCrc };
    this.#hasGap = true;
  }
}
