/** Batch as its callers make it: operations to a request, and a response to results. Pure. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import type {
  BatchOperationSchema,
  BatchRequestSchema,
  BatchResponse,
  BatchResult as ResultMessage,
} from '#gen/walnut/v1/kv_store_pb.ts';
import type { AtomicBatchAnswer, AtomicBatchCommand, BatchOperation, BatchResult } from '#model/commands.ts';
import { type ErrorCode, invalidArgument, WalnutError } from '#model/errors.ts';
import type { WriteId } from '#model/write-id.ts';
import { toDurability } from '#wire/durability.ts';
import { RECEIVED_CODES } from '#wire/error-codes.ts';
import {
  fromDeleteCommand,
  fromGetCommand,
  fromIncrementCommand,
  fromReceiptOptions,
  fromSetCommand,
  fromTouchCommand,
  fromWriteId,
  toDeleteAnswer,
  toGetAnswer,
  toIncrementAnswer,
  toSetAnswer,
  toTouchAnswer,
} from '#wire/kv-request-codec.ts';
import { toPositionOrNone } from '#wire/position-codec.ts';

export function fromBatch(
  operations: readonly BatchOperation[],
): MessageInitShape<typeof BatchRequestSchema> {
  return { operations: operations.map(fromOperation) };
}

export function fromNamedBatch(
  writes: readonly BatchOperation[],
  id: WriteId,
): MessageInitShape<typeof BatchRequestSchema> {
  return { operations: writes.map(fromOperation), ...fromWriteId(id) };
}

/** One result for each operation. Throws `invalid_argument` for another number of them, or another kind. */
export function toBatchResults(
  operations: readonly BatchOperation[],
  { results }: BatchResponse,
): BatchResult[] {
  checkNumber(operations, results);
  return results.map((result, i) => toResult(operations[i] as BatchOperation, result));
}

export function fromAtomicBatch(command: AtomicBatchCommand): MessageInitShape<typeof BatchRequestSchema> {
  return {
    operations: command.operations.map(fromAtomicOperation),
    atomic: true,
    ...fromReceiptOptions(command),
    ...fromWriteId(command.id),
  };
}

export function toAtomicAnswer(
  { operations }: AtomicBatchCommand,
  response: BatchResponse,
): AtomicBatchAnswer {
  const { results, committed, position, durabilityReached, replicasAcked, repeated } = response;
  // A repeat may be answered without results.
  if (results.length > 0) checkNumber(operations, results);
  return {
    isCommitted: committed,
    position: toPositionOrNone(position, 'position'),
    results: results.map((result, i) =>
      result.result.case === undefined ? undefined : toResult(operations[i] as BatchOperation, result),
    ),
    durabilityReached: toDurability(durabilityReached) ?? 'accepted',
    replicasAcked,
    ...(repeated ? { isRepeat: true } : {}),
  };
}

function fromOperation({ kind, command }: BatchOperation): MessageInitShape<typeof BatchOperationSchema> {
  switch (kind) {
    case 'get':
      return { operation: { case: 'get', value: fromGetCommand(command) } };
    case 'set':
      return { operation: { case: 'set', value: fromSetCommand(command) } };
    case 'delete':
      return { operation: { case: 'delete', value: fromDeleteCommand(command) } };
    case 'increment':
      return { operation: { case: 'increment', value: fromIncrementCommand(command) } };
    case 'touch':
      return { operation: { case: 'touch', value: fromTouchCommand(command) } };
  }
}

/** What the answer waits for is a field of the batch. */
function fromAtomicOperation(operation: BatchOperation): MessageInitShape<typeof BatchOperationSchema> {
  if (operation.kind === 'get') return fromOperation(operation);
  const command = { ...operation.command, durability: undefined, minAcks: 0, timeoutMs: 0, id: undefined };
  return fromOperation({ ...operation, command } as BatchOperation);
}

function checkNumber(operations: readonly unknown[], results: readonly unknown[]): void {
  if (results.length === operations.length) return;
  throw invalidArgument(`batch has ${results.length} results for ${operations.length} operations`);
}

function toResult({ kind, command }: BatchOperation, { result }: ResultMessage): BatchResult {
  switch (result.case) {
    case 'get':
      if (kind === 'get') return { kind, answer: toGetAnswer(result.value, command.key) };
      break;
    case 'set':
      if (kind === 'set') return { kind, answer: toSetAnswer(result.value) };
      break;
    case 'delete':
      if (kind === 'delete') return { kind, answer: toDeleteAnswer(result.value) };
      break;
    case 'increment':
      if (kind === 'increment') return { kind, answer: toIncrementAnswer(result.value) };
      break;
    case 'touch':
      if (kind === 'touch') return { kind, answer: toTouchAnswer(result.value) };
      break;
    case 'error': {
      const { code, message, nothingDone } = result.value;
      return {
        kind: 'error',
        error: new WalnutError(codeOf(code), message, nothingDone ? { nothingDone } : {}),
      };
    }
  }
  throw invalidArgument(`batch has the result of a ${result.case ?? 'nothing'} for a ${kind}`);
}

function codeOf(code: string): ErrorCode {
  const codes: Readonly<Record<string, ErrorCode | undefined>> = RECEIVED_CODES;
  return codes[code] ?? 'internal';
}
