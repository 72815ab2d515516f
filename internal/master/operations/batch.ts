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
  toStep,
} from '#master/operations/batch-steps.ts';
import { acceptDelete } from '#master/operations/delete.ts';
import { judgeFill, toFillAnswer } from '#master/operations/fill.ts';
import { acceptIncrement, toIncrementAnswer } from '#master/operations/increment.ts';
import { acceptSet } from '#master/operations/set.ts';
import { acceptTouch, toTouchAnswer } from '#master/operations/touch.ts';
import type { RecordBuilder, WriteCause } from '#master/record-builder.ts';
import type { WritePath } from '#master/write-path.ts';
import type { BatchOperation, BatchResult, GetAnswer, GetCommand } from '#model/commands.ts';
import { isExpired } from '#model/entry.ts';

/** Answers a Get from the visible state. */
export type ReadVisible = (command: GetCommand) => GetAnswer;

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
    switch (operation.kind) {
      case 'get':
        return acceptGet(path, operation.command, builder, read);
      case 'set':
        return toStep(acceptSet(path, operation.command, builder), operation, builder);
      case 'delete':
        return toStep(acceptDelete(path, operation.command, builder), operation, builder);
      case 'increment':
        return toStep(acceptIncrement(path, operation.command, builder), operation, builder);
      case 'touch':
        return toStep(acceptTouch(path, operation.command, builder), operation, builder);
    }
  } catch (error) {
    return toBatchError(error);
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
    const { accepted, operation } = step;
    const answer = await path.answer(accepted, operation.command, signal);
    switch (operation.kind) {
      case 'increment':
        return { kind: 'increment', answer: toIncrementAnswer(path, accepted, answer) };
      case 'touch':
        return { kind: 'touch', answer: toTouchAnswer(path, accepted, answer) };
      default:
        return { kind: operation.kind, answer };
    }
  } catch (error) {
    return toBatchError(error);
  }
}
