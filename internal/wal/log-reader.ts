/**
 * Reads records back from the files, verbatim and verified. Throws `WalReadError`:
 * `pruned` if the log no longer contains a record, `corrupt` if it should and the
 * bytes are damaged.
 */
import type { ChainPoint } from '#model/replication.ts';
import type { File } from '#platform/file-system.ts';
import { type Frame, whyNotNext } from '#wal/frame.ts';
import type { SegmentHeader } from '#wal/segment-format.ts';
import { isHeaderFault, pointBefore } from '#wal/segment-judge.ts';
import { SegmentScanner } from '#wal/segment-scanner.ts';
import type { Segment, SegmentTable } from '#wal/segment-table.ts';
import type { WalDirectory } from '#wal/wal-directory.ts';
import { WalReadError } from '#wal/wal-errors.ts';
import { readHeader } from '#wal/walk-segment.ts';

const CHUNK_BYTES_MIN = 64 * 1_024;
const CHUNK_BYTES_MAX = 1_024 * 1_024;

export interface ReadRange {
  readonly fromLsn: number;
  /** The last LSN to read. */
  readonly lastLsn: number;
  /** Most bytes of frames; a single larger frame is read all the same. */
  readonly bytesMax: number;
}

export class LogReader {
  readonly #directory: WalDirectory;
  readonly #table: SegmentTable;

  constructor(directory: WalDirectory, table: SegmentTable) {
    this.#directory = directory;
    this.#table = table;
  }

  /** Returns at least one whole frame, beginning at `fromLsn`. The caller must have checked that the log contains the range. */
  async read(range: ReadRange): Promise<Frame[]> {
    const frames: Frame[] = [];
    let bytesLeft = range.bytesMax;
    let nextLsn = range.fromLsn;
    while (nextLsn <= range.lastLsn && (frames.length === 0 || bytesLeft > 0)) {
      const segment = this.#table.find(nextLsn);
      if (segment === undefined) throw prunedError(nextLsn);
      const rest = {
        fromLsn: nextLsn,
        lastLsn: Math.min(range.lastLsn, segment.lastLsn),
        bytesMax: bytesLeft,
      };
      const isFull = await this.#readSegment(segment, rest, frames);
      if (isFull) break;
      nextLsn = segment.lastLsn + 1;
      bytesLeft = range.bytesMax - frames.reduce((sum, frame) => sum + frame.frameBytes, 0);
    }
    return frames;
  }

  /** The place in the chain before the segment's first record, from its header. */
  async pointBefore(segment: Segment): Promise<ChainPoint> {
    return pointBefore(await this.#withFile(segment, async (file) => headerOf(file, segment)));
  }

  /** Appends to `frames`; returns true once `bytesMax` is used up. */
  #readSegment(segment: Segment, range: ReadRange, frames: Frame[]): Promise<boolean> {
    return this.#withFile(segment, async (file) => {
      const { salt } = await headerOf(file, segment);
      const fromOffset = segment.index.floor(range.fromLsn);
      const chunkBytes = Math.min(Math.max(range.bytesMax, CHUNK_BYTES_MIN), CHUNK_BYTES_MAX);
      const scanner = new SegmentScanner(file, {
        fromOffset,
        endOffset: segment.sizeBytes,
        salt,
        chunkBytes,
      });
      return collect(scanner, segment, range, frames);
    });
  }

  async #withFile<T>(segment: Segment, work: (file: File) => Promise<T>): Promise<T> {
    let file: File;
    try {
      file = await this.#directory.fileSystem.open(segment.path, 'read');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw prunedError(segment.firstLsn);
      throw error;
    }
    try {
      return await work(file);
    } finally {
      await file.close();
    }
  }
}

export function prunedError(lsn: number): WalReadError {
  return new WalReadError('pruned', `LSN ${lsn} is no longer in the log`);
}

function corruptError(segment: Segment, byte: number, lsn: number, why: string): WalReadError {
  const message = `${segment.path}: byte ${byte}, LSN ${lsn}: ${why}`;
  return new WalReadError('corrupt', message, { file: segment.path, byte, lsn, why });
}

/** The segment's header, read and checked once. */
export async function headerOf(file: File, segment: Segment): Promise<SegmentHeader> {
  if (segment.header !== undefined) return segment.header;
  const { seq, firstLsn } = segment;
  const header = await readHeader(file, { seq, firstLsn, logId: undefined });
  if (isHeaderFault(header)) throw corruptError(segment, header.byte, firstLsn, header.why);
  segment.header = header;
  return header;
}

async function collect(
  scanner: SegmentScanner,
  segment: Segment,
  range: ReadRange,
  frames: Frame[],
): Promise<boolean> {
  let bytes = 0;
  let before: Frame | undefined;
  for (;;) {
    const item = scanner.tryNext();
    if (item === undefined) {
      await scanner.fill();
      continue;
    }
    if (item.kind === 'mark' || item.kind === 'seal') continue;
    const expectedLsn = before === undefined ? range.fromLsn : before.lsn + 1;
    if (item.kind === 'end') throw corruptError(segment, item.offset, expectedLsn, 'the segment ends early');
    if (item.kind === 'bad') throw corruptError(segment, item.offset, expectedLsn, item.why);
    const { frame } = item;
    const previous = before ?? (frame.lsn === range.fromLsn ? frames.at(-1) : undefined);
    const why = previous === undefined ? undefined : whyNotNext(previous, frame);
    if (why !== undefined) throw corruptError(segment, item.offset, frame.lsn, why);
    before = frame;
    segment.index.note(frame.lsn, item.offset);
    if (frame.lsn < range.fromLsn) continue;
    if (frame.lsn > range.fromLsn && frames.length === 0) {
      throw corruptError(segment, item.offset, range.fromLsn, `LSN ${frame.lsn} stands in its place`);
    }
    if (frames.length > 0 && bytes + frame.frameBytes > range.bytesMax) return true;
    frames.push(frame);
    bytes += frame.frameBytes;
    if (frame.lsn === range.lastLsn) return false;
  }
}
