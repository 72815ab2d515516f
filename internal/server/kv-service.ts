/** KVStore over Connect: decode, ask the port, encode. */
import { KVStore, type WatchResponse } from '#gen/walnut/v1/kv_store_pb.ts';
import { mapAwaitable } from '#model/awaitable.ts';
import type { BulkPort } from '#model/bulk.ts';
import type { BatchOperation, ReceiptOptions } from '#model/commands.ts';
import { invalidArgument } from '#model/errors.ts';
import type { KeyValuePort } from '#model/ports.ts';
import type { WatchMessage } from '#model/watch.ts';
import type { Clock } from '#platform/clock.ts';
import type { SlicePace } from '#platform/slices.ts';
import {
  createRpcModule,
  FEW,
  type MethodTable,
  type RpcModule,
  type UnaryContext,
} from '#rpc/rpc-routes.ts';
import { operationsLimits, valueLimits } from '#server/message-limits.ts';
import { createSlicedBatch, type RunBatch } from '#server/sliced-batch.ts';
import { fromAtomicAnswer, toAtomicBatch } from '#wire/atomic-codec.ts';
import {
  type BatchLimits,
  type DescribeError,
  fromBatchResults,
  toBatchOperations,
} from '#wire/batch-codec.ts';
import { fromExplainAnswer, toExplainCommand } from '#wire/explain-codec.ts';
import { KeyValueBytes } from '#wire/kv-bytes.ts';
import {
  fromDeleteAnswer,
  fromDurableAnswer,
  fromGetAnswer,
  fromIncrementAnswer,
  fromSetAnswer,
  fromTouchAnswer,
  toAwaitDurableCommand,
  toDeleteCommand,
  toGetCommand,
  toIncrementCommand,
  toSetCommand,
  toTouchCommand,
} from '#wire/kv-codec.ts';
import {
  fromDeletePrefixAnswer,
  fromScanAnswer,
  fromUpdatesAnswer,
  toDeletePrefixCommand,
  toScanCommand,
  toUpdatesCommand,
} from '#wire/scan-codec.ts';
import { fromWatchMessageBinary } from '#wire/watch-bytes.ts';
import { fromWatchMessage, toWatchCommand } from '#wire/watch-codec.ts';

export interface KeyValueModuleOptions {
  readonly port: KeyValuePort;
  readonly clock: Clock;
  readonly slices: SlicePace;
  /** Undefined: everything goes through `port`. */
  readonly bulk: BulkPort | undefined;
  readonly limits: BatchLimits;
  /** `server.max_batch_bytes` */
  readonly batchBytesMax: number;
  readonly describe: DescribeError;
}

type Methods = MethodTable<typeof KVStore>;

export function createKeyValueModule(options: KeyValueModuleOptions): RpcModule {
  const { port, clock, slices } = options;
  const batch = createSlicedBatch((...given) => port.batch(...given), clock, slices);
  const bytes = new KeyValueBytes({ ...options, batch, pace: slices });
  return createRpcModule(KVStore, {
    ...createReads(options, bytes),
    ...createWrites(options, bytes),
    batch: createBatch(options, batch, bytes),
  });
}

function createReads(
  { port }: KeyValueModuleOptions,
  bytes: KeyValueBytes,
): Pick<Methods, 'get' | 'scan' | 'getUpdates' | 'awaitDurable' | 'watch' | 'explain'> {
  return {
    get: {
      limits: FEW,
      impl: (request, context) => {
        const command = toGetCommand(request);
        if (context.isHttpGet && command.fill !== undefined)
          throw invalidArgument('fill_lease_ms came by HTTP GET, which may be repeated: expected a POST');
        // Only a read that may wait needs to know that its caller went away.
        const signal = command.waitMs > 0 || context.hasDeadline ? context.signal : undefined;
        return mapAwaitable(port.get(command, signal), fromGetAnswer);
      },
      binaryImpl: (request, context, headroom) => bytes.get(request, context, headroom),
    },
    scan: {
      limits: FEW,
      impl: (request) => fromScanAnswer(port.scan(toScanCommand(request))),
    },
    getUpdates: {
      limits: FEW,
      impl: async (request, { signal }) =>
        fromUpdatesAnswer(await port.getUpdates(toUpdatesCommand(request), signal)),
    },
    watch: {
      limits: FEW,
      impl: (request, { signal, requestHeader }) => {
        const isJson = requestHeader.get('content-type')?.includes('json') === true;
        return watch(port.watch(toWatchCommand(request), signal), isJson);
      },
    },
    explain: {
      limits: FEW,
      impl: async (request, { signal }) =>
        fromExplainAnswer(await port.explain(toExplainCommand(request), signal)),
    },
    awaitDurable: {
      limits: FEW,
      impl: async (request, { signal }) =>
        fromDurableAnswer(await port.awaitDurable(toAwaitDurableCommand(request), signal)),
    },
  };
}

function createWrites(
  { port, limits }: KeyValueModuleOptions,
  bytes: KeyValueBytes,
): Pick<Methods, 'set' | 'delete' | 'increment' | 'touch' | 'deletePrefix'> {
  return {
    deletePrefix: {
      limits: FEW,
      impl: async (request, { signal }) =>
        fromDeletePrefixAnswer(await port.deletePrefix(toDeletePrefixCommand(request), signal)),
    },
    set: {
      limits: valueLimits(limits.valueBytesMax),
      impl: async (request, context) => {
        const command = toSetCommand(request, limits.valueBytesMax);
        return fromSetAnswer(await port.set(command, signalFor(command, context)));
      },
      binaryImpl: (request, context, headroom) => bytes.set(request, context, headroom),
    },
    delete: {
      limits: FEW,
      impl: async (request, context) => {
        const command = toDeleteCommand(request);
        return fromDeleteAnswer(await port.delete(command, signalFor(command, context)));
      },
    },
    increment: {
      limits: FEW,
      impl: async (request, context) => {
        const command = toIncrementCommand(request);
        return fromIncrementAnswer(await port.increment(command, signalFor(command, context)));
      },
      binaryImpl: (request, context, headroom) => bytes.increment(request, context, headroom),
    },
    touch: {
      limits: FEW,
      impl: async (request, context) => {
        const command = toTouchCommand(request);
        return fromTouchAnswer(await port.touch(command, signalFor(command, context)));
      },
    },
  };
}

function createBatch(
  options: KeyValueModuleOptions,
  batch: RunBatch,
  bytes: KeyValueBytes,
): Methods['batch'] {
  const { port, limits, describe } = options;
  return {
    limits: operationsLimits(options.batchBytesMax),
    impl: async (request, context) => {
      if (request.atomic) {
        const command = toAtomicBatch(request, limits);
        const signal = mayWait(command) || readsMayWait(command.operations) || context.hasDeadline;
        return fromAtomicAnswer(
          await port.atomicBatch(command, signal ? context.signal : undefined),
          describe,
        );
      }
      const parsed = toBatchOperations(request, limits);
      const { operations } = parsed;
      const results = operations.length === 0 ? [] : await batch(operations, signalOf(operations, context));
      return fromBatchResults(parsed, results, limits, describe);
    },
    binaryImpl: (request, context, headroom) => bytes.batch(request, context, headroom),
  };
}

async function* watch(messages: AsyncIterable<WatchMessage>, isJson: boolean): AsyncIterable<WatchResponse> {
  const encode = isJson ? fromWatchMessage : fromWatchMessageBinary;
  for await (const message of messages) yield encode(message);
}

/** Only an operation that may wait needs to know that its caller went away. */
function signalOf(operations: readonly BatchOperation[], context: UnaryContext): AbortSignal | undefined {
  const isWaiting =
    readsMayWait(operations) || operations.some(({ kind, command }) => kind !== 'get' && mayWait(command));
  return isWaiting || context.hasDeadline ? context.signal : undefined;
}

function readsMayWait(operations: readonly BatchOperation[]): boolean {
  return operations.some(({ kind, command }) => kind === 'get' && command.waitMs > 0);
}

/** Only a write that waits for more than being visible needs to know that its caller went away. */
function signalFor(options: ReceiptOptions, context: UnaryContext): AbortSignal | undefined {
  return mayWait(options) || context.hasDeadline ? context.signal : undefined;
}

function mayWait(options: ReceiptOptions): boolean {
  return options.minAcks > 0 || options.durability !== undefined;
}
