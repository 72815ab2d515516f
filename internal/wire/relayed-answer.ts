/**
 * Answers of groups that are passed on as bytes. A gateway has to know of them where the result
 * of each operation stands and which position it tells, and adds to that position of which group it
 * is. What is not of the form that nodes write is decoded.
 */
import { fromBinary } from '@bufbuild/protobuf';
import { BatchResponseSchema } from '#gen/walnut/v1/kv_store_pb.ts';
import type { BatchOperation, BatchResult } from '#model/commands.ts';
import { invalidArgument } from '#model/errors.ts';
import { isAhead, type Lsn, NO_LSN, type Position } from '#model/position.ts';
import type { EncodedAnswer, RelayedResults } from '#model/relay.ts';
import { asBuffer } from '#platform/bytes.ts';
import { RESULT_TAGS } from '#wire/answer-writer.ts';
import { toBatchResults } from '#wire/batch-request-codec.ts';
import { ByteReader } from '#wire/byte-reader.ts';
import { type ByteWriter, VARINT_BYTES_MAX, varintBytes } from '#wire/byte-writer.ts';
import { DELETE, GET, INCREMENT, SET, TOUCH } from '#wire/kv-columns.ts';

const RESULTS = 0x0a;
/** The tags of the results by the kinds of their operations. */
const TAG_OF_KIND: Readonly<Record<number, number>> = {
  [GET]: RESULT_TAGS.get,
  [SET]: RESULT_TAGS.set,
  [DELETE]: RESULT_TAGS.delete,
  [INCREMENT]: RESULT_TAGS.increment,
  [TOUCH]: RESULT_TAGS.touch,
};
/** The tags of the position in each answer: `as_of` of a GetResponse, `position` of the others. */
const POSITION_TAGS: Readonly<Record<number, number>> = {
  [GET]: 0x2a,
  [SET]: 0x12,
  [DELETE]: 0x12,
  [INCREMENT]: 0x1a,
  [TOUCH]: 0x1a,
};
const [EPOCH, LSN, GROUP] = [0x08, 0x10, 0x1a];
const [VARINT, DELIMITED] = [0, 2];

/** The numbers of each answer in `marks`: its tag in a result, its message, and the position in it. */
const [TAG, FROM, TO, LENGTH_AT, POSITION_FROM, POSITION_TO, MARKS] = [0, 1, 2, 3, 4, 5, 6];

const reader = new ByteReader();
/** The newest position of the answer that is being read. */
let newest: Position | undefined;
/** The place in it of the last position that was read; at first none, since no position is empty. */
let [lastFrom, lastTo] = [0, -1];
const NO_BYTES = Buffer.alloc(0);

/** The answer to an operation of this kind. Throws `invalid_argument` for what cannot be read. */
export function readOne(kind: number, answer: Uint8Array): EncodedAnswer {
  begin(answer);
  try {
    const marks = new Uint32Array(MARKS);
    mark(marks, 0, kind, answer.length);
    return { kind: 'encoded', bytes: answer, marks, position: newest };
  } finally {
    reader.open(NO_BYTES);
  }
}

/** The results in an answer to a Batch of operations of these kinds. Throws `invalid_argument` for another number of them. */
export function readResults(
  kinds: Uint8Array,
  answer: Uint8Array,
  commands: () => readonly BatchOperation[],
): RelayedResults {
  begin(answer);
  try {
    const marks = marksOfResults(kinds, answer.length);
    if (marks !== undefined) return { kind: 'encoded', bytes: answer, marks, position: newest };
  } finally {
    reader.open(NO_BYTES);
  }
  return { kind: 'decoded', results: toBatchResults(commands(), fromBinary(BatchResponseSchema, answer)) };
}

function begin(answer: Uint8Array): void {
  reader.open(asBuffer(answer));
  newest = undefined;
  [lastFrom, lastTo] = [0, -1];
}

/** How many bytes more an answer has at most with its group. */
export function groupBytesMax(group: string): number {
  return 2 * VARINT_BYTES_MAX + 2 + group.length;
}

/** Writes the answer to one operation, whose position is of the group. Room is reserved. */
export function writeOne(out: ByteWriter, { bytes, marks }: EncodedAnswer, group: string): void {
  writeAnswer(out, asBuffer(bytes), marks, 0, fieldOf(group), false);
}

/** Writes the results of an answer to a Batch one after the other, with their group. */
export class AnswerJoiner {
  readonly #bytes: Buffer;
  readonly #marks: Uint32Array;
  readonly #group: Uint8Array;
  #at = 0;

  constructor({ bytes, marks }: EncodedAnswer, group: string) {
    this.#bytes = asBuffer(bytes);
    this.#marks = marks;
    this.#group = fieldOf(group);
  }

  /** Room is reserved. */
  next(out: ByteWriter): void {
    writeAnswer(out, this.#bytes, this.#marks, this.#at, this.#group, true);
    this.#at += MARKS;
  }
}

/** The field of a position that names its group. The id of a group is ASCII. */
function fieldOf(group: string): Uint8Array {
  const field = new Uint8Array(2 + group.length);
  field[0] = GROUP;
  field[1] = group.length;
  for (let i = 0; i < group.length; i++) field[2 + i] = group.charCodeAt(i);
  return field;
}

/** The results of an answer, decoded, with their group. */
export function decodeResults(
  { bytes }: EncodedAnswer,
  operations: readonly BatchOperation[],
  group: string,
): BatchResult[] {
  return toBatchResults(operations, fromBinary(BatchResponseSchema, bytes)).map((result) => {
    if (result.kind === 'error') return result;
    const { answer } = result;
    const named = (position: Position): Position => (position.lsn === 0 ? position : { ...position, group });
    const told =
      'asOf' in answer
        ? { ...answer, asOf: named(answer.asOf) }
        : { ...answer, position: named(answer.position) };
    return { kind: result.kind, answer: told } as BatchResult;
  });
}

/** Undefined unless there is a result of the right kind for each operation, and nothing else. */
function marksOfResults(kinds: Uint8Array, total: number): Uint32Array | undefined {
  const marks = new Uint32Array(MARKS * kinds.length);
  for (let i = 0; i < kinds.length; i++) {
    const kind = kinds[i] as number;
    if (reader.at >= total || reader.bytes[reader.at++] !== RESULTS) return undefined;
    const end = reader.delimited(total);
    if (end < 0 || reader.at === end) return undefined;
    if (reader.bytes[reader.at++] !== TAG_OF_KIND[kind]) return undefined;
    if (reader.delimited(end) !== end) return undefined;
    mark(marks, MARKS * i, kind, end);
    reader.at = end;
  }
  return reader.at === total ? marks : undefined;
}

/** Notes where an answer stands that begins here, and reads its fields up to its position. */
function mark(marks: Uint32Array, at: number, kind: number, end: number): void {
  marks[at + TAG] = TAG_OF_KIND[kind] as number;
  marks[at + FROM] = reader.at;
  marks[at + TO] = end;
  const positionTag = POSITION_TAGS[kind];
  while (reader.at < end) {
    const tag = reader.bytes[reader.at++] as number;
    const lengthAt = reader.at;
    // A sum may be larger than any number that is read here.
    if ((tag & 7) === VARINT) reader.skipVarint(end);
    else if ((tag & 7) === DELIMITED) {
      const to = reader.delimited(end);
      if (to < 0) throw unreadable();
      if (tag === positionTag) {
        markPosition(marks, at, lengthAt, to);
        return;
      }
      reader.at = to;
    } else throw unreadable();
  }
}

/** A position without an LSN is of no log, and no group is told with it. */
function markPosition(marks: Uint32Array, at: number, lengthAt: number, end: number): void {
  const from = reader.at;
  // The results of a Batch mostly have one position.
  if (isLast(from, end)) {
    reader.at = end;
    note(marks, at, lengthAt, from, end);
    return;
  }
  let epoch = 0;
  let lsn: Lsn = NO_LSN;
  while (reader.at < end) {
    const tag = reader.bytes[reader.at++];
    const value = reader.varint(end);
    if (value < 0) throw unreadable();
    if (tag === EPOCH) epoch = value;
    else if (tag === LSN) lsn = value as Lsn;
    else throw unreadable();
  }
  if (lsn === NO_LSN) return;
  note(marks, at, lengthAt, from, end);
  [lastFrom, lastTo] = [from, end];
  const position = { epoch, lsn };
  if (newest === undefined || isAhead(position, newest)) newest = position;
}

function note(marks: Uint32Array, at: number, lengthAt: number, from: number, end: number): void {
  marks[at + LENGTH_AT] = lengthAt;
  marks[at + POSITION_FROM] = from;
  marks[at + POSITION_TO] = end;
}

/** True if these bytes are those of the last position that was read. */
function isLast(from: number, end: number): boolean {
  const { bytes } = reader;
  if (end - from !== lastTo - lastFrom) return false;
  for (let i = from, j = lastFrom; i < end; i++, j++) if (bytes[i] !== bytes[j]) return false;
  return true;
}

function writeAnswer(
  out: ByteWriter,
  bytes: Buffer,
  marks: Uint32Array,
  at: number,
  group: Uint8Array,
  isResult: boolean,
): void {
  const from = marks[at + FROM] as number;
  const to = marks[at + TO] as number;
  const lengthAt = marks[at + LENGTH_AT] as number;
  const positionFrom = marks[at + POSITION_FROM] as number;
  const positionTo = marks[at + POSITION_TO] as number;
  // 0: there is none.
  const position = positionTo === 0 ? 0 : positionTo - positionFrom + group.length;
  const length =
    position === 0 ? to - from : to - from - (positionTo - lengthAt) + varintBytes(position) + position;
  if (isResult) {
    out.byte(RESULTS);
    out.varint(1 + varintBytes(length) + length);
    out.byte(marks[at + TAG] as number);
    out.varint(length);
  }
  if (position === 0) {
    out.part(bytes, from, to - from);
    return;
  }
  out.part(bytes, from, lengthAt - from);
  out.varint(position);
  out.part(bytes, positionFrom, positionTo - positionFrom);
  out.fewBytes(group);
  out.part(bytes, positionTo, to - positionTo);
}

function unreadable(): Error {
  return invalidArgument('the answer has fields that no node sends');
}
