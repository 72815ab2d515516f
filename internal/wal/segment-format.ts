/**
 * The bytes of a segment around the frames: header, local prefixes, marks,
 * seals, and the names of files. Pure; decoding returns what is wrong as text.
 * The layout is specified in README.md.
 */
import type { Epoch, Lsn } from '#model/position.ts';
import { readUint53, writeUint32, writeUint53 } from '#platform/bytes.ts';
import { crc32 } from '#platform/crc32.ts';
import { FRAME_HEADER_BYTES } from '#wal/frame.ts';

export const SEGMENT_HEADER_BYTES = 96;
export const PREFIX_BYTES = 12;
/** Size of a mark or a seal, with its prefix. */
export const NOTE_BYTES = PREFIX_BYTES + 16;
/** Size of a record without its payload. */
export const RECORD_OVERHEAD_BYTES = PREFIX_BYTES + FRAME_HEADER_BYTES;

export const ITEM_KIND = { record: 1, mark: 2, seal: 3 } as const;

const MAGIC = Buffer.from('WALNUTWL', 'latin1');
const FORMAT_VERSION = 1;
const CRC_ALGORITHM_CRC32 = 1;
const DUR_LAG_MAX = 2 ** 32 - 1;
const FLAG_CLEAN_STOP = 1;

export interface SegmentHeader {
  /** 32 lower-case hex digits. */
  readonly logId: string;
  readonly seq: number;
  readonly firstLsn: Lsn;
  /** Epoch of the record before `firstLsn`; 0 if there is none. */
  readonly epoch: Epoch;
  /** CRC of the record before `firstLsn`; 0 if there is none. */
  readonly lastCrc: number;
  /** The seed of the prefix CRCs in this segment, so that bytes of another segment are never taken for its items. */
  readonly salt: number;
}

export function encodeSegmentHeader(header: SegmentHeader): Buffer {
  const bytes = Buffer.alloc(SEGMENT_HEADER_BYTES);
  MAGIC.copy(bytes, 0);
  bytes.writeUInt16LE(FORMAT_VERSION, 8);
  bytes.writeUInt16LE(SEGMENT_HEADER_BYTES, 10);
  bytes.writeUInt8(CRC_ALGORITHM_CRC32, 12);
  Buffer.from(header.logId, 'hex').copy(bytes, 16);
  writeUint53(bytes, header.seq, 32);
  writeUint53(bytes, header.firstLsn, 40);
  writeUint53(bytes, header.epoch, 48);
  bytes.writeUInt32LE(header.lastCrc, 56);
  bytes.writeUInt32LE(header.salt, 60);
  bytes.writeUInt32LE(crc32(bytes, 0, 0, SEGMENT_HEADER_BYTES - 4), SEGMENT_HEADER_BYTES - 4);
  return bytes;
}

/** Decodes the header in the first 96 bytes, or returns what is wrong with it. */
export function tryDecodeSegmentHeader(bytes: Buffer): SegmentHeader | string {
  if (bytes.length < SEGMENT_HEADER_BYTES) return 'the header is cut short';
  if (!bytes.subarray(0, 8).equals(MAGIC)) return 'this is not a segment of a Walnut log (magic)';
  const crc = crc32(bytes, 0, 0, SEGMENT_HEADER_BYTES - 4);
  if (crc !== bytes.readUInt32LE(SEGMENT_HEADER_BYTES - 4)) return 'segment header CRC differs';
  const unknown = unknownFormat(bytes);
  if (unknown !== undefined) return unknown;
  const seq = readUint53(bytes, 32);
  const firstLsn = readUint53(bytes, 40);
  const epoch = readUint53(bytes, 48);
  if (!(seq >= 0 && firstLsn >= 1 && epoch >= 0)) return 'a number of the header is out of range';
  return {
    logId: bytes.toString('hex', 16, 32),
    seq,
    firstLsn: firstLsn as Lsn,
    epoch,
    lastCrc: bytes.readUInt32LE(56),
    salt: bytes.readUInt32LE(60),
  };
}

/** True if `bytes` are an intact header of a format that this program does not know: the magic and the CRC are right. */
export function isUnknownSegmentFormat(bytes: Buffer): boolean {
  if (bytes.length < SEGMENT_HEADER_BYTES || !bytes.subarray(0, 8).equals(MAGIC)) return false;
  const crc = crc32(bytes, 0, 0, SEGMENT_HEADER_BYTES - 4);
  return crc === bytes.readUInt32LE(SEGMENT_HEADER_BYTES - 4) && unknownFormat(bytes) !== undefined;
}

function unknownFormat(bytes: Buffer): string | undefined {
  const version = bytes.readUInt16LE(8);
  if (version !== FORMAT_VERSION) return `format version ${version} is not known to this program`;
  if (bytes.readUInt16LE(10) !== SEGMENT_HEADER_BYTES) return 'header length is not 96';
  if (bytes[12] !== CRC_ALGORITHM_CRC32) return `CRC algorithm ${bytes[12]} is not known to this program`;
  return undefined;
}

/** Writes the prefix of a record whose frame already stands at `offset + 12`: the CRC covers its hcrc. */
export function writeRecordPrefix(target: Buffer, offset: number, salt: number, durLag: number): void {
  writePrefix(target, offset, ITEM_KIND.record, durLag);
  writeUint32(target, crc32(target, salt, offset + 4, offset + 16), offset);
}

function writePrefix(target: Buffer, offset: number, kind: number, durLag: number): void {
  writeUint32(target, kind, offset + 4);
  writeUint32(target, Math.min(durLag, DUR_LAG_MAX), offset + 8);
}

export interface Mark {
  /** The last record before the mark. */
  readonly lastLsn: number;
  readonly durLag: number;
  /** The log was closed after this mark, and nothing was appended before the next start. */
  readonly isCleanStop: boolean;
}

export function encodeMark(salt: number, mark: Mark): Buffer {
  const bytes = Buffer.alloc(NOTE_BYTES);
  writePrefix(bytes, 0, ITEM_KIND.mark, mark.durLag);
  writeUint53(bytes, mark.lastLsn, 12);
  bytes.writeUInt8(mark.isCleanStop ? FLAG_CLEAN_STOP : 0, 20);
  bytes.writeUInt32LE(crc32(bytes, salt, 4, NOTE_BYTES), 0);
  return bytes;
}

export interface Seal {
  readonly lastLsn: number;
  readonly lastCrc: number;
  /** Records in the segment. */
  readonly records: number;
  readonly durLag: number;
}

export function encodeSeal(salt: number, seal: Seal): Buffer {
  const bytes = Buffer.alloc(NOTE_BYTES);
  writePrefix(bytes, 0, ITEM_KIND.seal, seal.durLag);
  writeUint53(bytes, seal.lastLsn, 12);
  bytes.writeUInt32LE(seal.lastCrc, 20);
  bytes.writeUInt32LE(seal.records, 24);
  bytes.writeUInt32LE(crc32(bytes, salt, 4, NOTE_BYTES), 0);
  return bytes;
}

/** Reads the kind from bytes 4 to 7 of a prefix: a known kind and three zeros. Returns 0 for anything else. */
export function peekItemKind(buffer: Buffer, offset: number): number {
  const kind = buffer.readUInt32LE(offset + 4);
  return kind <= ITEM_KIND.seal ? kind : 0;
}

/** True if the CRC of the prefix is valid. The buffer must have `offset + 28` bytes (for a record `offset + 16`). */
export function isPrefixValid(buffer: Buffer, offset: number, salt: number): boolean {
  const covered = peekItemKind(buffer, offset) === ITEM_KIND.record ? 16 : NOTE_BYTES;
  return crc32(buffer, salt, offset + 4, offset + covered) === buffer.readUInt32LE(offset);
}

/**
 * An item of a kind that this program does not know, whose prefix is valid all
 * the same: its number. Undefined where there is none. 28 bytes are there.
 */
export function peekUnknownKind(buffer: Buffer, offset: number, salt: number): number | undefined {
  const kind = buffer.readUInt32LE(offset + 4);
  if (kind <= ITEM_KIND.seal) return undefined;
  const crc = buffer.readUInt32LE(offset);
  // The CRC of a prefix covers four bytes after it (a record), or a body of 16 bytes (a mark or seal).
  const isValid = [16, NOTE_BYTES].some((end) => crc32(buffer, salt, offset + 4, offset + end) === crc);
  return isValid ? kind : undefined;
}

export function readDurLag(buffer: Buffer, offset: number): number {
  return buffer.readUInt32LE(offset + 8);
}

/** Decodes the mark at `offset`, whose prefix is valid; undefined if its body is invalid. */
export function readMark(buffer: Buffer, offset: number): Mark | undefined {
  const lastLsn = readUint53(buffer, offset + 12);
  const flags = buffer[offset + 20] as number;
  if (!(lastLsn >= 0) || flags > FLAG_CLEAN_STOP) return undefined;
  return { lastLsn, durLag: readDurLag(buffer, offset), isCleanStop: flags === FLAG_CLEAN_STOP };
}

/** Decodes the seal at `offset`, whose prefix is valid; undefined if its body is invalid. */
export function readSeal(buffer: Buffer, offset: number): Seal | undefined {
  const lastLsn = readUint53(buffer, offset + 12);
  if (!(lastLsn >= 0)) return undefined;
  return {
    lastLsn,
    lastCrc: buffer.readUInt32LE(offset + 20),
    records: buffer.readUInt32LE(offset + 24),
    durLag: readDurLag(buffer, offset),
  };
}
