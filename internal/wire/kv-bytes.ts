/**
 * Get, Set and Batch from a request's bytes to an answer's, without messages in
 * between: what the common form of a request takes, and exactly what
 * `kv-codec.ts` and `batch-codec.ts` would answer. Undefined where the request
 * has another form, with nothing done yet.
 */
import { toBinary } from '@bufbuild/protobuf';
import { SetResponseSchema } from '#gen/walnut/v1/kv_store_pb.ts';
import type { BatchOperation, BatchResult, SetCommand, SetsAnswer, WriteAnswer } from '#model/commands.ts';
import { WalnutError } from '#model/errors.ts';
import {
  type Awaitable,
  type EntryReads,
  type KeyValuePort,
  mapAwaitable,
  NOT_FOUND,
  PREFETCH_KEYS,
  type ReadMoment,
} from '#model/ports.ts';
import type { Position } from '#model/position.ts';
import { AnswerWriter } from '#wire/answer-writer.ts';
import { AnswerBudget, type BatchLimits, type DescribeError, toResultMessage } from '#wire/batch-codec.ts';
import { asBuffer } from '#wire/byte-reader.ts';
import { fromSetAnswer } from '#wire/kv-codec.ts';
import { KeyRanges, SetRanges } from '#wire/kv-ranges.ts';
import { BatchReader, readOperations } from '#wire/kv-reader.ts';

export interface BatchBytesOptions {
  readonly port: KeyValuePort;
  readonly limits: BatchLimits;
  readonly describe: DescribeError;
}

const reader = new BatchReader();
const ranges = new KeyRanges();
const sets = new SetRanges();
const writer = new AnswerWriter();

/**
 * Gets alone, each straight from the key in the request to the value in the
 * answer. With `headroom` unwritten bytes before the answer.
 */
export function answerGets(
  options: BatchBytesOptions,
  request: Uint8Array,
  headroom: number,
): Buffer | undefined {
  const bytes = asBuffer(request);
  const moment = readableMoment(options.port, bytes);
  if (moment === undefined) return undefined;
  const { entries } = moment;
  const budget = new AnswerBudget(options.limits);
  writer.begin(headroom);
  writer.setFreshness(moment.asOf, moment.stalenessMs);
  for (let i = 0; i < ranges.count; i++) {
    if (i % PREFETCH_KEYS === 0) entries.prefetch(bytes, ranges.offsets, ranges.bytes, i, ranges.count);
    const found = entries.find(bytes, ranges.offsets[i] as number, ranges.bytes[i] as number);
    if (found === NOT_FOUND || budget.takes(entries.valueBytesOf(found))) writeRead(entries, found);
    else writer.message(toResultMessage({ kind: 'error', error: budget.refusal() }, options.describe));
  }
  return writer.take();
}

/** As `answerGets`, of a GetRequest. */
export function answerGet(port: KeyValuePort, request: Uint8Array, headroom: number): Buffer | undefined {
  const bytes = asBuffer(request);
  const moment = readableMoment(port, bytes, true);
  if (moment === undefined) return undefined;
  writer.begin(headroom, true);
  writer.setFreshness(moment.asOf, moment.stalenessMs);
  writeRead(moment.entries, moment.entries.find(bytes, reader.keyOffset, reader.keyBytes));
  return writer.take();
}

function writeRead(entries: EntryReads, found: number): void {
  if (found === NOT_FOUND) {
    writer.missing();
    return;
  }
  const valueBytes = entries.valueBytesOf(found);
  const expireAtMs = entries.expireAtMsOf(found);
  const lsn = entries.lsnOf(found);
  writer.beginFound(valueBytes, expireAtMs, entries.epochOf(found), lsn);
  if (valueBytes > 0) entries.copyValue(found, writer.view, writer.at);
  writer.endFound(valueBytes, expireAtMs, lsn);
}

/**
 * The moment to read at, with the keys in `ranges`, or that of a request by itself at
 * hand; undefined where it is not Gets alone, ready to be answered.
 */
function readableMoment(port: KeyValuePort, bytes: Buffer, isAlone = false): ReadMoment | undefined {
  try {
    const moment = port.moment();
    if (isAlone) {
      reader.openOne(bytes);
      return reader.get(moment.includes) ? moment : undefined;
    }
    reader.open(bytes);
    return ranges.read(reader, onceEach(moment)) ? moment : undefined;
  } catch (error) {
    // What cannot be read is told of each operation, by the general way.
    if (error instanceof WalnutError) return undefined;
    throw error;
  }
}

/** Callers bring the same position with each of their Gets. */
function onceEach(moment: ReadMoment): (position: Position) => boolean {
  let last: Position | undefined;
  return (position) => {
    if (last !== undefined && last.epoch === position.epoch && last.lsn === position.lsn) return true;
    last = position;
    return moment.includes(position);
  };
}

/** Sets alone that ask for nothing but being visible, each straight from the request into the record. */
export function makeSets(
  options: BatchBytesOptions,
  request: Uint8Array,
  headroom: number,
): Awaitable<Buffer> | undefined {
  const { port, limits } = options;
  if (!sets.read(reader, asBuffer(request), limits.valueBytesMax)) return undefined;
  const { count } = sets;
  const answer = port.sets(sets);
  if (answer === undefined) return undefined;
  return mapAwaitable(answer, (settled) => encodeSets(settled, count, options, headroom));
}

/** As `makeSets`, of a SetRequest. */
export function makeSet(
  { port, limits }: BatchBytesOptions,
  request: Uint8Array,
  headroom: number,
): Awaitable<Buffer> | undefined {
  if (!sets.readOne(reader, asBuffer(request), limits.valueBytesMax)) return undefined;
  const answer = port.sets(sets);
  if (answer === undefined) return undefined;
  return mapAwaitable(answer, (settled) => encodeSet(settled, headroom));
}

function encodeSet({ answer, refused }: SetsAnswer, headroom: number): Buffer {
  if (answer === undefined) throw refused.get(0);
  return encodeSetAnswer(answer, headroom);
}

function encodeSets(
  { answer, refused }: SetsAnswer,
  count: number,
  { describe }: BatchBytesOptions,
  headroom: number,
): Buffer {
  writer.begin(headroom);
  if (refused.size === 0 && answer !== undefined) {
    writer.written('set', answer, count);
    return writer.take();
  }
  for (let i = 0; i < count; i++) {
    const error = refused.get(i);
    if (error !== undefined) writer.message(toResultMessage({ kind: 'error', error }, describe));
    else if (answer !== undefined) writer.written('set', answer);
  }
  return writer.take();
}

/** The operations of a request; undefined where it has another form. */
export function tryOperations(limits: BatchLimits, request: Uint8Array): BatchOperation[] | undefined {
  reader.open(asBuffer(request));
  return readOperations(reader, limits.valueBytesMax);
}

/** The command of a SetRequest; undefined where it has another form. */
export function trySet(limits: BatchLimits, request: Uint8Array): SetCommand | undefined {
  reader.openOne(asBuffer(request));
  return reader.setCommand(limits.valueBytesMax);
}

/** To be called when a request was looked at: nothing here keeps its bytes then. */
export function letGo(): void {
  reader.close();
  sets.close();
}

/** A SetResponse with `headroom` unwritten bytes before it. */
export function encodeSetAnswer(answer: WriteAnswer, headroom: number): Buffer {
  writer.begin(headroom);
  writer.setResponse(isShort(answer) ? answer : toBinary(SetResponseSchema, fromSetAnswer(answer)));
  return writer.take();
}

/** `results`: one per operation. With `headroom` unwritten bytes before the answer. */
export function encodeResults(
  results: readonly BatchResult[],
  { limits, describe }: BatchBytesOptions,
  headroom: number,
): Buffer {
  const budget = new AnswerBudget(limits);
  writer.begin(headroom);
  for (const result of results) {
    if (!budget.takesResult(result)) {
      writer.message(toResultMessage({ kind: 'error', error: budget.refusal() }, describe));
    } else if (result.kind === 'get') {
      const { entry, asOf, stalenessMs } = result.answer;
      writer.setFreshness(asOf, stalenessMs);
      if (entry === undefined) writer.missing();
      else writer.found(entry.value, entry.expireAtMs, entry.version);
    } else if (result.kind !== 'error' && isShort(result.answer)) {
      writer.written(result.kind, result.answer);
    } else {
      writer.message(toResultMessage(result, describe));
    }
  }
  return writer.take();
}

function isShort({ previous, current }: { readonly previous: unknown; readonly current: unknown }): boolean {
  return previous === undefined && current === undefined;
}
