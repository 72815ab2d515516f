/**
 * Converts Batch between protobuf and the model. An invalid operation becomes an error
 * result, and the others are carried out. An answer never has more than
 * `answerBytesMax` of values: a result that would exceed it becomes an error result.
 */
import type {
  BatchRequest,
  BatchResponse,
  GetRequest,
  BatchOperation as OperationMessage,
  BatchResult as ResultMessage,
} from '#gen/walnut/v1/kv_store_pb.ts';
import { Durability } from '#gen/walnut/v1/types_pb.ts';
import type { BatchOperation, BatchResult, GetCommand } from '#model/commands.ts';
import { invalidArgument, WalnutError } from '#model/errors.ts';
import { BATCH_OPERATIONS_MAX } from '#model/limits.ts';
import {
  fromDeleteAnswer,
  fromGetAnswer,
  fromIncrementAnswer,
  fromSetAnswer,
  fromTouchAnswer,
  toDeleteCommand,
  toGetCommand,
  toIncrementCommand,
  toSetCommand,
  toTouchCommand,
} from '#wire/kv-codec.ts';
import { type IdFields, idFieldOf } from '#wire/write-id.ts';

export interface BatchLimits {
  readonly valueBytesMax: number;
  /** Most bytes of values in one answer. */
  readonly answerBytesMax: number;
}

/** Converts an error to a BatchError: the wire's code name and a message for callers. */
export type DescribeError = (error: unknown) => DescribedError;

export interface DescribedError {
  readonly code: string;
  readonly message: string;
  readonly nothingDone?: true | undefined;
}

/** The operations of a request, each of them runnable or refused already. */
export interface ParsedBatch {
  readonly slots: readonly (BatchOperation | WalnutError)[];
  /** The runnable operations, in order. */
  readonly operations: readonly BatchOperation[];
}

/** Throws `invalid_argument` unless there are 1 to 1,000 operations, and for what only an atomic batch has. `toNamedWrites` reads the name. */
export function toBatchOperations(request: BatchRequest, limits: BatchLimits): ParsedBatch {
  checkCount(request.operations.length);
  const given = waitFieldOf(request);
  if (given !== undefined) {
    throw invalidArgument(
      `${given} is for atomic batches: expected atomic, or ${given} in each operation that needs it`,
    );
  }
  const operations: BatchOperation[] = [];
  const slots = request.operations.map((message) => {
    const slot = tryOperation(message, limits.valueBytesMax);
    if (!(slot instanceof WalnutError)) operations.push(slot);
    return slot;
  });
  return { slots, operations };
}

export function checkCount(count: number): void {
  if (count < 1 || count > BATCH_OPERATIONS_MAX) {
    const isOver = count > BATCH_OPERATIONS_MAX;
    throw invalidArgument(`batch has ${count} operations: expected 1 to ${BATCH_OPERATIONS_MAX}`, {
      limit: isOver ? { name: 'operations', max: BATCH_OPERATIONS_MAX, size: count } : undefined,
    });
  }
}

type WaitFields = Pick<BatchRequest, 'durability' | 'minAcks' | 'timeoutMs'>;

/** The name of a field that says what the answer waits for, or that names the write, if one is set. */
export function receiptFieldOf(message: Partial<WaitFields & IdFields>): string | undefined {
  return waitFieldOf(message) ?? idFieldOf(message);
}

/** The name of a field that says what the answer waits for, if one is set. */
function waitFieldOf(message: Partial<WaitFields>): string | undefined {
  if ((message.durability ?? 0) !== 0) return 'durability';
  if ((message.minAcks ?? 0) !== 0) return 'min_acks';
  return (message.timeoutMs ?? 0) === 0 ? undefined : 'timeout_ms';
}

function tryOperation(message: OperationMessage, valueBytesMax: number): BatchOperation | WalnutError {
  try {
    return toOperation(message, valueBytesMax);
  } catch (error) {
    if (error instanceof WalnutError) return error;
    throw error;
  }
}

/** Throws `invalid_argument` for whatever the operation has wrong by itself. */
export function toOperation({ operation }: OperationMessage, valueBytesMax: number): BatchOperation {
  switch (operation.case) {
    case 'get':
      return { kind: 'get', command: toBatchedGet(operation.value) };
    case 'set':
      return { kind: 'set', command: toSetCommand(operation.value, valueBytesMax) };
    case 'delete':
      return { kind: 'delete', command: toDeleteCommand(operation.value) };
    case 'increment':
      return { kind: 'increment', command: toIncrementCommand(operation.value) };
    case 'touch':
      return { kind: 'touch', command: toTouchCommand(operation.value) };
    case undefined:
      throw invalidArgument('operation is empty: expected one of get, set, delete, increment, touch');
  }
}

function toBatchedGet(message: GetRequest): GetCommand {
  const command = toGetCommand(message);
  if (command.isLinearizable === true)
    throw invalidArgument('linearizable is given: expected a Get by itself, not in a batch');
  if (command.fill !== undefined && command.waitMs > 0)
    throw invalidArgument('fill_lease_ms and wait_ms are given: in a batch a Get does not wait for a lease');
  return command;
}

/** `results` has one element per runnable operation, as the port returned them. */
export function fromBatchResults(
  parsed: ParsedBatch,
  results: readonly BatchResult[],
  limits: BatchLimits,
  describe: DescribeError,
): BatchResponse {
  let next = 0;
  const budget = new AnswerBudget(limits);
  const messages = parsed.slots.map((slot) => {
    if (slot instanceof WalnutError) return errorMessage(describe(slot));
    const result = results[next++];
    if (result === undefined) throw new Error('the batch has fewer results than operations');
    const shown = budget.takesResult(result) ? result : { kind: 'error' as const, error: budget.refusal() };
    return toResultMessage(shown, describe);
  });
  return {
    $typeName: 'walnut.v1.BatchResponse',
    results: messages,
    committed: false,
    durabilityReached: Durability.UNSPECIFIED,
    replicasAcked: 0,
    repeated: false,
  };
}

/** Counts the bytes of values in one answer. */
export class AnswerBudget {
  readonly #bytesMax: number;
  #bytes = 0;

  constructor({ answerBytesMax }: BatchLimits) {
    this.#bytesMax = answerBytesMax;
  }

  /** The bytes that were counted. */
  get bytes(): number {
    return this.#bytes;
  }

  /** True if so many more bytes fit; then counts them. */
  takes(bytes: number): boolean {
    if (this.#bytes + bytes > this.#bytesMax) return false;
    this.#bytes += bytes;
    return true;
  }

  /** How many of so many more bytes may fit. */
  limited(bytes: number): number {
    return Math.min(bytes, this.#bytesMax - this.#bytes);
  }

  takesResult(result: BatchResult): boolean {
    return this.takes(valueBytes(result));
  }

  /** The error to send instead of a result that does not fit. */
  refusal(): WalnutError {
    return new WalnutError(
      'resource_exhausted',
      `the operation was carried out, but its answer would bring the batch over ${this.#bytesMax} bytes ` +
        'of values (server.max_batch_bytes): read the key by itself',
    );
  }
}

/** Bytes of the values that a result contains. */
export function valueBytes(result: BatchResult): number {
  switch (result.kind) {
    case 'get':
    case 'touch':
      return result.answer.entry?.value.length ?? 0;
    case 'set':
    case 'delete':
    case 'increment':
      return (result.answer.previous?.value.length ?? 0) + (result.answer.current?.value.length ?? 0);
    case 'error':
      return 0;
  }
}

export function toResultMessage(result: BatchResult, describe: DescribeError): ResultMessage {
  switch (result.kind) {
    case 'get':
      return wrap({ case: 'get', value: fromGetAnswer(result.answer) });
    case 'set':
      return wrap({ case: 'set', value: fromSetAnswer(result.answer) });
    case 'delete':
      return wrap({ case: 'delete', value: fromDeleteAnswer(result.answer) });
    case 'increment':
      return wrap({ case: 'increment', value: fromIncrementAnswer(result.answer) });
    case 'touch':
      return wrap({ case: 'touch', value: fromTouchAnswer(result.answer) });
    case 'error':
      return errorMessage(describe(result.error));
  }
}

function errorMessage({ code, message, nothingDone }: DescribedError): ResultMessage {
  const value = {
    $typeName: 'walnut.v1.BatchError',
    code,
    message,
    nothingDone: nothingDone === true,
  } as const;
  return wrap({ case: 'error', value });
}

function wrap(result: ResultMessage['result']): ResultMessage {
  return { $typeName: 'walnut.v1.BatchResult', result };
}
