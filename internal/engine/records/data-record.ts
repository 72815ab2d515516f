/**
 * DATA: mutations as absolute results. Hand-written, versioned, specified byte
 * by byte in README.md of the engine, and covered by golden files: logs outlive
 * builds.
 *
 * Decoding never trusts a length: anything that does not fit exactly throws
 * `RecordError`.
 */
import { asRecordError, newerPart } from '#engine/records/block-errors.ts';
import { cutShort, readUint32, readUint64 } from '#engine/records/payload-reader.ts';
import {
  type MutationWalk,
  type RecordBytes,
  RecordError,
  type RecordKind,
} from '#engine/records/record-kind.ts';
import {
  BLOCK_NAMED_WRITES,
  CAUSES,
  DATA_HEADER_BYTES,
  FIELDS_HEADER_BYTES,
  MUTATION_HEADER_BYTES,
  OP_DELETE,
  OP_SET,
  OP_SET_WITH_FIELDS,
  OP_TOUCH,
  SET_HEADER_BYTES,
  TOUCH_HEADER_BYTES,
  VERSION,
  VERSION_2,
} from '#engine/records/record-layout.ts';
import type { EncodedMutation } from '#model/encoded.ts';
import type { Cause, Mutation } from '#model/entry.ts';
import type { NamedWrite } from '#model/write-id.ts';
import { readBlocks } from '#platform/blocks.ts';
import { asBuffer } from '#platform/bytes.ts';
import { isUtf8Range } from '#platform/utf8.ts';
import { readFields } from '#storage/entry-fields.ts';
import type { KeyBytes } from '#storage/key-bytes.ts';
import { readNamedWrites } from '#storage/named-writes.ts';

const EMPTY: Buffer = Buffer.alloc(0);
const NO_WRITES: readonly NamedWrite[] = [];

/** The mutations of a DATA record. Values are views of `payload`. */
export function decodeMutations(payload: Uint8Array): Mutation[] {
  const mutations: Mutation[] = [];
  const cursor = new MutationCursor();
  cursor.open(asBuffer(payload), 0, payload.length);
  while (cursor.next()) mutations.push(toMutation(cursor));
  return mutations;
}

/** The writes of a DATA record that have names. */
export function decodeNamedWrites(payload: Uint8Array): readonly NamedWrite[] {
  const cursor = new MutationCursor();
  cursor.open(asBuffer(payload), 0, payload.length);
  while (cursor.next());
  return cursor.namedWrites;
}

function toMutation(encoded: EncodedMutation): Mutation {
  const { op, cause, bytes, keyOffset, keyBytes, valueOffset, valueBytes, expireAtMs } = encoded;
  const key = bytes.toString('utf8', keyOffset, keyOffset + keyBytes);
  if (op === 'delete') return { op, key, cause };
  if (op === 'touch') return { op, key, expireAtMs, cause };
  const value = bytes.subarray(valueOffset, valueOffset + valueBytes);
  const contentType = contentTypeOf(encoded);
  return { op, key, value, expireAtMs, cause, ...(contentType === undefined ? {} : { contentType }) };
}

/** Undefined: there is none. */
export function contentTypeOf({ bytes, typeOffset, typeBytes }: EncodedMutation): string | undefined {
  return typeBytes === 0 ? undefined : bytes.toString('latin1', typeOffset, typeOffset + typeBytes);
}

/** The mutation that begins at `at`, of a payload that is known to be good. */
export function mutationAt(bytes: Buffer, at: number): EncodedMutation {
  const cursor = new MutationCursor();
  cursor.openAt(bytes, at);
  cursor.next();
  return cursor;
}

/** True if that mutation is one of the key. */
export function hasKeyAt(bytes: Buffer, at: number, key: KeyBytes): boolean {
  const isAsLong = key.length === ((bytes[at + 2] as number) | ((bytes[at + 3] as number) << 8));
  return isAsLong && key.standsAt(bytes, at + MUTATION_HEADER_BYTES);
}

/**
 * Goes through the mutations of a DATA record without taking them out: after
 * each `next` it is the current one. Once `next` was false the whole payload
 * has been checked. Used again for the next record, it allocates nothing.
 */
export class MutationCursor implements MutationWalk {
  op: Mutation['op'] = 'delete';
  cause: Cause = 'client';
  bytes: Buffer = EMPTY;
  keyOffset = 0;
  keyBytes = 0;
  valueOffset = 0;
  valueBytes = 0;
  expireAtMs = 0;
  typeOffset = 0;
  typeBytes = 0;
  isFinal = false;
  /** Once `next` was false: the writes of the record that have names. */
  namedWrites: readonly NamedWrite[] = NO_WRITES;
  #version = VERSION;
  #at = 0;
  #end = 0;
  #left = 0;

  /** Begins with the payload `bytes[from, to)`. */
  open(bytes: Buffer, from: number, to: number): void {
    if (from === to) throw cutShort();
    this.#version = bytes[from] as number;
    if (this.#version !== VERSION && this.#version !== VERSION_2)
      throw new RecordError(`unknown payload version ${this.#version}`);
    if (to - from < DATA_HEADER_BYTES) throw cutShort();
    this.#left = readUint32(bytes, from + 1);
    this.bytes = bytes;
    this.namedWrites = NO_WRITES;
    this.#at = from + DATA_HEADER_BYTES;
    this.#end = to;
    // A mutation takes at least its header and one byte of key.
    if (this.#left > (to - from) / (MUTATION_HEADER_BYTES + 1))
      throw new RecordError(`${this.#left} mutations cannot fit`);
  }

  /** Begins with the mutation at `at`. */
  openAt(bytes: Buffer, at: number): void {
    this.bytes = bytes;
    this.#version = VERSION_2;
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
      if (at !== end) this.#readRest(at, end);
      return false;
    }
    this.#left--;
    const keyOffset = at + MUTATION_HEADER_BYTES;
    if (keyOffset > end) throw cutShort();
    const op = bytes[at] as number;
    const cause = CAUSES[bytes[at + 1] as number];
    if (cause === undefined) throw new RecordError('unknown cause');
    if (op !== OP_SET && op !== OP_DELETE && !this.#isOfVersion2(op)) throw this.#unknownOperation(op);
    const keyBytes = (bytes[at + 2] as number) | ((bytes[at + 3] as number) << 8);
    if (keyBytes === 0) throw new RecordError('empty key');
    const keyEnd = keyOffset + keyBytes;
    if (keyEnd > end) throw cutShort();
    // A decoder would replace ill-formed bytes, and two different keys could become equal.
    if (!isUtf8Range(bytes, keyOffset, keyEnd)) throw new RecordError('a key is not UTF-8');
    this.cause = cause;
    this.typeBytes = 0;
    this.keyOffset = keyOffset;
    this.keyBytes = keyBytes;
    if (op === OP_DELETE) {
      this.op = 'delete';
      this.valueOffset = this.#at = keyEnd;
      this.valueBytes = this.expireAtMs = 0;
    } else if (op === OP_TOUCH) {
      this.op = 'touch';
      this.#at = keyEnd + TOUCH_HEADER_BYTES;
      if (this.#at > end) throw cutShort();
      this.expireAtMs = readUint64(bytes, keyEnd);
      this.valueOffset = keyEnd;
      this.valueBytes = 0;
    } else {
      this.op = 'set';
      if (op === OP_SET) this.#readValue(bytes, keyEnd, end);
      else this.#readWithFields(bytes, keyEnd, end);
    }
    return true;
  }

  #isOfVersion2(op: number): boolean {
    return this.#version !== VERSION && (op === OP_TOUCH || op === OP_SET_WITH_FIELDS);
  }

  #readWithFields(bytes: Buffer, at: number, end: number): void {
    const fieldsOffset = at + FIELDS_HEADER_BYTES;
    if (fieldsOffset > end) throw cutShort();
    const valueBytes = readUint32(bytes, at);
    this.expireAtMs = readUint64(bytes, at + 4);
    const valueOffset = fieldsOffset + bytes.readUInt16LE(at + 12);
    if (valueOffset + valueBytes > end) throw cutShort();
    try {
      readFields(bytes, fieldsOffset, valueOffset, this);
    } catch (error) {
      throw asRecordError(error);
    }
    this.valueOffset = valueOffset;
    this.valueBytes = valueBytes;
    this.#at = valueOffset + valueBytes;
  }

  #unknownOperation(op: number): Error {
    if (this.#version === VERSION) return new RecordError(`unknown operation ${op}`);
    return newerPart(`unknown operation ${op} of a record of type data`);
  }

  /** What stands behind the mutations: nothing, or in version 2 blocks. */
  #readRest(at: number, end: number): void {
    if (this.#version === VERSION) throw new RecordError(`${end - at} bytes too many`);
    try {
      const writes = readBlocks(this.bytes, at, end, [BLOCK_NAMED_WRITES]).get(BLOCK_NAMED_WRITES);
      if (writes !== undefined) this.namedWrites = readNamedWrites(this.bytes, writes.from, writes.to);
    } catch (error) {
      throw asRecordError(error);
    }
    this.#at = end;
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

/** Goes through one record at a time, within one call: recovery makes no cursor for each. */
const CURSOR = new MutationCursor();
/** Another one for `walk`, whose caller may check and apply records meanwhile. */
const WALK = new MutationCursor();

function open(
  { buffer, payloadOffset, payloadBytes, isFinal }: RecordBytes,
  cursor = CURSOR,
): MutationCursor {
  cursor.open(buffer, payloadOffset, payloadOffset + payloadBytes);
  cursor.isFinal = isFinal;
  return cursor;
}

const KIND: Omit<RecordKind, 'level'> = {
  beginsEpoch: false,
  check(frame) {
    const mutation = open(frame);
    while (mutation.next());
  },
  mutations(frame) {
    return decodeMutations(frame.payload);
  },
  walk(frame) {
    return open(frame, WALK);
  },
  apply(frame, { store }) {
    const mutation = open(frame);
    while (mutation.next()) store.applyEncoded(mutation, frame);
    const { namedWrites } = mutation;
    if (namedWrites.length === 0) return;
    const { epoch, lsn, timestampMs } = frame;
    store.requests.apply(namedWrites, { epoch, lsn }, timestampMs);
  },
  hold() {},
  describe(frame, hasValues) {
    const writes = decodeNamedWrites(frame.payload);
    return {
      mutations: decodeMutations(frame.payload).map((each) => mutationToJson(each, hasValues)),
      ...(writes.length === 0 ? {} : { writes: writes.map(namedWriteToJson) }),
    };
  },
};

/** The cursor reads both; they differ in what may be in them. */
export const DATA_V1: RecordKind = { level: 0, ...KIND };
export const DATA_V2: RecordKind = { level: 1, ...KIND };

function mutationToJson(mutation: Mutation, hasValues: boolean): Record<string, unknown> {
  const { op, cause, key } = mutation;
  if (mutation.op === 'delete') return { op, cause, key };
  if (mutation.op === 'touch') return { op, cause, key, expireAtMs: mutation.expireAtMs };
  const { value, expireAtMs, contentType } = mutation;
  const type = contentType === undefined ? {} : { contentType };
  const content = hasValues ? { valueBase64: Buffer.from(value).toString('base64') } : {};
  return { op, cause, key, bytes: value.length, ...content, expireAtMs, ...type };
}

function namedWriteToJson({ name, checksum, results }: NamedWrite): Record<string, unknown> {
  const named =
    name.kind === 'request' ? { requestId: name.requestId } : { ...name, clientId: `${name.clientId}` };
  const shown = results.map(({ value, ...result }) =>
    value === undefined ? result : { ...result, value: `${value}` },
  );
  return { ...named, checksum, results: shown };
}
