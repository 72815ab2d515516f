/**
 * Reads the data directory of a node, running or stopped, and returns which bytes
 * of which files are its log now. It writes nothing and never opens LOCK: on POSIX,
 * closing any descriptor of that file would release the owner's lock.
 *
 * The files may change while they are read, so the snapshot and the segments must
 * form one chain of CRCs. They are opened at once and kept open, so that one which a
 * checkpoint removes meanwhile can still be read. If a file is missing even so, or a
 * cut broke the chain, the survey begins again, a bounded number of times.
 *
 * Throws `ImageDamageError` if durable bytes are damaged or missing, and
 * `BackupRequestError` if there is no log.
 */

import { withHeldFiles } from '#backup/held-files.ts';
import { walkLiveSegment } from '#backup/live-segment.ts';
import {
  BackupRequestError,
  type ImageBase,
  ImageDamageError,
  type ImageReaderParts,
  type ImageSegment,
  type LogImage,
  LogMovedError,
  NO_RECORD,
} from '#backup/log-image.ts';
import { readHeaderOf } from '#backup/snapshot-file.ts';
import type { ChainPoint } from '#model/replication.ts';
import type { File } from '#platform/file-system.ts';
import { messageOf } from '#platform/thrown.ts';
import { SnapshotError } from '#storage/snapshot-bytes.ts';
import { PREFIX_BYTES } from '#storage/snapshot-header.ts';
import { MANIFEST_NAME, parseSegmentName, parseSnapshotName, type SegmentName } from '#wal/file-names.ts';
import { judgeEnd, type SegmentBytes, whyRefused } from '#wal/judge-end.ts';
import { type Demand, demandOf, whyShort } from '#wal/log-reach.ts';
import { isSegmentExcluded, type Manifest, tryDecodeManifest } from '#wal/manifest.ts';
import { SEGMENT_HEADER_BYTES, type SegmentHeader } from '#wal/segment-format.ts';
import {
  hasLaterSegment,
  isHeaderFault,
  whyNotBase,
  whyNotFirst,
  whyNotJoined,
  whyNotNewest,
} from '#wal/segment-judge.ts';
import { readHeader, type WalkEnd } from '#wal/walk-segment.ts';
import { readWholeFile } from '#wal/whole-files.ts';

const ATTEMPTS = 10;
const PAUSE_MS = 100;

/**
 * Surveys the log in `directory` and runs `work` on it; both begin again if the node
 * replaced files meanwhile. `work` is to read the image by the parts that it is given:
 * these read files of the log that the node has removed since the survey, too. Damage is reported only if it is found twice at the same
 * place with no change of MANIFEST between.
 */
export async function withLogImage<T, Parts extends ImageReaderParts>(
  parts: Parts,
  directory: string,
  work: (image: LogImage, parts: Parts) => Promise<T>,
): Promise<T> {
  let lastDamage = '';
  for (let attempt = 1; ; attempt++) {
    const manifestBytes = await readManifestBytes(parts, directory);
    try {
      return await surveyOnce(parts, directory, manifestBytes, work);
    } catch (error) {
      const isGone = isMissingFileOf(directory, error) || error instanceof LogMovedError;
      if (!isGone && !(error instanceof ImageDamageError)) throw error;
      if (attempt === ATTEMPTS) throw asGivenUp(error, directory);
      const isSame = manifestBytes.equals(await readManifestBytes(parts, directory));
      const damage = isGone || !isSame ? '' : (error as Error).message;
      if (damage !== '' && damage === lastDamage) throw error;
      lastDamage = damage;
    }
    await parts.clock.sleep(PAUSE_MS);
  }
}

/** True if a file of `directory` was missing. If another file of `work` is missing, the log has not changed. */
function isMissingFileOf(directory: string, error: unknown): boolean {
  const { code, path } = error as NodeJS.ErrnoException;
  return code === 'ENOENT' && path?.startsWith(`${directory}/`) === true;
}

function asGivenUp(error: unknown, directory: string): unknown {
  if (error instanceof ImageDamageError) return error;
  const why = messageOf(error);
  const place = { file: directory, byte: 0, lsn: 0, why: `not whole in ${ATTEMPTS} attempts: ${why}` };
  return new ImageDamageError(place);
}

async function readManifestBytes({ fileSystem }: ImageReaderParts, directory: string): Promise<Buffer> {
  const path = `${directory}/${MANIFEST_NAME}`;
  if ((await fileSystem.stat(path)) === undefined) {
    throw new BackupRequestError(
      `${directory} is not the data directory of a node: there is no ${MANIFEST_NAME}`,
    );
  }
  return readWholeFile(fileSystem, path);
}

async function surveyOnce<T, Parts extends ImageReaderParts>(
  parts: Parts,
  directory: string,
  manifestBytes: Buffer,
  work: (image: LogImage, parts: Parts) => Promise<T>,
): Promise<T> {
  const manifest = tryDecodeManifest(manifestBytes);
  if (typeof manifest === 'string') {
    throw new ImageDamageError({ file: `${directory}/${MANIFEST_NAME}`, byte: 0, lsn: 0, why: manifest });
  }
  if (manifest.logId === '') {
    throw new BackupRequestError(`${directory} has no log yet: this replica has not met its master`);
  }
  const names = await liveSegments(parts, directory, manifest);
  const { snapshot } = manifest;
  const needed = neededAfter(names, parseSnapshotName(snapshot)?.lsn ?? 0).map(({ name }) => name);
  const paths = [...(snapshot === '' ? [] : [snapshot]), ...needed].map((name) => `${directory}/${name}`);
  return withHeldFiles(parts, paths, async (held) => {
    const base = await readBase(held, directory, manifest);
    const image = await new Survey(held, directory, manifest, base).run(names);
    // An image may end before the LSN that MANIFEST demands, so a directory made of it must not demand it.
    return work({ ...image, manifest: { ...manifest, reaches: undefined } }, held);
  });
}

/** The segments from the one that has the record after `lsn`. Pure. */
function neededAfter(names: readonly SegmentName[], lsn: number): readonly SegmentName[] {
  const start = names.findLastIndex(({ firstLsn }) => firstLsn <= lsn + 1);
  return names.slice(Math.max(0, start));
}

async function readBase(
  { fileSystem }: ImageReaderParts,
  directory: string,
  manifest: Manifest,
): Promise<ImageBase | undefined> {
  const name = manifest.snapshot;
  if (name === '') return undefined;
  const path = `${directory}/${name}`;
  const file = await fileSystem.open(path, 'read');
  try {
    const { sizeBytes: bytes } = await file.stat();
    const { meta } = await readHeaderOf(file);
    if (meta.logId !== manifest.logId) {
      throw new SnapshotError(PREFIX_BYTES, `it belongs to log ${meta.logId}`);
    }
    return { name, path, bytes, point: meta.position, logClockMs: meta.logClockMs };
  } catch (error) {
    if (!(error instanceof SnapshotError)) throw error;
    const lsn = parseSnapshotName(name)?.lsn ?? 0;
    throw new ImageDamageError({ file: path, byte: error.offset, lsn, why: error.why });
  } finally {
    await file.close();
  }
}

async function liveSegments(
  { fileSystem }: ImageReaderParts,
  directory: string,
  manifest: Manifest,
): Promise<SegmentName[]> {
  const names = await fileSystem.readDirectory(directory);
  return names
    .flatMap((name) => parseSegmentName(name) ?? [])
    .filter(({ seq }) => !isSegmentExcluded(manifest, seq))
    .sort((a, b) => a.seq - b.seq);
}

class Survey {
  readonly #parts: ImageReaderParts;
  readonly #directory: string;
  readonly #manifest: Manifest;
  readonly #base: ImageBase | undefined;
  readonly #demand: Demand | undefined;
  readonly #from: ChainPoint;
  #chain: ChainPoint;
  #newestBytes: number | undefined;
  readonly #takenMs: number;
  #firstTimestampMs = 0;
  #lastTimestampMs = 0;

  constructor(parts: ImageReaderParts, directory: string, manifest: Manifest, base: ImageBase | undefined) {
    this.#parts = parts;
    this.#directory = directory;
    this.#manifest = manifest;
    this.#base = base;
    this.#demand = demandOf(manifest);
    this.#from = base?.point ?? NO_RECORD;
    this.#chain = this.#from;
    this.#takenMs = parts.clock.wallMs();
  }

  async run(names: readonly SegmentName[]): Promise<LogImage> {
    const first = names[0];
    const late = first && whyNotFirst(first.firstLsn, this.#from.lsn);
    if (first !== undefined && late !== undefined) throw this.#damage(first, 0, late);
    const needed = neededAfter(names, this.#from.lsn);
    const segments: ImageSegment[] = [];
    const seqs = names.map(({ seq }) => seq);
    for (const [index, name] of needed.entries()) {
      const hasLater = hasLaterSegment(name.seq, seqs, this.#demand);
      const segment = await this.#survey(name, index === 0, hasLater);
      if (segment !== undefined && segment.lastLsn > this.#from.lsn) segments.push(segment);
    }
    // If the log ends below its snapshot, the next start begins a new one after the snapshot.
    const last = this.#chain.lsn < this.#from.lsn ? this.#from : this.#chain;
    const why = whyShort(this.#demand, { seqs, endLsn: last.lsn, newestBytes: this.#newestBytes });
    if (why !== undefined) {
      const file = `${this.#directory}/${this.#demand?.segment}`;
      throw new ImageDamageError({ file, byte: 0, lsn: last.lsn + 1, why });
    }
    return {
      manifest: this.#manifest,
      base: this.#base,
      segments,
      last,
      firstTimestampMs: this.#firstTimestampMs,
      lastTimestampMs: this.#lastTimestampMs,
      takenMs: this.#takenMs,
    };
  }

  async #survey(name: SegmentName, isFirst: boolean, hasLater: boolean): Promise<ImageSegment | undefined> {
    const path = `${this.#directory}/${name.name}`;
    const file = await this.#parts.fileSystem.open(path, 'read');
    try {
      const { sizeBytes } = await file.stat();
      this.#newestBytes = sizeBytes;
      // A newest segment no longer than a header has no record, whatever its bytes are.
      if (!hasLater && sizeBytes <= SEGMENT_HEADER_BYTES) {
        const why = whyNotNewest(name.firstLsn, this.#chain.lsn);
        if (why !== undefined) throw this.#damage(name, 0, why);
        return undefined;
      }
      const { logId } = this.#manifest;
      const header = await readHeader(file, { ...name, logId });
      if (isHeaderFault(header)) throw this.#damage(name, header.byte, whyRefused(header, hasLater));
      this.#join(name, header, isFirst);
      const end = await this.#walk(file, header, sizeBytes, name);
      const { clock } = this.#parts;
      await this.#checkEnd(name, end, hasLater, { file, sizeBytes, salt: header.salt, clock });
      this.#chain = end.chain;
      const bytes = end.isSealed ? sizeBytes : end.recordsEnd;
      const { seq, firstLsn } = name;
      return { name: name.name, path, seq, firstLsn, lastLsn: end.chain.lsn, bytes, isSealed: end.isSealed };
    } finally {
      await file.close();
    }
  }

  #join(name: SegmentName, header: SegmentHeader, isFirst: boolean): void {
    if (isFirst && header.firstLsn - 1 !== this.#from.lsn) return;
    const fault = whyNotJoined(header, this.#chain, isFirst ? 'the snapshot' : 'the segment before it');
    if (fault !== undefined) throw this.#damage(name, fault.byte, fault.why);
  }

  #walk(file: File, header: SegmentHeader, endOffset: number, name: SegmentName): Promise<WalkEnd> {
    return walkLiveSegment(this.#parts.clock, {
      file,
      header,
      endOffset,
      onRecord: ({ frame, offset }) => {
        const why = whyNotBase(this.#from, frame);
        if (why !== undefined) throw this.#damage(name, offset, why);
        if (this.#base === undefined && this.#lastTimestampMs === 0)
          this.#firstTimestampMs = frame.timestampMs;
        this.#lastTimestampMs = frame.timestampMs;
        return false;
      },
    });
  }

  /** Throws if the segment must not end at that place. */
  async #checkEnd(
    name: SegmentName,
    { stop, chain }: WalkEnd,
    hasLater: boolean,
    bytes: SegmentBytes,
  ): Promise<void> {
    if (stop === undefined) return;
    const place = { hasLater, baseLsn: this.#from.lsn, knownDurableLsn: this.#demand?.lsn ?? 0 };
    const verdict = await judgeEnd(stop, place, bytes);
    if (verdict.kind === 'whole' || verdict.kind === 'torn') return;
    throw this.#damage(name, stop.offset, verdict.why, chain);
  }

  #damage({ name, firstLsn }: SegmentName, byte: number, why: string, chain?: ChainPoint): ImageDamageError {
    const lsn = chain === undefined ? firstLsn : chain.lsn + 1;
    return new ImageDamageError({ file: `${this.#directory}/${name}`, byte, lsn, why });
  }
}
