/**
 * Reads requests in the form that generated code writes: known fields, each once, in
 * the order of their numbers, and valid values. For every other form, and for invalid
 * requests, it returns false; the caller then uses the generated decoder, which accepts
 * or refuses them.
 */
import { PLAIN_EXPIRY } from '#model/bulk.ts';
import { BATCH_OPERATIONS_MAX, KEY_BYTES_MAX } from '#model/limits.ts';
import { crc32 } from '#platform/crc32.ts';
import { isUtf8Range } from '#platform/utf8.ts';
import { ByteReader } from '#wire/byte-reader.ts';
import {
  AT_LEAST,
  DELETE,
  GET,
  IF_ABSENT,
  IF_PRESENT,
  INCREMENT,
  NAMED,
  OperationColumns,
  RETURN_PREVIOUS,
  RETURN_VALUE,
  SET,
  TOUCH,
} from '#wire/kv-columns.ts';
import { BATCH, readName } from '#wire/name-fields.ts';
import { WAIT_MS_MAX } from '#wire/numbers.ts';
import type { ToldGroup } from '#wire/told-group.ts';

const OPERATIONS = 0x0a;
const ATOMIC = 0x10;
/** The first field of the name of a whole Batch. */
const CLIENT_ID = 0x39;
/** In every operation. */
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
const INCREMENT_DELTA = 0x10;
const INCREMENT_INITIAL = 0x18;
const INCREMENT_TTL_MS = 0x20;
const INCREMENT_EXPIRE_AT_MS = 0x28;
const INCREMENT_IF_ABSENT = 0x30;
const INCREMENT_IF_PRESENT = 0x38;
const TOUCH_TTL_MS = 0x10;
const TOUCH_EXPIRE_AT_MS = 0x18;
const TOUCH_RETURN_VALUE = 0x20;
const POSITION_EPOCH = 0x08;
const POSITION_LSN = 0x10;
const POSITION_GROUP = 0x1a;

/** Only names begin with such a tag: no field that is read here has one. */
const LONG_TAG = 0x100;

const NO_BYTES = Buffer.alloc(0);

export class RequestReader {
  /** The last request; valid until the next one is read, and only if reading returned true. */
  readonly columns = new OperationColumns();
  readonly #reader = new ByteReader();
  readonly #valueBytesMax: number;
  readonly #group: ToldGroup | undefined;
  /** Where the operation being read ends. */
  #end = 0;

  /** `group`: that of the node, which the position of a Get may name; undefined: it may name none. */
  constructor(valueBytesMax: number, group?: ToldGroup) {
    this.#valueBytesMax = valueBytesMax;
    this.#group = group;
  }

  /** A BatchRequest. */
  readBatch(bytes: Buffer): boolean {
    const { columns } = this;
    const reader = this.#reader;
    const total = bytes.length;
    this.#open(bytes);
    while (reader.at < total) {
      const tag = tagBefore(reader, total);
      if (tag === ATOMIC) {
        columns.isAtomic = reader.varint(total) === 1;
        return columns.isAtomic && reader.at === total && columns.count > 0;
      }
      if (tag === CLIENT_ID) return columns.count > 0 && this.#batchName(total);
      if (columns.count === BATCH_OPERATIONS_MAX || tag !== OPERATIONS) return false;
      const end = reader.delimited(total);
      if (end < 0) return false;
      const kind = tagBefore(reader, end);
      if (reader.delimited(end) !== end || !this.#operation(kind, end)) return false;
    }
    return columns.count > 0;
  }

  /** A request of one operation, as `kind` says. */
  readOne(kind: number, bytes: Buffer): boolean {
    this.#open(bytes);
    return this.#operation(kind, bytes.length);
  }

  /** Lets go of the request. */
  close(): void {
    this.#reader.open(NO_BYTES);
    this.columns.close();
  }

  /** Reads the name of a whole Batch, which is behind its operations and the tag that it begins with. */
  #batchName(total: number): boolean {
    const reader = this.#reader;
    const operationsEnd = --reader.at;
    const read = readName(BATCH, reader, total);
    if (read === undefined) return false;
    this.columns.name = { ...read.id, checksum: crc32(reader.bytes, 0, 0, operationsEnd) };
    return true;
  }

  #open(bytes: Buffer): void {
    this.#reader.open(bytes);
    this.columns.begin(bytes);
  }

  #operation(kind: number, end: number): boolean {
    const { columns } = this;
    columns.starts[columns.count] = this.#reader.at;
    columns.ends[columns.count] = end;
    this.#end = end;
    if (kind === GET) return this.#get();
    if (kind === SET) return this.#set();
    if (kind === DELETE) return this.#delete();
    if (kind === INCREMENT) return this.#increment();
    return kind === TOUCH && this.#touch();
  }

  #get(): boolean {
    const { columns } = this;
    let tag = this.#key();
    let flags = 0;
    let waitMs = 0;
    if (tag === GET_AT_LEAST) {
      if (!this.#atLeast()) return false;
      flags = AT_LEAST;
      tag = this.#field();
    }
    if (tag === GET_WAIT_MS) {
      waitMs = this.#reader.varint(this.#end);
      if (waitMs < 0 || waitMs > WAIT_MS_MAX) return false;
      tag = this.#field();
    }
    if (tag !== 0) return false;
    columns.waitMs[columns.count] = waitMs;
    columns.add(GET, flags);
    return true;
  }

  #set(): boolean {
    let tag = this.#setFields();
    let flags = 0;
    if (tag === SET_IF_ABSENT || tag === SET_IF_PRESENT) {
      flags = tag === SET_IF_ABSENT ? IF_ABSENT : IF_PRESENT;
      tag = this.#afterTrue();
    }
    if (tag === SET_RETURN_PREVIOUS) {
      flags |= RETURN_PREVIOUS;
      tag = this.#afterTrue();
    }
    return this.#write(SET, flags, tag);
  }

  #delete(): boolean {
    let tag = this.#key();
    const returnsPrevious = tag === DELETE_RETURN_PREVIOUS;
    if (returnsPrevious) tag = this.#afterTrue();
    return this.#write(DELETE, returnsPrevious ? RETURN_PREVIOUS : 0, tag);
  }

  #increment(): boolean {
    const { columns } = this;
    const i = columns.count;
    let tag = this.#key();
    columns.deltas[i] = 1;
    columns.initials[i] = 0;
    if (tag === INCREMENT_DELTA) tag = this.#signed(columns.deltas);
    if (tag === INCREMENT_INITIAL) tag = this.#signed(columns.initials);
    tag = this.#expiry(tag, INCREMENT_TTL_MS, INCREMENT_EXPIRE_AT_MS);
    let flags = 0;
    if (tag === INCREMENT_IF_ABSENT || tag === INCREMENT_IF_PRESENT) {
      flags = tag === INCREMENT_IF_ABSENT ? IF_ABSENT : IF_PRESENT;
      tag = this.#afterTrue();
    }
    return this.#write(INCREMENT, flags, tag);
  }

  #touch(): boolean {
    const expiry = this.#key();
    // Without a deadline it is refused, which the general way does.
    if (expiry !== TOUCH_TTL_MS && expiry !== TOUCH_EXPIRE_AT_MS) return false;
    let tag = this.#expiry(expiry, TOUCH_TTL_MS, TOUCH_EXPIRE_AT_MS);
    const returnsValue = tag === TOUCH_RETURN_VALUE;
    if (returnsValue) tag = this.#afterTrue();
    return this.#write(TOUCH, returnsValue ? RETURN_VALUE : 0, tag);
  }

  /** Takes in a write, whose fields end here or with its name, which begins with `tag`. */
  #write(kind: number, flags: number, tag: number): boolean {
    const { columns } = this;
    if (tag < 0) return false;
    if (tag > 0 && !this.#named(kind)) return false;
    columns.add(kind, tag === 0 ? flags : flags | NAMED);
    return true;
  }

  #named(kind: number): boolean {
    const { columns } = this;
    const reader = this.#reader;
    // Behind the first byte of its tag.
    reader.at--;
    const read = readName(kind, reader, this.#end);
    if (read === undefined) return false;
    columns.ids[columns.count] = read.id;
    columns.sinceStarts[columns.count] = read.sinceStart;
    return true;
  }

  /** Reads a number with a sign into `column` and gives the tag behind it; -1 where it is not a safe one. */
  #signed(column: Float64Array): number {
    const zigzag = this.#reader.varint(this.#end);
    if (zigzag < 0) return -1;
    column[this.columns.count] = zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2;
    return this.#field();
  }

  /** The tag of the operation's next field; 0 at its end, -1 where it cannot be read. */
  #field(): number {
    return tagBefore(this.#reader, this.#end);
  }

  /** The tag behind a field that is true; -1 where it is not. */
  #afterTrue(): number {
    return this.#reader.varint(this.#end) === 1 ? this.#field() : -1;
  }

  /** Reads the key as bytes and gives the tag behind it; -1 where there is no good one. */
  #key(): number {
    const reader = this.#reader;
    if (this.#field() !== KEY) return -1;
    const to = reader.delimited(this.#end);
    const length = to - reader.at;
    if (to < 0 || length < 1 || length > KEY_BYTES_MAX) return -1;
    if (!isUtf8Range(reader.bytes, reader.at, to)) return -1;
    const { columns } = this;
    columns.keyOffsets[columns.count] = reader.at;
    columns.keyBytes[columns.count] = length;
    reader.at = to;
    return this.#field();
  }

  /** Reads key, value and expiry; the tag behind them, -1 where there are no good ones. */
  #setFields(): number {
    const { columns } = this;
    const i = columns.count;
    const reader = this.#reader;
    let tag = this.#key();
    let valueOffset = 0;
    let valueBytes = 0;
    if (tag === SET_VALUE) {
      const to = reader.delimited(this.#end);
      valueOffset = reader.at;
      valueBytes = to - valueOffset;
      if (to < 0 || valueBytes > this.#valueBytesMax) return -1;
      reader.at = to;
      tag = this.#field();
    }
    columns.valueOffsets[i] = valueOffset;
    columns.valueBytes[i] = valueBytes;
    return this.#expiry(tag, SET_TTL_MS, SET_EXPIRE_AT_MS);
  }

  /** Reads the expiry where `tag` begins one; the tag behind it, -1 where it is no good one. */
  #expiry(tag: number, ttlMs: number, expireAtMs: number): number {
    const { columns } = this;
    const i = columns.count;
    columns.expiries[i] = PLAIN_EXPIRY.default;
    columns.expiryMs[i] = 0;
    if (tag !== ttlMs && tag !== expireAtMs) return tag;
    const ms = this.#reader.varint(this.#end);
    if (ms < 0 || (ms === 0 && tag === ttlMs)) return -1;
    columns.expiries[i] = tag === ttlMs ? PLAIN_EXPIRY.ttl : PLAIN_EXPIRY.at;
    columns.expiryMs[i] = ms;
    return this.#field();
  }

  #atLeast(): boolean {
    const reader = this.#reader;
    const end = reader.delimited(this.#end);
    if (end < 0) return false;
    let epoch = 0;
    let lsn = 0;
    let tag = tagBefore(reader, end);
    if (tag === POSITION_EPOCH) {
      epoch = reader.varint(end);
      tag = tagBefore(reader, end);
    }
    if (tag === POSITION_LSN) {
      lsn = reader.varint(end);
      tag = tagBefore(reader, end);
    }
    if (
      tag === POSITION_GROUP &&
      reader.delimited(end) === end &&
      this.#group?.isAt(reader.bytes, reader.at, end)
    ) {
      reader.at = end;
      tag = 0;
    }
    if (tag !== 0 || epoch < 0 || lsn < 0) return false;
    const { columns } = this;
    columns.atLeastEpochs[columns.count] = epoch;
    columns.atLeastLsns[columns.count] = lsn;
    return true;
  }
}

/** The next tag; 0 at the end, -1 where there is none, `LONG_TAG` for one of several bytes, of which it is behind the first. */
function tagBefore(reader: ByteReader, end: number): number {
  if (reader.at === end) return 0;
  const tag = reader.bytes[reader.at++] as number;
  return tag < 0x80 ? tag || -1 : LONG_TAG;
}
