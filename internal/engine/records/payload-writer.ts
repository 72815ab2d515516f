/**
 * Writes the payload of a DATA record, one mutation after another as they are
 * accepted, in the room that its frame will have: so a write is encoded once,
 * and what is accepted can be looked up in the very bytes that will be logged.
 * The layout is specified in README.md.
 *
 * One writer serves one record after another. They lie side by side in one buffer until
 * it is full, and each stays where it was written as its frame: what stands before the
 * record under way is never written again. A large value that came with room around it
 * (`roomy-bytes.ts`) is not copied at all: the record is written around it.
 */

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
import type { Cause } from '#model/entry.ts';
import type { NamedWrite } from '#model/write-id.ts';
import { encodeBlock } from '#platform/blocks.ts';
import { writeUint32, writeUint53 } from '#platform/bytes.ts';
import { tryTakeRoom } from '#platform/roomy-bytes.ts';
import { beginContentType, fieldsBytesOf } from '#storage/entry-fields.ts';
import type { KeyBytes } from '#storage/key-bytes.ts';
import { writeNamedWrite } from '#storage/named-writes.ts';
import { RowWriter } from '#storage/row-bytes.ts';
import { FRAME_HEADER_BYTES, type Frame, type FrameHeader, sealFrame } from '#wal/frame.ts';

const BUFFER_BYTES_MIN = 65_536;
/** What is kept ready for the next record, at most. */
const BUFFER_BYTES_MAX = 262_144;
/** A record begins where so much is free, or as much as the last one took: it seldom has to be moved. */
const FREE_BYTES_MIN = 4_096;
/** A longer value with room around it is not copied. */
const COPIED_BYTES_MAX = 65_536;

/** Bytes of a payload: mutations are named by where they begin behind `payloadOffset`. */
export interface PayloadSource {
  readonly buffer: Buffer;
  readonly payloadOffset: number;
}

export class PayloadWriter implements PayloadSource {
  buffer: Buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES_MIN);
  /** Where the frame of the record under way begins. */
  #start = 0;
  /** The buffer came with a value; it becomes that of the frame, and of no other record. */
  #isAdopted = false;
  #at = FRAME_HEADER_BYTES + DATA_HEADER_BYTES;
  /** Bytes of the last frame. */
  #lastBytes = 0;
  #count = 0;
  /** Version of the layout: the first one that has everything in this record. */
  #version = VERSION;
  /** The rows of named writes; they become a block behind the mutations. */
  readonly #named = new RowWriter();

  get payloadOffset(): number {
    return this.#start + FRAME_HEADER_BYTES;
  }

  /** Begins a record, and forgets what was written of one that did not become a frame. */
  begin(): void {
    const likelyBytes = Math.min(this.#lastBytes, BUFFER_BYTES_MAX);
    const isFull = this.buffer.length - this.#start < Math.max(FREE_BYTES_MIN, likelyBytes);
    if (isFull || this.#isAdopted) this.#renew(Math.max(BUFFER_BYTES_MIN, likelyBytes));
    this.#at = this.#start + FRAME_HEADER_BYTES + DATA_HEADER_BYTES;
    this.#count = 0;
    this.#version = VERSION;
    if (this.#named.length > 0) this.#named.take();
  }

  /** True if there is nothing to log. */
  get isEmpty(): boolean {
    return this.#count === 0 && this.#named.length === 0;
  }

  /** Mutations written. */
  get count(): number {
    return this.#count;
  }

  /** A set of the key to `valueBytes` of `source` from `valueOffset` on; returns where it begins in the payload. */
  set(
    key: KeyBytes,
    source: Uint8Array,
    valueOffset: number,
    valueBytes: number,
    expireAtMs: number,
    cause: Cause,
  ): number {
    const headBytes = MUTATION_HEADER_BYTES + key.length + SET_HEADER_BYTES;
    const isInPlace =
      valueBytes > COPIED_BYTES_MAX && valueBytes === source.length && this.#tryAdopt(source, headBytes);
    if (!isInPlace) this.#reserve(headBytes + valueBytes);
    const start = this.#at;
    const { buffer } = this;
    let at = this.#open(OP_SET, key, cause);
    at = writeUint32(buffer, valueBytes, at);
    at = writeUint53(buffer, expireAtMs, at);
    if (isInPlace) {
      // The value is there already.
    } else if (source instanceof Buffer) source.copy(buffer, at, valueOffset, valueOffset + valueBytes);
    else buffer.set(source.subarray(valueOffset, valueOffset + valueBytes), at);
    this.#at = at + valueBytes;
    return start - this.payloadOffset;
  }

  /** Like `set`, with a content type: 1 to 255 characters of ASCII. */
  setTyped(key: KeyBytes, value: Uint8Array, expireAtMs: number, cause: Cause, contentType: string): number {
    const fieldsBytes = fieldsBytesOf(contentType.length);
    const headBytes = MUTATION_HEADER_BYTES + key.length + FIELDS_HEADER_BYTES + fieldsBytes;
    const isInPlace = value.length > COPIED_BYTES_MAX && this.#tryAdopt(value, headBytes);
    if (!isInPlace) this.#reserve(headBytes + value.length);
    const start = this.#at;
    const { buffer } = this;
    let at = this.#open(OP_SET_WITH_FIELDS, key, cause);
    at = writeUint32(buffer, value.length, at);
    at = writeUint53(buffer, expireAtMs, at);
    at = buffer.writeUInt16LE(fieldsBytes, at);
    at = beginContentType(buffer, at, contentType.length);
    at += buffer.write(contentType, at, 'latin1');
    if (!isInPlace) buffer.set(value, at);
    this.#at = at + value.length;
    this.#version = VERSION_2;
    return start - this.payloadOffset;
  }

  /** A delete of the key; returns where it begins in the payload. */
  delete(key: KeyBytes, cause: Cause): number {
    this.#reserve(MUTATION_HEADER_BYTES + key.length);
    const start = this.#at;
    this.#at = this.#open(OP_DELETE, key, cause);
    return start - this.payloadOffset;
  }

  /** Another deadline for the entry of the key; returns where it begins in the payload. */
  touch(key: KeyBytes, expireAtMs: number, cause: Cause): number {
    this.#reserve(MUTATION_HEADER_BYTES + key.length + TOUCH_HEADER_BYTES);
    const start = this.#at;
    this.#at = writeUint53(this.buffer, expireAtMs, this.#open(OP_TOUCH, key, cause));
    this.#version = VERSION_2;
    return start - this.payloadOffset;
  }

  /** What a named write came to. It belongs to the record even if it changed nothing. */
  name(write: NamedWrite): void {
    writeNamedWrite(this.#named, write);
  }

  /** What was written as a frame, good for ever; the writer is to begin anew. */
  toFrame(header: FrameHeader): Frame {
    if (this.#named.length > 0) this.#addBlock();
    const { buffer, payloadOffset } = this;
    buffer[payloadOffset] = this.#version;
    writeUint32(buffer, this.#count, payloadOffset + 1);
    const frame = sealFrame(header, buffer, this.#start, this.#at - payloadOffset);
    this.#lastBytes = frame.frameBytes;
    this.#start = this.#at;
    return frame;
  }

  /** What sets and deletes begin with; returns where it ends. */
  #open(op: number, { bytes, length }: KeyBytes, cause: Cause): number {
    const { buffer } = this;
    const at = this.#at;
    this.#count++;
    buffer[at] = op;
    buffer[at + 1] = CAUSES.indexOf(cause);
    buffer[at + 2] = length;
    buffer[at + 3] = length >>> 8;
    const keyAt = at + MUTATION_HEADER_BYTES;
    for (let i = 0; i < length; i++) buffer[keyAt + i] = bytes[i] as number;
    return keyAt + length;
  }

  #addBlock(): void {
    const block = encodeBlock(BLOCK_NAMED_WRITES, this.#named.take());
    this.#reserve(block.length);
    block.copy(this.buffer, this.#at);
    this.#at += block.length;
    this.#version = VERSION_2;
  }

  /**
   * Goes on in the buffer of a value that was given away with room for what stands before
   * it: a large value is then never copied. False where it was not. `headBytes`: what its
   * mutation has before the value.
   */
  #tryAdopt(value: Uint8Array, headBytes: number): boolean {
    const written = this.#at - this.#start;
    const whole = tryTakeRoom(value, written + headBytes);
    if (whole === undefined) return false;
    this.buffer.copy(whole, 0, this.#start, this.#at);
    this.#goOnIn(whole, written);
    this.#isAdopted = true;
    return true;
  }

  #renew(bytes: number): void {
    this.#goOnIn(Buffer.allocUnsafeSlow(bytes), 0);
  }

  /** `buffer` begins with what was written of the record. */
  #goOnIn(buffer: Buffer, written: number): void {
    this.buffer = buffer;
    this.#start = 0;
    this.#at = written;
    this.#isAdopted = false;
  }

  /** A record that outgrows the buffer is moved to one of its own size. */
  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.buffer.length) return;
    const { buffer } = this;
    const start = this.#start;
    const written = this.#at - start;
    this.#renew(Math.max(written + bytes, 2 * written, BUFFER_BYTES_MIN));
    buffer.copy(this.buffer, 0, start, start + written);
    this.#at = written;
  }
}
