/** Operations as messages: their types, sizes, waits and errors. Pure. */

import { create, type DescMessage, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import {
  type AwaitDurableRequestSchema,
  type BatchOperation,
  BatchOperationSchema,
  type BatchRequest,
  type BatchRequestSchema,
  type DeleteRequestSchema,
  type GetRequest,
  type GetRequestSchema,
  type GetUpdatesRequestSchema,
  type IncrementRequestSchema,
  type SetRequestSchema,
  type TouchRequestSchema,
} from '#gen/walnut/v1/kv_store_pb.ts';
import { Durability } from '#gen/walnut/v1/types_pb.ts';
import { shown } from '#platform/shown.ts';
import { messageOf } from '#platform/thrown.ts';
import type { PendingOperation } from './batch-queue.ts';
import {
  checkKey,
  checkNames,
  checkValue,
  type DeadlineOptions,
  type OptionNames,
  optionNames,
  withExpiry,
} from './call-options.ts';
import { invalid } from './failures.ts';
import { hasName, type NamedFields } from './write-names.ts';

/** What every call takes beside the fields of its message. */
export interface CallOptions {
  /** Gives the call up. What goes together with it goes on. */
  readonly signal?: AbortSignal | undefined;
}

/** The fields of the message without its key. */
export type GetOptions = Omit<MessageInitShape<typeof GetRequestSchema>, 'key' | '$typeName'>;
export type SetOptions = Omit<MessageInitShape<typeof SetRequestSchema>, 'key' | 'value' | '$typeName'> &
  DeadlineOptions;
export type IncrementOptions = Omit<MessageInitShape<typeof IncrementRequestSchema>, 'key' | '$typeName'> &
  DeadlineOptions;
export type TouchOptions = Omit<MessageInitShape<typeof TouchRequestSchema>, 'key' | '$typeName'> &
  DeadlineOptions;
export type DeleteOptions = Omit<MessageInitShape<typeof DeleteRequestSchema>, 'key' | '$typeName'>;
export type AwaitDurableOptions = Omit<MessageInitShape<typeof AwaitDurableRequestSchema>, '$typeName'>;
export type GetUpdatesOptions = Omit<MessageInitShape<typeof GetUpdatesRequestSchema>, '$typeName'>;

type OperationInit = NonNullable<MessageInitShape<typeof BatchOperationSchema>['operation']>;

/** An operation of an atomic Batch, by its kind: `{ get: … }`, `{ set: … }` and so on. */
export type AtomicOperation = ByKind<OperationInit>;
type ByKind<T> = T extends { readonly case: infer Kind extends string; readonly value: infer Value }
  ? { readonly [K in Kind]: Value & (Kind extends 'get' | 'delete' ? unknown : DeadlineOptions) }
  : never;
export type AtomicOptions = Omit<
  MessageInitShape<typeof BatchRequestSchema>,
  'operations' | 'atomic' | '$typeName'
>;

export type Operation = PendingOperation['operation'];

/** What an answer to a write waits for, and how long. */
export type Receipt = Pick<BatchRequest, 'durability' | 'minAcks' | 'timeoutMs'>;

/** The longest wait that nodes accept. */
const WAIT_MS_MAX = 60_000;
/** How long a node waits for durability by default, milliseconds. */
const RECEIPT_MS = 5_000;
/** An upper bound for the bytes of an operation besides its value and its texts. */
const OPERATION_BYTES = 192;
const UTF8_BYTES_PER_UNIT = 3;

interface Kind {
  readonly schema: DescMessage;
  readonly fields: OptionNames;
  readonly options: OptionNames;
}

const KINDS: ReadonlyMap<string, Kind> = new Map(
  BatchOperationSchema.fields.flatMap(({ localName, message: schema }) => {
    if (schema === undefined) return [];
    const options = optionNames(schema, ['key', 'value'], ['signal']);
    return [[localName, { schema, fields: optionNames(schema), options }]];
  }),
);

/** An operation by its name, of its options. Throws INVALID_ARGUMENT for an option that does not exist or is of another type. */
export function operationOf(
  name: Exclude<Operation['case'], undefined>,
  options: object,
  key: string,
  value?: Uint8Array,
): Operation {
  const { schema, options: names } = KINDS.get(name) as Kind;
  checkKey(key);
  if (name === 'set') checkValue(value);
  checkNames(options, names);
  return { case: name, value: create(schema, { ...withExpiry(options), key, value }) } as Operation;
}

/** Throws INVALID_ARGUMENT as for each operation, and for what is no list of at least one. */
export function toMessages(operations: readonly AtomicOperation[]): BatchOperation[] {
  if (Array.isArray(operations) && operations.length > 0) return operations.map(toMessage);
  const given = Array.isArray(operations) ? 'an empty list' : shown(operations);
  throw invalid(`operations is ${given}: expected a list such as [{ set: { key, value } }]`);
}

/** Throws INVALID_ARGUMENT unless there is one operation, for a field that does not exist, and for text that no message can contain. */
export function toMessage(operation: AtomicOperation): BatchOperation {
  const message = create(BatchOperationSchema, { operation: caseOf(operation) });
  checkText(message.operation);
  return message;
}

function caseOf(operation: AtomicOperation): OperationInit {
  const given = Object.entries(operation ?? {});
  const expected = `expected one of ${[...KINDS.keys()].join(', ')}`;
  if (given.length !== 1) throw invalid(`operation has ${given.length} kinds: ${expected}`);
  const [name, value] = given[0] as [string, object];
  const kind = KINDS.get(name);
  if (kind === undefined) throw invalid(`operation of kind "${name}": ${expected}`);
  checkNames(value, kind.fields);
  const { key, value: content } = value as { readonly key?: unknown; readonly value?: unknown };
  checkKey(key);
  if (name === 'set') checkValue(content);
  return { case: name, value: withExpiry(value) } as OperationInit;
}

/** UTF-8 would replace every lone surrogate by the same character, and so change a key into another. */
export function checkText(operation: Operation): void {
  if (!keyOf(operation).isWellFormed() || !requestIdOf(operation).isWellFormed())
    throw invalid('ill-formed text: it has lone surrogates, expected none');
}

/** An upper estimate of the bytes of an operation in a request. */
export function sizeOf(operation: Operation): number {
  const texts = keyOf(operation).length + requestIdOf(operation).length;
  return UTF8_BYTES_PER_UNIT * texts + contentBytes(operation) + OPERATION_BYTES;
}

/** The bytes of what only operations of one kind have, as far as their number is not bounded. */
function contentBytes({ case: kind, value }: Operation): number {
  switch (kind) {
    case 'set':
      return value.value.length + UTF8_BYTES_PER_UNIT * value.contentType.length;
    case 'get':
    case 'delete':
    case 'increment':
    case 'touch':
    case undefined:
      return 0;
  }
}

export function keyOf({ value }: Operation): string {
  return value?.key ?? '';
}

export function isGet({ operation }: PendingOperation): boolean {
  return operation.case === 'get';
}

export function getsOf({ operations }: BatchRequest): GetRequest[] {
  return operations.flatMap(({ operation }) => (operation.case === 'get' ? operation.value : []));
}

function requestIdOf(operation: Operation): string {
  return writeOf(operation)?.requestId ?? '';
}

/** How long the node may wait for this operation, as its caller requested. */
export function waitMsOf({ case: kind, value }: Operation): number {
  if (kind === undefined) return 0;
  return kind === 'get' ? Math.min(WAIT_MS_MAX, value.waitMs) : receiptWaitMs(value);
}

/** How long the node may wait until a write is as durable as its caller requested. */
export function receiptWaitMs({ durability = 0, minAcks = 0, timeoutMs = 0 }: Partial<Receipt>): number {
  const waits = durability === Durability.LOCAL || waitsForNodes({ durability, minAcks });
  return waits ? durableWaitMs(timeoutMs) : Math.min(WAIT_MS_MAX, timeoutMs);
}

/** How long a node waits for durability where its caller requests `timeoutMs`; 0: does not say. */
export function durableWaitMs(timeoutMs: number): number {
  return Math.min(WAIT_MS_MAX, timeoutMs || RECEIPT_MS);
}

/** True if the operation can be encoded; otherwise fails its call, for instance for a negative number. */
export function isEncodable({ operation, fail }: Pick<PendingOperation, 'operation' | 'fail'>): boolean {
  try {
    toBinary(BatchOperationSchema, create(BatchOperationSchema, { operation }));
    return true;
  } catch (error) {
    fail(invalid(messageOf(error)));
    return false;
  }
}

/** The write of an operation, which can have a name; undefined: it is a Get, or none. */
export function writeOf({ case: kind, value }: Operation): NamedFields | undefined {
  return kind === undefined || kind === 'get' ? undefined : value;
}

/** True if the answer to a write has the whole entry, as its caller asked. */
export function answersEntry({ case: kind, value }: Operation): boolean {
  if (kind === 'touch') return value.returnValue;
  return (kind === 'set' || kind === 'delete') && value.returnPrevious;
}

/** True if the operation may be sent twice without being carried out twice. */
export function isRepeatable(operation: Operation): boolean {
  const write = writeOf(operation);
  return write === undefined || hasName(write);
}

/**
 * True if the answer may wait for other nodes, or for another caller: such a call goes alone, so that no
 * other waits for it. DURABILITY_LOCAL does not make a call one of these: it waits for the master's disk
 * only, and calls that go together share one fdatasync.
 */
export function mayWait({ case: kind, value }: Operation): boolean {
  if (kind === undefined) return false;
  return kind === 'get' ? value.waitMs > 0 || value.linearizable : waitsForNodes(value);
}

/** True if a write is answered only once other nodes have it. */
export function waitsForNodes({ durability, minAcks }: Omit<Receipt, 'timeoutMs'>): boolean {
  return minAcks > 0 || durability === Durability.QUORUM;
}
