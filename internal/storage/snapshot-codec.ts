/**
 * Encodes and decodes the blocks of a snapshot file, with pure functions. README.md
 * specifies the format; all numbers are little-endian, and a u64 is at most
 * 2^53 - 1. A CRC-32 covers every byte of the file, so damage throws a
 * `SnapshotError` and is never read as a wrong value.
 */

import type { EncodedPair } from '#model/encoded.ts';
import { KEY_BYTES_MAX } from '#model/limits.ts';
import { BlockError } from '#platform/blocks.ts';
import { asBuffer } from '#platform/bytes.ts';
import { crc32 } from '#platform/crc32.ts';
import { isUtf8Range } from '#platform/utf8.ts';
import { type EntryFields, readFields } from '#storage/entry-fields.ts';
import { readU64, SnapshotError, viewOf, writeU64 } from '#storage/snapshot-bytes.ts';
import { type TimeRow, timesBytes, writeTimes } from '#storage/time-table.ts';

/** Fields and their bytes: type 4, payload length 4, entries 4, payload CRC 4, CRC of these four 4. */
export const BLOCK_HEADER_BYTES = 20;
/** Fields and their bytes: value length 4, key length 2, zero 2, deadline 8, epoch 8, LSN 8, stamp 8. */
export const ENTRY_HEADER_BYTES = 40;
/** Fields and their bytes: entries 8, digest 16, CRC of the file before the footer 4. */
const FOOTER_BYTES = 28;

export const BLOCK_ENTRIES = 0x544e4557; // "WENT"
export const BLOCK_FOOTER = 0x444e4557; // "WEND"
/** Optional, since its name begins with a lower-case letter: a reader that does not know the type skips the block. */
export const BLOCK_TIMES = 0x6d697477; // "wtim"
/** In version 2; entries is the number of rows. */
export const BLOCK_REQUESTS = 0x51455257; // "WREQ"

/** The usual most bytes of entries in a block; a longer entry gets a block of its own. */
export const BLOCK_BYTES_TARGET = 64 * 1_024;
/** The format's limit for one value, whatever the configuration says. */
const SNAPSHOT_VALUE_BYTES_MAX = 64 * 1_024 * 1_024;
export const BLOCK_BYTES_MAX = SNAPSHOT_VALUE_BYTES_MAX + BLOCK_BYTES_TARGET;
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
  if (payloadBytes > BLOCK_BYTES_MAX) {
    throw new SnapshotError(
      offset + 4,
      `block of ${payloadBytes} bytes: expected at most ${BLOCK_BYTES_MAX}`,
    );
  }
  return { type, payloadBytes, entries: view.getUint32(8, true), payloadCrc: view.getUint32(12, true) };
}

/** Throws where a file of format `version` with such a block cannot be read. */
export function checkBlockType(type: number, version: number, offset: number): void {
  if (type === BLOCK_ENTRIES || type === BLOCK_FOOTER) return;
  const isNewer = version > 1;
  if (isNewer && type === BLOCK_REQUESTS) return;
  if (isNewer && isOptional(type)) return;
  const why = isNewer ? ': a newer version of Walnut wrote it' : '';
  throw new SnapshotError(offset, `unknown block type ${type.toString(16)}${why}`, isNewer);
}

/** True if the first letter of a block's name, its lowest byte, is lower-case. */
function isOptional(type: number): boolean {
  const letter = type & 0xff;
  return letter >= 0x61 && letter <= 0x7a;
}

/** The block with the rows of the time table. */
export function encodeTimesBlock(rows: readonly TimeRow[]): Uint8Array {
  const block = new Uint8Array(BLOCK_HEADER_BYTES + timesBytes(rows));
  writeTimes(rows, viewOf(block), BLOCK_HEADER_BYTES);
  sealBlock(block, BLOCK_TIMES, 0);
  return block;
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
export interface EntryHeader
  extends Omit<SnapshotEntry, 'bytes' | 'keyOffset' | 'valueOffset' | 'typeOffset' | 'typeBytes'> {
  /** Fields between key and value, in version 2; none in version 1. */
  readonly fieldsBytes?: number;
}

/** Writes an entry's fixed-size fields at `at` and returns where they end. `view` must have room for them. */
export function encodeEntryHeader(view: DataView, at: number, header: EntryHeader): number {
  view.setUint32(at, header.valueBytes, true);
  view.setUint16(at + 4, header.keyBytes, true);
  view.setUint16(at + 6, header.fieldsBytes ?? 0, true);
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
  const entry = { ...pair, typeOffset: 0, typeBytes: 0, epoch: 0, lsn: 0, stamp: 0 };
  let at = 0;
  for (let i = 0; i < entries; i++) {
    if (at + ENTRY_HEADER_BYTES > payload.length)
      throw new SnapshotError(offset + at, 'entry does not fit its block');
    entry.valueBytes = view.getUint32(at, true);
    entry.keyBytes = view.getUint16(at + 4, true);
    entry.keyOffset = at + ENTRY_HEADER_BYTES;
    const fieldsOffset = entry.keyOffset + entry.keyBytes;
    entry.valueOffset = fieldsOffset + view.getUint16(at + 6, true);
    const end = entry.valueOffset + entry.valueBytes;
    if (entry.keyBytes === 0 || entry.keyBytes > KEY_BYTES_MAX || end > payload.length) {
      const why = `entry of ${entry.keyBytes} + ${entry.valueBytes} bytes does not fit its block`;
      throw new SnapshotError(offset + at, why);
    }
    if (!isUtf8Range(bytes, entry.keyOffset, fieldsOffset))
      throw new SnapshotError(offset + entry.keyOffset, 'text is not UTF-8');
    entry.typeBytes = 0;
    if (fieldsOffset < entry.valueOffset) decodeFields(bytes, fieldsOffset, entry.valueOffset, entry, offset);
    entry.expireAtMs = readU64(view, at + 8, offset + at + 8);
    entry.epoch = readU64(view, at + 16, offset + at + 16);
    entry.lsn = readU64(view, at + 24, offset + at + 24);
    entry.stamp = readU64(view, at + 32, offset + at + 32);
    take(entry, offset + at);
    at = end;
  }
  if (at !== payload.length) throw new SnapshotError(offset + at, 'bytes after the last entry of a block');
}

function decodeFields(bytes: Buffer, from: number, to: number, into: EntryFields, offset: number): void {
  try {
    readFields(bytes, from, to, into);
  } catch (error) {
    if (!(error instanceof BlockError)) throw error;
    throw new SnapshotError(offset + error.at, error.message, error.isNewer);
  }
}
