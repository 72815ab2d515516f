/**
 * Prepares the end of the log for appending: repairs the end that recovery found,
 * continues a segment that was closed in order, or creates the next one.
 *
 * `prepare` may be repeated after a failure: on a full disk the log is opened
 * without a writable end, and the writer tries again before each batch. Errors of
 * the file system come through; a shortage (`isShortage`) is harmless, any other
 * error is final.
 */
import type { ChainPoint } from '#model/replication.ts';
import { assert } from '#platform/assert.ts';
import type { File } from '#platform/file-system.ts';
import type { Logger } from '#platform/logger.ts';
import type { Random } from '#platform/random.ts';
import { ASIDE_NAME, formatSegmentName, type SegmentName, TEMPORARY_SUFFIX } from '#wal/file-names.ts';
import type { Recovery } from '#wal/recovery.ts';
import { encodeMark, encodeSegmentHeader, NOTE_BYTES, SEGMENT_HEADER_BYTES } from '#wal/segment-format.ts';
import { createSegment, type Segment, type SegmentTable } from '#wal/segment-table.ts';
import type { TailState } from '#wal/tail-state.ts';
import type { WalDirectory } from '#wal/wal-directory.ts';
import { copyRange, writeFully } from '#wal/whole-files.ts';

/** The segment that is being written. Its last whole item ends at `segment.sizeBytes`. */
export interface OpenSegment {
  readonly segment: Segment;
  readonly file: File;
  readonly salt: number;
}

/** The bytes that a start cut off, and the file in aside/ that keeps them. */
export interface TornTail {
  /** File name of the segment. */
  readonly segment: string;
  readonly offset: number;
  readonly bytes: number;
  readonly why: string;
  /** Relative to the directory; undefined while the disk has no room for it. */
  asidePath: string | undefined;
}

export interface TailKeeperParts {
  readonly directory: WalDirectory;
  readonly table: SegmentTable;
  readonly random: Random;
  readonly logger: Logger;
  readonly logId: string;
}

export class TailKeeper {
  readonly #parts: TailKeeperParts;
  #state: TailState;
  #stub: SegmentName | undefined;
  /** The number of the segment whose creation has begun. */
  #nextSeq: number | undefined;
  readonly tornTail: TornTail | undefined;

  constructor(parts: TailKeeperParts, recovery: Recovery) {
    this.#parts = parts;
    this.#state = recovery.tailState;
    this.#stub = recovery.stub;
    this.tornTail = describeTorn(recovery.tailState);
  }

  /** True until the end that recovery found is repaired; the recovered tail is durable only after that. */
  get needsRepair(): boolean {
    return this.#state.kind !== 'none' || this.#stub !== undefined;
  }

  /** Returns the segment in which the record after `tail` can be written. */
  async prepare(tail: ChainPoint): Promise<OpenSegment> {
    await this.#settleStub(tail);
    const state = this.#state;
    if (state.kind === 'clean') {
      const opened = await this.#continue(state.segment, true);
      this.#state = { kind: 'none' };
      return opened;
    }
    if (state.kind === 'unclean') {
      await this.#rewrite(state);
      const { segment, endsWithCleanMark } = state;
      if (!segment.isSealed) {
        const opened = await this.#continue(segment, endsWithCleanMark);
        this.#state = { kind: 'none' };
        return opened;
      }
    }
    if (state.kind === 'below_snapshot') await this.#excludeAll();
    this.#state = { kind: 'none' };
    return this.#create(tail);
  }

  /**
   * Decides what becomes of a newest segment without records. It is created anew in
   * its place and never deleted first, because MANIFEST may demand it. If it begins
   * below the snapshot it no longer belongs to the log and is excluded.
   */
  async #settleStub({ lsn }: ChainPoint): Promise<void> {
    const stub = this.#stub;
    if (stub === undefined) return;
    if (stub.firstLsn === lsn + 1) this.#nextSeq = stub.seq;
    else if (this.#state.kind !== 'below_snapshot') {
      const { directory } = this.#parts;
      await directory.update((manifest) => {
        assert(manifest !== undefined, 'the directory is initialised');
        const excludedSegments = [...(manifest.excludedSegments ?? []), [stub.seq, stub.seq] as const];
        return { ...manifest, excludedSegments };
      });
      await directory.sweepAside();
    }
    this.#stub = undefined;
  }

  /**
   * Opens a segment at its end. A plain mark is written after a clean mark, so that
   * the clean mark is never the last item again if a later append is lost.
   */
  async #continue(segment: Segment, endsWithCleanMark: boolean): Promise<OpenSegment> {
    const file = await this.#parts.directory.fileSystem.open(segment.path, 'write');
    const salt = segment.header?.salt ?? 0;
    try {
      if (endsWithCleanMark) {
        const mark = { lastLsn: segment.lastLsn, durLag: 0, isCleanStop: false };
        await writeFully(file, encodeMark(salt, mark), segment.sizeBytes);
        await file.datasync();
        segment.sizeBytes += NOTE_BYTES;
      }
      await this.#vouchFor(segment.name, segment.lastLsn);
    } catch (error) {
      await file.close();
      throw error;
    }
    return { segment, file, salt };
  }

  /** Makes MANIFEST demand the segment, before the first record is written to it. */
  async #vouchFor(segment: string, lsn: number): Promise<void> {
    const { directory } = this.#parts;
    if (directory.manifest?.reaches?.segment !== segment) await directory.vouch({ segment, lsn });
  }

  /** Replaces the last segment by a new copy of its valid prefix; the bytes after that are first copied to aside/. */
  async #rewrite(state: Extract<TailState, { kind: 'unclean' }>): Promise<void> {
    const { directory, logger } = this.#parts;
    const { fileSystem } = directory;
    const { segment, validEnd } = state;
    const file = await fileSystem.open(segment.path, 'read');
    try {
      if (this.tornTail !== undefined && this.tornTail.asidePath === undefined) {
        this.tornTail.asidePath = await this.#keepTorn(file, segment, validEnd, state.fileBytes);
        const { asidePath, bytes, why } = this.tornTail;
        const fields = {
          file: segment.path,
          byte: validEnd,
          bytes,
          lsn: segment.lastLsn + 1,
          why,
          asidePath,
        };
        logger.warn(fields, 'torn tail cut off: it had not been durable');
      }
      await copyRange(fileSystem, file, 0, validEnd, segment.path + TEMPORARY_SUFFIX);
    } finally {
      await file.close();
    }
    await fileSystem.rename(segment.path + TEMPORARY_SUFFIX, segment.path);
    await directory.syncNames();
  }

  async #keepTorn(file: File, segment: Segment, from: number, to: number): Promise<string> {
    const { directory } = this.#parts;
    const folder = await directory.makeAsideFolder();
    const name = `${folder}/${segment.name}.from-${from}`;
    await copyRange(directory.fileSystem, file, from, to, `${directory.path}/${name}`);
    await directory.fileSystem.syncDirectory(`${directory.path}/${folder}`);
    return name;
  }

  async #excludeAll(): Promise<void> {
    const { directory, logger } = this.#parts;
    const nextSeq = await directory.nextSegmentSeq();
    logger.warn(
      { directory: directory.path, aside: ASIDE_NAME },
      'the log ends below its snapshot: begun anew after it',
    );
    await directory.update((manifest) => {
      assert(manifest !== undefined, 'the directory is initialised');
      return { ...manifest, lowestSegment: nextSeq };
    });
    await directory.sweepAside();
  }

  /**
   * Creates the segment after `tail`. Header, fdatasync, directory and MANIFEST come
   * in this order before any append. A file that a failed attempt left has the same
   * name and is replaced by renaming: MANIFEST may demand it, so a file with a header
   * must exist at every moment.
   */
  async #create(tail: ChainPoint): Promise<OpenSegment> {
    const { directory, table, random, logId } = this.#parts;
    const { fileSystem, path } = directory;
    const mayExist = this.#nextSeq !== undefined;
    this.#nextSeq ??= await directory.nextSegmentSeq();
    const seq = this.#nextSeq;
    const firstLsn = (tail.lsn + 1) as ChainPoint['lsn'];
    const name = formatSegmentName(seq, firstLsn);
    const salt = random.uint32();
    const header = { logId, seq, firstLsn, epoch: tail.epoch, lastCrc: tail.crc, salt };
    const target = `${path}/${name}`;
    const writtenAt = mayExist ? target + TEMPORARY_SUFFIX : target;
    const file = await fileSystem.open(writtenAt, 'replace');
    try {
      await writeFully(file, encodeSegmentHeader(header), 0);
      await file.datasync();
      if (mayExist) await fileSystem.rename(writtenAt, target);
      await directory.syncNames();
      await this.#vouchFor(name, tail.lsn);
    } catch (error) {
      await file.close();
      throw error;
    }
    this.#nextSeq = undefined;
    const segment = createSegment(path, { name, seq, firstLsn }, SEGMENT_HEADER_BYTES);
    segment.header = header;
    table.add(segment);
    return { segment, file, salt };
  }
}

function describeTorn(state: TailState): TornTail | undefined {
  if (state.kind !== 'unclean' || state.tornWhy === undefined) return undefined;
  const { segment, validEnd, fileBytes, tornWhy } = state;
  return {
    segment: segment.name,
    offset: validEnd,
    bytes: fileBytes - validEnd,
    why: tornWhy,
    asidePath: undefined,
  };
}
