/**
 * Reads requests in the form that generated code writes: known fields, each
 * once, in the order of their numbers, and good values. Whatever else protobuf
 * allows, and whatever is to be refused, is not read here: undefined or false
 * means that protobuf's own decoder shall say what it is.
 */
import {
  type BatchOperation,
  type DeleteCommand,
  type Expiry,
  type GetCommand,
  PLAIN_EXPIRY,
  type SetCommand,
} from '#model/commands.ts';
import { BATCH_OPERATIONS_MAX, KEY_BYTES_MAX } from '#model/limits.ts';
import type { Lsn, Position } from '#model/position.ts';
import { isUtf8Range } from '#platform/utf8.ts';
import { ByteReader } from '#wire/byte-reader.ts';
import { WAIT_MS_MAX } from '#wire/numbers.ts';

const OPERATIONS = 0x0a;
/** Kinds of operations, as `next` tells them. */
export const GET = 0x0a;
export const SET = 0x12;
const DELETE = 0x1a;
/** In Get, Set and Delete alike. */
const KEY = 0x0a;
const GET_AT_LEAST = 0x12;
const GET_WAIT_MS = 0x18;
const SET_VALUE = 0x12;
const SET_TTL_MS = 0x18;
const SET_EXPIRE_AT_MS = 0x20;
const SET_IF_ABSENT = 0x30;
const SET_IF_PRESENT = 0x38;
const SET_RETURN_PREVIOUS = 0x48;
const DELETE_RETURN_PREVIOUS = 0x18;
const POSITION_EPOCH = 0x08;
const POSITION_LSN = 0x10;

const DEFAULT_EXPIRY: Expiry = { kind: 'default' };
const NO_BYTES = Buffer.alloc(0);

/** Goes through a request: `next` until it gives 0. */
export class BatchReader {
  readonly #reader = new ByteReader();
  #end = 0;
  #operationEnd = 0;
  /** Of the key at hand. */
  keyOffset = 0;
  keyBytes = 0;
  /** Of the set at hand. */
  valueOffset = 0;
  valueBytes = 0;
  /** Of `PLAIN_EXPIRY`. */
  expiry = 0;
  expiryMs = 0;

  open(bytes: Buffer): void {
    this.#reader.open(bytes);
    this.#end = bytes.length;
  }

  /** Lets go of the request. */
  close(): void {
    this.#reader.open(NO_BYTES);
  }

  /** Begins with a GetRequest or SetRequest by itself. */
  openOne(bytes: Buffer): void {
    this.open(bytes);
    this.#operationEnd = bytes.length;
  }

  /** The kind of the next operation, as the tag of its field; 0 at the end, -1 where it cannot be read. */
  next(): number {
    const reader = this.#reader;
    if (reader.at === this.#end) return 0;
    if (tagBefore(reader, this.#end) !== OPERATIONS) return -1;
    const end = reader.delimited(this.#end);
    if (end < 0) return -1;
    const kind = tagBefore(reader, end);
    this.#operationEnd = end;
    return reader.delimited(end) === end ? kind : -1;
  }

  /** The tag of the operation's next field; 0 at its end, -1 where it cannot be read. */
  #field(): number {
    return tagBefore(this.#reader, this.#operationEnd);
  }

  /** Reads the key as bytes and gives the tag behind it; -1 where there is no good one. */
  #key(): number {
    const reader = this.#reader;
    if (this.#field() !== KEY) return -1;
    const to = reader.delimited(this.#operationEnd);
    const length = to - reader.at;
    if (to < 0 || length < 1 || length > KEY_BYTES_MAX) return -1;
    if (!isUtf8Range(reader.bytes, reader.at, to)) return -1;
    this.keyOffset = reader.at;
    this.keyBytes = length;
    reader.at = to;
    return this.#field();
  }

  #keyText(): string {
    const { bytes } = this.#reader;
    const to = this.keyOffset + this.keyBytes;
    return bytes.toString(isAscii(bytes, this.keyOffset, to) ? 'latin1' : 'utf8', this.keyOffset, to);
  }

  /** Whether it is a Get that `includes` lets be answered at once; its key is then at hand. */
  get(includes: (position: Position) => boolean): boolean {
    let tag = this.#key();
    if (tag === 0) return true;
    if (tag === GET_AT_LEAST) {
      const position = this.#position();
      if (position === undefined || !includes(position)) return false;
      tag = this.#field();
    }
    if (tag === GET_WAIT_MS) tag = this.#waitMs() < 0 ? -1 : this.#field();
    return tag === 0;
  }

  /** The operation of that kind; undefined where it cannot be read. */
  operation(kind: number, valueBytesMax: number): BatchOperation | undefined {
    if (kind === GET) {
      const command = this.#getCommand();
      return command && { kind: 'get', command };
    }
    if (kind === SET) {
      const command = this.setCommand(valueBytesMax);
      return command && { kind: 'set', command };
    }
    const command = kind === DELETE ? this.#deleteCommand() : undefined;
    return command && { kind: 'delete', command };
  }

  #getCommand(): GetCommand | undefined {
    let tag = this.#key();
    if (tag < 0) return undefined;
    const key = this.#keyText();
    let atLeast: Position | undefined;
    let waitMs = 0;
    if (tag === GET_AT_LEAST) {
      atLeast = this.#position();
      if (atLeast === undefined) return undefined;
      tag = this.#field();
    }
    if (tag === GET_WAIT_MS) {
      waitMs = this.#waitMs();
      tag = waitMs < 0 ? -1 : this.#field();
    }
    return tag === 0 ? { key, atLeast, waitMs, maxStalenessMs: undefined } : undefined;
  }

  /** Whether it is a Set that asks for nothing but being visible; it is then the one at hand. */
  plainSet(valueBytesMax: number): boolean {
    return this.#setFields(valueBytesMax) === 0;
  }

  /** The command of the Set at hand; undefined where it cannot be read. */
  setCommand(valueBytesMax: number): SetCommand | undefined {
    let tag = this.#setFields(valueBytesMax);
    if (tag < 0) return undefined;
    let condition: SetCommand['condition'];
    if (tag === SET_IF_ABSENT || tag === SET_IF_PRESENT) {
      condition = { kind: tag === SET_IF_ABSENT ? 'absent' : 'present' };
      tag = this.#afterTrue();
    }
    const returnPrevious = tag === SET_RETURN_PREVIOUS;
    if (returnPrevious) tag = this.#afterTrue();
    if (tag !== 0) return undefined;
    const { bytes } = this.#reader;
    const value = new Uint8Array(bytes.buffer, bytes.byteOffset + this.valueOffset, this.valueBytes);
    return {
      key: this.#keyText(),
      value,
      expiry: this.#expiry(),
      condition,
      returnPrevious,
      durability: undefined,
      minAcks: 0,
      timeoutMs: 0,
    };
  }

  /** Reads key, value and expiry; the tag behind them, -1 where there are no good ones. */
  #setFields(valueBytesMax: number): number {
    const reader = this.#reader;
    let tag = this.#key();
    this.valueOffset = this.valueBytes = this.expiryMs = 0;
    this.expiry = PLAIN_EXPIRY.default;
    if (tag === SET_VALUE) {
      const to = reader.delimited(this.#operationEnd);
      if (to < 0 || to - reader.at > valueBytesMax) return -1;
      this.valueOffset = reader.at;
      this.valueBytes = to - reader.at;
      reader.at = to;
      tag = this.#field();
    }
    if (tag === SET_TTL_MS || tag === SET_EXPIRE_AT_MS) {
      const ms = reader.varint(this.#operationEnd);
      if (ms < 0 || (ms === 0 && tag === SET_TTL_MS)) return -1;
      this.expiry = tag === SET_TTL_MS ? PLAIN_EXPIRY.ttl : PLAIN_EXPIRY.at;
      this.expiryMs = ms;
      tag = this.#field();
    }
    return tag;
  }

  #expiry(): Expiry {
    const ms = this.expiryMs;
    if (this.expiry === PLAIN_EXPIRY.ttl) return { kind: 'ttl', ttlMs: ms };
    return this.expiry === PLAIN_EXPIRY.at ? { kind: 'at', expireAtMs: ms } : DEFAULT_EXPIRY;
  }

  #deleteCommand(): DeleteCommand | undefined {
    let tag = this.#key();
    if (tag < 0) return undefined;
    const key = this.#keyText();
    const returnPrevious = tag === DELETE_RETURN_PREVIOUS;
    if (returnPrevious) tag = this.#afterTrue();
    if (tag !== 0) return undefined;
    return { key, condition: undefined, returnPrevious, durability: undefined, minAcks: 0, timeoutMs: 0 };
  }

  /** The tag behind a field that is true; -1 where it is not. */
  #afterTrue(): number {
    return this.#reader.varint(this.#operationEnd) === 1 ? this.#field() : -1;
  }

  #waitMs(): number {
    const waitMs = this.#reader.varint(this.#operationEnd);
    return waitMs <= WAIT_MS_MAX ? waitMs : -1;
  }

  #position(): Position | undefined {
    const reader = this.#reader;
    const end = reader.delimited(this.#operationEnd);
    if (end < 0) return undefined;
    let epoch = 0;
    let lsn = 0;
    let tag = tagBefore(reader, end);
    if (tag === POSITION_EPOCH) {
      epoch = reader.varint(end);
      tag = tagBefore(reader, end);
    }
    if (tag === POSITION_LSN) {
      lsn = reader.varint(end);
      tag = reader.at === end ? 0 : -1;
    }
    return tag === 0 && epoch >= 0 && lsn >= 0 ? { epoch, lsn: lsn as Lsn } : undefined;
  }
}

function isAscii(bytes: Buffer, from: number, to: number): boolean {
  let bits = 0;
  for (let i = from; i < to; i++) bits |= bytes[i] as number;
  return bits < 0x80;
}

/** The next tag; 0 at the end, -1 where there is none of one byte, as all tags here are. */
function tagBefore(reader: ByteReader, end: number): number {
  if (reader.at === end) return 0;
  const tag = reader.bytes[reader.at++] as number;
  return tag < 0x80 ? tag || -1 : -1;
}

/** All operations, or undefined where one cannot be read. */
export function readOperations(reader: BatchReader, valueBytesMax: number): BatchOperation[] | undefined {
  const operations: BatchOperation[] = [];
  for (let kind = reader.next(); kind !== 0; kind = reader.next()) {
    const operation = reader.operation(kind, valueBytesMax);
    if (operation === undefined || operations.length === BATCH_OPERATIONS_MAX) return undefined;
    operations.push(operation);
  }
  return operations.length > 0 ? operations : undefined;
}
