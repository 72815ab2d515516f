/**
 * Reads diverged tails: lists them from MANIFEST, and reads their mutations from
 * the segment files in aside/. It changes nothing and leaves out files that an
 * operator has deleted.
 */
import { RecordError } from '#engine/records/record-kind.ts';
import { mutationsOf } from '#engine/records/record-table.ts';
import type { Update } from '#model/commands.ts';
import type { DivergedReport, DivergedSlice, DivergedTail } from '#model/diverged.ts';
import { stated } from '#model/entry.ts';
import { WalnutError } from '#model/errors.ts';
import type { Lsn } from '#model/position.ts';
import { nextLsn } from '#model/position.ts';
import type { File, FileSystem } from '#platform/file-system.ts';
import { asideFolders } from '#wal/aside-folders.ts';
import { parseSegmentName, type SegmentName } from '#wal/file-names.ts';
import type { Frame } from '#wal/frame.ts';
import { headerOf } from '#wal/log-reader.ts';
import type { Manifest } from '#wal/manifest.ts';
import { SEGMENT_HEADER_BYTES } from '#wal/segment-format.ts';
import { SegmentScanner } from '#wal/segment-scanner.ts';
import { createSegment } from '#wal/segment-table.ts';
import { NewerFormatError } from '#wal/wal-errors.ts';

interface AsideSegment {
  /** Relative to the directory. */
  readonly name: string;
  readonly folder: string;
  readonly segment: SegmentName;
  readonly sizeBytes: number;
}

/** Tails in the order in which they were set aside. */
export async function listDiverged(
  fileSystem: FileSystem,
  path: string,
  manifest: Manifest,
): Promise<DivergedReport[]> {
  const tails = manifest.diverged ?? [];
  if (tails.length === 0) return [];
  const aside = await asideSegments(fileSystem, path);
  return tails.map((tail) => {
    const files = segmentsOf(tail, aside);
    return {
      ...tail,
      files: files.map(({ name }) => name),
      bytes: files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    };
  });
}

/** Throws `not_found` if MANIFEST remembers no such tail. */
export function findTail({ diverged = [] }: Manifest, id: number): DivergedTail {
  const tail = diverged.find((one) => one.id === id);
  if (tail === undefined)
    throw new WalnutError('not_found', `no tail ${id} was set aside here: see walnut diverged list`);
  return tail;
}

export interface DivergedRange {
  /** The record after which reading begins. */
  readonly afterLsn: Lsn;
  /** About how many bytes of records, at least one whole record. */
  readonly bytesMax: number;
}

/** The mutations of one tail, a slice at a time. */
export async function readDiverged(
  fileSystem: FileSystem,
  path: string,
  tail: DivergedTail,
  { afterLsn, bytesMax }: DivergedRange,
): Promise<DivergedSlice> {
  const updates: Update[] = [];
  let lastLsn = Math.max(afterLsn, tail.fromLsn - 1) as Lsn;
  let bytes = 0;
  const end = (damage: string): DivergedSlice => ({ updates, lastLsn, isEnd: true, damage });
  for (const { folder, segment, sizeBytes } of segmentsOf(tail, await asideSegments(fileSystem, path))) {
    const file = await fileSystem.open(`${path}/${folder}/${segment.name}`, 'read');
    try {
      for await (const frame of framesOf(file, `${path}/${folder}`, segment, sizeBytes)) {
        if (typeof frame === 'string') return end(`${folder}/${segment.name}: ${frame}`);
        if (frame.lsn <= lastLsn) continue;
        if (frame.lsn !== nextLsn(lastLsn))
          return end(`records ${lastLsn + 1} to ${frame.lsn - 1} are missing`);
        if (updates.length > 0 && bytes + frame.frameBytes > bytesMax)
          return { updates, lastLsn, isEnd: false, damage: '' };
        const found = updatesOf(frame);
        if (typeof found === 'string') return end(`${folder}/${segment.name}: LSN ${frame.lsn}: ${found}`);
        updates.push(...found);
        lastLsn = frame.lsn;
        bytes += frame.frameBytes;
        if (lastLsn >= tail.last.lsn) return end('');
      }
    } finally {
      await file.close();
    }
  }
  return lastLsn >= tail.last.lsn
    ? end('')
    : end(`records ${lastLsn + 1} to ${tail.last.lsn} are not there any more`);
}

/** Yields records in order; at damage it yields a text that describes it, and ends. */
async function* framesOf(
  file: File,
  path: string,
  name: SegmentName,
  sizeBytes: number,
): AsyncGenerator<Frame | string> {
  const { salt } = await headerOf(file, createSegment(path, name, sizeBytes));
  const scanner = new SegmentScanner(file, { fromOffset: SEGMENT_HEADER_BYTES, endOffset: sizeBytes, salt });
  for (;;) {
    const item = scanner.tryNext();
    if (item === undefined) await scanner.fill();
    else if (item.kind === 'end') return;
    else if (item.kind === 'bad') {
      yield `byte ${item.offset}: ${item.why}`;
      return;
    } else if (item.kind === 'record') yield item.frame;
  }
}

/** The mutations of a record; a text if a newer program wrote it. */
function updatesOf(frame: Frame): Update[] | string {
  const position = { epoch: frame.epoch, lsn: frame.lsn };
  const { timestampMs } = frame;
  try {
    return mutationsOf(frame).map((mutation) => ({
      position,
      timestampMs,
      op: mutation.op,
      cause: mutation.cause,
      key: mutation.key,
      ...stated(mutation),
    }));
  } catch (error) {
    if (error instanceof NewerFormatError) return error.message;
    // Its checksum is valid: the record was written like this, and never applied.
    if (error instanceof RecordError) return [];
    throw error;
  }
}

function segmentsOf(tail: DivergedTail, aside: readonly AsideSegment[]): AsideSegment[] {
  const [first, last] = tail.segments;
  return aside.filter(({ segment }) => segment.seq >= first && segment.seq <= last);
}

/** Segment numbers are never used twice in one directory. */
async function asideSegments(fileSystem: FileSystem, path: string): Promise<AsideSegment[]> {
  const found: AsideSegment[] = [];
  for (const { name: folder, files } of await asideFolders(fileSystem, path)) {
    for (const { name, sizeBytes } of files) {
      const segment = parseSegmentName(name);
      if (segment !== undefined) found.push({ name: `${folder}/${name}`, folder, segment, sizeBytes });
    }
  }
  return found.sort((a, b) => a.segment.seq - b.segment.seq);
}
