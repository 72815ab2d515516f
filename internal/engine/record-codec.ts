/**
 * What the payload of a log record means: mutations as absolute results, an
 * epoch's parent, or limits. Hand-written, versioned, specified byte by byte in
 * README.md of this room, and covered by golden files: logs outlive builds.
 *
 * Decoding never trusts a length: anything that does not fit exactly throws
 * `RecordError`, which recovery reports as corruption and a replica as a bad push.
 */
import type { Cause, EvictionPolicy, Mutation, StoreLimits } from '#model/entry.ts';
import type { Epoch } from '#model/position.ts';
import { toLsn } from '#model/position.ts';
import type { ChainPoint } from '#model/replication.ts';
import { tryDecodeUtf8 } from '#platform/utf8.ts';

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
    bytes += MUTATION_HEADER_BYTES + Buffer.byteLength(mutation.key);
    if (mutation.op === 'set') bytes += SET_HEADER_BYTES + mutation.value.length;
  }
  return bytes;
}

/** Writes the payload of a DATA record at `start`. */
export function writeMutations(mutations: readonly Mutation[], target: Buffer, start: number): void {
  let at = target.writeUInt8(VERSION, start);
  at = target.writeUInt32LE(mutations.length, at);
  for (const mutation of mutations) {
    target[at] = mutation.op === 'set' ? OP_SET : OP_DELETE;
    target[at + 1] = CAUSES.indexOf(mutation.cause);
    const keyBytes = target.write(mutation.key, at + MUTATION_HEADER_BYTES, 'utf8');
    target.writeUInt16LE(keyBytes, at + 2);
    at += MUTATION_HEADER_BYTES + keyBytes;
    if (mutation.op === 'set') {
      at = target.writeUInt32LE(mutation.value.length, at);
      at = writeUint64(target, mutation.expireAtMs, at);
      target.set(mutation.value, at);
      at += mutation.value.length;
    }
  }
}

/**
 * The mutations of a DATA record, whose payload is `bytes[from, to)`, by default
 * all of it. Values are views of `bytes`: the store copies what it keeps.
 */
export function decodeMutations(bytes: Uint8Array, from = 0, to = bytes.length): Mutation[] {
  const reader = new PayloadReader(bytes, from, to);
  reader.version();
  const count = reader.uint32();
  // A mutation takes at least its header and one byte of key.
  if (count > (to - from) / (MUTATION_HEADER_BYTES + 1))
    throw new RecordError(`${count} mutations cannot fit`);
  const mutations = new Array<Mutation>(count);
  for (let i = 0; i < count; i++) mutations[i] = readMutation(reader);
  reader.end();
  return mutations;
}

function readMutation(reader: PayloadReader): Mutation {
  const op = reader.uint8();
  const cause = CAUSES[reader.uint8()];
  if (cause === undefined) throw new RecordError('unknown cause');
  const key = reader.text(reader.uint16());
  if (key === '') throw new RecordError('empty key');
  if (op === OP_DELETE) return { op: 'delete', key, cause };
  if (op !== OP_SET) throw new RecordError(`unknown operation ${op}`);
  const valueBytes = reader.uint32();
  const expireAtMs = reader.uint64();
  return { op: 'set', key, value: reader.bytes(valueBytes), expireAtMs, cause };
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
  const reader = new PayloadReader(payload);
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
  const reader = new PayloadReader(payload);
  reader.version();
  const policy = POLICIES[reader.uint8()];
  if (policy === undefined) throw new RecordError('unknown eviction policy');
  const entriesMax = reader.uint64();
  const bytesMax = reader.uint64();
  reader.end();
  return { entriesMax, bytesMax, policy };
}

function writeUint64(target: Buffer, value: number, at: number): number {
  target.writeUInt32LE(value % 0x1_0000_0000, at);
  return target.writeUInt32LE(Math.floor(value / 0x1_0000_0000), at + 4);
}

/** Reads fields in order, each checked against what is left. */
class PayloadReader {
  readonly #bytes: Buffer;
  readonly #end: number;
  #at: number;

  constructor(bytes: Uint8Array, from = 0, end = bytes.length) {
    this.#bytes = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#at = from;
    this.#end = end;
  }

  version(): void {
    const version = this.uint8();
    if (version !== VERSION) throw new RecordError(`unknown payload version ${version}`);
  }

  uint8(): number {
    return this.#bytes[this.#advance(1)] ?? 0;
  }

  uint16(): number {
    return this.#bytes.readUInt16LE(this.#advance(2));
  }

  uint32(): number {
    return this.#bytes.readUInt32LE(this.#advance(4));
  }

  uint64(): number {
    const at = this.#advance(8);
    const value = this.#bytes.readUInt32LE(at) + this.#bytes.readUInt32LE(at + 4) * 0x1_0000_0000;
    if (!Number.isSafeInteger(value)) throw new RecordError('number over 2^53');
    return value;
  }

  text(length: number): string {
    const at = this.#advance(length);
    // Mended by a decoder, ill-formed bytes would make two keys one.
    const text = tryDecodeUtf8(this.#bytes, at, at + length);
    if (text === undefined) throw new RecordError('a key is not UTF-8');
    return text;
  }

  bytes(length: number): Uint8Array {
    const at = this.#advance(length);
    return this.#bytes.subarray(at, at + length);
  }

  end(): void {
    if (this.#at !== this.#end) throw new RecordError(`${this.#end - this.#at} bytes too many`);
  }

  #advance(length: number): number {
    const at = this.#at;
    if (at + length > this.#end) throw new RecordError('payload ends within a field');
    this.#at = at + length;
    return at;
  }
}
