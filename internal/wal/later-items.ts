/**
 * Searches for whole items after the first damage in a segment: what they state
 * about durability decides between a torn tail and corruption.
 *
 * If the header of the damaged record is valid, the search begins after that
 * record. It continues item by item, and byte by byte where there is no item. At
 * each place cheap tests come first: the kind byte, then whether the LSN is
 * plausible, and only then the CRCs. An item counts if the CRCs of its prefix and
 * header are valid, whatever its payload, because they cover durLag and LSN.
 */

import { readUint53 } from '#platform/bytes.ts';
import type { Clock } from '#platform/clock.ts';
import type { File } from '#platform/file-system.ts';
import { TimeSlices } from '#platform/time-slices.ts';
import { CHUNK_BYTES } from '#wal/chunk-source.ts';
import { FRAME_HEADER_BYTES, mayBeFrameHeader, tryDecodeFrameHeader } from '#wal/frame.ts';
import {
  ITEM_KIND,
  isPrefixValid,
  NOTE_BYTES,
  PREFIX_BYTES,
  peekItemKind,
  RECORD_OVERHEAD_BYTES,
  readDurLag,
} from '#wal/segment-format.ts';
import { tryStepOver } from '#wal/segment-scanner.ts';

export interface LaterItem {
  readonly offset: number;
  readonly kind: number;
  /** The record's LSN, or the last one before the mark or seal. */
  readonly lsn: number;
  readonly durLag: number;
}

export interface LaterItemsOptions {
  readonly file: File;
  /** Offset at which the damage begins. */
  readonly fromOffset: number;
  readonly sizeBytes: number;
  readonly salt: number;
  /** The LSN that is expected at the damage. */
  readonly expectedLsn: number;
  readonly clock: Clock;
  /** Return true to end the search. */
  readonly onItem: (item: LaterItem) => boolean;
}

/** Bytes that are searched between two readings of the clock. */
const SLICE_BYTES = 64 * 1_024;

export async function searchLaterItems(options: LaterItemsOptions): Promise<void> {
  const { file, fromOffset, sizeBytes, clock } = options;
  const window = new Window(file, sizeBytes);
  await window.loadAt(fromOffset);
  const isItem = sizeBytes - fromOffset >= NOTE_BYTES && tryItemAt(window.buffer, 0, fromOffset, options);
  let offset = isItem ? fromOffset : fromOffset + (tryStepOver(window.buffer, 0) ?? 1);
  const slices = new TimeSlices(clock);
  while (sizeBytes - offset >= NOTE_BYTES) {
    if (!window.holds(offset)) await window.loadAt(offset);
    const sliceEnd = Math.min(offset + SLICE_BYTES, window.lastStart + 1);
    while (offset < sliceEnd) {
      const found = tryItemAt(window.buffer, offset - window.base, offset, options);
      if (found === undefined) {
        offset++;
        continue;
      }
      if (options.onItem(found.item)) return;
      offset += found.bytes;
    }
    if (slices.isOver) await slices.next();
  }
}

/** A chunk of the file that has at least 56 bytes, or all the rest of the file, after each offset up to `lastStart`. */
class Window {
  readonly #file: File;
  readonly #sizeBytes: number;
  buffer: Buffer = Buffer.alloc(0);
  base = 0;

  constructor(file: File, sizeBytes: number) {
    this.#file = file;
    this.#sizeBytes = sizeBytes;
  }

  get lastStart(): number {
    const end = this.base + this.buffer.length;
    return end - (end === this.#sizeBytes ? NOTE_BYTES : RECORD_OVERHEAD_BYTES);
  }

  holds(offset: number): boolean {
    return offset >= this.base && offset <= this.lastStart;
  }

  async loadAt(offset: number): Promise<void> {
    const buffer = Buffer.allocUnsafeSlow(Math.min(CHUNK_BYTES, this.#sizeBytes - offset));
    const bytesRead = await this.#file.read(buffer, offset);
    if (bytesRead < buffer.length) throw new Error(`the file shrank while it was read, at byte ${offset}`);
    this.buffer = buffer;
    this.base = offset;
  }
}

function tryItemAt(
  buffer: Buffer,
  at: number,
  offset: number,
  options: LaterItemsOptions,
): { readonly item: LaterItem; readonly bytes: number } | undefined {
  const kind = buffer[at + 4] as number;
  if (kind === 0 || kind > ITEM_KIND.seal || peekItemKind(buffer, at) === 0) return undefined;
  const isRecord = kind === ITEM_KIND.record;
  if (isRecord && at + RECORD_OVERHEAD_BYTES > buffer.length) return undefined;
  const lsn = readUint53(buffer, at + (isRecord ? PREFIX_BYTES + 8 : PREFIX_BYTES));
  const lsnMin = options.expectedLsn - 1;
  const lsnMax = options.expectedLsn + Math.ceil((offset - options.fromOffset) / RECORD_OVERHEAD_BYTES);
  if (!(lsn >= lsnMin && lsn <= lsnMax)) return undefined;
  if (!isPrefixValid(buffer, at, options.salt)) return undefined;
  const item: LaterItem = { offset, kind, lsn, durLag: readDurLag(buffer, at) };
  if (!isRecord) return { item, bytes: NOTE_BYTES };
  const header = tryDecodeFrameHeader(buffer, at + PREFIX_BYTES);
  if (typeof header === 'string') return undefined;
  const bytes = PREFIX_BYTES + FRAME_HEADER_BYTES + header.payloadBytes;
  // A record that ends beyond the file still counts, but the search continues inside it.
  return { item, bytes: offset + bytes <= options.sizeBytes ? bytes : RECORD_OVERHEAD_BYTES };
}

/** True if there is a valid frame header anywhere in the file, so that the file once was part of a log. */
export async function hasFrameSomewhere(file: File, sizeBytes: number, clock?: Clock): Promise<boolean> {
  const overlap = FRAME_HEADER_BYTES - 1;
  for (let base = 0; sizeBytes - base >= FRAME_HEADER_BYTES; base += CHUNK_BYTES - overlap) {
    const buffer = Buffer.allocUnsafeSlow(Math.min(CHUNK_BYTES, sizeBytes - base));
    const bytesRead = await file.read(buffer, base);
    for (let at = 0; at + FRAME_HEADER_BYTES <= bytesRead; at++) {
      if (mayBeFrameHeader(buffer, at) && typeof tryDecodeFrameHeader(buffer, at) !== 'string') return true;
    }
    await clock?.yield();
  }
  return false;
}
