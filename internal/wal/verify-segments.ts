/**
 * Reads sealed segments through in the background, in slices, and reports the
 * first damage: what lies below the snapshot is not read at a start, so this is
 * how its decay is noticed before a replica asks for it.
 */
import type { Clock } from '#platform/clock.ts';
import type { File } from '#platform/file-system.ts';
import { whyNotNext } from '#wal/frame.ts';
import { headerOf } from '#wal/log-reader.ts';
import { SEGMENT_HEADER_BYTES } from '#wal/segment-format.ts';
import { SegmentScanner } from '#wal/segment-scanner.ts';
import type { Segment } from '#wal/segment-table.ts';
import type { WalDirectory } from '#wal/wal-directory.ts';
import { type DamagePlace, isShortage, WalReadError } from '#wal/wal-errors.ts';

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
  const { salt, lastCrc } = await headerOf(file, segment);
  const endOffset = (await file.stat()).sizeBytes;
  const scanner = new SegmentScanner(file, {
    fromOffset: SEGMENT_HEADER_BYTES,
    endOffset,
    salt,
    chunkBytes: VERIFY_CHUNK_BYTES,
  });
  let chain: { readonly lsn: number; readonly crc: number } = { lsn: segment.firstLsn - 1, crc: lastCrc };
  let isSealed = false;
  for (;;) {
    const item = scanner.tryNext();
    if (item === undefined) {
      await clock.yield();
      if (signal.aborted) return undefined;
      await scanner.fill();
      continue;
    }
    const at = (why: string): DamagePlace => ({
      file: segment.path,
      byte: item.offset,
      lsn: chain.lsn + 1,
      why,
    });
    if (item.kind === 'end') return isSealed ? undefined : at('the segment ends without its seal');
    if (item.kind === 'bad') return at(item.why);
    if (isSealed) return at('something stands behind the seal');
    if (item.kind === 'record') {
      const why = whyNotNext(chain, item.frame);
      if (why !== undefined) return at(why);
      chain = { lsn: item.frame.lsn, crc: item.frame.crc };
    } else if (item.kind === 'seal') {
      isSealed = true;
      if (item.seal.lastLsn !== chain.lsn || item.seal.lastCrc !== chain.crc)
        return at('the seal does not fit');
    }
  }
}
