/**
 * Batch from a request's bytes to an answer's, without messages in between: what
 * the common form of a batch takes, and exactly what `batch-codec.ts` would
 * answer. Undefined where the request has another form, with nothing done yet.
 */
import { toBinary } from '@bufbuild/protobuf';
import { SetResponseSchema } from '#gen/walnut/v1/kv_store_pb.ts';
import type { BatchOperation, BatchResult, SetCommand, WriteAnswer } from '#model/commands.ts';
import { WalnutError } from '#model/errors.ts';
import { type KeyValuePort, NOT_FOUND, type ReadMoment } from '#model/ports.ts';
import type { Position } from '#model/position.ts';
import { AnswerWriter } from '#wire/answer-writer.ts';
import { AnswerBudget, type BatchLimits, type DescribeError, toResultMessage } from '#wire/batch-codec.ts';
import { BatchReader, KeyRanges, readOperations } from '#wire/batch-reader.ts';
import { asBuffer } from '#wire/byte-reader.ts';
import { fromSetAnswer } from '#wire/kv-codec.ts';

export interface BatchBytesOptions {
  readonly port: KeyValuePort;
  readonly limits: BatchLimits;
  readonly describe: DescribeError;
}

const reader = new BatchReader();
const ranges = new KeyRanges();
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
    const found = entries.find(bytes, ranges.offsets[i] as number, ranges.bytes[i] as number);
    if (found === NOT_FOUND) {
      writer.missing();
      continue;
    }
    const valueBytes = entries.valueBytesOf(found);
    if (!budget.takes(valueBytes)) {
      writer.message(toResultMessage({ kind: 'error', error: budget.refusal() }, options.describe));
      continue;
    }
    const expireAtMs = entries.expireAtMsOf(found);
    const lsn = entries.lsnOf(found);
    writer.beginFound(valueBytes, expireAtMs, entries.epochOf(found), lsn);
    if (valueBytes > 0) entries.copyValue(found, writer.view, writer.at);
    writer.endFound(valueBytes, expireAtMs, lsn);
  }
  return writer.take();
}

/** The moment to read at, with the keys in `ranges`; undefined where the request is not Gets alone, ready to be answered. */
function readableMoment(port: KeyValuePort, bytes: Buffer): ReadMoment | undefined {
  try {
    const moment = port.moment();
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

/** The operations of a request; undefined where it has another form. */
export function tryOperations(limits: BatchLimits, request: Uint8Array): BatchOperation[] | undefined {
  reader.open(asBuffer(request));
  return readOperations(reader, limits.valueBytesMax);
}

/** The command of a SetRequest; undefined where it has another form. */
export function trySet(limits: BatchLimits, request: Uint8Array): SetCommand | undefined {
  return reader.openSet(asBuffer(request), limits.valueBytesMax);
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
