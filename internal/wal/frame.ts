/**
 * The frame: a record as bytes, the same on every node and on the wire.
 * Pure. Decoding never throws on input: `tryDecodeFrame` says what is wrong;
 * `decodeFrames` wraps that in a `FrameError` for callers that cannot go on.
 * The layout is specified in README.md.
 */
import type { Epoch, Lsn } from '#model/position.ts';
import { assert } from '#platform/assert.ts';
import { asBuffer, readUint53, writeUint53 } from '#platform/bytes.ts';
import { crc32 } from '#platform/crc32.ts';
import { NewerFormatError } from '#wal/wal-errors.ts';

export const FRAME_HEADER_BYTES = 44;
/** The format's own maximum, never configuration: 64 MiB. */
export const PAYLOAD_BYTES_MAX = 64 * 1_024 * 1_024;

/** Why a frame is none whose payload is not intact. */
export const PAYLOAD_DIFFERS = 'payload CRC differs';
const HEADER_DIFFERS = 'header CRC differs';

export interface FrameHeader {
  readonly lsn: Lsn;
  readonly epoch: Epoch;
  /** `crc` of the record before; 0 before the first. */
  readonly prevCrc: number;
  /** What kind of record it is: the engine's number, opaque here. */
  readonly type: number;
  /** None is defined yet; kept as given. */
  readonly flags: number;
  /** Log clock, milliseconds since the Unix epoch. */
  readonly timestampMs: number;
}

export interface Frame extends FrameHeader {
  /** The header's CRC, which covers the payload's: the record's link in the chain. */
  readonly crc: number;
  readonly payloadBytes: number;
  /** Where the frame stands: for readers that do without a view of their own for each record. */
  readonly buffer: Buffer;
  readonly payloadOffset: number;
  /** A view of the payload. */
  readonly payload: Uint8Array;
  /** Header and payload, verbatim. */
  readonly bytes: Uint8Array;
  /** Of header and payload. */
  readonly frameBytes: number;
}

/** A frame at `offset` of a buffer. Views are made when asked for: a replay never wants `bytes`. */
class FrameView implements Frame {
  readonly lsn: Lsn;
  readonly epoch: Epoch;
  readonly prevCrc: number;
  readonly type: number;
  readonly flags: number;
  readonly timestampMs: number;
  readonly crc: number;
  readonly payloadBytes: number;
  readonly buffer: Buffer;
  readonly payloadOffset: number;
  #bytes: Uint8Array | undefined;

  /** The numbers are read as they are: the caller checks them. */
  constructor(buffer: Buffer, offset: number) {
    this.lsn = readUint53(buffer, offset + 8) as Lsn;
    this.epoch = readUint53(buffer, offset + 16);
    this.prevCrc = buffer.readUInt32LE(offset + 24);
    this.type = buffer[offset + 28] as number;
    this.flags = buffer[offset + 29] as number;
    this.timestampMs = readUint53(buffer, offset + 32);
    this.crc = buffer.readUInt32LE(offset);
    this.payloadBytes = buffer.readUInt32LE(offset + 4);
    this.buffer = buffer;
    this.payloadOffset = offset + FRAME_HEADER_BYTES;
  }

  get bytes(): Uint8Array {
    const offset = this.payloadOffset - FRAME_HEADER_BYTES;
    this.#bytes ??= this.buffer.subarray(offset, this.payloadOffset + this.payloadBytes);
    return this.#bytes;
  }

  get frameBytes(): number {
    return FRAME_HEADER_BYTES + this.payloadBytes;
  }

  get payload(): Uint8Array {
    return this.buffer.subarray(this.payloadOffset, this.payloadOffset + this.payloadBytes);
  }
}

export type DecodedFrame =
  | { readonly kind: 'frame'; readonly frame: Frame; readonly nextOffset: number }
  /** `offset` is the end of the bytes. */
  | { readonly kind: 'end' }
  /** The bytes end inside the frame, whose first `bytesNeeded` bytes would tell more. */
  | { readonly kind: 'short'; readonly bytesNeeded: number }
  /** `isIntact`: the header's CRC is right, and this program does not know what it says. */
  | { readonly kind: 'bad'; readonly why: string; readonly isIntact: boolean };

/** Frames from elsewhere that do not hold: `index` counts from 0. */
export class FrameError extends Error {
  override readonly name = 'FrameError';
  readonly index: number;

  constructor(index: number, why: string) {
    super(`frame ${index}: ${why}`);
    this.index = index;
  }
}

/**
 * Builds a frame in one allocation: `writePayload` fills exactly `payloadBytes`
 * bytes of `target` from `offset` on.
 */
export function encodeFrame(
  header: FrameHeader,
  payloadBytes: number,
  writePayload: (target: Buffer, offset: number) => void,
): Frame {
  const bytes = Buffer.allocUnsafe(FRAME_HEADER_BYTES + payloadBytes);
  writePayload(bytes, FRAME_HEADER_BYTES);
  return sealFrame(header, bytes, payloadBytes);
}

/** A frame of the payload that stands in `bytes` behind room for the header. They are the frame's from then on. */
export function sealFrame(header: FrameHeader, bytes: Buffer, payloadBytes: number): Frame {
  assert(payloadBytes <= PAYLOAD_BYTES_MAX, 'a payload fits the format');
  bytes.writeUInt32LE(payloadBytes, 4);
  writeUint53(bytes, header.lsn, 8);
  writeUint53(bytes, header.epoch, 16);
  bytes.writeUInt32LE(header.prevCrc, 24);
  bytes.writeUInt8(header.type, 28);
  bytes.writeUInt8(header.flags, 29);
  bytes.writeUInt16LE(0, 30);
  writeUint53(bytes, header.timestampMs, 32);
  bytes.writeUInt32LE(crc32(bytes, 0, FRAME_HEADER_BYTES, FRAME_HEADER_BYTES + payloadBytes), 40);
  bytes.writeUInt32LE(crc32(bytes, 0, 4, FRAME_HEADER_BYTES), 0);
  return new FrameView(bytes, 0);
}

/**
 * The frame whose header stands at `offset`, or why none can. The caller has
 * seen to it that 44 bytes are there; whether the payload is there, too, is to
 * be seen next, and whether it holds, by `isPayloadIntact`.
 */
export function tryDecodeFrameHeader(buffer: Buffer, offset: number): Frame | string {
  const crc = buffer.readUInt32LE(offset);
  if (crc32(buffer, 0, offset + 4, offset + FRAME_HEADER_BYTES) !== crc) return HEADER_DIFFERS;
  const frame = new FrameView(buffer, offset);
  const { payloadBytes, lsn, epoch, timestampMs } = frame;
  if (payloadBytes > PAYLOAD_BYTES_MAX) return `payload of ${payloadBytes} bytes is over the maximum`;
  if (!(lsn >= 1 && epoch >= 0 && timestampMs >= 0)) return 'a number is out of range';
  if (buffer.readUInt16LE(offset + 30) !== 0) return 'reserved bytes are not zero';
  return frame;
}

/**
 * Whether the header that `tryDecodeFrameHeader` refused is whole all the same:
 * a program with another format wrote it, and no write was interrupted there.
 */
export function isHeaderIntact(why: string): boolean {
  return why !== HEADER_DIFFERS;
}

/**
 * The cheap test before `tryDecodeFrameHeader` where a frame may begin at any
 * byte: false where the 44 bytes at `offset` cannot be a header.
 */
export function mayBeFrameHeader(buffer: Buffer, offset: number): boolean {
  return (
    buffer.readUInt16LE(offset + 30) === 0 &&
    readUint53(buffer, offset + 8) >= 1 &&
    buffer.readUInt32LE(offset + 4) <= PAYLOAD_BYTES_MAX
  );
}

/** Whether the payload is the one the header was written for. All of it is in the frame's buffer. */
export function isPayloadIntact({ buffer, payloadOffset, payloadBytes }: Frame): boolean {
  const crc = crc32(buffer, 0, payloadOffset, payloadOffset + payloadBytes);
  return crc === buffer.readUInt32LE(payloadOffset - 4);
}

/** Decodes the frame at `offset`. The frame's bytes are views: copy what outlives the buffer. */
export function tryDecodeFrame(bytes: Uint8Array, offset: number): DecodedFrame {
  const left = bytes.length - offset;
  if (left === 0) return { kind: 'end' };
  if (left < FRAME_HEADER_BYTES) return { kind: 'short', bytesNeeded: FRAME_HEADER_BYTES };
  const buffer = asBuffer(bytes);
  const frame = tryDecodeFrameHeader(buffer, offset);
  if (typeof frame === 'string') return { kind: 'bad', why: frame, isIntact: isHeaderIntact(frame) };
  const nextOffset = offset + FRAME_HEADER_BYTES + frame.payloadBytes;
  if (nextOffset > bytes.length) return { kind: 'short', bytesNeeded: nextOffset - offset };
  return isPayloadIntact(frame)
    ? { kind: 'frame', frame, nextOffset }
    : { kind: 'bad', why: PAYLOAD_DIFFERS, isIntact: false };
}

/**
 * Decodes whole frames lying one after another, and checks that each follows
 * the one before. Throws `FrameError`, or `NewerFormatError` where one is whole
 * and of a format that this program does not know; the first frame's place in a history is
 * the caller's to check.
 */
export function decodeFrames(bytes: Uint8Array): Frame[] {
  const frames: Frame[] = [];
  let offset = 0;
  for (;;) {
    const decoded = tryDecodeFrame(bytes, offset);
    if (decoded.kind === 'end') return frames;
    if (decoded.kind === 'short') throw new FrameError(frames.length, 'the bytes end inside it');
    if (decoded.kind === 'bad') throw whyBad(frames.length, decoded);
    const before = frames.at(-1);
    if (before !== undefined) {
      const why = whyNotNext(before, decoded.frame);
      if (why !== undefined) throw new FrameError(frames.length, why);
    }
    frames.push(decoded.frame);
    offset = decoded.nextOffset;
  }
}

function whyBad(index: number, { why, isIntact }: { why: string; isIntact: boolean }): Error {
  return isIntact ? new NewerFormatError(`frame ${index}: ${why}`) : new FrameError(index, why);
}

/** Why `frame` cannot stand directly after the record at `before`; undefined where it can. */
export function whyNotNext(
  before: { readonly lsn: number; readonly crc: number },
  frame: FrameHeader,
): string | undefined {
  if (frame.lsn !== before.lsn + 1) return `LSN ${frame.lsn} stands after LSN ${before.lsn}`;
  if (frame.prevCrc !== before.crc) return `LSN ${frame.lsn} does not follow the record before it (prevCrc)`;
  return undefined;
}
