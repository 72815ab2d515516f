/**
 * Deleting segments from the front of the log. A segment may go when the base
 * snapshot covers all of it, no pin needs it, and the covered segments behind
 * it already make up the retention. Which ones is a pure function; deleting
 * them keeps the log whole at every system call: MANIFEST excludes them first.
 */
import { assert } from '#platform/assert.ts';
import { shortageOf } from '#platform/shortage.ts';
import { parseSnapshotName } from '#wal/file-names.ts';
import type { Segment, SegmentTable } from '#wal/segment-table.ts';
import type { WalDirectory } from '#wal/wal-directory.ts';
import { isShortage } from '#wal/wal-errors.ts';

export interface Deletable {
  /** Records up to here are in the base snapshot. */
  readonly belowLsn: number;
  /** The lowest LSN a reader still needs; Infinity where none does. */
  readonly pinnedLsn: number;
  /** Bytes of covered segments to keep for replicas. */
  readonly retentionBytes: number;
}

/** How many of the oldest segments may be deleted. The last one, which is written to, never. */
export function countDeletable(segments: readonly Segment[], rule: Deletable): number {
  const lastLsn = Math.min(rule.belowLsn, rule.pinnedLsn - 1);
  const isCovered = (segment: Segment, lsn: number): boolean => segment.lastLsn <= lsn;
  const closed = segments.slice(0, -1);
  let keptBytes = closed.reduce(
    (sum, segment) => sum + (isCovered(segment, rule.belowLsn) ? segment.sizeBytes : 0),
    0,
  );
  let count = 0;
  for (const segment of closed) {
    if (!isCovered(segment, lastLsn) || keptBytes - segment.sizeBytes < rule.retentionBytes) break;
    keptBytes -= segment.sizeBytes;
    count++;
  }
  return count;
}

/** Deletes the oldest `count` segments. Throws what the file system throws; the log is whole either way. */
export async function deleteOldest(
  directory: WalDirectory,
  table: SegmentTable,
  count: number,
): Promise<void> {
  if (count === 0) return;
  const gone = table.all.slice(0, count);
  const lowestSegment = table.all[count]?.seq;
  assert(lowestSegment !== undefined, 'the last segment is never deleted');
  let isExcluded = true;
  try {
    await raiseLowest(directory, lowestSegment);
  } catch (error) {
    if (shortageOf(error) !== 'space') throw error;
    isExcluded = false;
  }
  table.dropOldest(count);
  for (const segment of gone) {
    await directory.fileSystem.remove(segment.path);
    // A disk too full for a new MANIFEST: oldest first, each removal durable
    // before the next, leaves no hole either.
    if (!isExcluded) await directory.syncNames();
  }
  if (isExcluded) await directory.syncNames();
  else await raiseLowest(directory, lowestSegment).catch(unlessOutOfSpace);
}

/** The files are gone, oldest first and durably: a MANIFEST that still counts them in does no harm. */
function unlessOutOfSpace(error: unknown): void {
  if (!isShortage(error)) throw error;
}

function raiseLowest(directory: WalDirectory, lowestSegment: number): Promise<void> {
  return directory.update((manifest) => {
    assert(manifest !== undefined, 'the directory is initialised');
    const excludedSegments = (manifest.excludedSegments ?? []).filter(([, last]) => last >= lowestSegment);
    return { ...manifest, lowestSegment: Math.max(manifest.lowestSegment, lowestSegment), excludedSegments };
  });
}

/** S of the manifest's base snapshot; 0 where there is none. */
export function snapshotLsn(directory: WalDirectory): number {
  return parseSnapshotName(directory.manifest?.snapshot ?? '')?.lsn ?? 0;
}
