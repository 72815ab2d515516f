/** KVStore over Connect: decode, ask the port, encode. */
import { isEverything } from '#auth/prefixes.ts';
import { type BatchRequest, type BatchResponse, KVStore } from '#gen/walnut/v1/kv_store_pb.ts';
import { mapAwaitable } from '#model/awaitable.ts';
import type { BulkPort } from '#model/bulk.ts';
import type { BatchOperation, BatchResult, ReceiptOptions } from '#model/commands.ts';
import { invalidArgument } from '#model/errors.ts';
import type { KeyValuePort } from '#model/ports.ts';
import type { RelayPort } from '#model/relay.ts';
import { type CallWish, isOnlyUser } from '#model/wish.ts';
import type { Clock } from '#platform/clock.ts';
import { earlySignal } from '#platform/early-signal.ts';
import type { SlicePace } from '#platform/slices.ts';
import type { ApiParameter } from '#rpc/openapi/operation.ts';
import {
  createRpcModule,
  FEW,
  type MethodTable,
  type RpcModule,
  type UnaryContext,
} from '#rpc/rpc-routes.ts';
import type { KeysViews } from '#server/keys-views.ts';
import { operationsLimits, valueLimits } from '#server/message-limits.ts';
import { inParts } from '#server/sliced-batch.ts';
import { FrameOutlet, watchMessages, watchMessagesInJson } from '#server/watch-frames.ts';
import { fromAtomicAnswer, toAtomicBatch } from '#wire/atomic-codec.ts';
import { BatchBytes, tellLeader } from '#wire/batch-bytes.ts';
import {
  type BatchLimits,
  type DescribeError,
  fromBatchResults,
  type ParsedBatch,
  toBatchOperations,
} from '#wire/batch-codec.ts';
import type { BatchCounts } from '#wire/batch-counts.ts';
import { toNamedWrites } from '#wire/batch-name.ts';
import { fromExplainAnswer, toExplainCommand } from '#wire/explain-codec.ts';
import { JsonCalls } from '#wire/json-calls.ts';
import { type EndOf, endOfCaller, KeyValueCalls } from '#wire/kv-calls.ts';
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
import { ProtobufCalls } from '#wire/protobuf-calls.ts';
import { RelayedBatches } from '#wire/relayed-batches.ts';
import { RelayedCalls, type SingleCalls } from '#wire/relayed-calls.ts';
import {
  fromDeletePrefixAnswer,
  fromScanAnswer,
  fromUpdatesAnswer,
  toDeletePrefixCommand,
  toScanCommand,
  toUpdatesCommand,
} from '#wire/scan-codec.ts';
import { ToldGroup } from '#wire/told-group.ts';
import { toWatchCommand } from '#wire/watch-codec.ts';

export interface KeyValueModuleOptions {
  readonly port: KeyValuePort;
  readonly views: KeysViews;
  readonly slices: SlicePace;
  /** Undefined: everything goes through `port`. */
  readonly bulk: BulkPort | undefined;
  /** Undefined: this is no gateway. */
  readonly relay: RelayPort | undefined;
  /** On a node: its group of a cluster; empty while there is none. */
  readonly group?: (() => string) | undefined;
  readonly clock: Clock;
  /** For OpenAPI: see `wishHeaders`. */
  readonly headers: readonly ApiParameter[];
  readonly limits: BatchLimits;
  /** `server.max_batch_bytes` */
  readonly batchBytesMax: number;
  readonly describe: DescribeError;
  /** Gets what becomes of the operations of Batches. */
  readonly counts: BatchCounts;
}

type Methods = MethodTable<typeof KVStore>;

export function createKeyValueModule(options: KeyValueModuleOptions): RpcModule {
  const { port, bulk, relay, limits, clock } = options;
  const group = options.group && new ToldGroup(options.group);
  // A gateway says what became of a call, and what it has of a Batch, while that still arrives.
  const early: EndOf = (caller) => earlySignal(caller.signal, caller.timeoutMs?.(), clock);
  const endOf = relay === undefined ? endOfCaller : early;
  const binary = new KeyValueCalls(port, bulk, new ProtobufCalls(limits.valueBytesMax, group), endOf, group);
  const calls = {
    takes: relay === undefined ? wishesNothing : isRelayed,
    binary: relay === undefined ? binary : new RelayedCalls(relay, binary, limits.valueBytesMax, endOf),
    json: new KeyValueCalls(port, bulk, new JsonCalls(limits.valueBytesMax, group), endOf, group),
    endOf,
  };
  const module = createRpcModule(KVStore, {
    ...createReads(options, calls),
    ...createWrites(options, calls),
    batch: createBatch(options, calls, group),
  });
  return { ...module, headers: options.headers };
}

type TakesWish = (wish: CallWish | undefined) => boolean;

/** The shorter ways of single calls. */
interface Calls {
  /** True for what a caller may wish of `binary`. */
  readonly takes: TakesWish;
  readonly binary: SingleCalls;
  readonly json: KeyValueCalls;
  readonly endOf: EndOf;
}

function createReads(
  { views, slices }: KeyValueModuleOptions,
  { takes, binary, json, endOf }: Calls,
): Pick<Methods, 'get' | 'scan' | 'getUpdates' | 'awaitDurable' | 'watch' | 'explain'> {
  return {
    get: {
      limits: FEW,
      impl: (request, context) => {
        const command = toGetCommand(request);
        if (context.isHttpGet && command.fill !== undefined)
          throw invalidArgument('fill_lease_ms came by HTTP GET, which may be repeated: expected a POST');
        // Only a read that may wait needs to know that its caller went away.
        const signal = command.waitMs > 0 || context.hasDeadline ? endOf(context) : undefined;
        return mapAwaitable(views(context).port.get(command, signal), fromGetAnswer);
      },
      binaryImpl: (request, context, headroom) =>
        readsEverything(context, takes) ? binary.get(request, context, headroom) : undefined,
      jsonImpl: (request, context, headroom) =>
        readsEverything(context) ? json.get(request, context, headroom) : undefined,
    },
    scan: {
      limits: FEW,
      impl: (request, context) =>
        mapAwaitable(views(context).port.scan(toScanCommand(request), endOf(context)), fromScanAnswer),
    },
    getUpdates: {
      limits: FEW,
      impl: async (request, context) =>
        fromUpdatesAnswer(await views(context).port.getUpdates(toUpdatesCommand(request), endOf(context))),
    },
    watch: {
      limits: FEW,
      impl: (request, { signal, call, isJson }) => {
        const { port } = views(call);
        const command = toWatchCommand(request);
        if (isJson) return watchMessagesInJson(port.watch(command, signal), call, slices, signal);
        const outlet = new FrameOutlet(call);
        return watchMessages(port.watch(command, signal, outlet), outlet, signal);
      },
    },
    explain: {
      limits: FEW,
      impl: async (request, context) =>
        fromExplainAnswer(await views(context).port.explain(toExplainCommand(request), endOf(context))),
    },
    awaitDurable: {
      limits: FEW,
      impl: async (request, context) =>
        fromDurableAnswer(
          await views(context).port.awaitDurable(toAwaitDurableCommand(request), endOf(context)),
        ),
    },
  };
}

function createWrites(
  { limits, views }: KeyValueModuleOptions,
  { takes, binary, json, endOf }: Calls,
): Pick<Methods, 'set' | 'delete' | 'increment' | 'touch' | 'deletePrefix'> {
  return {
    deletePrefix: {
      limits: FEW,
      impl: async (request, context) =>
        fromDeletePrefixAnswer(
          await views(context).port.deletePrefix(toDeletePrefixCommand(request), endOf(context)),
        ),
    },
    set: {
      limits: valueLimits(limits.valueBytesMax),
      impl: async (request, context) => {
        const command = toSetCommand(request, limits.valueBytesMax);
        return fromSetAnswer(await views(context).port.set(command, signalFor(command, context, endOf)));
      },
      binaryImpl: (request, context, headroom) =>
        writesEverything(context, takes) ? binary.set(request, context, headroom) : undefined,
      jsonImpl: (request, context, headroom) =>
        writesEverything(context) ? json.set(request, context, headroom) : undefined,
    },
    delete: {
      limits: FEW,
      impl: async (request, context) => {
        const command = toDeleteCommand(request);
        return fromDeleteAnswer(
          await views(context).port.delete(command, signalFor(command, context, endOf)),
        );
      },
      binaryImpl: (request, context, headroom) =>
        writesEverything(context, takes) ? binary.delete(request, context, headroom) : undefined,
      jsonImpl: (request, context, headroom) =>
        writesEverything(context) ? json.delete(request, context, headroom) : undefined,
    },
    increment: {
      limits: FEW,
      impl: async (request, context) => {
        const command = toIncrementCommand(request);
        return fromIncrementAnswer(
          await views(context).port.increment(command, signalFor(command, context, endOf)),
        );
      },
      binaryImpl: (request, context, headroom) =>
        writesEverything(context, takes) ? binary.increment(request, context, headroom) : undefined,
      jsonImpl: (request, context, headroom) =>
        writesEverything(context) ? json.increment(request, context, headroom) : undefined,
    },
    touch: {
      limits: FEW,
      impl: async (request, context) => {
        const command = toTouchCommand(request);
        return fromTouchAnswer(await views(context).port.touch(command, signalFor(command, context, endOf)));
      },
      binaryImpl: (request, context, headroom) =>
        writesEverything(context, takes) ? binary.touch(request, context, headroom) : undefined,
      jsonImpl: (request, context, headroom) =>
        writesEverything(context) ? json.touch(request, context, headroom) : undefined,
    },
  };
}

function createBatch(
  options: KeyValueModuleOptions,
  { takes, endOf }: Calls,
  group: ToldGroup | undefined,
): Methods['batch'] {
  const { port: whole, limits, relay, describe, views, slices, clock, counts } = options;
  const general = new BatchBytes({
    ...options,
    ...{ group, endOf },
    batch: inParts(whole, clock, slices),
    namedBatch: (...given) => whole.namedBatch(...given),
    pace: slices,
  });
  const bytes = relay === undefined ? general : new RelayedBatches(relay, general, limits);
  const answerOf = (
    request: BatchRequest,
    parsed: ParsedBatch,
    results: readonly BatchResult[],
    context: UnaryContext,
  ): BatchResponse => {
    tellLeader(results, context);
    counts.addParsed(request, parsed, results);
    return fromBatchResults(parsed, results, limits, describe);
  };
  return {
    limits: operationsLimits(options.batchBytesMax),
    impl: async (request, context) => {
      const { port, batch } = views(context);
      if (request.atomic) {
        const command = toAtomicBatch(request, limits);
        const signal = mayWait(command) || readsMayWait(command.operations) || context.hasDeadline;
        const answer = await port.atomicBatch(command, signal ? endOf(context) : undefined);
        counts.addAll(command.operations, answer.results);
        return fromAtomicAnswer(answer, describe);
      }
      const parsed = toBatchOperations(request, limits);
      const { operations } = parsed;
      const signal = signalOf(operations, context, endOf);
      const named = toNamedWrites(request, parsed);
      if (named !== undefined)
        return answerOf(request, parsed, await port.namedBatch(named.writes, named.id, signal), context);
      const results = operations.length === 0 ? [] : await batch(operations, signal);
      return answerOf(request, parsed, results, context);
    },
    binaryImpl: (request, context, headroom) =>
      writesEverything(context, takes) ? bytes.batch(request, context, headroom) : undefined,
  };
}

/** True if the caller may read every key: the short way knows no fill leases, so it need not write them. */
function readsEverything({ keys, wish }: UnaryContext, takes: TakesWish = wishesNothing): boolean {
  return takes(wish) && (keys === undefined || isEverything(keys.read));
}

function writesEverything({ keys, wish }: UnaryContext, takes: TakesWish = wishesNothing): boolean {
  return keys === undefined && takes(wish);
}

function wishesNothing(wish: CallWish | undefined): boolean {
  return wish === undefined;
}

/** A relay tells the nodes who calls, and knows neither sessions nor who is to read. */
function isRelayed(wish: CallWish | undefined): boolean {
  return wish === undefined || isOnlyUser(wish);
}

/** Only an operation that may wait needs to know that its caller went away. */
function signalOf(
  operations: readonly BatchOperation[],
  context: UnaryContext,
  endOf: EndOf,
): AbortSignal | undefined {
  const isWaiting =
    readsMayWait(operations) || operations.some(({ kind, command }) => kind !== 'get' && mayWait(command));
  return isWaiting || context.hasDeadline ? endOf(context) : undefined;
}

function readsMayWait(operations: readonly BatchOperation[]): boolean {
  return operations.some(({ kind, command }) => kind === 'get' && command.waitMs > 0);
}

/** Only a write that waits for more than being visible needs to know that its caller went away. */
function signalFor(options: ReceiptOptions, context: UnaryContext, endOf: EndOf): AbortSignal | undefined {
  return mayWait(options) || context.hasDeadline ? endOf(context) : undefined;
}

function mayWait(options: ReceiptOptions): boolean {
  return options.minAcks > 0 || options.durability !== undefined;
}
