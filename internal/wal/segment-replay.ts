/**
 * Reads the items of one segment in order while the log is opened, and judges the
 * place at which it ends. Damage to records that the base snapshot covers is only
 * logged. Throws `WalOpenError` on corruption.
 */
import type { ChainPoint } from '#model/replication.ts';
import type { Clock } from '#platform/clock.ts';
import type { File } from '#platform/file-system.ts';
import type { Logger } from '#platform/logger.ts';
import type { Frame } from '#wal/frame.ts';
import { judgeEnd } from '#wal/judge-end.ts';
import { type LaterItem, searchLaterItems } from '#wal/later-items.ts';
import type { ReplayPace } from '#wal/recovery-progress.ts';
import { ITEM_KIND, PREFIX_BYTES, SEGMENT_HEADER_BYTES, type SegmentHeader } from '#wal/segment-format.ts';
import { SegmentJudge } from '#wal/segment-judge.ts';
import { type SegmentItem, SegmentScanner } from '#wal/segment-scanner.ts';
import type { Segment } from '#wal/segment-table.ts';
import { damageError } from '#wal/wal-errors.ts';

/** The part of the replay of the whole log that reading one segment needs. */
export interface ReplayContext {
  readonly path: string;
  readonly from: ChainPoint;
  /** By MANIFEST every record up to this LSN was durable; 0: MANIFEST does not say. */
  readonly knownDurableLsn: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The last record taken. */
  readonly chain: ChainPoint;
  /** Takes a record that follows the last one. Throws if it cannot be used. */
  accept(segment: Segment, frame: Frame, offset: number): void;
  /** Continues after damage below the snapshot, at the record `item`. */
  skipTo(item: LaterItem, prevCrc: number): void;
  readonly pace: ReplayPace;
}

/** How one segment ended. */
export interface SegmentEnd {
  readonly validEnd: number;
  readonly isSealed: boolean;
  readonly endsWithCleanMark: boolean;
  readonly tornWhy: string | undefined;
}

export class SegmentReplay {
  readonly #replay: ReplayContext;
  readonly #file: File;
  readonly #segment: Segment;
  readonly #header: SegmentHeader;
  readonly #hasLater: boolean;
  #scanner: SegmentScanner;
  readonly #judge: SegmentJudge;

  constructor(replay: ReplayContext, file: File, segment: Segment, header: SegmentHeader, hasLater: boolean) {
    this.#replay = replay;
    this.#file = file;
    this.#segment = segment;
    this.#header = header;
    this.#hasLater = hasLater;
    this.#judge = new SegmentJudge(header);
    this.#scanner = this.#scanFrom(SEGMENT_HEADER_BYTES);
  }

  async run(): Promise<SegmentEnd> {
    let reported = 0;
    for (;;) {
      const item = this.#scanner.tryNext();
      if (item === undefined) {
        await this.#scanner.fill();
        this.#replay.pace.progressed(this.#scanner.offset - reported);
        reported = this.#scanner.offset;
        continue;
      }
      const why = this.#tryTake(item);
      if (why !== undefined) {
        if (await this.#tryResume(item.offset)) continue;
        await this.#checkEnd('item', item.offset, why, item.kind === 'bad' && item.isUnknown);
        return this.#end(why);
      }
      if (item.kind === 'end') break;
      if (this.#replay.pace.isSliceOver()) await this.#replay.pace.nextSlice();
    }
    this.#replay.pace.progressed(this.#segment.sizeBytes - reported);
    if (!this.#judge.isSealed) await this.#checkEnd('unsealed_end', this.#judge.validEnd, '', false);
    return this.#end(undefined);
  }

  #end(tornWhy: string | undefined): SegmentEnd {
    return {
      validEnd: this.#judge.validEnd,
      isSealed: this.#judge.isSealed,
      endsWithCleanMark: this.#judge.isStopped,
      tornWhy,
    };
  }

  #scanFrom(fromOffset: number): SegmentScanner {
    const { salt } = this.#header;
    const endOffset = this.#segment.sizeBytes;
    return new SegmentScanner(this.#file, { fromOffset, endOffset, salt, readsAhead: true });
  }

  /** Takes the item if it fits; otherwise returns why it does not. */
  #tryTake(item: SegmentItem): string | undefined {
    if (item.kind === 'end') return undefined;
    if (item.kind === 'bad') return item.why;
    const why = this.#judge.tryTake(item);
    if (why === undefined && item.kind === 'record')
      this.#replay.accept(this.#segment, item.frame, item.offset);
    return why;
  }

  /** Steps over damage below the snapshot S, to the next whole record up to S + 1. Returns false if that is not possible. */
  async #tryResume(damageOffset: number): Promise<boolean> {
    const { chain, from, logger } = this.#replay;
    if (chain.lsn >= from.lsn || this.#judge.isSealed) return false;
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
      'damage in the log below the snapshot: this node does not need these records, but replicas cannot read them',
    );
    this.#replay.skipTo(next, prevCrc.readUInt32LE(0));
    this.#judge.stepOver(next.lsn, prevCrc.readUInt32LE(0));
    this.#segment.index.restartAt(next.lsn, next.offset);
    this.#scanner = this.#scanFrom(next.offset);
    return true;
  }

  /** Returns if the log may end at `offset`; throws if that would lose durable records. */
  async #checkEnd(
    what: 'item' | 'unsealed_end',
    offset: number,
    why: string,
    isUnknown: boolean,
  ): Promise<void> {
    const { chain, from, path, knownDurableLsn, clock } = this.#replay;
    const verdict = await judgeEnd(
      { what, offset, why, isUnknown, lastLsn: chain.lsn },
      { hasLater: this.#hasLater, baseLsn: from.lsn, knownDurableLsn },
      { file: this.#file, sizeBytes: this.#segment.sizeBytes, salt: this.#header.salt, clock },
    );
    if (verdict.kind === 'whole' || verdict.kind === 'torn') return;
    const place = { file: this.#segment.path, byte: offset, lsn: chain.lsn + 1, why: verdict.why };
    throw damageError(verdict.kind, path, place);
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
