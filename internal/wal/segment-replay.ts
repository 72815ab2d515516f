/**
 * Reads one segment's items in order while the log is opened, up to its end or
 * the first damage, and has that judged. What is damaged below the base
 * snapshot is only noted. Throws `WalOpenError` on corruption.
 */
import type { ChainPoint } from '#model/replication.ts';
import type { Clock } from '#platform/clock.ts';
import type { File } from '#platform/file-system.ts';
import type { Logger } from '#platform/logger.ts';
import type { Frame } from '#wal/frame.ts';
import { type LaterItem, searchLaterItems } from '#wal/later-items.ts';
import { ITEM_KIND, PREFIX_BYTES, SEGMENT_HEADER_BYTES, type SegmentHeader } from '#wal/segment-format.ts';
import { type SegmentItem, SegmentScanner } from '#wal/segment-scanner.ts';
import type { Segment } from '#wal/segment-table.ts';
import { judgeDamage } from '#wal/verdict.ts';
import { damageError } from '#wal/wal-errors.ts';

/** The replay of the whole log, as one segment sees it. */
export interface ReplayContext {
  readonly path: string;
  readonly from: ChainPoint;
  /** MANIFEST says that every record up to here was durable; 0: it says nothing. */
  readonly knownDurableLsn: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The last record taken. */
  readonly chain: ChainPoint;
  /** Takes the next record; returns why it cannot be the next. */
  tryAccept(segment: Segment, frame: Frame, offset: number): string | undefined;
  /** Goes on behind damage below the snapshot, at the record `item`. */
  skipTo(item: LaterItem, prevCrc: number): void;
  progressed(bytes: number): void;
  /** True where the loop is due a turn. */
  isSliceOver(): boolean;
  nextSlice(): Promise<void>;
}

/** How one segment ended. */
export interface SegmentEnd {
  readonly validEnd: number;
  readonly isSealed: boolean;
  readonly endsWithCleanMark: boolean;
  readonly tornWhy: string | undefined;
}

/** One segment's items, in order, up to its end or the first damage. */
export class SegmentReplay {
  readonly #replay: ReplayContext;
  readonly #file: File;
  readonly #segment: Segment;
  readonly #header: SegmentHeader;
  readonly #hasLater: boolean;
  #scanner: SegmentScanner;
  #validEnd = SEGMENT_HEADER_BYTES;
  #isSealed = false;
  #endsWithCleanMark = false;
  #hasGap = false;

  constructor(replay: ReplayContext, file: File, segment: Segment, header: SegmentHeader, hasLater: boolean) {
    this.#replay = replay;
    this.#file = file;
    this.#segment = segment;
    this.#header = header;
    this.#hasLater = hasLater;
    this.#scanner = this.#scanFrom(SEGMENT_HEADER_BYTES);
  }

  async run(): Promise<SegmentEnd> {
    let reported = 0;
    for (;;) {
      const item = this.#scanner.tryNext();
      if (item === undefined) {
        await this.#scanner.fill();
        this.#replay.progressed(this.#scanner.offset - reported);
        reported = this.#scanner.offset;
        continue;
      }
      const why = this.#tryTake(item);
      if (why !== undefined) {
        if (await this.#tryResume(item.offset)) continue;
        await this.#judge(item.offset, why, item.kind === 'bad' && item.isUnknown);
        return this.#end(why);
      }
      if (item.kind === 'end') break;
      if (this.#replay.isSliceOver()) await this.#replay.nextSlice();
    }
    this.#replay.progressed(this.#segment.sizeBytes - reported);
    if (!this.#isSealed) await this.#judge(this.#validEnd, undefined);
    return this.#end(undefined);
  }

  #end(tornWhy: string | undefined): SegmentEnd {
    return {
      validEnd: this.#validEnd,
      isSealed: this.#isSealed,
      endsWithCleanMark: this.#endsWithCleanMark,
      tornWhy,
    };
  }

  #scanFrom(fromOffset: number): SegmentScanner {
    const { salt } = this.#header;
    const endOffset = this.#segment.sizeBytes;
    return new SegmentScanner(this.#file, { fromOffset, endOffset, salt, readsAhead: true });
  }

  /** Takes an item that fits; returns why it does not. */
  #tryTake(item: SegmentItem): string | undefined {
    if (item.kind === 'end') return undefined;
    if (item.kind === 'bad') return item.why;
    if (this.#isSealed) return 'something stands behind the seal';
    const why = this.#whyUnfit(item);
    if (why !== undefined) return why;
    this.#validEnd = item.nextOffset;
    this.#isSealed = item.kind === 'seal';
    this.#endsWithCleanMark = item.kind === 'mark' && item.mark.isCleanStop;
    return undefined;
  }

  #whyUnfit(item: Exclude<SegmentItem, { kind: 'end' | 'bad' }>): string | undefined {
    const { chain } = this.#replay;
    if (item.kind === 'record') return this.#replay.tryAccept(this.#segment, item.frame, item.offset);
    if (item.kind === 'mark') {
      return item.mark.lastLsn === chain.lsn
        ? undefined
        : `a mark of LSN ${item.mark.lastLsn} stands after LSN ${chain.lsn}`;
    }
    const { lastLsn, lastCrc, records } = item.seal;
    const isCountRight = this.#hasGap || records === this.#segment.records;
    const fits = lastLsn === chain.lsn && lastCrc === chain.crc && isCountRight;
    return fits ? undefined : `the seal (LSN ${lastLsn}, ${records} records) does not fit LSN ${chain.lsn}`;
  }

  /** Below the snapshot damage is only noted: the log goes on at the next whole record up to S + 1. */
  async #tryResume(damageOffset: number): Promise<boolean> {
    const { chain, from, logger } = this.#replay;
    if (chain.lsn >= from.lsn || this.#isSealed) return false;
    let next: LaterItem | undefined;
    await this.#search(damageOffset, (item) => {
      if (item.kind !== ITEM_KIND.record || item.offset === damageOffset) return false;
      if (item.lsn <= from.lsn + 1 && item.lsn > chain.lsn) next = item;
      return true;
    });
    if (next === undefined) return false;
    const prevCrc = Buffer.alloc(4);
    await this.#file.read(prevCrc, next.offset + PREFIX_BYTES + 24);
    const isChained = next.lsn !== from.lsn + 1 || prevCrc.readUInt32LE(0) === from.crc;
    if (!isChained) return false;
    logger.error(
      { file: this.#segment.path, byte: damageOffset, lsn: chain.lsn + 1, resumedAtLsn: next.lsn },
      'damage in the log below the snapshot: it is not needed here, but replicas cannot read it',
    );
    this.#replay.skipTo(next, prevCrc.readUInt32LE(0));
    this.#segment.index.restartAt(next.lsn, next.offset);
    this.#hasGap = true;
    this.#scanner = this.#scanFrom(next.offset);
    return true;
  }

  /** Returns where the log may end at `offset`; throws where that would lose what was durable. */
  async #judge(offset: number, why: string | undefined, isUnknown = false): Promise<void> {
    const { chain, from, path } = this.#replay;
    const neededLsn = Math.max(chain.lsn, from.lsn) + 1;
    let provenDurableLsn = this.#replay.knownDurableLsn;
    const provenBy = provenDurableLsn >= neededLsn ? 'MANIFEST' : 'a later item';
    if (why !== undefined && !isUnknown && !this.#hasLater && provenDurableLsn < neededLsn) {
      await this.#search(offset, (item) => {
        provenDurableLsn = Math.max(provenDurableLsn, item.lsn - item.durLag);
        return provenDurableLsn >= neededLsn;
      });
    }
    const what = why === undefined ? 'unsealed_end' : 'item';
    const proof = { provenDurableLsn, provenBy } as const;
    const verdict = judgeDamage({ what, isUnknown, hasLaterSegment: this.#hasLater, neededLsn, ...proof });
    if (verdict.kind === 'torn' || verdict.kind === 'tail') return;
    const reasons = [
      ...(why === undefined ? [] : [why]),
      ...(verdict.kind === 'corrupt' ? [verdict.why] : []),
    ];
    const reason = reasons.join('; ');
    throw damageError(verdict.kind, path, {
      file: this.#segment.path,
      byte: offset,
      lsn: chain.lsn + 1,
      why: reason,
    });
  }

  #search(fromOffset: number, onItem: (item: LaterItem) => boolean): Promise<void> {
    return searchLaterItems({
      file: this.#file,
      fromOffset,
      sizeBytes: this.#segment.sizeBytes,
      salt: this.#header.salt,
      expectedLsn: this.#replay.chain.lsn + 1,
      clock: this.#replay.clock,
      onItem,
    });
  }
}
