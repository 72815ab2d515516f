/** Puts items into a segment's bytes as a program of another version would write them: every checksum is right. */
import type { Lsn } from '#model/position.ts';
import { crc32 } from '#platform/crc32.ts';
import { encodeFrame, type Frame, isPayloadIntact, tryDecodeFrameHeader } from '#wal/frame.ts';
import { tryDecodeSegmentHeader, writeRecordPrefix } from '#wal/segment-format.ts';

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
  const header = tryDecodeSegmentHeader(bytes.subarray(0, HEADER));
  if (typeof header === 'string') throw new Error(header);
  return header.salt;
}
