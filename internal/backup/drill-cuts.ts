/**
 * Chooses the places at which a drill cuts the log, as if the power had failed
 * there, and the LSN that recovery must then reach. Pure, except for reading the
 * segment that is cut.
 */

import { walkLiveSegment } from '#backup/live-segment.ts';
import type { ImageReaderParts, ImageSegment, LogImage } from '#backup/log-image.ts';
import { assert, assertNever } from '#platform/assert.ts';
import type { Random } from '#platform/random.ts';
import { SEGMENT_HEADER_BYTES } from '#wal/segment-format.ts';
import { rereadHeader } from '#wal/walk-segment.ts';

export type CutKind = 'none' | 'torn-tail' | 'each-segment' | 'random';
export const CUT_KINDS: readonly CutKind[] = ['none', 'torn-tail', 'each-segment', 'random'];

export interface DrillCut {
  /** The place of the cut, as a text for people. */
  readonly label: string;
  /** The log up to the cut; the last segment's `bytes` may end within a record. */
  readonly image: LogImage;
  /** The last LSN that recovery must reach. */
  readonly expectedLsn: number;
}

/** `runs` is the number of random cuts. */
export async function planCuts(
  parts: ImageReaderParts,
  image: LogImage,
  kind: CutKind,
  { random, runs }: { readonly random: Random; readonly runs: number },
): Promise<DrillCut[]> {
  switch (kind) {
    case 'none':
      return [whole(image)];
    case 'torn-tail':
      return [await tornTail(parts, image)];
    case 'each-segment':
      return eachSegment(image);
    case 'random': {
      if (image.segments.length === 0) return [whole(image)];
      const cuts: DrillCut[] = [];
      for (let i = 0; i < runs; i++) cuts.push(await randomCut(parts, image, random));
      return cuts;
    }
    default:
      return assertNever(kind);
  }
}

function whole(image: LogImage): DrillCut {
  return { label: 'none', image, expectedLsn: image.last.lsn };
}

/** Cuts the last record in the middle. */
async function tornTail(parts: ImageReaderParts, image: LogImage): Promise<DrillCut> {
  const last = image.segments.at(-1);
  if (last === undefined) return whole(image);
  const { recordStart, recordsEnd, lsn } = await lookUpTo(parts, last, last.bytes);
  const bytes = Math.floor((recordStart + recordsEnd) / 2);
  return cutAt(image, image.segments.length - 1, bytes, lsn - 1);
}

function eachSegment(image: LogImage): DrillCut[] {
  const cuts = image.segments.map((segment, index) => ({
    label: `after ${segment.name}`,
    image: { ...image, segments: image.segments.slice(0, index + 1) },
    expectedLsn: segment.lastLsn,
  }));
  if (image.base === undefined) return cuts;
  const { name, point } = image.base;
  return [{ label: `after ${name}`, image: { ...image, segments: [] }, expectedLsn: point.lsn }, ...cuts];
}

/** Cuts at a random byte of the log after the first segment's header; each byte is equally likely. */
async function randomCut(parts: ImageReaderParts, image: LogImage, random: Random): Promise<DrillCut> {
  const { segments } = image;
  const roomOf = ({ bytes }: ImageSegment): number => bytes - SEGMENT_HEADER_BYTES;
  const total = segments.reduce((sum, segment) => sum + roomOf(segment), 0);
  let at = Math.floor((random.uint32() / 2 ** 32) * total);
  const index = segments.findIndex((segment) => {
    if (at < roomOf(segment)) return true;
    at -= roomOf(segment);
    return false;
  });
  const segment = segments[index];
  assert(segment !== undefined, 'a byte of the log lies in a segment');
  const bytes = SEGMENT_HEADER_BYTES + at;
  const { lsn } = await lookUpTo(parts, segment, bytes);
  return cutAt(image, index, bytes, lsn);
}

function cutAt(image: LogImage, index: number, bytes: number, lsn: number): DrillCut {
  const segment = image.segments[index] as ImageSegment;
  const segments = [...image.segments.slice(0, index), { ...segment, bytes }];
  const expectedLsn = Math.max(lsn, image.base?.point.lsn ?? 0);
  return { label: `${segment.name} at byte ${bytes}`, image: { ...image, segments }, expectedLsn };
}

/** Finds the last record that ends at or before `offset`, and its offsets. */
async function lookUpTo(
  { fileSystem, clock }: ImageReaderParts,
  segment: ImageSegment,
  offset: number,
): Promise<{ readonly recordStart: number; readonly recordsEnd: number; readonly lsn: number }> {
  const file = await fileSystem.open(segment.path, 'read');
  try {
    const header = await rereadHeader(file, { ...segment, logId: undefined });
    let recordStart = SEGMENT_HEADER_BYTES;
    const { recordsEnd, chain } = await walkLiveSegment(clock, {
      file,
      header,
      endOffset: segment.bytes,
      onRecord: (record) => {
        if (record.nextOffset > offset) return true;
        recordStart = record.offset;
        return false;
      },
    });
    return { recordStart, recordsEnd, lsn: chain.lsn };
  } finally {
    await file.close();
  }
}
