/**
 * The header of a snapshot file, of both format versions. README.md specifies the
 * bytes. A CRC-32 covers every byte, so damage throws `SnapshotError`.
 */
import type { EvictionPolicy, StoreLimits } from '#model/entry.ts';
import { type EpochStart, toLsn } from '#model/position.ts';
import type { ChainPoint } from '#model/replication.ts';
import { assert } from '#platform/assert.ts';
import { type Block, BlockError, encodeBlock, readBlocks } from '#platform/blocks.ts';
import { asBuffer, writeUint53 } from '#platform/bytes.ts';
import { crc32 } from '#platform/crc32.ts';
import { isUtf8Range } from '#platform/utf8.ts';
import { decodeConfigV2, encodeConfigV2, needsConfigV2 } from '#storage/logged-config.ts';
import { decodeMembers, encodeMembers, type LoggedMembers } from '#storage/logged-members.ts';
import { decodeOwnership, encodeOwnership, type LoggedOwnership } from '#storage/logged-ownership.ts';
import type { RequestMarks } from '#storage/request-rows.ts';
import { readU64, SnapshotError, viewOf, writeU64 } from '#storage/snapshot-bytes.ts';
import type { TimeRow } from '#storage/time-table.ts';

const SNAPSHOT_MAGIC = 'WALNUTSN';
/** Written before the directory takes the step to format level 1; every release can read it. */
const SNAPSHOT_FORMAT_VERSION = 1;
/** The header is typed blocks. */
const VERSION_2 = 2;
const CRC_ALGORITHM_CRC32 = 1;

/** Fields and their bytes: magic 8, version 2, CRC algorithm 2, length of the rest of the header 4. */
export const PREFIX_BYTES = 16;
/** Offset of the length of the rest. Only the CRC at its end tells whether the length is right. */
export const REST_BYTES_AT = 12;
/** Enough for about 65,000 epochs. */
export const HEADER_BYTES_MAX = 1_024 * 1_024 + 1_024;
const CRC_BYTES = 4;
/** The fields behind the log id, in version 1. */
const FIXED_BYTES = 57;
const EPOCH_BYTES = 16;

/** By their numbers in version 1. */
const POLICIES: readonly EvictionPolicy[] = ['none', 'lru'];
const LOG_ID_BYTES_MAX = 255;

/** Blocks of version 2. */
const LOG = 1;
const EPOCHS = 2;
const CONFIG = 3;
const REQUESTS = 4;
const MEMBERS = 5;
const OWNERSHIP = 6;
/** The fields behind the log id, in the block LOG. */
const LOG_FIXED_BYTES = 36;
const DIGEST_BYTES = 16;
/** The two marks, the number of rows, their digest. */
const REQUESTS_BYTES = 24 + DIGEST_BYTES;

/** What the header of a snapshot contains. */
export interface HeaderMeta {
  readonly logId: string;
  /** The snapshot is the state after exactly this record. */
  readonly position: ChainPoint;
  readonly epochs: readonly EpochStart[];
  /** The log clock when the snapshot began, in whole milliseconds. */
  readonly logClockMs: number;
  readonly limits: StoreLimits;
  /** Wall time minus log clock, in milliseconds. */
  readonly wallOffsetMs: number;
  /** The member list that the log states; absent: it states none. */
  readonly members?: LoggedMembers | undefined;
  /** The slots that the log says the group owns; absent: it does not say. */
  readonly ownership?: LoggedOwnership | undefined;
  /** The format level of a program that reads the file: 0 means version 1, 1 version 2. */
  readonly formatLevel: number;
}

/** What a snapshot contains besides its entries. */
export interface SnapshotMeta extends HeaderMeta {
  /** The time table, in a block of its own. Version 1 has none, and is loaded with one row. */
  readonly times: readonly TimeRow[];
}

/** What the header says of the named writes, whose rows are blocks of the file. */
export interface RequestsSummary {
  readonly marks: RequestMarks;
  readonly rows: number;
  readonly digest: string;
}

export interface SnapshotHeader {
  readonly meta: HeaderMeta;
  readonly version: number;
  readonly entries: number;
  /** Undefined: there are none. */
  readonly requests: RequestsSummary | undefined;
  /** Length of the whole header, prefix included. */
  readonly headerBytes: number;
}

const encoder = new TextEncoder();

/** The header, of the version that the format level says. `requests`: undefined if there are none. */
export function encodeHeader(meta: HeaderMeta, entries: number, requests?: RequestsSummary): Uint8Array {
  const isV2 = meta.formatLevel > 0;
  assert(isV2 || !needsConfigV2(meta), 'version 1 states the whole configuration');
  const later = requests ?? meta.members ?? meta.ownership;
  assert(isV2 || later === undefined, 'all three are logged after the step to level 1');
  const logId = encoder.encode(meta.logId);
  assert(logId.length <= LOG_ID_BYTES_MAX, `log id has ${logId.length} bytes`);
  const rest = isV2 ? encodeBlocks(meta, logId, entries, requests) : encodeFields(meta, logId, entries);
  const bytes = new Uint8Array(PREFIX_BYTES + rest.length + CRC_BYTES);
  assert(bytes.length <= HEADER_BYTES_MAX, `snapshot header of ${bytes.length} bytes`);
  const view = viewOf(bytes);
  encoder.encodeInto(SNAPSHOT_MAGIC, bytes);
  view.setUint16(8, isV2 ? VERSION_2 : SNAPSHOT_FORMAT_VERSION, true);
  view.setUint16(10, CRC_ALGORITHM_CRC32, true);
  view.setUint32(REST_BYTES_AT, rest.length + CRC_BYTES, true);
  bytes.set(rest, PREFIX_BYTES);
  const crcAt = bytes.length - CRC_BYTES;
  view.setUint32(crcAt, crc32(bytes, 0, 0, crcAt), true);
  return bytes;
}

function encodeFields(meta: HeaderMeta, logId: Uint8Array, entries: number): Uint8Array {
  const { position, limits, epochs } = meta;
  const bytes = new Uint8Array(1 + logId.length + FIXED_BYTES + epochs.length * EPOCH_BYTES);
  const view = viewOf(bytes);
  bytes[0] = logId.length;
  bytes.set(logId, 1);
  let at = writePosition(view, 1 + logId.length, position);
  at = writeU64(view, at, meta.logClockMs);
  at = writeU64(view, at, limits.entriesMax);
  at = writeU64(view, at, limits.bytesMax);
  bytes[at] = POLICIES.indexOf(limits.policy);
  at = writeU64(view, at + 1, entries);
  view.setUint32(at, epochs.length, true);
  bytes.set(encodeEpochs(epochs), at + 4);
  return bytes;
}

function encodeBlocks(
  meta: HeaderMeta,
  logId: Uint8Array,
  entries: number,
  requests: RequestsSummary | undefined,
): Uint8Array {
  const log = new Uint8Array(1 + logId.length + LOG_FIXED_BYTES);
  const view = viewOf(log);
  log[0] = logId.length;
  log.set(logId, 1);
  let at = writePosition(view, 1 + logId.length, meta.position);
  at = writeU64(view, at, meta.logClockMs);
  writeU64(view, at, entries);
  return Buffer.concat([
    encodeBlock(LOG, log),
    encodeBlock(EPOCHS, encodeEpochs(meta.epochs)),
    encodeBlock(CONFIG, encodeConfigV2(meta)),
    ...(requests === undefined ? [] : [encodeBlock(REQUESTS, encodeRequests(requests))]),
    ...(meta.members === undefined ? [] : [encodeBlock(MEMBERS, encodeMembers(meta.members))]),
    ...(meta.ownership === undefined ? [] : [encodeBlock(OWNERSHIP, encodeOwnership(meta.ownership))]),
  ]);
}

function encodeRequests({ marks, rows, digest }: RequestsSummary): Uint8Array {
  const bytes = Buffer.alloc(REQUESTS_BYTES);
  writeUint53(bytes, marks.clients, 0);
  writeUint53(bytes, marks.requests, 8);
  writeUint53(bytes, rows, 16);
  bytes.write(digest, 24, 'hex');
  return bytes;
}

function writePosition(view: DataView, start: number, { epoch, lsn, crc }: ChainPoint): number {
  const at = writeU64(view, writeU64(view, start, epoch), lsn);
  view.setUint32(at, crc, true);
  return at + 4;
}

function encodeEpochs(epochs: readonly EpochStart[]): Uint8Array {
  const bytes = new Uint8Array(epochs.length * EPOCH_BYTES);
  const view = viewOf(bytes);
  let at = 0;
  for (const { epoch, firstLsn } of epochs) at = writeU64(view, writeU64(view, at, epoch), firstLsn);
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
  const restBytes = view.getUint32(REST_BYTES_AT, true);
  const restBytesMin = 1 + FIXED_BYTES + CRC_BYTES;
  if (restBytes < restBytesMin || restBytes > HEADER_BYTES_MAX - PREFIX_BYTES) {
    const expected = `${restBytesMin} to ${HEADER_BYTES_MAX - PREFIX_BYTES}`;
    throw new SnapshotError(REST_BYTES_AT, `header of ${restBytes} bytes: expected ${expected}`);
  }
  return restBytes;
}

/** Decodes a header; `bytes` must be exactly the header, prefix included. */
export function decodeHeader(bytes: Uint8Array): SnapshotHeader {
  const view = viewOf(bytes);
  const end = bytes.length - CRC_BYTES;
  if (crc32(bytes, 0, 0, end) !== view.getUint32(end, true)) {
    // Any byte of the header may be the wrong one, so its first byte is named.
    throw new SnapshotError(0, 'header CRC does not match');
  }
  const version = view.getUint16(8, true);
  const headerBytes = bytes.length;
  if (version === SNAPSHOT_FORMAT_VERSION) return { version, headerBytes, ...decodeFields(bytes, end) };
  if (version === VERSION_2) return { version, headerBytes, ...decodeBlocks(bytes, end) };
  const known = `${SNAPSHOT_FORMAT_VERSION} or ${VERSION_2}`;
  throw new SnapshotError(8, `format version ${version}: expected ${known}`, true);
}

type Decoded = Pick<SnapshotHeader, 'meta' | 'entries' | 'requests'>;

function decodeFields(bytes: Uint8Array, end: number): Decoded {
  const view = viewOf(bytes);
  const logId = decodeLogId(bytes, PREFIX_BYTES, end - FIXED_BYTES);
  const at = PREFIX_BYTES + 1 + (bytes[PREFIX_BYTES] as number);
  const policy = POLICIES[bytes[at + 44] as number];
  if (policy === undefined) throw new SnapshotError(at + 44, `unknown eviction policy ${bytes[at + 44]}`);
  const limits: StoreLimits = {
    entriesMax: readU64(view, at + 28, at + 28),
    bytesMax: readU64(view, at + 36, at + 36),
    policy,
  };
  const epochCount = view.getUint32(at + 53, true);
  const epochsAt = at + FIXED_BYTES;
  if (epochsAt + epochCount * EPOCH_BYTES !== end)
    throw new SnapshotError(at + 53, `${epochCount} epochs do not fit the header`);
  const position = decodePosition(view, at);
  const logClockMs = readU64(view, at + 20, at + 20);
  const epochs = decodeEpochs(view, epochsAt, end);
  const meta = { logId, position, epochs, logClockMs, limits, wallOffsetMs: 0, formatLevel: 0 };
  return { meta, entries: readU64(view, at + 45, at + 45), requests: undefined };
}

function decodeBlocks(bytes: Uint8Array, end: number): Decoded {
  try {
    const buffer = asBuffer(bytes);
    const known = [LOG, EPOCHS, CONFIG, REQUESTS, MEMBERS, OWNERSHIP];
    const blocks = readBlocks(buffer, PREFIX_BYTES, end, known);
    const [log, epochs, config] = [LOG, EPOCHS, CONFIG].map((type) => required(blocks, type));
    const decoded = decodeKnown(buffer, log as Block, epochs as Block, config as Block);
    const requests = blocks.get(REQUESTS);
    const members = blocks.get(MEMBERS);
    const owned = blocks.get(OWNERSHIP);
    const meta = {
      ...decoded.meta,
      ...(members === undefined ? {} : { members: decodeMembers(buffer, members.from, members.to) }),
      ...(owned === undefined ? {} : { ownership: decodeOwnership(buffer, owned.from, owned.to) }),
    };
    return { ...decoded, meta, requests: requests && decodeRequests(buffer, requests) };
  } catch (error) {
    if (!(error instanceof BlockError)) throw error;
    const why = error.isNewer ? `${error.message}: a newer version of Walnut wrote it` : error.message;
    throw new SnapshotError(error.at, why, error.isNewer);
  }
}

function required(blocks: ReadonlyMap<number, Block>, type: number): Block {
  const block = blocks.get(type);
  if (block === undefined) throw new BlockError(PREFIX_BYTES, `the header has no block ${type}`);
  return block;
}

function decodeRequests(bytes: Buffer, { from, to }: Block): RequestsSummary {
  if (to - from !== REQUESTS_BYTES) throw new BlockError(from, `block ${REQUESTS} has another length`);
  const [clients, requests, rows] = [from, from + 8, from + 16].map((at) => readU64(viewOf(bytes), at, at));
  const marks = { clients: clients as number, requests: requests as number };
  return { marks, rows: rows as number, digest: bytes.toString('hex', from + 24, to) };
}

function decodeKnown(bytes: Buffer, log: Block, epochs: Block, config: Block): Omit<Decoded, 'requests'> {
  const view = viewOf(bytes);
  const logId = decodeLogId(bytes, log.from, log.to - LOG_FIXED_BYTES);
  const at = log.from + 1 + (bytes[log.from] as number);
  if (at + LOG_FIXED_BYTES !== log.to) throw new BlockError(log.from, `block ${LOG} has another length`);
  if ((epochs.to - epochs.from) % EPOCH_BYTES !== 0) throw new BlockError(epochs.from, 'an epoch is cut');
  return {
    meta: {
      logId,
      position: decodePosition(view, at),
      epochs: decodeEpochs(view, epochs.from, epochs.to),
      logClockMs: readU64(view, at + 20, at + 20),
      ...decodeConfigV2(bytes, config.from, config.to),
      formatLevel: 1,
    },
    entries: readU64(view, at + 28, at + 28),
  };
}

/** `endMax`: where it must end at the latest. */
function decodeLogId(bytes: Uint8Array, at: number, endMax: number): string {
  const length = bytes[at] as number;
  const from = at + 1;
  if (from + length > endMax) throw new SnapshotError(at, `log id of ${length} bytes does not fit`);
  const text = asBuffer(bytes);
  if (!isUtf8Range(text, from, from + length)) throw new SnapshotError(from, 'text is not UTF-8');
  return text.toString('utf8', from, from + length);
}

function decodePosition(view: DataView, at: number): ChainPoint {
  const epoch = readU64(view, at, at);
  return { epoch, lsn: toLsn(readU64(view, at + 8, at + 8)), crc: view.getUint32(at + 16, true) };
}

function decodeEpochs(view: DataView, from: number, to: number): EpochStart[] {
  const epochs: EpochStart[] = [];
  for (let at = from; at < to; at += EPOCH_BYTES) {
    epochs.push({ epoch: readU64(view, at, at), firstLsn: toLsn(readU64(view, at + 8, at + 8)) });
  }
  return epochs;
}

/** The file is shorter than its header states: it is cut, or the length is damaged. */
export function headerCut(offset = REST_BYTES_AT): SnapshotError {
  return new SnapshotError(offset, 'the file is cut: the header is not whole');
}

/** Reads the header from the first bytes of a file. Throws `SnapshotError` if they are damaged or too few. */
export function readSnapshotHeader(bytes: Uint8Array): SnapshotHeader {
  if (bytes.length < PREFIX_BYTES) throw headerCut(bytes.length);
  const headerBytes = PREFIX_BYTES + decodePrefix(bytes);
  if (bytes.length < headerBytes) throw headerCut();
  return decodeHeader(bytes.subarray(0, headerBytes));
}
