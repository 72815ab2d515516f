/**
 * Answers of groups that are passed on as bytes: copied once, and to the position of each result that
 * names no group the one is added that it is of. What is not of the form that nodes write is decoded.
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
import { copyPart, varintBytes, writeVarint } from '#wire/byte-writer.ts';
import { DELETE, GET, INCREMENT, SET, TOUCH } from '#wire/kv-columns.ts';
import { LARGE_ANSWER_BYTES } from '#wire/kv-large.ts';

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

/** With its group an answer has the field of that more, and a byte in each of three lengths. */
const LENGTHS_BYTES_MAX = 3;

const NO_BYTES = Buffer.alloc(0);
const reader = new ByteReader();
/** The answer as it is written, up to `to`, and the field that names its group. */
let target = NO_BYTES;
let to = 0;
let field = new Uint8Array(0);
/** Where the last position stands that is to get its group, and its length; 0: there was none. */
let lengthAt = 0;
let positionFrom = 0;
let positionTo = 0;
/** The newest position of the answer that is being read. */
let newest: Position | undefined;
/** The place in it of the last position that was read; at first none, since no position is empty. */
let lastFrom = 0;
let lastTo = -1;
let isLastNamed = false;

/** For whom an answer is read. */
export interface ReadFor {
  /** The id of the group that gave it. */
  readonly group: string;
  /** So many unwritten bytes are to stand before it. */
  readonly headroom: number;
}

/** The answer to an operation of this kind. Throws `invalid_argument` for what cannot be read. */
export function readOne(kind: number, answer: Uint8Array, whom: ReadFor): EncodedAnswer {
  begin(answer, 1, whom);
  try {
    findPosition(POSITION_TAGS[kind] as number, answer.length);
    if (positionTo > 0) copyNamed(kind, 0, answer.length, false);
    else copyBytes(0, answer.length);
    return taken(whom, []);
  } finally {
    letGo();
  }
}

/**
 * The results in an answer, which is only lent, to a Batch of `count` operations of these kinds. Throws `invalid_argument`
 * for another number of them.
 */
export function readResults(
  kinds: Uint8Array,
  count: number,
  answer: Uint8Array,
  whom: ReadFor,
  commands: () => readonly BatchOperation[],
): RelayedResults {
  if (answer.length <= LARGE_ANSWER_BYTES) {
    begin(answer, count, whom);
    try {
      const ends = copyResults(kinds, count, answer.length);
      if (ends !== undefined) return taken(whom, ends);
    } finally {
      letGo();
    }
  }
  // A copy, since values would be views of bytes that are only lent.
  const own = fromBinary(BatchResponseSchema, Buffer.from(answer));
  return { kind: 'decoded', results: toBatchResults(commands(), own) };
}

function begin(answer: Uint8Array, count: number, { group, headroom }: ReadFor): void {
  reader.open(asBuffer(answer));
  field = fieldOf(group);
  target = Buffer.allocUnsafe(headroom + answer.length + count * (field.length + LENGTHS_BYTES_MAX));
  to = headroom;
  newest = undefined;
  lastFrom = 0;
  lastTo = -1;
}

function taken({ headroom }: ReadFor, ends: readonly number[]): EncodedAnswer {
  return { kind: 'encoded', bytes: target.subarray(0, to), headroom, ends, position: newest };
}

function letGo(): void {
  reader.open(NO_BYTES);
  target = NO_BYTES;
}

/** Gives the results of an answer to a Batch one after the other. */
export class AnswerJoiner {
  readonly #bytes: Buffer;
  readonly #ends: readonly number[];
  #from: number;
  #next = 0;

  constructor({ bytes, headroom, ends }: EncodedAnswer) {
    this.#bytes = asBuffer(bytes);
    this.#ends = ends;
    this.#from = headroom;
  }

  /** Copies the next result to `target` and returns where it ends. */
  next(target: Buffer, at: number): number {
    const from = this.#from;
    this.#from = this.#ends[this.#next++] as number;
    copyPart(this.#bytes, from, this.#from - from, target, at);
    return at + this.#from - from;
  }
}

/** The field of a position that names its group. The id of a group is ASCII. */
function fieldOf(group: string): Uint8Array<ArrayBuffer> {
  const named = new Uint8Array(2 + group.length);
  named[0] = GROUP;
  named[1] = group.length;
  for (let i = 0; i < group.length; i++) named[2 + i] = group.charCodeAt(i);
  return named;
}

/** The results of an answer, decoded. */
export function decodeResults(
  { bytes, headroom }: EncodedAnswer,
  operations: readonly BatchOperation[],
): BatchResult[] {
  return toBatchResults(operations, fromBinary(BatchResponseSchema, bytes.subarray(headroom)));
}

/**
 * Where each result ends that was copied; undefined unless there is one of the right kind for each operation, and nothing else.
 * Results in a row that stay as they came are copied together.
 */
function copyResults(kinds: Uint8Array, count: number, total: number): number[] | undefined {
  const ends: number[] = [];
  let copied = 0;
  for (let i = 0; i < count; i++) {
    const kind = kinds[i] as number;
    const start = reader.at;
    if (reader.at >= total || reader.bytes[reader.at++] !== RESULTS) return undefined;
    const end = reader.delimited(total);
    if (end < 0 || reader.at === end) return undefined;
    if (reader.bytes[reader.at++] !== TAG_OF_KIND[kind]) return undefined;
    if (reader.delimited(end) !== end) return undefined;
    const from = reader.at;
    findPosition(POSITION_TAGS[kind] as number, end);
    reader.at = end;
    if (positionTo > 0) {
      copyBytes(copied, start);
      copyNamed(kind, from, end, true);
      copied = end;
    }
    ends.push(to + end - copied);
  }
  if (reader.at !== total) return undefined;
  copyBytes(copied, total);
  return ends;
}

function copyBytes(from: number, end: number): void {
  copyPart(reader.bytes, from, end - from, target, to);
  to += end - from;
}

/** Copies an answer whose position is to get its group, `isResult`: as a result of a Batch. */
function copyNamed(kind: number, from: number, end: number, isResult: boolean): void {
  const { bytes } = reader;
  const position = positionTo - positionFrom + field.length;
  const length = end - from - (positionTo - lengthAt) + varintBytes(position) + position;
  const out = target;
  let at = to;
  if (isResult) {
    out[at++] = RESULTS;
    at = writeVarint(out, 1 + varintBytes(length) + length, at);
    out[at++] = TAG_OF_KIND[kind] as number;
    at = writeVarint(out, length, at);
  }
  to = at + length;
  copyPart(bytes, from, lengthAt - from, out, at);
  at = writeVarint(out, position, at + lengthAt - from);
  for (let i = positionFrom; i < positionTo; i++) out[at++] = bytes[i] as number;
  for (let i = 0; i < field.length; i++) out[at++] = field[i] as number;
  copyPart(bytes, positionTo, end - positionTo, out, at);
}

/** Reads the fields of the answer that begins here up to its position, and finds that where it is to get its group. */
function findPosition(positionTag: number, end: number): void {
  const { bytes } = reader;
  positionTo = 0;
  let at = reader.at;
  while (at < end) {
    const tag = bytes[at++] as number;
    reader.at = at;
    // A sum may be larger than any number that is read here.
    if ((tag & 7) === VARINT) reader.skipVarint(end);
    else if ((tag & 7) === DELIMITED) {
      const after = reader.delimited(end);
      if (after < 0) throw unreadable();
      if (tag === positionTag) {
        const from = reader.at;
        if (!lacksGroup(from, after)) return;
        lengthAt = at;
        positionFrom = from;
        positionTo = after;
        return;
      }
      reader.at = after;
    } else throw unreadable();
    at = reader.at;
  }
}

/** False for a position that names its group, or has no LSN: it is of no log, and no group is told with it. */
function lacksGroup(from: number, end: number): boolean {
  // The results of a Batch mostly have one position.
  if (isLast(from, end)) return !isLastNamed;
  let epoch = 0;
  let lsn: Lsn = NO_LSN;
  let isNamed = false;
  while (reader.at < end) {
    const tag = reader.bytes[reader.at++];
    if (tag === GROUP) {
      if (!isField(reader.at - 1, end)) throw unreadable();
      isNamed = true;
      break;
    }
    const value = reader.varint(end);
    if (value < 0) throw unreadable();
    if (tag === EPOCH) epoch = value;
    else if (tag === LSN) lsn = value as Lsn;
    else throw unreadable();
  }
  if (lsn === NO_LSN) return false;
  lastFrom = from;
  lastTo = end;
  isLastNamed = isNamed;
  const position = { epoch, lsn };
  if (newest === undefined || isAhead(position, newest)) newest = position;
  return !isNamed;
}

/** True if these bytes name the group that was asked. */
function isField(from: number, end: number): boolean {
  if (end - from !== field.length) return false;
  for (let i = 0; i < field.length; i++) if (reader.bytes[from + i] !== field[i]) return false;
  return true;
}

/** True if these bytes are those of the last position that was read. */
function isLast(from: number, end: number): boolean {
  const { bytes } = reader;
  if (end - from !== lastTo - lastFrom) return false;
  for (let i = from, j = lastFrom; i < end; i++, j++) if (bytes[i] !== bytes[j]) return false;
  return true;
}

function unreadable(): Error {
  return invalidArgument('the answer has fields that no node sends');
}
