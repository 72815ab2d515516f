/**
 * Reads sealed segments through in the background, in slices, and reports the
 * first damage: what lies below the snapshot is not read at a start, so this is
 * how its decay is noticed before a replica asks for it.
 */
import type { Clock } from '#platform/clock.ts';
import type { File } from '#platform/file-system.ts';
import { headerOf } from '#wal/log-reader.ts';
import type { Segment } from '#wal/segment-table.ts';
import { ENDS_EARLY } from '#wal/verdict.ts';
import type { WalDirectory } from '#wal/wal-directory.ts';
import { type DamagePlace, isShortage, WalReadError } from '#wal/wal-errors.ts';
import { walkSegment } from '#wal/walk-segment.ts';

const VERIFY_CHUNK_BYTES = 256 * 1_024;

/** How long a lack of descriptors or memory, which says nothing of the log, is waited out between two tries. */
const AGAIN_MS = 1_000;

/**
 * The first damage of a sealed segment; undefined where there is none. Throws
 * what the file system throws, but for a file that compaction deleted meanwhile
 * and for a shortage, after which it is read anew.
 */
export async function verifySegment(
  directory: WalDirectory,
  segment: Segment,
  clock: Clock,
  signal: AbortSignal,
): Promise<DamagePlace | undefined> {
  for (;;) {
    try {
      return await verifyOnce(directory, segment, clock, signal);
    } catch (error) {
      if (!isShortage(error)) throw error;
      await clock.sleep(AGAIN_MS, signal);
      if (signal.aborted) return undefined;
    }
  }
}

async function verifyOnce(
  directory: WalDirectory,
  segment: Segment,
  clock: Clock,
  signal: AbortSignal,
): Promise<DamagePlace | undefined> {
  let file: File;
  try {
    file = await directory.fileSystem.open(segment.path, 'read');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return { file: segment.path, byte: 0, lsn: segment.firstLsn, why: 'the file is missing' };
  }
  try {
    return await verifyOpen(file, segment, clock, signal);
  } catch (error) {
    if (error instanceof WalReadError && error.place !== undefined) return error.place;
    throw error;
  } finally {
    await file.close();
  }
}

async function verifyOpen(
  file: File,
  segment: Segment,
  clock: Clock,
  signal: AbortSignal,
): Promise<DamagePlace | undefined> {
  const header = await headerOf(file, segment);
  const { stop, isCut } = await walkSegment({
    file,
    header,
    endOffset: (await file.stat()).sizeBytes,
    chunkBytes: VERIFY_CHUNK_BYTES,
    fill: async (scanner) => {
      await clock.yield();
      if (signal.aborted) return false;
      await scanner.fill();
      return true;
    },
  });
  if (isCut || stop === undefined) return undefined;
  // It was sealed, so whatever is missing or does not fit was durable.
  const { offset: byte, lastLsn, why } = stop;
  return { file: segment.path, byte, lsn: lastLsn + 1, why: why === '' ? ENDS_EARLY : why };
}
