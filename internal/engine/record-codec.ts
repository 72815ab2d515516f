/**
 * What the payload of a log record means: mutations as absolute results, an
 * epoch's parent, or limits. Hand-written, versioned, specified byte by byte in
 * README.md of this room, and covered by golden files: logs outlive builds.
 *
 * Decoding never trusts a length: anything that does not fit exactly throws
 * `RecordError`, which recovery reports as corruption and a replica as a bad push.
 */
import {
  CAUSES,
  DATA_HEADER_BYTES,
  MUTATION_HEADER_BYTES,
  OP_DELETE,
  OP_SET,
  SET_HEADER_BYTES,
  VERSION,
  writeUint64,
} from '#engine/record-layout.ts';
import type { Cause, EncodedMutation, EvictionPolicy, Mutation, StoreLimits } from '#model/entry.ts';
import type { Epoch } from '#model/position.ts';
import { toLsn } from '#model/position.ts';
import type { ChainPoint } from '#model/replication.ts';
import { isUtf8Range } from '#platform/utf8.ts';
import type { KeyBytes } from '#storage/key-bytes.ts';

const EMPTY: Buffer = Buffer.alloc(0);

const POLICIES: readonly EvictionPolicy[] = ['lru', 'none'];
const EPOCH_BYTES = 21;
const CONFIG_BYTES = 18;
const CONFIG_VERSION_WITH_OFFSET = 2;

export class RecordError extends Error {
  override readonly name = 'RecordError';
}

/** The mutations of a DATA record. Values are views of `payload`. */
export function decodeMutations(payload: Uint8Array): Mutation[] {
  const mutations: Mutation[] = [];
  const cursor = new MutationCursor();
  cursor.open(asBuffer(payload), 0, payload.length);
  while (cursor.next()) mutations.push(toMutation(cursor));
  return mutations;
}

function toMutation(encoded: EncodedMutation): Mutation {
  const { op, cause, bytes, keyOffset, keyBytes, valueOffset, valueBytes, expireAtMs } = encoded;
  const key = bytes.toString('utf8', keyOffset, keyOffset + keyBytes);
  if (op === 'delete') return { op, key, cause };
  return { op, key, value: bytes.subarray(valueOffset, valueOffset + valueBytes), expireAtMs, cause };
}

/** The mutation that begins at `at`, of a payload that is known to be good. */
export function mutationAt(bytes: Buffer, at: number): EncodedMutation {
  const cursor = new MutationCursor();
  cursor.openAt(bytes, at);
  cursor.next();
  return cursor;
}

/** Whether that mutation is one of the key. */
export function hasKeyAt(bytes: Buffer, at: number, key: KeyBytes): boolean {
  const isAsLong = key.length === ((bytes[at + 2] as number) | ((bytes[at + 3] as number) << 8));
  return isAsLong && key.standsAt(bytes, at + MUTATION_HEADER_BYTES);
}

/**
 * Goes through the mutations of a DATA record without taking them out: after
 * each `next` it is the one at hand. Once `next` was false the whole payload
 * has been checked. Used again for the next record, it allocates nothing.
 */
export class MutationCursor implements EncodedMutation {
  op: Mutation['op'] = 'delete';
  cause: Cause = 'client';
  bytes: Buffer = EMPTY;
  keyOffset = 0;
  keyBytes = 0;
  valueOffset = 0;
  valueBytes = 0;
  expireAtMs = 0;
  #at = 0;
  #end = 0;
  #left = 0;

  /** Begins with the payload `bytes[from, to)`. */
  open(bytes: Buffer, from: number, to: number): void {
    const reader = new PayloadReader(bytes, from, to);
    reader.version();
    this.#left = reader.uint32();
    this.bytes = bytes;
    this.#at = from + DATA_HEADER_BYTES;
    this.#end = to;
    // A mutation takes at least its header and one byte of key.
    if (this.#left > (to - from) / (MUTATION_HEADER_BYTES + 1))
      throw new RecordError(`${this.#left} mutations cannot fit`);
  }

  /** Begins with the mutation at `at`. */
  openAt(bytes: Buffer, at: number): void {
    this.bytes = bytes;
    this.#at = at;
    this.#end = bytes.length;
    this.#left = 1;
  }

  /** Reads the next one; false where there is none, and nothing else either. */
  next(): boolean {
    const { bytes } = this;
    const at = this.#at;
    const end = this.#end;
    if (this.#left === 0) {
      if (at !== end) throw new RecordError(`${end - at} bytes too many`);
      return false;
    }
    this.#left--;
    const keyOffset = at + MUTATION_HEADER_BYTES;
    if (keyOffset > end) throw cutShort();
    const op = bytes[at] as number;
    const cause = CAUSES[bytes[at + 1] as number];
    if (cause === undefined) throw new RecordError('unknown cause');
    if (op !== OP_SET && op !== OP_DELETE) throw new RecordError(`unknown operation ${op}`);
    const keyBytes = (bytes[at + 2] as number) | ((bytes[at + 3] as number) << 8);
    if (keyBytes === 0) throw new RecordError('empty key');
    const keyEnd = keyOffset + keyBytes;
    if (keyEnd > end) throw cutShort();
    // Mended by a decoder, ill-formed bytes would make two keys one.
    if (!isUtf8Range(bytes, keyOffset, keyEnd)) throw new RecordError('a key is not UTF-8');
    this.cause = cause;
    this.keyOffset = keyOffset;
    this.keyBytes = keyBytes;
    if (op === OP_DELETE) {
      this.op = 'delete';
      this.valueOffset = this.#at = keyEnd;
      this.valueBytes = this.expireAtMs = 0;
    } else {
      this.op = 'set';
      this.#readValue(bytes, keyEnd, end);
    }
    return true;
  }

  #readValue(bytes: Buffer, at: number, end: number): void {
    const valueOffset = at + SET_HEADER_BYTES;
    if (valueOffset > end) throw cutShort();
    const valueBytes = readUint32(bytes, at);
    this.expireAtMs = readUint64(bytes, at + 4);
    if (valueOffset + valueBytes > end) throw cutShort();
    this.valueOffset = valueOffset;
    this.valueBytes = valueBytes;
    this.#at = valueOffset + valueBytes;
  }
}

function cutShort(): RecordError {
  return new RecordError('payload ends within a field');
}

function readUint32(bytes: Buffer, at: number): number {
  const low = (bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16);
  return (low | ((bytes[at + 3] as number) << 24)) >>> 0;
}

/** Throws where it is none below 2^53. */
function readUint64(bytes: Buffer, at: number): number {
  const high = readUint32(bytes, at + 4);
  const value = readUint32(bytes, at) + high * 0x1_0000_0000;
  if (high > 0x1f_ffff) throw new RecordError('number over 2^53');
  return value;
}

/** The payload of an EPOCH record: the record before it, all zero for the first. */
export function encodeEpochParent(parent: ChainPoint): Buffer {
  const payload = Buffer.alloc(EPOCH_BYTES);
  payload[0] = VERSION;
  writeUint64(payload, parent.epoch, 1);
  writeUint64(payload, parent.lsn, 9);
  payload.writeUInt32LE(parent.crc, 17);
  return payload;
}

export function decodeEpochParent(payload: Uint8Array): ChainPoint {
  const reader = readerOf(payload);
  reader.version();
  const epoch: Epoch = reader.uint64();
  const lsn = toLsn(reader.uint64());
  const crc = reader.uint32();
  reader.end();
  return { epoch, lsn, crc };
}

/** What a CONFIG record says: it holds from there on, on every node, and after a promotion. */
export interface LoggedConfig {
  readonly limits: StoreLimits;
  /** What is to be added to the log clock to have wall time, milliseconds; may be negative. */
  readonly wallOffsetMs: number;
}

/** The payload of a CONFIG record; of the first version where no offset is stated, which every release reads. */
export function encodeConfig({ limits, wallOffsetMs }: LoggedConfig): Buffer {
  const payload = Buffer.alloc(wallOffsetMs === 0 ? CONFIG_BYTES : CONFIG_BYTES + 8);
  payload[0] = wallOffsetMs === 0 ? VERSION : CONFIG_VERSION_WITH_OFFSET;
  payload[1] = POLICIES.indexOf(limits.policy);
  writeUint64(payload, limits.entriesMax, 2);
  writeUint64(payload, limits.bytesMax, 10);
  if (wallOffsetMs !== 0) payload.writeBigInt64LE(BigInt(wallOffsetMs), CONFIG_BYTES);
  return payload;
}

export function decodeConfig(payload: Uint8Array): LoggedConfig {
  const reader = readerOf(payload);
  const version = reader.version(CONFIG_VERSION_WITH_OFFSET);
  const policy = POLICIES[reader.uint8()];
  if (policy === undefined) throw new RecordError('unknown eviction policy');
  const entriesMax = reader.uint64();
  const bytesMax = reader.uint64();
  const wallOffsetMs = version === VERSION ? 0 : reader.int64();
  reader.end();
  return { limits: { entriesMax, bytesMax, policy }, wallOffsetMs };
}

function readerOf(payload: Uint8Array): PayloadReader {
  return new PayloadReader(asBuffer(payload), 0, payload.length);
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** Reads fields in order, each checked against what is left. */
class PayloadReader {
  readonly #bytes: Buffer;
  readonly #end: number;
  #at: number;

  constructor(bytes: Buffer, from: number, to: number) {
    this.#bytes = bytes;
    this.#at = from;
    this.#end = to;
  }

  /** From the first version to `newest`. */
  version(newest = VERSION): number {
    const version = this.uint8();
    if (version < VERSION || version > newest) throw new RecordError(`unknown payload version ${version}`);
    return version;
  }

  uint8(): number {
    return this.#bytes[this.#skip(1)] as number;
  }

  uint32(): number {
    return readUint32(this.#bytes, this.#skip(4));
  }

  uint64(): number {
    return readUint64(this.#bytes, this.#skip(8));
  }

  int64(): number {
    const value = Number(this.#bytes.readBigInt64LE(this.#skip(8)));
    if (!Number.isSafeInteger(value)) throw new RecordError('a number is beyond 2^53');
    return value;
  }

  end(): void {
    if (this.#at !== this.#end) throw new RecordError(`${this.#end - this.#at} bytes too many`);
  }

  /** Where the next `length` bytes begin. */
  #skip(length: number): number {
    const at = this.#at;
    if (at + length > this.#end) throw cutShort();
    this.#at = at + length;
    return at;
  }
}
