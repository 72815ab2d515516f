/**
 * The log's segments in memory: which file contains which records, and the offsets
 * of some of them. The log owns it; the writer extends the last segment, compaction
 * removes the oldest ones, and readers look records up.
 */
import type { Lsn } from '#model/position.ts';
import type { SegmentName } from '#wal/file-names.ts';
import { SEGMENT_HEADER_BYTES, type SegmentHeader } from '#wal/segment-format.ts';

/** Bytes between two noted records of a segment. */
const INDEX_STEP_BYTES = 64 * 1_024;

/** The offsets of some records of a segment, in ascending order. */
class OffsetIndex {
  readonly #lsns: number[];
  readonly #offsets: number[];

  constructor(firstLsn: number) {
    this.#lsns = [firstLsn];
    this.#offsets = [SEGMENT_HEADER_BYTES];
  }

  /** Notes the offset of a record if it is far enough after the last one noted. */
  note(lsn: number, offset: number): void {
    if (offset - (this.#offsets[this.#offsets.length - 1] as number) < INDEX_STEP_BYTES) return;
    this.#lsns.push(lsn);
    this.#offsets.push(offset);
  }

  /** The offset of the last noted record at or before `lsn`. */
  floor(lsn: number): number {
    let low = 0;
    let high = this.#lsns.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#lsns[middle] as number) <= lsn) low = middle;
      else high = middle - 1;
    }
    return this.#offsets[low] as number;
  }

  /** Forgets every record before `offset`, which is damaged and no longer read. */
  restartAt(lsn: number, offset: number): void {
    this.#lsns.splice(0, this.#lsns.length, lsn);
    this.#offsets.splice(0, this.#offsets.length, offset);
  }

  /** Forgets the records from `offset` on, except the first record of the segment. */
  cutAt(offset: number): void {
    while (this.#offsets.length > 1 && (this.#offsets.at(-1) as number) >= offset) {
      this.#offsets.pop();
      this.#lsns.pop();
    }
  }
}

export interface Segment {
  readonly seq: number;
  readonly firstLsn: Lsn;
  /** File name and full path. */
  readonly name: string;
  readonly path: string;
  /** Whole items, header included. */
  sizeBytes: number;
  /** `firstLsn - 1` if the segment has no record. */
  lastLsn: number;
  /** Number of records; 0 also if the segment was not read. */
  records: number;
  isSealed: boolean;
  /** Undefined until the header was read. */
  header: SegmentHeader | undefined;
  readonly index: OffsetIndex;
}

/** `nextFirstLsn` is the first LSN of the next segment, from which the last LSN of this one follows before it is read. */
export function createSegment(
  path: string,
  name: SegmentName,
  sizeBytes: number,
  nextFirstLsn?: number,
): Segment {
  return {
    seq: name.seq,
    firstLsn: name.firstLsn,
    name: name.name,
    path: `${path}/${name.name}`,
    sizeBytes,
    lastLsn: (nextFirstLsn ?? name.firstLsn) - 1,
    records: 0,
    isSealed: nextFirstLsn !== undefined,
    header: undefined,
    index: new OffsetIndex(name.firstLsn),
  };
}

export class SegmentTable {
  #segments: Segment[];
  /** The log cannot be read below this LSN, because it is damaged there. */
  readonly #readableFromLsn: number;

  constructor(segments: Segment[], readableFromLsn: number) {
    this.#segments = segments;
    this.#readableFromLsn = readableFromLsn;
  }

  get all(): readonly Segment[] {
    return this.#segments;
  }

  get count(): number {
    return this.#segments.length;
  }

  get bytes(): number {
    return this.#segments.reduce((sum, segment) => sum + segment.sizeBytes, 0);
  }

  get last(): Segment | undefined {
    return this.#segments.at(-1);
  }

  /** The first LSN that can be read, or will be written. */
  earliestLsn(tailLsn: number): Lsn {
    return Math.max(this.#segments[0]?.firstLsn ?? tailLsn + 1, this.#readableFromLsn) as Lsn;
  }

  add(segment: Segment): void {
    this.#segments.push(segment);
  }

  /** Removes the oldest `count` segments. */
  dropOldest(count: number): void {
    this.#segments = this.#segments.slice(count);
  }

  /** The segment that contains the record, if any. */
  find(lsn: number): Segment | undefined {
    return this.#segments.findLast((segment) => segment.firstLsn <= lsn && segment.lastLsn >= lsn);
  }
}
