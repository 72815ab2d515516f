/**
 * Reads and checks sealed segments in the background, in slices, and reports the
 * first damage. A start does not read records below the snapshot, so this finds
 * damage to them before a replica asks for them.
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

/** Pause before the next try after a shortage of descriptors or memory, which is no damage of the log. */
const AGAIN_MS = 1_000;

/**
 * Returns the first damage of a sealed segment; undefined if there is none, or
 * `signal` is aborted. A missing file counts as damage, which the caller ignores if
 * compaction deleted it. After a shortage the segment is read again; other errors of
 * the file system come through.
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
  // The segment was sealed, so every record that is missing or damaged was durable.
  const { offset: byte, lastLsn, why } = stop;
  return { file: segment.path, byte, lsn: lastLsn + 1, why: why === '' ? ENDS_EARLY : why };
}
