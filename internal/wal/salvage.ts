/**
 * Reads every whole record of a damaged segment, and reports the damage between
 * them. The tools that show a log and that list what a repair loses use this; it
 * does not decide which records count.
 *
 * With the segment's salt, reading continues after damage at the next item whose
 * prefix and header are valid. Without it (the segment's header is damaged) it
 * searches for frames by their own CRCs. Errors of the file system come through.
 */
import type { Clock } from '#platform/clock.ts';
import type { File } from '#platform/file-system.ts';
import { CHUNK_BYTES } from '#wal/chunk-source.ts';
import {
  FRAME_HEADER_BYTES,
  type Frame,
  mayBeFrameHeader,
  tryDecodeFrame,
  tryDecodeFrameHeader,
} from '#wal/frame.ts';
import { type LaterItem, searchLaterItems } from '#wal/later-items.ts';
import { PREFIX_BYTES, RECORD_OVERHEAD_BYTES } from '#wal/segment-format.ts';
import { SegmentScanner } from '#wal/segment-scanner.ts';

export type Salvaged =
  | {
      readonly kind: 'record';
      readonly frame: Frame;
      /** Offsets of its prefix and of the next item. */
      readonly offset: number;
      readonly nextOffset: number;
    }
  /** A mark or a seal: the last record that was written before it. */
  | { readonly kind: 'note'; readonly offset: number; readonly lastLsn: number }
  | {
      readonly kind: 'damage';
      readonly offset: number;
      /** The record that is expected at `offset`. */
      readonly lsn: number;
      readonly why: string;
      /** Offset at which reading continues; undefined if no whole item follows. */
      readonly resumedAt: number | undefined;
    };

export interface SalvageOptions {
  readonly file: File;
  /** The offset between two items. */
  readonly fromOffset: number;
  readonly endOffset: number;
  /** Undefined if the segment's header is damaged. */
  readonly salt: number | undefined;
  /** The record that is expected at `fromOffset`. */
  readonly expectedLsn: number;
  readonly clock: Clock;
}

/** Frames are views into buffers that are not reused. */
export async function* salvageSegment(options: SalvageOptions): AsyncGenerator<Salvaged, void> {
  const { file, endOffset, salt, clock } = options;
  if (salt === undefined) {
    yield* salvageFrames(options);
    return;
  }
  let { fromOffset, expectedLsn } = options;
  for (;;) {
    const scanner = new SegmentScanner(file, { fromOffset, endOffset, salt });
    let bad: { readonly offset: number; readonly why: string } | undefined;
    while (bad === undefined) {
      const item = scanner.tryNext();
      if (item === undefined) {
        await scanner.fill();
        continue;
      }
      if (item.kind === 'end') return;
      if (item.kind === 'bad') bad = item;
      else if (item.kind === 'record') {
        expectedLsn = item.frame.lsn + 1;
        yield item;
      } else {
        const { lastLsn } = item.kind === 'mark' ? item.mark : item.seal;
        expectedLsn = Math.max(expectedLsn, lastLsn + 1);
        yield { kind: 'note', offset: item.offset, lastLsn };
      }
    }
    const next = await findItemBehind({ ...options, salt, clock }, bad.offset, expectedLsn);
    const { offset, why } = bad;
    yield { kind: 'damage', offset, lsn: expectedLsn, why, resumedAt: next?.offset };
    if (next === undefined) return;
    fromOffset = next.offset;
  }
}

async function findItemBehind(
  { file, endOffset, salt, clock }: SalvageOptions & { readonly salt: number },
  fromOffset: number,
  expectedLsn: number,
): Promise<LaterItem | undefined> {
  let next: LaterItem | undefined;
  await searchLaterItems({
    file,
    fromOffset,
    sizeBytes: endOffset,
    salt,
    expectedLsn,
    clock,
    onItem: (item) => {
      if (item.offset === fromOffset) return false;
      next = item;
      return true;
    },
  });
  return next;
}

async function* salvageFrames(options: SalvageOptions): AsyncGenerator<Salvaged, void> {
  const { fromOffset, endOffset } = options;
  let expectedLsn = options.expectedLsn;
  let offset = fromOffset;
  let damagedFrom: number | undefined;
  const damage = (resumedAt: number | undefined): Salvaged => {
    const why = 'nothing whole begins here';
    return { kind: 'damage', offset: damagedFrom ?? offset, lsn: expectedLsn, why, resumedAt };
  };
  while (endOffset - offset >= RECORD_OVERHEAD_BYTES) {
    const found = await findFrame(options, offset, expectedLsn);
    if (found === undefined) break;
    if (found.offset > offset) damagedFrom ??= offset;
    if (damagedFrom !== undefined) yield damage(found.offset);
    damagedFrom = undefined;
    expectedLsn = found.frame.lsn + 1;
    yield { kind: 'record', ...found };
    offset = found.nextOffset;
  }
  if (offset < endOffset) yield damage(undefined);
}

interface FoundFrame {
  readonly frame: Frame;
  readonly offset: number;
  readonly nextOffset: number;
}

/** The next offset, from `offset` on, of a frame with valid CRCs and a plausible LSN. */
async function findFrame(
  { file, endOffset, fromOffset, clock }: SalvageOptions,
  offset: number,
  expectedLsn: number,
): Promise<FoundFrame | undefined> {
  for (let base = offset; endOffset - base >= RECORD_OVERHEAD_BYTES; ) {
    const window = Buffer.allocUnsafeSlow(Math.min(CHUNK_BYTES, endOffset - base));
    const bytesRead = await file.read(window, base);
    const lastStart = bytesRead - RECORD_OVERHEAD_BYTES;
    for (let at = 0; at <= lastStart; at++) {
      const frameAt = at + PREFIX_BYTES;
      if (!mayBeFrameHeader(window, frameAt)) continue;
      const decoded = tryDecodeFrameHeader(window, frameAt);
      if (typeof decoded === 'string') continue;
      const { lsn } = decoded;
      const lsnMax = expectedLsn + Math.ceil((base + at - fromOffset) / RECORD_OVERHEAD_BYTES);
      if (lsn < expectedLsn || lsn > lsnMax) continue;
      const nextOffset = base + frameAt + FRAME_HEADER_BYTES + decoded.payloadBytes;
      if (nextOffset > endOffset) continue;
      const bytes = Buffer.allocUnsafeSlow(FRAME_HEADER_BYTES + decoded.payloadBytes);
      await file.read(bytes, base + frameAt);
      const whole = tryDecodeFrame(bytes, 0);
      if (whole.kind === 'frame') return { frame: whole.frame, offset: base + at, nextOffset };
    }
    if (lastStart < 0) return undefined;
    base += lastStart + 1;
    await clock.yield();
  }
  return undefined;
}
