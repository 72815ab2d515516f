/**
 * Reads the log when it is opened: in order, from the record after the base
 * snapshot, in bounded memory, and with a turn for the event loop every few
 * milliseconds. It fsyncs what it reads and writes nothing: the repair that the end
 * of the log needs is returned as a `TailState`, and `tail-keeper.ts` does it.
 *
 * Throws `WalOpenError` on corruption and on files of another log.
 */

import type { ChainPoint } from '#model/replication.ts';
import type { Clock } from '#platform/clock.ts';
import type { File } from '#platform/file-system.ts';
import type { Logger } from '#platform/logger.ts';
import { messageOf } from '#platform/thrown.ts';
import type { SegmentName } from '#wal/file-names.ts';
import type { Frame } from '#wal/frame.ts';
import { whyRefused } from '#wal/judge-end.ts';
import type { LaterItem } from '#wal/later-items.ts';
import { type Demand, demandOf, whyShort } from '#wal/log-reach.ts';
import { type RecoveryProgress, ReplayPace } from '#wal/recovery-progress.ts';
import { SEGMENT_HEADER_BYTES, type SegmentHeader } from '#wal/segment-format.ts';
import {
  hasLaterSegment,
  isHeaderFault,
  pointBefore,
  whyNotBase,
  whyNotFirst,
  whyNotJoined,
  whyNotNewest,
} from '#wal/segment-judge.ts';
import { type ReplayContext, type SegmentEnd, SegmentReplay } from '#wal/segment-replay.ts';
import { createSegment, type Segment } from '#wal/segment-table.ts';
import { settleTail, type TailState } from '#wal/tail-state.ts';
import type { WalDirectory } from '#wal/wal-directory.ts';
import { damageError, NewerFormatError, WalOpenError } from '#wal/wal-errors.ts';
import { readHeader } from '#wal/walk-segment.ts';

export interface RecoveryOptions {
  readonly directory: WalDirectory;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly logId: string;
  /** The record at which the base snapshot was made; zeros without a snapshot. */
  readonly from: ChainPoint;
  readonly onFrame: (frame: Frame) => void;
  readonly onProgress?: ((progress: RecoveryProgress) => void) | undefined;
}

export interface Recovery {
  /** All segments, oldest first, including those below the snapshot that were not read. */
  readonly segments: Segment[];
  readonly tail: ChainPoint;
  readonly tailState: TailState;
  /** The last LSN that is durable even if the last segment is lost. */
  readonly durableLsn: number;
  /** The log cannot be read below this LSN, because it is damaged there; 0: no damage was found. */
  readonly readableFromLsn: number;
  readonly records: number;
  /** A newest segment no longer than a header, which is created anew in its place, or excluded. */
  readonly stub: SegmentName | undefined;
}

export async function recoverLog(options: RecoveryOptions): Promise<Recovery> {
  const { directory, from } = options;
  await directory.syncNames();
  const found = await sizedSegments(directory);
  const first = found[0];
  const why = first && whyNotFirst(first.name.firstLsn, from.lsn);
  if (first !== undefined && why !== undefined)
    throw damageError('corrupt', directory.path, place(directory, first.name, 0, first.name.firstLsn, why));
  // A newest segment no longer than a header has no record, whatever its bytes are.
  const newest = found.at(-1);
  const stub = newest !== undefined && newest.sizeBytes <= SEGMENT_HEADER_BYTES ? found.pop() : undefined;
  const replay = new Replay(options, found, stub);
  return replay.run();
}

interface SizedSegment {
  readonly name: SegmentName;
  readonly sizeBytes: number;
}

async function sizedSegments(directory: WalDirectory): Promise<SizedSegment[]> {
  const sized: SizedSegment[] = [];
  for (const name of await directory.segments()) {
    const stat = await directory.fileSystem.stat(`${directory.path}/${name.name}`);
    sized.push({ name, sizeBytes: stat?.sizeBytes ?? 0 });
  }
  return sized;
}

function place(directory: WalDirectory, name: SegmentName, byte: number, lsn: number, why: string) {
  return { file: `${directory.path}/${name.name}`, byte, lsn, why };
}

class Replay implements ReplayContext {
  readonly #options: RecoveryOptions;
  readonly #found: readonly SizedSegment[];
  readonly #stub: SegmentName | undefined;
  readonly #newestBytes: number | undefined;
  /** The segment and LSN that must exist by MANIFEST. */
  readonly #demand: Demand | undefined;
  readonly #segments: Segment[];
  readonly pace: ReplayPace;
  /** The last record taken, or the record before the first one. */
  #chain: ChainPoint;
  #readableFromLsn = 0;

  constructor(options: RecoveryOptions, found: readonly SizedSegment[], stub: SizedSegment | undefined) {
    this.#options = options;
    this.#found = found;
    this.#stub = stub?.name;
    this.#newestBytes = (stub ?? found.at(-1))?.sizeBytes;
    const { manifest } = options.directory;
    this.#demand = manifest === undefined ? undefined : demandOf(manifest);
    this.#segments = found.map(({ name, sizeBytes }, i) =>
      createSegment(options.directory.path, name, sizeBytes, found[i + 1]?.name.firstLsn),
    );
    this.#chain = options.from;
    const bytesTotal = found.slice(this.#startIndex()).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    this.pace = new ReplayPace(bytesTotal, options.clock, options.onProgress);
  }

  async run(): Promise<Recovery> {
    const { from } = this.#options;
    let end: SegmentEnd | undefined;
    let durableLsn: number = from.lsn;
    const start = this.#startIndex();
    for (let i = start; i < this.#segments.length; i++) {
      durableLsn = Math.max(durableLsn, i === start ? 0 : this.#chain.lsn);
      end = await this.#replaySegment(this.#segments[i] as Segment, i === start, this.#hasLater(i));
    }
    this.#checkStub();
    this.#checkDemand(end);
    this.pace.report();
    const rest = { readableFromLsn: this.#readableFromLsn, records: this.pace.records, stub: this.#stub };
    if (end !== undefined && this.#chain.lsn < from.lsn) {
      const tailState: TailState = { kind: 'below_snapshot' };
      return { segments: [], tail: from, tailState, durableLsn: from.lsn, ...rest };
    }
    const tailState = settleTail(this.#segments.at(-1), end, this.#stub !== undefined);
    if (tailState.kind !== 'unclean') durableLsn = this.#chain.lsn;
    const { epoch, lsn, crc } = this.#chain;
    return { segments: this.#segments, tail: { epoch, lsn, crc }, tailState, durableLsn, ...rest };
  }

  /** Index of the last segment that may contain the record after the snapshot; the snapshot covers all segments before it. */
  #startIndex(): number {
    const { from } = this.#options;
    return Math.max(
      0,
      this.#found.findLastIndex(({ name }) => name.firstLsn <= from.lsn + 1),
    );
  }

  #hasLater(index: number): boolean {
    const { seq } = this.#segments[index] as Segment;
    return hasLaterSegment(seq, this.#seqs(), this.#demand);
  }

  /** Refuses a log that is intact but ends before the segment or LSN that MANIFEST demands. */
  #checkDemand(end: SegmentEnd | undefined): void {
    const endLsn = Math.max(this.#chain.lsn, this.#options.from.lsn);
    const why = whyShort(this.#demand, { seqs: this.#seqs(), endLsn, newestBytes: this.#newestBytes });
    if (why === undefined) return;
    const segment = this.#demand?.segment ?? '';
    const byte = this.#segments.at(-1)?.name === segment ? (end?.validEnd ?? 0) : 0;
    throw this.#damage(segment, byte, endLsn + 1, why);
  }

  /** The numbers of all segments found, including one without a record. */
  #seqs(): number[] {
    return [...this.#segments, ...(this.#stub === undefined ? [] : [this.#stub])].map(({ seq }) => seq);
  }

  #checkStub(): void {
    if (this.#stub === undefined) return;
    const why = whyNotNewest(this.#stub.firstLsn, this.#chain.lsn);
    if (why === undefined) return;
    throw this.#damage(this.#stub.name, 0, this.#stub.firstLsn, why);
  }

  async #replaySegment(segment: Segment, isFirst: boolean, hasLater: boolean): Promise<SegmentEnd> {
    const { fileSystem } = this.#options.directory;
    const file = await fileSystem.open(segment.path, 'write');
    try {
      // The page cache may contain bytes that the disk does not, so the file is synced before it is read.
      await file.sync();
      const header = await this.#readHeader(file, segment, hasLater);
      segment.header = header;
      this.#joinChain(segment, header, isFirst);
      segment.lastLsn = segment.firstLsn - 1;
      const end = await new SegmentReplay(this, file, segment, header, hasLater).run();
      segment.isSealed = end.isSealed;
      return end;
    } finally {
      await file.close();
    }
  }

  async #readHeader(file: File, segment: Segment, hasLater: boolean): Promise<SegmentHeader> {
    const { seq, firstLsn, name } = segment;
    const header = await readHeader(file, { seq, firstLsn, logId: this.#options.logId });
    if (!isHeaderFault(header)) return header;
    const kind = header.kind === 'newer' || header.kind === 'foreign' ? header.kind : 'corrupt';
    throw this.#refusal(kind, name, header.byte, firstLsn, whyRefused(header, hasLater));
  }

  /** Checks that the segment continues after the segment before it, or after the snapshot. */
  #joinChain(segment: Segment, header: SegmentHeader, isFirst: boolean): void {
    const { from } = this.#options;
    const isBelow = isFirst && header.firstLsn - 1 !== from.lsn;
    const fault = isBelow
      ? undefined
      : whyNotJoined(
          header,
          isFirst ? from : this.#chain,
          isFirst ? 'the snapshot' : 'the segment before it',
        );
    if (fault !== undefined) throw this.#damage(segment.name, fault.byte, segment.firstLsn, fault.why);
    this.#chain = pointBefore(header);
  }

  // ---- ReplayContext -----------------------------------------------------------------------

  get path(): string {
    return this.#options.directory.path;
  }

  get from(): ChainPoint {
    return this.#options.from;
  }

  get knownDurableLsn(): number {
    return this.#demand?.lsn ?? 0;
  }

  get clock(): Clock {
    return this.#options.clock;
  }

  get logger(): Logger {
    return this.#options.logger;
  }

  get chain(): ChainPoint {
    return this.#chain;
  }

  /** Takes a record that follows the last one. Throws if it cannot be used. */
  accept(segment: Segment, frame: Frame, offset: number): void {
    const { from } = this.#options;
    const notBase = whyNotBase(from, frame);
    if (notBase !== undefined) throw this.#damage(segment.name, offset, frame.lsn, notBase);
    this.#chain = frame;
    segment.lastLsn = frame.lsn;
    segment.records++;
    segment.index.note(frame.lsn, offset);
    if (frame.lsn <= from.lsn) return;
    this.pace.records++;
    try {
      this.#options.onFrame(frame);
    } catch (error) {
      if (error instanceof WalOpenError) throw error;
      if (error instanceof NewerFormatError)
        throw this.#refusal('newer', segment.name, offset, frame.lsn, error.message);
      const why = `the record cannot be applied: ${messageOf(error)}`;
      throw this.#damage(segment.name, offset, frame.lsn, why);
    }
  }

  /** Continues after damage below the snapshot, at the record `item`. */
  skipTo(item: LaterItem, prevCrc: number): void {
    this.#chain = { epoch: 0, lsn: (item.lsn - 1) as ChainPoint['lsn'], crc: prevCrc };
    this.#readableFromLsn = item.lsn;
  }

  #damage(name: string, byte: number, lsn: number, why: string): WalOpenError {
    return this.#refusal('corrupt', name, byte, lsn, why);
  }

  #refusal(
    kind: 'corrupt' | 'foreign' | 'newer',
    name: string,
    byte: number,
    lsn: number,
    why: string,
  ): WalOpenError {
    const { path } = this.#options.directory;
    return damageError(kind, path, { file: `${path}/${name}`, byte, lsn, why });
  }
}
