/** Batch: operations in order, whose writes share one record. */

import type { Accepted } from '#master/accepted.ts';
import {
  isWaiting,
  type OtherWrite,
  type OwnGet,
  PLAIN,
  type PlainResults,
  type PlainWrite,
  type Step,
  toBatchError,
  toRefused,
  toStep,
} from '#master/operations/batch-steps.ts';
import { acceptDelete } from '#master/operations/delete.ts';
import { judgeFill, toFillAnswer } from '#master/operations/fill.ts';
import { acceptIncrement, toIncrementAnswer } from '#master/operations/increment.ts';
import { runNamedParts } from '#master/operations/named-parts.ts';
import { acceptSet } from '#master/operations/set.ts';
import { acceptTouch, toTouchAnswer } from '#master/operations/touch.ts';
import type { RecordBuilder, WriteCause } from '#master/record-builder.ts';
import type { WritePath } from '#master/write-path.ts';
import type { BatchOperation, BatchResult, GetAnswer, GetCommand, WriteOperation } from '#model/commands.ts';
import { isExpired } from '#model/entry.ts';
import type { BatchId } from '#model/write-id.ts';

/** Answers a Get from the visible state. */
export type ReadVisible = (command: GetCommand) => GetAnswer;

/** A Batch whose writes have one name, and which has no reads. */
export function runNamedBatch(
  path: WritePath,
  writes: readonly WriteOperation[],
  id: BatchId,
  signal: AbortSignal | undefined,
): Promise<BatchResult[]> {
  return runNamedParts(path, writes, id, {
    accept: (write, builder) => acceptWrite(path, write, builder),
    toResult: (write, accepted) => answerWrite(path, accepted, write, signal),
  });
}

/** `cause`: the cause that is logged. */
export async function runBatch(
  path: WritePath,
  operations: readonly BatchOperation[],
  read: ReadVisible,
  signal: AbortSignal | undefined,
  cause: WriteCause,
): Promise<BatchResult[]> {
  const steps = path.write(
    (builder) => operations.map((operation) => accept(path, operation, builder, read)),
    cause,
  );
  // Writes that ask for no more than the record have one answer, however many they are.
  const first = steps.find((step) => step.kind === 'plain');
  const plain = first === undefined ? undefined : finishPlain(path, first.accepted);
  const waits = steps.filter(isWaiting).map((step) => finish(path, step, signal));
  const [plainResults, ...others] = await Promise.all([plain, ...waits]);
  let next = 0;
  return steps.map((step) => {
    if (step.kind === 'get' || step.kind === 'error') return step;
    if (step.kind === 'plain') return plainResult(path, step, plainResults as PlainResults);
    return others[next++] as BatchResult;
  });
}

function plainResult(path: WritePath, { accepted, operation }: PlainWrite, plain: PlainResults): BatchResult {
  if (operation === 'set' || operation === 'delete') return plain[operation];
  // An error concerns the whole record, so `plain.set` has it; a sum or a deadline concerns one operation.
  if (plain.answer === undefined) return plain.set;
  if (operation === 'touch') return { kind: 'touch', answer: toTouchAnswer(path, accepted, plain.answer) };
  return { kind: 'increment', answer: toIncrementAnswer(path, accepted, plain.answer) };
}

function accept(path: WritePath, operation: BatchOperation, builder: RecordBuilder, read: ReadVisible): Step {
  try {
    if (operation.kind === 'get') return acceptGet(path, operation.command, builder, read);
    return toStep(acceptWrite(path, operation, builder), operation, builder);
  } catch (error) {
    return toRefused(error);
  }
}

function acceptWrite(path: WritePath, { kind, command }: WriteOperation, builder: RecordBuilder): Accepted {
  switch (kind) {
    case 'set':
      return acceptSet(path, command, builder);
    case 'delete':
      return acceptDelete(path, command, builder);
    case 'increment':
      return acceptIncrement(path, command, builder);
    case 'touch':
      return acceptTouch(path, command, builder);
  }
}

function acceptGet(path: WritePath, command: GetCommand, builder: RecordBuilder, read: ReadVisible): Step {
  const answer = read(command);
  if (command.fill !== undefined) {
    const judged = judgeFill(path, command.key, command.fill, builder.nowMs);
    const result: BatchResult = { kind: 'get', answer: toFillAnswer(path, judged) };
    return judged.record === undefined ? result : { kind: 'own', record: judged.record, result };
  }
  const { entry, record } = path.accepted.lookup(command.key);
  // A Get must see the writes of its own batch; those of other callers become visible when they are applied.
  if (record !== builder.record) return { kind: 'get', answer };
  const found = entry !== undefined && !isExpired(entry.expireAtMs, builder.nowMs) ? entry : undefined;
  const shown = found === undefined ? undefined : path.shown(found);
  const result: BatchResult = { kind: 'get', answer: { ...answer, entry: shown, asOf: record.position } };
  return { kind: 'own', record, result };
}

async function finishPlain(path: WritePath, accepted: Accepted): Promise<PlainResults> {
  try {
    const answer = await path.answer(accepted, PLAIN);
    return { answer, set: { kind: 'set', answer }, delete: { kind: 'delete', answer } };
  } catch (error) {
    const result = toBatchError(error);
    return { answer: undefined, set: result, delete: result };
  }
}

async function finish(
  path: WritePath,
  step: OwnGet | OtherWrite,
  signal: AbortSignal | undefined,
): Promise<BatchResult> {
  try {
    if (step.kind === 'own') {
      await step.record.settled;
      return step.result;
    }
    return await answerWrite(path, step.accepted, step.operation, signal);
  } catch (error) {
    return toBatchError(error);
  }
}

async function answerWrite(
  path: WritePath,
  accepted: Accepted,
  { kind, command }: WriteOperation,
  signal: AbortSignal | undefined,
): Promise<BatchResult> {
  const answer = await path.answer(accepted, command, signal);
  switch (kind) {
    case 'increment':
      return { kind, answer: toIncrementAnswer(path, accepted, answer) };
    case 'touch':
      return { kind, answer: toTouchAnswer(path, accepted, answer) };
    default:
      return { kind, answer };
  }
}
