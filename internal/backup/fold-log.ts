/**
 * Computes the state of a log at a position: loads the snapshot and applies the
 * records one by one to a store, without the code that recovers a node. It only
 * reads, so it works on the files of a running node. Recoveries are compared with
 * its result, and point-in-time reads answer from it.
 *
 * Throws `ImageDamageError` on damage, `BackupRequestError` if the image does not
 * reach the position.
 */

import { walkLiveSegment } from '#backup/live-segment.ts';
import {
  BackupRequestError,
  ImageDamageError,
  type ImageReaderParts,
  type ImageSegment,
  type LogImage,
  NO_RECORD,
} from '#backup/log-image.ts';
import { loadSnapshot } from '#engine/open-engine.ts';
import { RecordError, type RecordState } from '#engine/records/record-kind.ts';
import { applyChecked } from '#engine/records/record-table.ts';
import { stateAt } from '#engine/records/state-at.ts';
import type { StoreLimits } from '#model/entry.ts';
import type { ChainPoint } from '#model/replication.ts';
import { crc32 } from '#platform/crc32.ts';
import { DigestSum, EntryHasher } from '#storage/entry-hash.ts';
import { SnapshotError } from '#storage/snapshot-bytes.ts';
import { createStore, type Store } from '#storage/store.ts';
import type { Frame } from '#wal/frame.ts';
import { pointOf } from '#wal/frame-run.ts';
import { SEGMENT_HEADER_BYTES } from '#wal/segment-format.ts';
import { isHeaderFault } from '#wal/segment-judge.ts';
import { NewerFormatError } from '#wal/wal-errors.ts';
import { readHeader } from '#wal/walk-segment.ts';

/** The last record to fold: the end, a record, or the last record not later than a time of the log clock. */
export type FoldTarget =
  | { readonly kind: 'end' }
  | { readonly kind: 'lsn'; readonly lsn: number }
  | { readonly kind: 'time'; readonly timeMs: number };

/** The state at `position`, and how it was reached. */
export interface Folded extends RecordState {
  /** The last record that was applied. */
  readonly position: ChainPoint;
  /** Log clock of that record; that of the snapshot if no record follows it. */
  readonly timestampMs: number;
  /** Number of records after the snapshot. */
  readonly records: number;
  /** The segments that contain those records; the last one with the bytes up to the last record of the target. */
  readonly segments: readonly ImageSegment[];
  /** The digest at each requested LSN that was reached. */
  readonly digests: ReadonlyMap<number, StateDigest>;
}

export interface StateDigest {
  readonly entries: number;
  readonly digest: string;
}

export interface FoldOptions {
  readonly target?: FoldTarget;
  /** LSNs after which the digest is noted. */
  readonly digestAt?: ReadonlySet<number>;
}

const UNLIMITED: StoreLimits = { entriesMax: 0, bytesMax: 0, policy: 'lru' };
const SCAN_LIMIT = 10_000;

export async function foldLog(
  parts: ImageReaderParts,
  image: LogImage,
  { target = { kind: 'end' }, digestAt = new Set() }: FoldOptions = {},
): Promise<Folded> {
  checkTarget(image, target);
  const { state, timestampMs } = await foldBase(parts, image);
  const fold = new Fold(parts, image, target, { state, timestampMs, digestAt });
  return fold.run();
}

async function foldBase(
  parts: ImageReaderParts,
  { base }: LogImage,
): Promise<{ state: RecordState; timestampMs: number }> {
  if (base === undefined)
    return { state: stateAt(parts.clock, createStore({ limits: UNLIMITED })), timestampMs: 0 };
  try {
    const { store, meta } = await loadSnapshot(base.path, parts, () => {});
    return { state: stateAt(parts.clock, store, meta), timestampMs: meta.logClockMs };
  } catch (error) {
    if (!(error instanceof SnapshotError)) throw error;
    const { offset: byte, why } = error;
    throw new ImageDamageError({ file: base.path, byte, lsn: base.point.lsn, why });
  }
}

function checkTarget(image: LogImage, target: FoldTarget): void {
  const why = whyNotIn(image, target);
  if (why !== undefined) throw new BackupRequestError(why);
}

/** Why the image does not reach `target`; undefined if it does. */
export function whyNotIn(image: LogImage, target: FoldTarget): string | undefined {
  if (target.kind === 'lsn') {
    const first = image.base?.point.lsn ?? 0;
    const isIn = target.lsn >= first && target.lsn <= image.last.lsn;
    return isIn ? undefined : `LSN ${target.lsn} is not in it: it reaches from ${first} to ${image.last.lsn}`;
  }
  if (target.kind === 'end') return undefined;
  const fromMs = image.base?.logClockMs ?? image.firstTimestampMs;
  const untilMs = Math.max(image.lastTimestampMs, image.takenMs);
  if (target.timeMs >= fromMs && target.timeMs <= untilMs) return undefined;
  if (target.timeMs < fromMs) return beforeBeginning(image, target.timeMs, fromMs);
  const [wanted, until] = [target.timeMs, untilMs].map((ms) => new Date(ms).toISOString());
  return `${wanted} is after its end: it was taken at ${until}`;
}

function beforeBeginning({ base }: LogImage, timeMs: number, fromMs: number): string {
  const [wanted, from] = [timeMs, fromMs].map((ms) => new Date(ms).toISOString());
  return `${wanted} is before its beginning: its ${base === undefined ? 'first record' : 'snapshot'} is of ${from}`;
}

class Fold {
  readonly #parts: ImageReaderParts;
  readonly #image: LogImage;
  readonly #target: FoldTarget;
  readonly #state: RecordState;
  readonly #digestAt: ReadonlySet<number>;
  readonly #digests = new Map<number, StateDigest>();
  readonly #segments: ImageSegment[] = [];
  #chain: ChainPoint;
  #timestampMs: number;
  #records = 0;

  constructor(
    parts: ImageReaderParts,
    image: LogImage,
    target: FoldTarget,
    start: {
      readonly state: RecordState;
      readonly timestampMs: number;
      readonly digestAt: ReadonlySet<number>;
    },
  ) {
    this.#parts = parts;
    this.#image = image;
    this.#target = target;
    this.#state = start.state;
    this.#timestampMs = start.timestampMs;
    this.#digestAt = start.digestAt;
    this.#chain = image.base?.point ?? NO_RECORD;
  }

  async run(): Promise<Folded> {
    this.#noteDigest();
    for (const segment of this.#image.segments) {
      if (await this.#foldSegment(segment)) break;
    }
    return {
      ...this.#state,
      position: this.#chain,
      timestampMs: this.#timestampMs,
      records: this.#records,
      segments: this.#segments,
      digests: this.#digests,
    };
  }

  /** Returns whether the target was reached. */
  async #foldSegment(segment: ImageSegment): Promise<boolean> {
    const file = await this.#parts.fileSystem.open(segment.path, 'read');
    try {
      const header = await readHeader(file, { ...segment, logId: undefined });
      if (isHeaderFault(header)) throw this.#damage(segment, header.byte, header.why);
      let cutOffset = SEGMENT_HEADER_BYTES;
      const end = await walkLiveSegment(this.#parts.clock, {
        file,
        header,
        endOffset: segment.bytes,
        onRecord: ({ frame, offset, nextOffset }) => {
          if (this.#isBeyond(frame)) return true;
          this.#take(segment, frame, offset);
          cutOffset = nextOffset;
          return false;
        },
      });
      if (end.stop?.what === 'item') throw this.#damage(segment, end.stop.offset, end.stop.why);
      const hasWanted =
        end.chain.lsn >= segment.firstLsn && end.chain.lsn > (this.#image.base?.point.lsn ?? 0);
      const { lsn: lastLsn } = end.chain;
      if (!end.isCut) {
        if (lastLsn !== segment.lastLsn) throw this.#damage(segment, end.recordsEnd, 'records are missing');
        this.#segments.push(segment);
      } else if (hasWanted) {
        this.#segments.push({ ...segment, lastLsn, bytes: cutOffset, isSealed: false });
      }
      return end.isCut;
    } finally {
      await file.close();
    }
  }

  #isBeyond({ lsn, timestampMs }: Frame): boolean {
    const target = this.#target;
    if (target.kind === 'lsn') return lsn > target.lsn;
    if (target.kind !== 'time' || timestampMs <= target.timeMs || lsn <= this.#chain.lsn) return false;
    // A backup of an earlier release does not say when its first record was written.
    if (this.#chain.lsn === 0)
      throw new BackupRequestError(beforeBeginning(this.#image, target.timeMs, timestampMs));
    return true;
  }

  #take(segment: ImageSegment, frame: Frame, offset: number): void {
    const { lsn, crc, epoch } = this.#chain;
    if (frame.lsn < lsn) return;
    if (frame.lsn === lsn) {
      if (frame.crc !== crc) throw this.#damage(segment, offset, 'it does not continue the snapshot');
      return;
    }
    // The walk checks the chain within a segment; this checks it from the snapshot on, and between segments.
    if (frame.lsn !== lsn + 1 || frame.prevCrc !== crc)
      throw this.#damage(segment, offset, `LSN ${frame.lsn} does not continue ${epoch}-${lsn}`);
    try {
      applyChecked(frame, this.#state);
    } catch (error) {
      if (!(error instanceof RecordError || error instanceof NewerFormatError)) throw error;
      throw this.#damage(segment, offset, error.message);
    }
    this.#chain = pointOf(frame);
    this.#timestampMs = frame.timestampMs;
    this.#records++;
    this.#noteDigest();
  }

  #noteDigest(): void {
    if (!this.#digestAt.has(this.#chain.lsn)) return;
    const { store } = this.#state;
    this.#digests.set(this.#chain.lsn, { entries: store.entries, digest: store.stateDigest() });
  }

  #damage(segment: ImageSegment, byte: number, why: string): ImageDamageError {
    return new ImageDamageError({ file: segment.path, byte, lsn: this.#chain.lsn + 1, why });
  }
}

/**
 * The digest of the state, summed over every entry and every named write again;
 * undefined if that is not the running sum, which is wrong then.
 */
export function digestAnew(store: Store): StateDigest | undefined {
  const hasher = new EntryHasher();
  const sum = new DigestSum();
  let entries = 0;
  for (let cursor = ''; ; ) {
    const page = store.scan({ prefix: '', cursor, limit: SCAN_LIMIT, keysOnly: false }, 0);
    for (const { key, value, expireAtMs, version, contentType } of page.entries) {
      hasher.hashEntry(key, crc32(value), expireAtMs, version.epoch, version.lsn, contentType);
      sum.add(hasher);
      entries++;
    }
    cursor = page.nextCursor;
    if (cursor === '') break;
  }
  const isKept =
    sum.hex() === store.entriesDigest() && store.requests.digestAnew() === store.requests.digest();
  return isKept ? { entries, digest: store.stateDigest() } : undefined;
}
