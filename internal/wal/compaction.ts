/**
 * Deletes the oldest segments of the log. A segment may be deleted when the base
 * snapshot covers all of it, no pin needs it, and the covered segments after it
 * already make up the retention. A pure function chooses the segments. MANIFEST
 * excludes them before the first is deleted, so that a crash never leaves a gap.
 */
import { assert } from '#platform/assert.ts';
import { shortageOf } from '#platform/shortage.ts';
import { parseSnapshotName } from '#wal/file-names.ts';
import type { Segment, SegmentTable } from '#wal/segment-table.ts';
import type { WalDirectory } from '#wal/wal-directory.ts';
import { isShortage } from '#wal/wal-errors.ts';

export interface Deletable {
  /** The base snapshot contains every record up to this LSN. */
  readonly belowLsn: number;
  /** The lowest LSN that a reader still needs; Infinity if no reader needs any. */
  readonly pinnedLsn: number;
  /** Bytes of covered segments to keep for replicas. */
  readonly retentionBytes: number;
}

/** How many of the oldest segments may be deleted; never the last one, which is being written. */
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

/** Deletes the oldest `count` segments. Errors of the file system come through; the log has no gap even then. */
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
    // The disk was too full for a new MANIFEST. Deleting the oldest segment first, each removal durable before
    // the next, never leaves a gap either.
    if (!isExcluded) await directory.syncNames();
  }
  if (isExcluded) await directory.syncNames();
  else await raiseLowest(directory, lowestSegment).catch(unlessOutOfSpace);
}

/** The oldest files are durably removed, so a MANIFEST that still includes them does no harm. */
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

/** The LSN of the base snapshot in the manifest; 0 without one. */
export function snapshotLsn(directory: WalDirectory): number {
  return parseSnapshotName(directory.manifest?.snapshot ?? '')?.lsn ?? 0;
}
