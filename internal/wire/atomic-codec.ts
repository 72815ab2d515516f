/**
 * Converts an atomic Batch between protobuf and the model. An operation that is
 * invalid makes the whole invalid, with an error that names its index.
 */
import type {
  BatchRequest,
  BatchResponse,
  BatchOperation as OperationMessage,
} from '#gen/walnut/v1/kv_store_pb.ts';
import type { AtomicBatchAnswer, AtomicBatchCommand, BatchOperation } from '#model/commands.ts';
import { invalidArgument, ofOperation } from '#model/errors.ts';
import {
  type BatchLimits,
  checkCount,
  type DescribeError,
  receiptFieldOf,
  toOperation,
  toResultMessage,
} from '#wire/batch-codec.ts';
import { fromDurability } from '#wire/durability.ts';
import { toReceiptOptions } from '#wire/kv-codec.ts';
import { fromPosition } from '#wire/position-codec.ts';
import { idFieldOf, toWriteId } from '#wire/write-id.ts';

export function toAtomicBatch(request: BatchRequest, limits: BatchLimits): AtomicBatchCommand {
  checkCount(request.operations.length);
  const named = toWriteId(request);
  const operations = request.operations.map((message, i) => {
    try {
      return toPart(message, limits.valueBytesMax);
    } catch (error) {
      throw ofOperation(i, error);
    }
  });
  if (named.id !== undefined && operations.every(({ kind }) => kind === 'get'))
    throw invalidArgument(
      `${idFieldOf(request)} is given, but no operation writes: expected a write, or no name`,
    );
  const answerBytesMax = limits.answerBytesMax;
  return { operations, ...named, answerBytesMax, ...toReceiptOptions(request) };
}

function toPart(message: OperationMessage, valueBytesMax: number): BatchOperation {
  const { operation } = message;
  if (operation.case !== undefined && operation.case !== 'get') {
    const given = receiptFieldOf(operation.value);
    if (given !== undefined)
      throw invalidArgument(`${given} is set: in an atomic batch it is expected on the batch itself`);
  }
  if (operation.case === 'get' && operation.value.fillLeaseMs !== 0)
    throw invalidArgument('fill_lease_ms is set: expected a Get by itself, or a batch that is not atomic');
  return toOperation(message, valueBytesMax);
}

export function fromAtomicAnswer(answer: AtomicBatchAnswer, describe: DescribeError): BatchResponse {
  return {
    $typeName: 'walnut.v1.BatchResponse',
    results: answer.results.map((result) =>
      result === undefined
        ? { $typeName: 'walnut.v1.BatchResult', result: { case: undefined } }
        : toResultMessage(result, describe),
    ),
    committed: answer.isCommitted,
    position: fromPosition(answer.position),
    durabilityReached: fromDurability(answer.durabilityReached),
    replicasAcked: answer.replicasAcked,
    repeated: answer.isRepeat === true,
  };
}
