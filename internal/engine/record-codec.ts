/**
 * What the payload of a log record means: mutations as absolute results, an
 * epoch's parent, or limits. Hand-written, versioned, specified byte by byte in
 * README.md of this room, and covered by golden files: logs outlive builds.
 *
 * Decoding never trusts a length: anything that does not fit exactly throws
 * `RecordError`, which recovery reports as corruption and a replica as a bad push.
 */
import type { Cause, EncodedMutation, EvictionPolicy, Mutation, StoreLimits } from '#model/entry.ts';
import { utf8Length } from '#model/limits.ts';
import type { Epoch } from '#model/position.ts';
import { toLsn } from '#model/position.ts';
import type { ChainPoint } from '#model/replication.ts';
import { isUtf8Range } from '#platform/utf8.ts';

const EMPTY: Buffer = Buffer.alloc(0);

/** The layout version, the first byte of every payload. */
const VERSION = 1;

const CAUSES: readonly Cause[] = ['client', 'expired', 'evicted', 'restored'];
const POLICIES: readonly EvictionPolicy[] = ['lru', 'none'];
const OP_SET = 1;
const OP_DELETE = 2;

/** op, cause, key length. */
const MUTATION_HEADER_BYTES = 4;
/** value length, deadline. */
const SET_HEADER_BYTES = 12;
/** version, count. */
const DATA_HEADER_BYTES = 5;
const EPOCH_BYTES = 21;
const CONFIG_BYTES = 18;

export class RecordError extends Error {
  override readonly name = 'RecordError';
}

/** Bytes that `writeMutations` will write. */
export function mutationsBytes(mutations: readonly Mutation[]): number {
  let bytes = DATA_HEADER_BYTES;
  for (const mutation of mutations) {
    bytes += MUTATION_HEADER_BYTES + utf8Length(mutation.key);
    if (mutation.op === 'set') bytes += SET_HEADER_BYTES + mutation.value.length;
  }
  return bytes;
}

/** Writes the payload of a DATA record at `start`. */
export function writeMutations(mutations: readonly Mutation[], target: Buffer, start: number): void {
  target[start] = VERSION;
  let at = writeUint32(target, mutations.length, start + 1);
  for (const mutation of mutations) {
    target[at] = mutation.op === 'set' ? OP_SET : OP_DELETE;
    target[at + 1] = CAUSES.indexOf(mutation.cause);
    const keyAt = at + MUTATION_HEADER_BYTES;
    const keyEnd = writeText(target, mutation.key, keyAt);
    target[at + 2] = keyEnd - keyAt;
    target[at + 3] = (keyEnd - keyAt) >>> 8;
    at = keyEnd;
    if (mutation.op === 'set') {
      at = writeUint32(target, mutation.value.length, at);
      at = writeUint64(target, mutation.expireAtMs, at);
      target.set(mutation.value, at);
      at += mutation.value.length;
    }
  }
}

/** Up to here characters are written one by one, which is cheaper than the call that writes them all. */
const SHORT_TEXT = 32;

/** Where the text ends. */
function writeText(target: Buffer, text: string, start: number): number {
  const { length } = text;
  if (length > SHORT_TEXT) return start + target.write(text, start, 'utf8');
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i);
    if (code > 0x7f) return start + target.write(text, start, 'utf8');
    target[start + i] = code;
  }
  return start + length;
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
  readonly #reader = new PayloadReader();
  #left = 0;

  /** Begins with the payload `bytes[from, to)`. */
  open(bytes: Buffer, from: number, to: number): void {
    const reader = this.#reader;
    this.bytes = bytes;
    reader.open(bytes, from, to);
    reader.version();
    this.#left = reader.uint32();
    // A mutation takes at least its header and one byte of key.
    if (this.#left > (to - from) / (MUTATION_HEADER_BYTES + 1))
      throw new RecordError(`${this.#left} mutations cannot fit`);
  }

  /** Reads the next one; false where there is none, and nothing else either. */
  next(): boolean {
    const reader = this.#reader;
    if (this.#left === 0) {
      reader.end();
      return false;
    }
    this.#left--;
    const op = reader.uint8();
    const cause = CAUSES[reader.uint8()];
    if (cause === undefined) throw new RecordError('unknown cause');
    if (op !== OP_SET && op !== OP_DELETE) throw new RecordError(`unknown operation ${op}`);
    this.cause = cause;
    this.keyBytes = reader.uint16();
    this.keyOffset = reader.skip(this.keyBytes);
    if (this.keyBytes === 0) throw new RecordError('empty key');
    // Mended by a decoder, ill-formed bytes would make two keys one.
    if (!isUtf8Range(this.bytes, this.keyOffset, this.keyOffset + this.keyBytes))
      throw new RecordError('a key is not UTF-8');
    this.op = op === OP_SET ? 'set' : 'delete';
    this.valueBytes = op === OP_SET ? reader.uint32() : 0;
    this.expireAtMs = op === OP_SET ? reader.uint64() : 0;
    this.valueOffset = reader.skip(this.valueBytes);
    return true;
  }
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

/** The payload of a CONFIG record. */
export function encodeLimits(limits: StoreLimits): Buffer {
  const payload = Buffer.alloc(CONFIG_BYTES);
  payload[0] = VERSION;
  payload[1] = POLICIES.indexOf(limits.policy);
  writeUint64(payload, limits.entriesMax, 2);
  writeUint64(payload, limits.bytesMax, 10);
  return payload;
}

export function decodeLimits(payload: Uint8Array): StoreLimits {
  const reader = readerOf(payload);
  reader.version();
  const policy = POLICIES[reader.uint8()];
  if (policy === undefined) throw new RecordError('unknown eviction policy');
  const entriesMax = reader.uint64();
  const bytesMax = reader.uint64();
  reader.end();
  return { entriesMax, bytesMax, policy };
}

function writeUint64(target: Buffer, value: number, at: number): number {
  writeUint32(target, value % 0x1_0000_0000, at);
  return writeUint32(target, Math.floor(value / 0x1_0000_0000), at + 4);
}

/** As `writeUInt32LE` of a number that is known to fit. */
function writeUint32(target: Buffer, value: number, at: number): number {
  target[at] = value;
  target[at + 1] = value >>> 8;
  target[at + 2] = value >>> 16;
  target[at + 3] = value >>> 24;
  return at + 4;
}

function readerOf(payload: Uint8Array): PayloadReader {
  const reader = new PayloadReader();
  reader.open(asBuffer(payload), 0, payload.length);
  return reader;
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** Reads fields in order, each checked against what is left. */
class PayloadReader {
  #bytes = EMPTY;
  #at = 0;
  #end = 0;

  open(bytes: Buffer, from: number, to: number): void {
    this.#bytes = bytes;
    this.#at = from;
    this.#end = to;
  }

  version(): void {
    const version = this.uint8();
    if (version !== VERSION) throw new RecordError(`unknown payload version ${version}`);
  }

  uint8(): number {
    return this.#bytes[this.skip(1)] as number;
  }

  uint16(): number {
    return this.#bytes.readUInt16LE(this.skip(2));
  }

  uint32(): number {
    return this.#bytes.readUInt32LE(this.skip(4));
  }

  uint64(): number {
    const at = this.skip(8);
    const value = this.#bytes.readUInt32LE(at) + this.#bytes.readUInt32LE(at + 4) * 0x1_0000_0000;
    if (!Number.isSafeInteger(value)) throw new RecordError('number over 2^53');
    return value;
  }

  /** Where the next `length` bytes begin. */
  skip(length: number): number {
    const at = this.#at;
    if (at + length > this.#end) throw new RecordError('payload ends within a field');
    this.#at = at + length;
    return at;
  }

  end(): void {
    if (this.#at !== this.#end) throw new RecordError(`${this.#end - this.#at} bytes too many`);
  }
}
