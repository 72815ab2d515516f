/**
 * Cuts a closed log back to a record D. The segment that contains D is copied up
 * to the end of D under a new number. One commit of MANIFEST includes the copy
 * and excludes the originals, which then move to `aside/`, so a crash leaves
 * either the old log or the new one.
 */
import type { ChainPoint } from '#model/replication.ts';
import { assert } from '#platform/assert.ts';
import type { File } from '#platform/file-system.ts';
import { formatSegmentName, type SegmentName } from '#wal/file-names.ts';
import { demandOf } from '#wal/log-reach.ts';
import { headerOf } from '#wal/log-reader.ts';
import type { LogReach, Manifest } from '#wal/manifest.ts';
import { encodeSegmentHeader, SEGMENT_HEADER_BYTES } from '#wal/segment-format.ts';
import { SegmentScanner } from '#wal/segment-scanner.ts';
import { createSegment } from '#wal/segment-table.ts';
import type { WalDirectory } from '#wal/wal-directory.ts';
import { damageError } from '#wal/wal-errors.ts';
import { copyRange, writeFully } from '#wal/whole-files.ts';

/**
 * Returns the names of the files that were set aside, relative to the directory.
 * `changes` are made in the same commit. `endOffset`, if given, is the end of D in
 * its segment: the caller has verified the bytes before it, or does not need them.
 * Throws `WalOpenError` if the log does not contain D.
 */
export async function cutLog(
  directory: WalDirectory,
  beyond: ChainPoint,
  changes: Partial<Manifest> = {},
  endOffset?: number,
): Promise<string[]> {
  const segments = await directory.segments();
  const holder = segments.findLast((segment) => segment.firstLsn <= beyond.lsn);
  const copySeq = await directory.nextSegmentSeq();
  const out: [number, number][] = [];
  let reaches: LogReach | undefined;
  const first = holder ?? segments[0];
  const last = segments.at(-1);
  // A segment that MANIFEST expects and that is missing is excluded too, in case it is found again.
  const knownSeq = demandOf(manifestOf(directory))?.seq ?? 0;
  if (first !== undefined && last !== undefined) out.push([first.seq, Math.max(last.seq, knownSeq)]);
  else if (knownSeq > 0) out.push([knownSeq, knownSeq]);
  if (holder !== undefined) {
    // The copy is excluded until it is complete: after a crash here the next start moves it to aside/.
    await commit(directory, { excludedSegments: [...excluded(directory), [copySeq, copySeq]] });
    await copyUpTo(directory, holder, { beyond, copySeq, endOffset });
    reaches = { segment: formatSegmentName(copySeq, holder.firstLsn), lsn: beyond.lsn };
  }
  const kept = excluded(directory).filter(([from]) => from !== copySeq);
  await commit(directory, { ...changes, excludedSegments: [...kept, ...out], reaches });
  return directory.sweepAside();
}

function excluded(directory: WalDirectory): readonly (readonly [number, number])[] {
  return manifestOf(directory).excludedSegments ?? [];
}

function manifestOf({ manifest }: WalDirectory): Manifest {
  assert(manifest !== undefined, 'the directory is initialised');
  return manifest;
}

function commit(directory: WalDirectory, changes: Partial<Manifest>): Promise<void> {
  return directory.update((manifest) => {
    assert(manifest !== undefined, 'the directory is initialised');
    return { ...manifest, ...changes };
  });
}

async function copyUpTo(
  directory: WalDirectory,
  holder: SegmentName,
  cut: { readonly beyond: ChainPoint; readonly copySeq: number; readonly endOffset: number | undefined },
): Promise<void> {
  const { fileSystem, path } = directory;
  const { beyond, copySeq } = cut;
  const source = await fileSystem.open(`${path}/${holder.name}`, 'read');
  try {
    const end = cut.endOffset ?? (await findEndOf(directory, source, holder, beyond));
    const segment = createSegment(path, holder, 0);
    const header = await headerOf(source, segment);
    const target = `${path}/${formatSegmentName(copySeq, holder.firstLsn)}`;
    // The copy keeps the salt, so that the items can be copied unchanged; only the number changes.
    await copyRange(fileSystem, source, 0, end, target);
    const copy = await fileSystem.open(target, 'write');
    try {
      await writeFully(copy, encodeSegmentHeader({ ...header, seq: copySeq }), 0);
      await copy.datasync();
    } finally {
      await copy.close();
    }
    await directory.syncNames();
  } finally {
    await source.close();
  }
}

/** Verifies the segment up to record D; returns the offset of D's end. */
async function findEndOf(
  directory: WalDirectory,
  file: File,
  holder: SegmentName,
  beyond: ChainPoint,
): Promise<number> {
  const { sizeBytes } = await file.stat();
  const { salt } = await headerOf(file, createSegment(directory.path, holder, sizeBytes));
  const scanner = new SegmentScanner(file, { fromOffset: SEGMENT_HEADER_BYTES, endOffset: sizeBytes, salt });
  const refuse = (byte: number, why: string) =>
    damageError('corrupt', directory.path, {
      file: `${directory.path}/${holder.name}`,
      byte,
      lsn: beyond.lsn,
      why,
    });
  for (;;) {
    const item = scanner.tryNext();
    if (item === undefined) {
      await scanner.fill();
      continue;
    }
    if (item.kind === 'bad') throw refuse(item.offset, item.why);
    if (item.kind === 'end')
      throw refuse(item.offset, 'the log ends before the record it should be cut behind');
    if (item.kind !== 'record' || item.frame.lsn < beyond.lsn) continue;
    if (item.frame.lsn !== beyond.lsn || item.frame.crc !== beyond.crc || item.frame.epoch !== beyond.epoch) {
      throw refuse(item.offset, 'the record to cut behind is another one here');
    }
    return item.nextOffset;
  }
}
