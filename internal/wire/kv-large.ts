/** Encodes the results of a Batch, in slices if their values are many bytes. */
import type { BatchResult, GetAnswer, WriteAnswer } from '#model/commands.ts';
import { SLICE_BYTES, type Slices } from '#platform/slices.ts';
import { AnswerWriter } from '#wire/answer-writer.ts';
import { type AnswerBudget, type DescribeError, toResultMessage, valueBytes } from '#wire/batch-codec.ts';

/** An answer whose values have more bytes is encoded in slices. */
export const LARGE_ANSWER_BYTES = 1_024 * 1_024;

export function writeResult(
  writer: AnswerWriter,
  result: BatchResult,
  budget: AnswerBudget,
  describe: DescribeError,
): void {
  if (!budget.takesResult(result)) {
    writer.message(toResultMessage({ kind: 'error', error: budget.refusal() }, describe));
  } else if (result.kind === 'get') {
    writeGetAnswer(writer, result.answer);
  } else if (result.kind === 'error' || !isShort(result.answer)) {
    writer.message(toResultMessage(result, describe));
  } else if (result.kind === 'touch') {
    if (result.answer.entry === undefined) writer.touch(result.answer, false);
    else writer.message(toResultMessage(result, describe));
  } else if (result.kind !== 'increment') {
    writer.written(result.kind, result.answer);
  } else if (!writer.tryIncrement(result.answer, false)) {
    writer.message(toResultMessage(result, describe));
  }
}

export function writeGetAnswer(writer: AnswerWriter, { entry, asOf, stalenessMs }: GetAnswer): void {
  writer.setFreshness(asOf, stalenessMs);
  if (entry === undefined) writer.missing();
  else writer.found(entry.value, entry.expireAtMs, entry.version, entry.contentType);
}

/** True if the answer has only what `AnswerWriter` writes. */
export function isShort({ previous, current, isRepeat }: WriteAnswer): boolean {
  return previous === undefined && current === undefined && isRepeat === undefined;
}

/** The bytes of the values in the results. */
export function valuesIn(results: readonly BatchResult[]): number {
  let bytes = 0;
  for (const result of results) bytes += valueBytes(result);
  return bytes;
}

/** An answer that begins with results that are encoded already. It has a writer of its own, since others write in between. */
export function* encodeLargeResults(
  encoded: Uint8Array,
  results: readonly BatchResult[],
  budget: AnswerBudget,
  describe: DescribeError,
  headroom: number,
): Slices<Buffer> {
  const writer = new AnswerWriter();
  writer.begin(headroom);
  writer.reserve(results.length, encoded.length + budget.limited(valuesIn(results)));
  writer.encoded(encoded);
  let sliceFrom = writer.at;
  for (const result of results) {
    writeResult(writer, result, budget, describe);
    if (writer.at - sliceFrom < SLICE_BYTES) continue;
    yield writer.at - sliceFrom;
    sliceFrom = writer.at;
  }
  return writer.take();
}
