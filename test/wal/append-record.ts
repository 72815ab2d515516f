/** Puts items into a segment's bytes as a program of another version would write them: every checksum is right. */
import type { Lsn } from '#model/position.ts';
import { crc32 } from '#platform/crc32.ts';
import { encodeFrame, type Frame, isPayloadIntact, tryDecodeFrameHeader } from '#wal/frame.ts';
import {
  encodeMark,
  encodeSeal,
  encodeSegmentHeader,
  readSeal,
  type Seal,
  type SegmentHeader,
  tryDecodeSegmentHeader,
  writeRecordPrefix,
} from '#wal/segment-format.ts';

const HEADER = 96;
const NOTE = 28;
const PREFIX = 12;

export interface ForeignRecord {
  readonly type: number;
  readonly payload: Uint8Array;
}

/** `segment` with records behind its last item. Nothing later vouches for the last of them. */
export function withRecords(segment: Uint8Array, ...records: readonly ForeignRecord[]): Buffer {
  let bytes = Buffer.from(segment);
  for (const record of records) {
    const frame = frameAfter(lastFrame(bytes), record);
    bytes = Buffer.concat([bytes, Buffer.alloc(PREFIX), frame.bytes]);
    writeRecordPrefix(bytes, bytes.length - frame.bytes.length - PREFIX, saltOf(bytes), 1);
  }
  return bytes;
}

export function frameAfter(before: Frame, { type, payload }: ForeignRecord): Frame {
  const lsn = (before.lsn + 1) as Lsn;
  const header = { lsn, epoch: before.epoch, prevCrc: before.crc, type, flags: 0 };
  return encodeFrame({ ...header, timestampMs: before.timestampMs }, payload.length, (target, offset) =>
    target.set(payload, offset),
  );
}

/** `segment` with an item of 28 bytes behind its last one. */
export function withNote(segment: Uint8Array, kind: number, body: (bytes: Buffer) => void): Buffer {
  const note = Buffer.alloc(NOTE);
  note.writeUInt32LE(kind, 4);
  body(note);
  note.writeUInt32LE(crc32(note, saltOf(Buffer.from(segment)), 4, NOTE), 0);
  return Buffer.concat([segment, note]);
}

/** `segment` with a header that says another format version, and is whole. */
export function withFormatVersion(segment: Uint8Array, version: number): Buffer {
  const bytes = Buffer.from(segment);
  bytes.writeUInt16LE(version, 8);
  bytes.writeUInt32LE(crc32(bytes, 0, 0, HEADER - 4), HEADER - 4);
  return bytes;
}

/** `segment` with other fields in its header, which is whole. The items stay as they are. */
export function withHeader(segment: Uint8Array, changes: Partial<SegmentHeader>): Buffer {
  const bytes = Buffer.from(segment);
  encodeSegmentHeader({ ...headerOf(bytes), ...changes }).copy(bytes);
  return bytes;
}

/** A sealed segment whose seal says something else, with `between` before it. */
export function withSeal(
  segment: Uint8Array,
  changes: Partial<Seal>,
  between: Uint8Array = Buffer.alloc(0),
): Buffer {
  const bytes = Buffer.from(segment);
  const seal = readSeal(bytes, bytes.length - NOTE);
  if (seal === undefined) throw new Error('the segment has no seal');
  const other = encodeSeal(saltOf(bytes), { ...seal, ...changes });
  return Buffer.concat([bytes.subarray(0, -NOTE), between, other]);
}

/** A segment that ends with the mark of a clean stop, sealed instead. */
export function sealedAfterStop(segment: Uint8Array): Buffer {
  const bytes = Buffer.from(segment);
  const { lsn: lastLsn, crc: lastCrc } = lastFrame(bytes);
  const records = lastLsn - headerOf(bytes).firstLsn + 1;
  const seal = encodeSeal(saltOf(bytes), { lastLsn, lastCrc, records, durLag: 0 });
  return Buffer.concat([bytes.subarray(0, -NOTE), seal]);
}

/** A mark of `lastLsn` for that segment. */
export function markFor(segment: Uint8Array, lastLsn: number): Buffer {
  return encodeMark(saltOf(Buffer.from(segment)), { lastLsn, durLag: 0, isCleanStop: false });
}

/** The last record of a segment that is whole. */
export function lastFrame(bytes: Buffer): Frame {
  let last: Frame | undefined;
  for (let at = HEADER; at < bytes.length; ) {
    if (bytes[at + 4] !== 1) {
      at += NOTE;
      continue;
    }
    const frame = tryDecodeFrameHeader(bytes, at + PREFIX);
    if (typeof frame === 'string' || !isPayloadIntact(frame)) throw new Error(`no record at byte ${at}`);
    last = frame;
    at += PREFIX + frame.bytes.length;
  }
  if (last === undefined) throw new Error('the segment has no record');
  return last;
}

function saltOf(bytes: Buffer): number {
  return headerOf(bytes).salt;
}

function headerOf(bytes: Buffer): SegmentHeader {
  const header = tryDecodeSegmentHeader(bytes.subarray(0, HEADER));
  if (typeof header === 'string') throw new Error(header);
  return header;
}
