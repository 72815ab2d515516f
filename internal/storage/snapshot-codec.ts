/**
 * Encodes and decodes the bytes of a snapshot file, with pure functions. README.md
 * specifies the format; all numbers are little-endian, and a u64 is at most
 * 2^53 - 1. A CRC-32 covers every byte of the file, so damage throws a
 * `SnapshotError` and is never read as a wrong value.
 */

import type { EncodedPair, StoreLimits } from '#model/entry.ts';
import { KEY_BYTES_MAX } from '#model/limits.ts';
import { type EpochStart, toLsn } from '#model/position.ts';
import type { ChainPoint } from '#model/replication.ts';
import { assert } from '#platform/assert.ts';
import { asBuffer } from '#platform/bytes.ts';
import { crc32 } from '#platform/crc32.ts';
import { isUtf8Range } from '#platform/utf8.ts';

export const SNAPSHOT_MAGIC = 'WALNUTSN';
/** Written if the log clock has no offset; every release can read it. */
export const SNAPSHOT_FORMAT_VERSION = 1;
/** Adds the log clock's offset behind the epochs. */
const VERSION_WITH_OFFSET = 2;
const OFFSET_BYTES = 8;
const CRC_ALGORITHM_CRC32 = 1;

/** Fields and their bytes: magic 8, version 2, CRC algorithm 2, length of the rest of the header 4. */
export const PREFIX_BYTES = 16;
/** Fields and their bytes: type 4, payload length 4, entries 4, payload CRC 4, CRC of these four 4. */
export const BLOCK_HEADER_BYTES = 20;
/** Fields and their bytes: value length 4, key length 2, zero 2, deadline 8, epoch 8, LSN 8, stamp 8. */
export const ENTRY_HEADER_BYTES = 40;
/** Fields and their bytes: entries 8, digest 16, CRC of the file before the footer 4. */
export const FOOTER_BYTES = 28;

export const BLOCK_ENTRIES = 0x544e4557; // "WENT"
export const BLOCK_FOOTER = 0x444e4557; // "WEND"

/** The usual most bytes of entries in a block; a longer entry gets a block of its own. */
export const BLOCK_BYTES_TARGET = 64 * 1_024;
/** The format's limit for one value, whatever the configuration says. */
export const SNAPSHOT_VALUE_BYTES_MAX = 64 * 1_024 * 1_024;
export const BLOCK_BYTES_MAX = SNAPSHOT_VALUE_BYTES_MAX + BLOCK_BYTES_TARGET;
/** Enough for about 65,000 epochs. */
export const HEADER_BYTES_MAX = 1_024 * 1_024 + 1_024;

const POLICIES = ['none', 'lru'] as const;
const LOG_ID_BYTES_MAX = 255;
const TWO_32 = 2 ** 32;

/** What a snapshot contains besides its entries. */
export interface SnapshotMeta {
  readonly logId: string;
  /** The snapshot is the state after exactly this record. */
  readonly position: ChainPoint;
  readonly epochs: readonly EpochStart[];
  /** The log clock when the snapshot began, in whole milliseconds. */
  readonly logClockMs: number;
  readonly limits: StoreLimits;
  /** Wall time minus log clock, in milliseconds. */
  readonly wallOffsetMs: number;
}

export interface SnapshotHeader {
  readonly meta: SnapshotMeta;
  readonly entries: number;
  /** Length of the whole header, prefix included. */
  readonly headerBytes: number;
}

export interface BlockHeader {
  readonly type: number;
  readonly payloadBytes: number;
  readonly entries: number;
  readonly payloadCrc: number;
}

export interface SnapshotFooter {
  readonly entries: number;
  readonly digest: string;
  readonly fileCrc: number;
}

/** One entry of a block; `bytes` is the block's payload. */
export interface SnapshotEntry extends EncodedPair {
  readonly epoch: number;
  readonly lsn: number;
  readonly stamp: number;
}

/** The file is damaged, cut or not a snapshot. `offset` is the byte of the file where this was found. */
export class SnapshotError extends Error {
  override readonly name = 'SnapshotError';
  readonly offset: number;
  readonly why: string;
  /** No damage: the header's CRC is right, and a newer program wrote it. */
  readonly isNewer: boolean;

  constructor(offset: number, why: string, isNewer = false) {
    super(`snapshot: byte ${offset}: ${why}`);
    this.offset = offset;
    this.why = why;
    this.isNewer = isNewer;
  }
}

const encoder = new TextEncoder();

export function encodeHeader(meta: SnapshotMeta, entries: number): Uint8Array {
  const logId = encoder.encode(meta.logId);
  assert(logId.length <= LOG_ID_BYTES_MAX, `log id has ${logId.length} bytes`);
  const offsetBytes = meta.wallOffsetMs === 0 ? 0 : OFFSET_BYTES;
  const bytes = new Uint8Array(
    PREFIX_BYTES + 1 + logId.length + 57 + meta.epochs.length * 16 + offsetBytes + 4,
  );
  assert(bytes.length <= HEADER_BYTES_MAX, `snapshot header of ${bytes.length} bytes`);
  const view = viewOf(bytes);
  encoder.encodeInto(SNAPSHOT_MAGIC, bytes);
  view.setUint16(8, offsetBytes === 0 ? SNAPSHOT_FORMAT_VERSION : VERSION_WITH_OFFSET, true);
  view.setUint16(10, CRC_ALGORITHM_CRC32, true);
  view.setUint32(12, bytes.length - PREFIX_BYTES, true);
  bytes[16] = logId.length;
  bytes.set(logId, 17);
  let at = 17 + logId.length;
  at = writeU64(view, at, meta.position.epoch);
  at = writeU64(view, at, meta.position.lsn);
  view.setUint32(at, meta.position.crc, true);
  at = writeU64(view, at + 4, meta.logClockMs);
  at = writeU64(view, at, meta.limits.entriesMax);
  at = writeU64(view, at, meta.limits.bytesMax);
  bytes[at] = POLICIES.indexOf(meta.limits.policy);
  at = writeU64(view, at + 1, entries);
  view.setUint32(at, meta.epochs.length, true);
  at += 4;
  for (const { epoch, firstLsn } of meta.epochs) {
    at = writeU64(view, at, epoch);
    at = writeU64(view, at, firstLsn);
  }
  if (offsetBytes > 0) {
    view.setBigInt64(at, BigInt(meta.wallOffsetMs), true);
    at += offsetBytes;
  }
  view.setUint32(at, crc32(bytes, 0, 0, at), true);
  return bytes;
}

/** Returns the length of the header after the prefix. Throws if the file is no snapshot. */
export function decodePrefix(bytes: Uint8Array): number {
  const view = viewOf(bytes);
  for (let i = 0; i < SNAPSHOT_MAGIC.length; i++) {
    if (bytes[i] !== SNAPSHOT_MAGIC.charCodeAt(i)) {
      throw new SnapshotError(0, `not a snapshot: expected the magic ${SNAPSHOT_MAGIC}`);
    }
  }
  const algorithm = view.getUint16(10, true);
  if (algorithm !== CRC_ALGORITHM_CRC32) throw new SnapshotError(10, `unknown CRC algorithm ${algorithm}`);
  const restBytes = view.getUint32(12, true);
  if (restBytes < 62 || restBytes > HEADER_BYTES_MAX - PREFIX_BYTES) {
    throw new SnapshotError(
      12,
      `header of ${restBytes} bytes: expected 62 to ${HEADER_BYTES_MAX - PREFIX_BYTES}`,
    );
  }
  return restBytes;
}

/** Decodes a header; `bytes` must be exactly the header, prefix included. */
export function decodeHeader(bytes: Uint8Array): SnapshotHeader {
  const view = viewOf(bytes);
  const end = bytes.length - 4;
  if (crc32(bytes, 0, 0, end) !== view.getUint32(end, true)) {
    throw new SnapshotError(end, 'header CRC does not match');
  }
  const version = view.getUint16(8, true);
  if (version < SNAPSHOT_FORMAT_VERSION || version > VERSION_WITH_OFFSET) {
    const known = `${SNAPSHOT_FORMAT_VERSION} or ${VERSION_WITH_OFFSET}`;
    throw new SnapshotError(8, `format version ${version}: expected ${known}`, true);
  }
  const logIdBytes = bytes[PREFIX_BYTES] as number;
  let at = PREFIX_BYTES + 1 + logIdBytes;
  if (at + 57 > end) throw new SnapshotError(PREFIX_BYTES, `log id of ${logIdBytes} bytes does not fit`);
  const text = asBuffer(bytes);
  if (!isUtf8Range(text, PREFIX_BYTES + 1, at))
    throw new SnapshotError(PREFIX_BYTES + 1, 'text is not UTF-8');
  const logId = text.toString('utf8', PREFIX_BYTES + 1, at);
  const position = {
    epoch: readU64(view, at, at),
    lsn: toLsn(readU64(view, at + 8, at + 8)),
    crc: view.getUint32(at + 16, true),
  };
  const logClockMs = readU64(view, at + 20, at + 20);
  const policy = POLICIES[bytes[at + 44] as number];
  if (policy === undefined) throw new SnapshotError(at + 44, `unknown eviction policy ${bytes[at + 44]}`);
  const limits: StoreLimits = {
    entriesMax: readU64(view, at + 28, at + 28),
    bytesMax: readU64(view, at + 36, at + 36),
    policy,
  };
  const entries = readU64(view, at + 45, at + 45);
  const epochCount = view.getUint32(at + 53, true);
  at += 57;
  const offsetBytes = version === VERSION_WITH_OFFSET ? OFFSET_BYTES : 0;
  const epochsEnd = at + epochCount * 16;
  if (epochsEnd + offsetBytes !== end)
    throw new SnapshotError(at - 4, `${epochCount} epochs do not fit the header`);
  const epochs: EpochStart[] = [];
  for (; at < epochsEnd; at += 16) {
    epochs.push({ epoch: readU64(view, at, at), firstLsn: toLsn(readU64(view, at + 8, at + 8)) });
  }
  const wallOffsetMs = offsetBytes === 0 ? 0 : readI64(view, at);
  const meta = { logId, position, epochs, logClockMs, limits, wallOffsetMs };
  return { meta, entries, headerBytes: bytes.length };
}

/** Reads the header from the first bytes of a file. Throws `SnapshotError` if they are damaged or too few. */
export function readSnapshotHeader(bytes: Uint8Array): SnapshotHeader {
  if (bytes.length < PREFIX_BYTES) throw new SnapshotError(bytes.length, 'the header is cut');
  const headerBytes = PREFIX_BYTES + decodePrefix(bytes);
  if (bytes.length < headerBytes) throw new SnapshotError(bytes.length, 'the header is cut');
  return decodeHeader(bytes.subarray(0, headerBytes));
}

/** Writes the block header at the start of `block`. The payload is the rest of `block`, then `tail`. */
export function sealBlock(block: Uint8Array, type: number, entries: number, tail?: Uint8Array): void {
  const view = viewOf(block);
  view.setUint32(0, type, true);
  view.setUint32(4, block.length - BLOCK_HEADER_BYTES + (tail?.length ?? 0), true);
  view.setUint32(8, entries, true);
  const crc = crc32(block, 0, BLOCK_HEADER_BYTES);
  view.setUint32(12, tail === undefined ? crc : crc32(tail, crc), true);
  view.setUint32(16, crc32(block, 0, 0, 16), true);
}

/** Decodes and checks a block header, so that a caller can trust its length when it allocates memory. */
export function decodeBlockHeader(bytes: Uint8Array, offset: number): BlockHeader {
  const view = viewOf(bytes);
  if (crc32(bytes, 0, 0, 16) !== view.getUint32(16, true)) {
    throw new SnapshotError(offset, 'block header CRC does not match');
  }
  const type = view.getUint32(0, true);
  const payloadBytes = view.getUint32(4, true);
  if (type !== BLOCK_ENTRIES && type !== BLOCK_FOOTER) {
    throw new SnapshotError(offset, `unknown block type ${type.toString(16)}`);
  }
  if (payloadBytes > BLOCK_BYTES_MAX) {
    throw new SnapshotError(
      offset + 4,
      `block of ${payloadBytes} bytes: expected at most ${BLOCK_BYTES_MAX}`,
    );
  }
  return { type, payloadBytes, entries: view.getUint32(8, true), payloadCrc: view.getUint32(12, true) };
}

export function encodeFooter(footer: SnapshotFooter): Uint8Array {
  const block = new Uint8Array(BLOCK_HEADER_BYTES + FOOTER_BYTES);
  const view = viewOf(block);
  writeU64(view, BLOCK_HEADER_BYTES, footer.entries);
  block.set(Buffer.from(footer.digest, 'hex'), BLOCK_HEADER_BYTES + 8);
  view.setUint32(BLOCK_HEADER_BYTES + 24, footer.fileCrc, true);
  sealBlock(block, BLOCK_FOOTER, 0);
  return block;
}

export function decodeFooter(payload: Uint8Array, offset: number): SnapshotFooter {
  if (payload.length !== FOOTER_BYTES) throw new SnapshotError(offset, `footer of ${payload.length} bytes`);
  const view = viewOf(payload);
  return {
    entries: readU64(view, 0, offset),
    digest: Buffer.from(payload.subarray(8, 24)).toString('hex'),
    fileCrc: view.getUint32(24, true),
  };
}

/** The fixed-size fields of an entry. */
export type EntryHeader = Omit<SnapshotEntry, 'bytes' | 'keyOffset' | 'valueOffset'>;

/** Writes an entry's fixed-size fields at `at` and returns where they end. `view` must have room for them. */
export function encodeEntryHeader(view: DataView, at: number, header: EntryHeader): number {
  view.setUint32(at, header.valueBytes, true);
  view.setUint16(at + 4, header.keyBytes, true);
  view.setUint16(at + 6, 0, true);
  writeU64(view, at + 8, header.expireAtMs);
  writeU64(view, at + 16, header.epoch);
  writeU64(view, at + 24, header.lsn);
  return writeU64(view, at + 32, header.stamp);
}

/**
 * Calls `take` with each entry of a block and the entry's offset in the file;
 * `offset` is that of the payload. All calls get the same object, overwritten.
 */
export function decodeEntries(
  payload: Uint8Array,
  entries: number,
  offset: number,
  take: (entry: SnapshotEntry, offset: number) => void,
): void {
  const view = viewOf(payload);
  const bytes = asBuffer(payload);
  const pair = { bytes, keyOffset: 0, keyBytes: 0, valueOffset: 0, valueBytes: 0, expireAtMs: 0 };
  const entry = { ...pair, epoch: 0, lsn: 0, stamp: 0 };
  let at = 0;
  for (let i = 0; i < entries; i++) {
    if (at + ENTRY_HEADER_BYTES > payload.length)
      throw new SnapshotError(offset + at, 'entry does not fit its block');
    entry.valueBytes = view.getUint32(at, true);
    entry.keyBytes = view.getUint16(at + 4, true);
    entry.keyOffset = at + ENTRY_HEADER_BYTES;
    entry.valueOffset = entry.keyOffset + entry.keyBytes;
    const end = entry.valueOffset + entry.valueBytes;
    if (entry.keyBytes === 0 || entry.keyBytes > KEY_BYTES_MAX || end > payload.length) {
      const why = `entry of ${entry.keyBytes} + ${entry.valueBytes} bytes does not fit its block`;
      throw new SnapshotError(offset + at, why);
    }
    if (!isUtf8Range(bytes, entry.keyOffset, entry.valueOffset))
      throw new SnapshotError(offset + entry.keyOffset, 'text is not UTF-8');
    entry.expireAtMs = readU64(view, at + 8, offset + at + 8);
    entry.epoch = readU64(view, at + 16, offset + at + 16);
    entry.lsn = readU64(view, at + 24, offset + at + 24);
    entry.stamp = readU64(view, at + 32, offset + at + 32);
    take(entry, offset + at);
    at = end;
  }
  if (at !== payload.length) throw new SnapshotError(offset + at, 'bytes after the last entry of a block');
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function writeU64(view: DataView, at: number, value: number): number {
  assert(Number.isSafeInteger(value) && value >= 0, 'a snapshot holds whole numbers below 2^53');
  view.setUint32(at, value >>> 0, true);
  view.setUint32(at + 4, Math.floor(value / TWO_32), true);
  return at + 8;
}

function readI64(view: DataView, at: number): number {
  const value = Number(view.getBigInt64(at, true));
  if (!Number.isSafeInteger(value)) throw new SnapshotError(at, 'a number of 2^53 or more');
  return value;
}

function readU64(view: DataView, at: number, offset: number): number {
  const high = view.getUint32(at + 4, true);
  if (high >= 2 ** 21) throw new SnapshotError(offset, 'a number of 2^53 or more');
  return high * TWO_32 + view.getUint32(at, true);
}
