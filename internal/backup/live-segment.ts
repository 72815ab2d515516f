/** Reads segments while a node may write to them or cut them. */
import { type ImageReaderParts, type ImageSegment, LogMovedError } from '#backup/log-image.ts';
import type { ChainPoint } from '#model/replication.ts';
import type { Clock } from '#platform/clock.ts';
import { isHeaderFault } from '#wal/segment-judge.ts';
import { readHeader, type SegmentWalk, type WalkEnd, walkSegment } from '#wal/walk-segment.ts';

/**
 * Like `walkSegment`, but gives the event loop a turn before each read. Throws
 * `LogMovedError` if the file became shorter than `endOffset`, as when a batch that a
 * full disk refused was cut off again.
 */
export function walkLiveSegment(clock: Clock, walk: SegmentWalk): Promise<WalkEnd> {
  const { file, endOffset } = walk;
  return walkSegment({
    ...walk,
    fill: async (scanner) => {
      await clock.yield();
      try {
        await scanner.fill();
      } catch (error) {
        if ((await file.stat()).sizeBytes < endOffset)
          throw new LogMovedError('a segment was cut while it was read');
        throw error;
      }
      return true;
    },
  });
}

/**
 * Reads the copy of a segment that was still being written, and throws
 * `LogMovedError` if it is not one chain up to `last`: after a refused batch was cut
 * off, its LSNs are used again, and the copy may contain parts of both.
 */
export async function checkTail(
  { fileSystem, clock }: ImageReaderParts,
  copy: ImageSegment,
  last: ChainPoint,
): Promise<void> {
  const file = await fileSystem.open(copy.path, 'read');
  try {
    const header = await readHeader(file, { ...copy, logId: undefined });
    if (isHeaderFault(header)) throw new LogMovedError(`${copy.name}: ${header.why}`);
    const { stop, chain } = await walkLiveSegment(clock, { file, header, endOffset: copy.bytes });
    const isWhole = stop === undefined || stop.what === 'unsealed_end';
    const isSame = isWhole && chain.lsn === copy.lastLsn && chain.crc === last.crc;
    if (!isSame) throw new LogMovedError(`${copy.name} was written to while it was copied`);
  } finally {
    await file.close();
  }
}
