/** KVStore over Connect: decode, ask the port, encode. */
import { KVStore } from '#gen/walnut/v1/kv_store_pb.ts';
import type { BatchOperation, WriteOptions } from '#model/commands.ts';
import { type KeyValuePort, mapAwaitable } from '#model/ports.ts';
import { FEW, operationsLimits, valueLimits } from '#server/message-limits.ts';
import { type BinaryImpl, createRpcModule, type RpcModule, type UnaryContext } from '#server/rpc-routes.ts';
import {
  type BatchLimits,
  type DescribeError,
  fromBatchResults,
  toBatchOperations,
} from '#wire/batch-codec.ts';
import {
  answerGet,
  answerGets,
  encodeResults,
  encodeSetAnswer,
  letGo,
  makeSet,
  makeSets,
  tryOperations,
  trySet,
} from '#wire/kv-bytes.ts';
import {
  fromDeleteAnswer,
  fromDurableAnswer,
  fromGetAnswer,
  fromSetAnswer,
  toAwaitDurableCommand,
  toDeleteCommand,
  toGetCommand,
  toSetCommand,
} from '#wire/kv-codec.ts';
import { fromScanAnswer, fromUpdatesAnswer, toScanCommand, toUpdatesCommand } from '#wire/scan-codec.ts';

export interface KeyValueModuleOptions {
  readonly port: KeyValuePort;
  readonly limits: BatchLimits;
  /** `server.max_batch_bytes` */
  readonly batchBytesMax: number;
  readonly describe: DescribeError;
}

export function createKeyValueModule(options: KeyValueModuleOptions): RpcModule {
  const { port, limits, describe } = options;
  return createRpcModule(KVStore, {
    get: {
      access: 'read',
      limits: FEW,
      impl: (request, context) => {
        const command = toGetCommand(request);
        // Only a read that may wait needs to know that its caller went away.
        const signal = command.waitMs > 0 || context.hasDeadline ? context.signal : undefined;
        return mapAwaitable(port.get(command, signal), fromGetAnswer);
      },
      binaryImpl: lettingGo((bytes, _context, headroom) => answerGet(port, bytes, headroom)),
    },
    set: {
      access: 'write',
      limits: valueLimits(limits.valueBytesMax),
      impl: async (request, context) => {
        const command = toSetCommand(request, limits.valueBytesMax);
        return fromSetAnswer(await port.set(command, signalFor(command, context)));
      },
      binaryImpl: lettingGo((bytes, context, headroom) => setBytes(options, bytes, context, headroom)),
    },
    delete: {
      access: 'write',
      limits: FEW,
      impl: async (request, context) => {
        const command = toDeleteCommand(request);
        return fromDeleteAnswer(await port.delete(command, signalFor(command, context)));
      },
    },
    batch: {
      // A batch of Gets alone needs no more than `read`, but nobody has read it yet.
      access: 'write',
      limits: operationsLimits(options.batchBytesMax),
      impl: async (request, context) => {
        const parsed = toBatchOperations(request, limits);
        const { operations } = parsed;
        const results =
          operations.length === 0 ? [] : await port.batch(operations, signalOf(operations, context));
        return fromBatchResults(parsed, results, limits, describe);
      },
      binaryImpl: lettingGo((bytes, context, headroom) => batchBytes(options, bytes, context, headroom)),
    },
    scan: {
      access: 'read',
      limits: FEW,
      impl: (request) => fromScanAnswer(port.scan(toScanCommand(request))),
    },
    getUpdates: {
      access: 'read',
      limits: FEW,
      impl: async (request, { signal }) =>
        fromUpdatesAnswer(await port.getUpdates(toUpdatesCommand(request), signal)),
    },
    awaitDurable: {
      access: 'read',
      limits: FEW,
      impl: async (request, { signal }) =>
        fromDurableAnswer(await port.awaitDurable(toAwaitDurableCommand(request), signal)),
    },
  });
}

/** What reads the bytes is shared by all requests, and would keep those of the last one. */
function lettingGo(impl: BinaryImpl): BinaryImpl {
  return (bytes, context, headroom) => {
    try {
      return impl(bytes, context, headroom);
    } finally {
      letGo();
    }
  };
}

/** As `method.set`, for the common form of a request. */
function setBytes(
  options: KeyValueModuleOptions,
  bytes: Uint8Array,
  context: UnaryContext,
  headroom: number,
): Buffer | Promise<Buffer> | undefined {
  const made = makeSet(options, bytes, headroom);
  if (made !== undefined) return made;
  const command = trySet(options.limits, bytes);
  if (command === undefined) return undefined;
  const answer = options.port.set(command, signalFor(command, context));
  return mapAwaitable(answer, (settled) => encodeSetAnswer(settled, headroom));
}

/** As `method.batch`, for the common form of a request. */
function batchBytes(
  options: KeyValueModuleOptions,
  bytes: Uint8Array,
  context: UnaryContext,
  headroom: number,
): Buffer | Promise<Buffer> | undefined {
  const gets = answerGets(options, bytes, headroom);
  if (gets !== undefined) return gets;
  const sets = makeSets(options, bytes, headroom);
  if (sets !== undefined) return sets;
  const operations = tryOperations(options.limits, bytes);
  if (operations === undefined) return undefined;
  const results = options.port.batch(operations, signalOf(operations, context));
  return mapAwaitable(results, (settled) => encodeResults(settled, options, headroom));
}

/** Only an operation that may wait needs to know that its caller went away. */
function signalOf(operations: readonly BatchOperation[], context: UnaryContext): AbortSignal | undefined {
  const mayWait = operations.some(({ kind, command }) =>
    kind === 'get' ? command.waitMs > 0 : command.minAcks > 0 || command.durability !== undefined,
  );
  return mayWait || context.hasDeadline ? context.signal : undefined;
}

/** Only a write that waits for more than being visible needs to know that its caller went away. */
function signalFor(options: WriteOptions, context: UnaryContext): AbortSignal | undefined {
  const mayWait = options.minAcks > 0 || options.durability !== undefined;
  return mayWait || context.hasDeadline ? context.signal : undefined;
}
