/**
 * The frame: a record as bytes, the same on every node and on the wire. Pure.
 * Decoding never throws for bad input: `tryDecodeFrame` returns what is wrong;
 * `decodeFrames` wraps that in a `FrameError` for callers that cannot go on.
 * The layout is specified in README.md.
 */
import { type Epoch, type Lsn, NO_LSN } from '#model/position.ts';
import { assert } from '#platform/assert.ts';
import { asBuffer, readUint53, writeUint32, writeUint53 } from '#platform/bytes.ts';
import { crc32 } from '#platform/crc32.ts';
import { NewerFormatError } from '#wal/wal-errors.ts';

export const FRAME_HEADER_BYTES = 44;
/** The maximum of the format, which no configuration changes: 64 MiB. */
export const PAYLOAD_BYTES_MAX = 64 * 1_024 * 1_024;

/** Why a frame with a damaged payload is refused. */
export const PAYLOAD_DIFFERS = 'payload CRC differs';
const HEADER_DIFFERS = 'header CRC differs';

export interface FrameHeader {
  readonly lsn: Lsn;
  readonly epoch: Epoch;
  /** `crc` of the record before; 0 before the first. */
  readonly prevCrc: number;
  /** The kind of record, a number that only the engine interprets. */
  readonly type: number;
  /** No flag is defined; the value is kept. */
  readonly flags: number;
  /** Log clock, milliseconds since the Unix epoch. */
  readonly timestampMs: number;
}

export interface Frame extends FrameHeader {
  /** The header's CRC, which covers the payload's CRC. The next record states it as `prevCrc`. */
  readonly crc: number;
  readonly payloadBytes: number;
  /** The buffer that contains the frame, for readers that make no view for each record. */
  readonly buffer: Buffer;
  /** Nobody writes to the frame's bytes again: views of them may be kept. */
  readonly isFinal: boolean;
  readonly payloadOffset: number;
  /** A view of the payload. */
  readonly payload: Uint8Array;
  /** Header and payload, verbatim. */
  readonly bytes: Uint8Array;
  /** Length of header and payload. */
  readonly frameBytes: number;
}

/** A frame at `offset` of a buffer. The views are made on demand, because a replay never uses `bytes`. */
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
  readonly isFinal: boolean;
  readonly payloadOffset: number;
  #bytes: Uint8Array | undefined;

  constructor(
    header: FrameHeader,
    crc: number,
    buffer: Buffer,
    offset: number,
    payloadBytes: number,
    isFinal: boolean,
  ) {
    this.lsn = header.lsn;
    this.epoch = header.epoch;
    this.prevCrc = header.prevCrc;
    this.type = header.type;
    this.flags = header.flags;
    this.timestampMs = header.timestampMs;
    this.crc = crc;
    this.payloadBytes = payloadBytes;
    this.buffer = buffer;
    this.isFinal = isFinal;
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
  | Undecoded;

type Undecoded =
  /** `offset` is the end of the bytes. */
  | { readonly kind: 'end' }
  /** The bytes end inside the frame, whose first `bytesNeeded` bytes would tell more. */
  | { readonly kind: 'short'; readonly bytesNeeded: number }
  /** `isIntact`: the header's CRC is right, and this program does not know what it says. */
  | { readonly kind: 'bad'; readonly why: string; readonly isIntact: boolean };

/** Invalid frames from another node or file; `index` counts from 0. */
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
  return sealFrame(header, bytes, 0, payloadBytes);
}

/**
 * Makes a frame at `offset` of `bytes`, which has room for the header there and the payload
 * behind it. Nobody may write to it again.
 */
export function sealFrame(header: FrameHeader, bytes: Buffer, offset: number, payloadBytes: number): Frame {
  assert(payloadBytes <= PAYLOAD_BYTES_MAX, 'a payload fits the format');
  const payloadAt = offset + FRAME_HEADER_BYTES;
  let at = writeUint32(bytes, payloadBytes, offset + 4);
  at = writeUint53(bytes, header.lsn, at);
  at = writeUint53(bytes, header.epoch, at);
  at = writeUint32(bytes, header.prevCrc, at);
  bytes[at] = header.type;
  bytes[at + 1] = header.flags;
  bytes[at + 2] = bytes[at + 3] = 0;
  at = writeUint53(bytes, header.timestampMs, at + 4);
  writeUint32(bytes, crc32(bytes, 0, payloadAt, payloadAt + payloadBytes), at);
  const crc = crc32(bytes, 0, offset + 4, payloadAt);
  writeUint32(bytes, crc, offset);
  return new FrameView(header, crc, bytes, offset, payloadBytes, true);
}

/**
 * The frame whose header is at `offset`, or why there is none. The caller must
 * have checked that 44 bytes are there, and must check next that the payload is
 * there and that `isPayloadIntact`.
 */
export function tryDecodeFrameHeader(buffer: Buffer, offset: number): FrameView | string {
  const crc = buffer.readUInt32LE(offset);
  if (crc32(buffer, 0, offset + 4, offset + FRAME_HEADER_BYTES) !== crc) return HEADER_DIFFERS;
  const payloadBytes = buffer.readUInt32LE(offset + 4);
  const frame = new FrameView(headerAt(buffer, offset), crc, buffer, offset, payloadBytes, false);
  const { lsn, epoch, timestampMs } = frame;
  if (payloadBytes > PAYLOAD_BYTES_MAX) return `payload of ${payloadBytes} bytes is over the maximum`;
  if (!(lsn >= 1 && epoch >= 0 && timestampMs >= 0)) return 'a number is out of range';
  if (buffer.readUInt16LE(offset + 30) !== 0) return 'reserved bytes are not zero';
  return frame;
}

/** What `headerAt` returns. One object for all, since a replica and a recovery read millions of headers. */
const HEADER: { -readonly [Field in keyof FrameHeader]: FrameHeader[Field] } = {
  lsn: NO_LSN,
  epoch: 0,
  prevCrc: 0,
  type: 0,
  flags: 0,
  timestampMs: 0,
};

/** Reads the numbers without checking them; good until the next call. */
function headerAt(buffer: Buffer, offset: number): FrameHeader {
  HEADER.lsn = readUint53(buffer, offset + 8) as Lsn;
  HEADER.epoch = readUint53(buffer, offset + 16);
  HEADER.prevCrc = buffer.readUInt32LE(offset + 24);
  HEADER.type = buffer[offset + 28] as number;
  HEADER.flags = buffer[offset + 29] as number;
  HEADER.timestampMs = readUint53(buffer, offset + 32);
  return HEADER;
}

/**
 * True if a header that `tryDecodeFrameHeader` refused has a valid CRC: then a
 * program with another format wrote it, and it is not a torn write.
 */
export function isHeaderIntact(why: string): boolean {
  return why !== HEADER_DIFFERS;
}

/**
 * A cheap test to make before `tryDecodeFrameHeader` when frames are searched at
 * every byte: false if the 44 bytes at `offset` cannot be a header.
 */
export function mayBeFrameHeader(buffer: Buffer, offset: number): boolean {
  return (
    buffer.readUInt16LE(offset + 30) === 0 &&
    readUint53(buffer, offset + 8) >= 1 &&
    buffer.readUInt32LE(offset + 4) <= PAYLOAD_BYTES_MAX
  );
}

/** True if the payload has the CRC that the header states. The frame's buffer must contain all of it. */
export function isPayloadIntact({ buffer, payloadOffset, payloadBytes }: Frame): boolean {
  const crc = crc32(buffer, 0, payloadOffset, payloadOffset + payloadBytes);
  return crc === buffer.readUInt32LE(payloadOffset - 4);
}

/** Decodes the frame at `offset`. The frame's bytes are views: copy what must outlive the buffer. */
export function tryDecodeFrame(bytes: Uint8Array, offset: number): DecodedFrame {
  const found = frameAt(bytes, offset);
  if (!(found instanceof FrameView)) return found;
  return { kind: 'frame', frame: found, nextOffset: offset + found.frameBytes };
}

function frameAt(bytes: Uint8Array, offset: number): FrameView | Undecoded {
  const left = bytes.length - offset;
  if (left === 0) return { kind: 'end' };
  if (left < FRAME_HEADER_BYTES) return { kind: 'short', bytesNeeded: FRAME_HEADER_BYTES };
  const buffer = asBuffer(bytes);
  const frame = tryDecodeFrameHeader(buffer, offset);
  if (typeof frame === 'string') return { kind: 'bad', why: frame, isIntact: isHeaderIntact(frame) };
  const { frameBytes } = frame;
  if (frameBytes > left) return { kind: 'short', bytesNeeded: frameBytes };
  return isPayloadIntact(frame) ? frame : { kind: 'bad', why: PAYLOAD_DIFFERS, isIntact: false };
}

/**
 * Decodes consecutive whole frames, and checks that each follows the one before.
 * The caller checks what the first one follows. Throws `FrameError`, or
 * `NewerFormatError` if a frame is intact and has a format that this program does
 * not know.
 */
export function decodeFrames(bytes: Uint8Array): Frame[] {
  const frames: Frame[] = [];
  let offset = 0;
  for (;;) {
    const frame = frameAt(bytes, offset);
    if (!(frame instanceof FrameView)) {
      if (frame.kind === 'end') return frames;
      if (frame.kind === 'short') throw new FrameError(frames.length, 'the bytes end inside it');
      throw whyBad(frames.length, frame);
    }
    const before = frames.at(-1);
    const why = before && whyNotNext(before, frame);
    if (why !== undefined) throw new FrameError(frames.length, why);
    frames.push(frame);
    offset += frame.frameBytes;
  }
}

function whyBad(index: number, { why, isIntact }: { why: string; isIntact: boolean }): Error {
  return isIntact ? new NewerFormatError(`frame ${index}: ${why}`) : new FrameError(index, why);
}

/** Why `frame` cannot directly follow the record `before`; undefined if it can. */
export function whyNotNext(
  before: { readonly lsn: number; readonly crc: number },
  frame: FrameHeader,
): string | undefined {
  if (frame.lsn !== before.lsn + 1) return `LSN ${frame.lsn} stands after LSN ${before.lsn}`;
  if (frame.prevCrc !== before.crc) return `LSN ${frame.lsn} does not follow the record before it (prevCrc)`;
  return undefined;
}
