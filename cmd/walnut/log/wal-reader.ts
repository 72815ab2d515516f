/**
 * Reads the records of a log in order from an LSN on, of a stopped or a running node. It
 * writes nothing and takes no lock. Damage is reported and skipped. Each call of `readOn`
 * reads MANIFEST and the directory again, so that repeated calls follow a log that grows,
 * rotates and is compacted.
 */
import type { Clock } from '#platform/clock.ts';
import type { File, FileSystem } from '#platform/file-system.ts';
import { MANIFEST_NAME, parseSegmentName, type SegmentName } from '#wal/file-names.ts';
import type { Frame } from '#wal/frame.ts';
import { isSegmentExcluded, tryDecodeManifest } from '#wal/manifest.ts';
import { type Salvaged, salvageSegment } from '#wal/salvage.ts';
import { SEGMENT_HEADER_BYTES } from '#wal/segment-format.ts';
import { isHeaderFault } from '#wal/segment-judge.ts';
import { readHeader } from '#wal/walk-segment.ts';
import { readWholeFile } from '#wal/whole-files.ts';

export interface RecordPlace {
  readonly file: string;
  readonly byte: number;
}

export interface LogTrouble extends RecordPlace {
  /**
   * `end`: the last segment ends in an unfinished item, which is torn or being written.
   * `gap`: the log does not contain these records any more. `cut`: the log was cut, and
   * another history continues from here.
   */
  readonly kind: 'damage' | 'gap' | 'end' | 'cut';
  readonly lsn: number;
  readonly why: string;
}

export interface LogReading {
  readonly fileSystem: FileSystem;
  readonly clock: Clock;
  readonly directory: string;
  /** The first LSN wanted. */
  readonly fromLsn: number;
  /** The last one wanted. */
  readonly toLsn: number;
  readonly onRecord: (frame: Frame, place: RecordPlace) => Promise<void>;
  readonly onTrouble: (trouble: LogTrouble) => void;
}

/** How often a missing file is attributed to compaction before it counts as an error. */
const ATTEMPTS = 5;

export class WalReader {
  readonly #reading: LogReading;
  /** 0 before the first record. */
  #nextLsn: number;
  /** The segment that was read last, and the offset at which to continue. */
  #seq = 0;
  #offset = SEGMENT_HEADER_BYTES;
  #hasRead = false;
  #firstLsn = 0;
  readonly #epochs = new Set<number>();
  readonly #told = new Set<string>();

  constructor(reading: LogReading) {
    this.#reading = reading;
    this.#nextLsn = reading.fromLsn;
  }

  get isDone(): boolean {
    return this.#nextLsn > this.#reading.toLsn;
  }

  /** Reads all records that are there now. `isLive`: an unfinished end is left for the next call. */
  async readOn(isLive: boolean): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#readOnce(isLive);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || attempt === ATTEMPTS) throw error;
      }
    }
  }

  async #readOnce(isLive: boolean): Promise<void> {
    const segments = await this.#liveSegments();
    const wantedLsn = Math.max(1, this.#nextLsn);
    // After the first call every new segment is read, because after a cut segments begin
    // again at an earlier LSN.
    const start = this.#seq === 0 ? segments.findLastIndex(({ firstLsn }) => firstLsn <= wantedLsn) : 0;
    for (const [index, segment] of segments.entries()) {
      if (index < start || segment.seq < this.#seq || this.isDone) continue;
      await this.#readSegment(segment, index === segments.length - 1, isLive);
    }
  }

  async #liveSegments(): Promise<SegmentName[]> {
    const { fileSystem, directory } = this.#reading;
    const path = `${directory}/${MANIFEST_NAME}`;
    const has = (await fileSystem.stat(path)) !== undefined;
    const decoded = has ? tryDecodeManifest(await readWholeFile(fileSystem, path)) : 'missing';
    // If MANIFEST cannot be read, every segment is shown.
    const isIn = (seq: number): boolean => typeof decoded === 'string' || !isSegmentExcluded(decoded, seq);
    return (await fileSystem.readDirectory(directory))
      .flatMap((name) => parseSegmentName(name) ?? [])
      .filter(({ seq }) => isIn(seq))
      .sort((a, b) => a.seq - b.seq);
  }

  async #readSegment(segment: SegmentName, isLast: boolean, isLive: boolean): Promise<void> {
    const { fileSystem, directory } = this.#reading;
    const file = await fileSystem.open(`${directory}/${segment.name}`, 'read');
    try {
      const { sizeBytes } = await file.stat();
      // A newest segment that is no longer than a header contains no record yet.
      if (isLast && sizeBytes <= SEGMENT_HEADER_BYTES) return;
      await this.#readFile(file, segment, sizeBytes, isLast ? (isLive ? 'live' : 'last') : 'inner');
    } finally {
      await file.close();
    }
  }

  async #readFile(
    file: File,
    segment: SegmentName,
    endOffset: number,
    where: 'inner' | 'last' | 'live',
  ): Promise<void> {
    const { clock } = this.#reading;
    const header = await readHeader(file, { ...segment, logId: undefined });
    const isSame = segment.seq === this.#seq;
    const fromOffset = isSame ? this.#offset : SEGMENT_HEADER_BYTES;
    if (isHeaderFault(header)) {
      this.#tell('damage', segment, header.byte, segment.firstLsn, header.why);
      // Otherwise the records of another segment would be shown in this place.
      if (header.kind === 'misplaced') return;
    }
    this.#seq = segment.seq;
    this.#offset = fromOffset;
    const expectedLsn = isSame ? Math.max(this.#nextLsn, segment.firstLsn) : segment.firstLsn;
    const salt = isHeaderFault(header) ? undefined : header.salt;
    for await (const found of salvageSegment({ file, fromOffset, endOffset, salt, expectedLsn, clock })) {
      if (found.kind === 'record') {
        await this.#take(found, segment);
        if (this.isDone) return;
      } else if (found.kind === 'note') {
      } else if (found.resumedAt !== undefined || where === 'inner') {
        if (salt !== undefined || found.resumedAt !== undefined)
          this.#tell('damage', segment, found.offset, found.lsn, found.why);
      } else if (where === 'last') {
        this.#tell('end', segment, found.offset, found.lsn, found.why);
      }
    }
  }

  async #take({ frame, offset, nextOffset }: Extract<Salvaged, { kind: 'record' }>, segment: SegmentName) {
    this.#offset = nextOffset;
    // An unknown epoch after the first record: a replica gave up records that its master
    // does not have.
    const isOther = this.#hasRead && frame.lsn >= this.#firstLsn && !this.#epochs.has(frame.epoch);
    if (frame.lsn < this.#nextLsn && isOther) {
      const why = `the log was cut back before it, from LSN ${this.#nextLsn - 1}; what follows took its place`;
      this.#tell('cut', segment, offset, frame.lsn, why);
      this.#nextLsn = frame.lsn;
    }
    if (frame.lsn < this.#nextLsn) return;
    if (frame.lsn > this.#reading.toLsn) {
      this.#nextLsn = frame.lsn;
      return;
    }
    const expectedLsn = Math.max(1, this.#nextLsn);
    // If no first LSN was requested, records before the first one of the log are not a gap.
    if (frame.lsn > expectedLsn && (this.#hasRead || this.#reading.fromLsn > 0)) {
      const why = `LSN ${expectedLsn} to ${frame.lsn - 1} are not there`;
      this.#tell('gap', segment, offset, expectedLsn, why);
    }
    if (!this.#hasRead) this.#firstLsn = frame.lsn;
    this.#hasRead = true;
    this.#epochs.add(frame.epoch);
    this.#nextLsn = frame.lsn + 1;
    await this.#reading.onRecord(frame, { file: segment.name, byte: offset });
  }

  #tell(kind: LogTrouble['kind'], segment: SegmentName, byte: number, lsn: number, why: string): void {
    // A running node's log is read repeatedly, so each place is reported once.
    const place = `${segment.seq} ${byte}`;
    if (kind === 'damage' && this.#told.has(place)) return;
    this.#told.add(place);
    this.#reading.onTrouble({ kind, file: segment.name, byte, lsn, why });
  }
}
