/**
 * Encodes BatchResults as the same bytes that protobuf's own encoder writes for the
 * messages of `kv-codec.ts`. Positions repeat within an answer, so their encoded
 * bytes are kept from one result to the next.
 */
import { toBinary } from '@bufbuild/protobuf';
import { BatchResultSchema, type BatchResult as ResultMessage } from '#gen/walnut/v1/kv_store_pb.ts';
import type { IncrementAnswer, TouchAnswer, WriteAnswer } from '#model/commands.ts';
import type { Position } from '#model/position.ts';
import { ByteWriter, numberBytes, VARINT_BYTES_MAX, varintBytes } from '#wire/byte-writer.ts';
import { fromDurability } from '#wire/durability.ts';

/** A field's number and type, as its tag. */
const delimited = (field: number): number => field * 8 + 2;
const varint = (field: number): number => field * 8;

const RESULTS = delimited(1);
/** The tags of BatchResult's fields. */
export const RESULT_TAGS = {
  get: delimited(1),
  set: delimited(2),
  delete: delimited(3),
  increment: delimited(5),
  touch: delimited(6),
} as const;
/** An upper bound for a GetResponse without its value, with the tags and lengths around it. */
const AROUND_VALUE_BYTES = 224;

/** An upper bound for what all answers of writes have: a few numbers, and a position with its group. */
const RECEIPT_BYTES_MAX = 8 * VARINT_BYTES_MAX + 128;

/** Numbers within it have a zigzag form below 2^53. */
const ZIGZAG_MAX = 2n ** 52n - 1n;

const NO_BYTES = new Uint8Array(0);

/** Encodes pieces that are kept. */
const pieces = new ByteWriter(512);

function piece(write: (out: ByteWriter) => void): Uint8Array {
  pieces.begin(0);
  write(pieces);
  return new Uint8Array(pieces.take());
}

export class AnswerWriter {
  readonly #out = new ByteWriter();
  /** The encoded fields `as_of` and `staleness_ms` of the last GetResponse. */
  #freshness: Uint8Array = new Uint8Array(0);
  #asOf: Position | undefined;
  #stalenessMs = -1;
  /** The encoded field `epoch` of the last version. */
  #epochField: Uint8Array = new Uint8Array(0);
  #epoch = -1;
  /** The encoded results of the last writes without `previous` and `current`, of each kind. */
  readonly #written: Record<'set' | 'delete', Uint8Array> = { set: NO_BYTES, delete: NO_BYTES };
  readonly #answers: Record<'set' | 'delete', WriteAnswer | undefined> = {
    set: undefined,
    delete: undefined,
  };
  #isAlone = false;

  /** Begins an answer. `isAlone` makes it a GetResponse instead of a BatchResponse. */
  begin(headroom: number, isAlone = false): void {
    this.#out.begin(headroom);
    this.#answers.set = this.#answers.delete = undefined;
    this.#isAlone = isAlone;
  }

  /** Makes room for an answer whose values have so many bytes in all, so that it need not grow. */
  reserve(results: number, valueBytes: number): void {
    this.#out.reserve(results * AROUND_VALUE_BYTES + valueBytes);
  }

  take(): Buffer {
    return this.#out.take();
  }

  /** The offset of the next byte, for a caller that writes a value. */
  get at(): number {
    return this.#out.at;
  }

  get view(): DataView<ArrayBuffer> {
    return this.#out.view;
  }

  /** Sets the freshness of all following results of Gets. */
  setFreshness(asOf: Position, stalenessMs: number): void {
    const whole = Math.max(0, Math.floor(stalenessMs));
    if (asOf === this.#asOf && whole === this.#stalenessMs) return;
    this.#freshness = piece((out) => {
      writePosition(out, delimited(5), asOf);
      writeNumber(out, varint(6), whole);
    });
    this.#asOf = asOf;
    this.#stalenessMs = whole;
  }

  /** Writes the result of a Get that found nothing. */
  missing(): void {
    const inner = this.#freshness.length;
    this.#out.reserve(AROUND_VALUE_BYTES);
    if (!this.#isAlone) openResult(this.#out, RESULT_TAGS.get, inner);
    this.#out.fewBytes(this.#freshness);
  }

  /**
   * Begins the result of a Get that found an entry. The caller then writes the value's
   * bytes at `at` of `view` and calls `endFound` with the same numbers.
   */
  beginFound(valueBytes: number, expireAtMs: number, epoch: number, lsn: number, contentType = ''): void {
    if (epoch !== this.#epoch) this.#keepEpoch(epoch);
    const value = valueBytes === 0 ? 0 : 1 + varintBytes(valueBytes) + valueBytes;
    const deadline = numberBytes(expireAtMs);
    const type = contentType === '' ? 0 : 1 + varintBytes(contentType.length) + contentType.length;
    const inner = 2 + value + 2 + this.#versionBytes(lsn) + deadline + this.#freshness.length + type;
    const out = this.#out;
    out.reserve(AROUND_VALUE_BYTES + valueBytes + type);
    if (!this.#isAlone) openResult(out, RESULT_TAGS.get, inner);
    out.byte(varint(1));
    out.byte(1);
    if (valueBytes === 0) return;
    out.byte(delimited(2));
    out.varint(valueBytes);
  }

  endFound(valueBytes: number, expireAtMs: number, lsn: number, contentType = ''): void {
    const out = this.#out;
    out.at += valueBytes;
    out.byte(delimited(3));
    out.byte(this.#versionBytes(lsn));
    out.fewBytes(this.#epochField);
    writeNumber(out, varint(2), lsn);
    writeNumber(out, varint(4), expireAtMs);
    out.fewBytes(this.#freshness);
    if (contentType === '') return;
    out.byte(delimited(10));
    out.varint(contentType.length);
    out.fewBytes(Buffer.from(contentType, 'latin1'));
  }

  found(value: Uint8Array, expireAtMs: number, version: Position, contentType = ''): void {
    this.beginFound(value.length, expireAtMs, version.epoch, version.lsn, contentType);
    this.#out.buffer.set(value, this.#out.at);
    this.endFound(value.length, expireAtMs, version.lsn, contentType);
  }

  /** Writes the results of `count` writes with one answer, which has neither `previous` nor `current`. */
  written(kind: 'set' | 'delete', answer: WriteAnswer, count = 1): void {
    if (answer !== this.#answers[kind]) this.#keepWritten(kind, answer);
    const written = this.#written[kind];
    this.#out.reserve(count * written.length);
    this.#out.fewBytes(written);
    if (count > 1) this.#out.repeat(written.length, count - 1);
  }

  /** Writes what follows the results of an atomic batch that was committed. */
  committed({ position, durabilityReached, replicasAcked }: WriteAnswer): void {
    const reached = fromDurability(durabilityReached);
    const out = this.#out;
    out.reserve(RECEIPT_BYTES_MAX);
    writeNumber(out, varint(2), 1);
    writePosition(out, delimited(3), position);
    writeNumber(out, varint(4), reached);
    writeNumber(out, varint(5), replicasAcked);
  }

  /** Writes a SetResponse or a DeleteResponse, from an answer that has neither `previous` nor `current`. */
  writeResponse(answer: WriteAnswer): void {
    this.#out.reserve(RECEIPT_BYTES_MAX);
    writeFields(this.#out, answer);
  }

  /** Writes an IncrementResponse, or the result of one; false if its number is too large for this writer. */
  tryIncrement(answer: IncrementAnswer, isAlone: boolean): boolean {
    const { value } = answer;
    if (value > ZIGZAG_MAX || value < -ZIGZAG_MAX) return false;
    const fields = incrementFields(answer, Number(value));
    const out = this.#out;
    out.reserve(fields.length + 4 * VARINT_BYTES_MAX);
    if (!isAlone) openResult(out, RESULT_TAGS.increment, fields.length);
    out.fewBytes(fields);
    return true;
  }

  /** Writes a TouchResponse, or the result of one, from an answer that has no entry. */
  touch(answer: TouchAnswer, isAlone: boolean): void {
    const fields = touchFields(answer);
    const out = this.#out;
    out.reserve(fields.length + 4 * VARINT_BYTES_MAX);
    if (!isAlone) openResult(out, RESULT_TAGS.touch, fields.length);
    out.fewBytes(fields);
  }

  /** Writes what is encoded already. */
  encoded(bytes: Uint8Array): void {
    this.#out.reserve(bytes.length);
    this.#out.bytes(bytes);
  }

  /** Writes any other result. */
  message(message: ResultMessage): void {
    const bytes = toBinary(BatchResultSchema, message);
    this.#out.reserve(bytes.length + 2 * VARINT_BYTES_MAX);
    this.#out.byte(RESULTS);
    this.#out.varint(bytes.length);
    this.#out.bytes(bytes);
  }

  #versionBytes(lsn: number): number {
    return this.#epochField.length + numberBytes(lsn);
  }

  #keepEpoch(epoch: number): void {
    this.#epochField = piece((out) => writeNumber(out, varint(1), epoch));
    this.#epoch = epoch;
  }

  #keepWritten(kind: 'set' | 'delete', answer: WriteAnswer): void {
    const fields = piece((out) => writeFields(out, answer));
    this.#written[kind] = piece((out) => {
      openResult(out, RESULT_TAGS[kind], fields.length);
      out.bytes(fields);
    });
    this.#answers[kind] = answer;
  }
}

/** Writes the fields that SetResponse and DeleteResponse share, without `previous` and `current`. */
function writeFields(
  out: ByteWriter,
  { applied, position, durabilityReached, replicasAcked }: WriteAnswer,
): void {
  const reached = fromDurability(durabilityReached);
  writeNumber(out, varint(1), applied ? 1 : 0);
  writePosition(out, delimited(2), position);
  writeNumber(out, varint(5), reached);
  writeNumber(out, varint(6), replicasAcked);
}

/** Encodes an IncrementResponse without `current`. */
function incrementFields(answer: IncrementAnswer, value: number): Uint8Array {
  const { applied, position, expireAtMs, durabilityReached, replicasAcked } = answer;
  const reached = fromDurability(durabilityReached);
  return piece((out) => {
    writeNumber(out, varint(1), applied ? 1 : 0);
    writeNumber(out, varint(2), value < 0 ? -2 * value - 1 : 2 * value);
    writePosition(out, delimited(3), position);
    writeNumber(out, varint(4), expireAtMs);
    writeNumber(out, varint(6), reached);
    writeNumber(out, varint(7), replicasAcked);
  });
}

/** Encodes a TouchResponse without `entry`. */
function touchFields(answer: TouchAnswer): Uint8Array {
  const { applied, position, expireAtMs, durabilityReached, replicasAcked } = answer;
  const reached = fromDurability(durabilityReached);
  return piece((out) => {
    writeNumber(out, varint(1), applied ? 1 : 0);
    writePosition(out, delimited(3), position);
    writeNumber(out, varint(4), expireAtMs);
    writeNumber(out, varint(5), reached);
    writeNumber(out, varint(6), replicasAcked);
  });
}

/** Begins a BatchResult whose one field has `bytes` bytes. */
function openResult(out: ByteWriter, tag: number, bytes: number): void {
  out.byte(RESULTS);
  out.varint(1 + varintBytes(bytes) + bytes);
  out.byte(tag);
  out.varint(bytes);
}

/** Writes a field, or nothing if `value` is 0. */
function writeNumber(out: ByteWriter, tag: number, value: number): void {
  if (value === 0) return;
  out.byte(tag);
  out.varint(value);
}

/** The id of a group is ASCII, so that its characters are its bytes. */
function writePosition(out: ByteWriter, tag: number, { epoch, lsn, group }: Position): void {
  const numbers = numberBytes(epoch) + numberBytes(lsn);
  out.byte(tag);
  out.byte(group === undefined ? numbers : numbers + 2 + group.length);
  writeNumber(out, varint(1), epoch);
  writeNumber(out, varint(2), lsn);
  if (group === undefined) return;
  out.byte(delimited(3));
  out.byte(group.length);
  for (let i = 0; i < group.length; i++) out.byte(group.charCodeAt(i));
}
